"""Direct projection: natural-gradient descent inside a parametric class of policies over traces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.errors import BadInput
from alftbench.games.dynamics import needs_gradient
from alftbench.games.game import Game
from alftbench.games.history import History
from alftbench.games.numerics import log_normalise, log_ratio
from alftbench.games.objectives import HardCoherence
from alftbench.games.policies import TracePolicy
from alftbench.games.projection import project
from alftbench.games.solution import Solution, Status

LogTraces = tuple[FloatArray, ...]


def direct(
    game: Game,
    tolerance: float = 1e-9,
    *,
    features: Sequence[FloatArray] | None = None,
    max_iterations: int = 10_000,
) -> Solution:
    """Minimise J over a class of policies on traces, from the reference, by the natural gradient.

    π_i(y) ∝ π0_i(y) exp(θ·φ_i(y)), θ shared by the orbit; without features every trace has its own logit.
    With a = β log(π/π0) + u(E(y)) the natural gradient is the π-weighted regression of a on the centred φ
    (compatible function approximation); for free logits it is a itself. The step is halved when J would rise.
    Hard coherence has no gradient: there it is the projection onto the policies of the class that agree.

    Args:
        game: what to solve.
        tolerance: without features, on the Nash gap; with them, on the squared slope in the natural metric.
        features: one array (traces, features) per prompt.
        max_iterations: steps allowed.

    Returns:
        A solution whose gap is measured against unrestricted policies, trace drift included: with features it
        stays positive by what the class costs, and `converged` is about stationarity within the class.

    Raises:
        UsageError: a constraint, which has no gradient.
        BadInput: features that do not fit the traces.

    Source: arXiv 2511.08440 (direct projection); Kakade 2001 for the natural gradient.
    """
    phi = checked_features(game, features)
    if isinstance(game.objective, HardCoherence):
        return project(game, tolerance, phi, max_iterations)
    needs_gradient(game, "direct")
    descent = _Descent(game, phi)
    policy, history, status = _descend(descent, tolerance, max_iterations)
    target = game.objective.target(policy.log_p_PZ, game.weights_P)
    value, gap, steps = history.value_T[-1], history.gap_T[-1], len(history.gap_T) - 1
    return Solution(
        game, "direct", status, policy.log_p_PZ, target, value, gap, steps, history, log_traces=policy.log_traces
    )


def _descend(descent: _Descent, tolerance: float, max_iterations: int) -> tuple[TracePolicy, History, Status]:
    """Step from the reference until the class is exhausted; the last policy, its way there and why it ended."""
    policy = TracePolicy(descent.game, descent.start())
    gaps, values = [policy.gap], [policy.value]
    while True:
        with np.errstate(over="ignore", invalid="ignore"):
            direction, slope = descent.direction(policy.log_traces)
        if descent.is_stationary(gaps[-1], slope, tolerance):
            status = _success(descent.game, gaps[-1], tolerance)
            break
        if not np.isfinite(slope):  # An answer so rare that the target's answer to it is beyond float64.
            status = Status.STALLED
            break
        if len(gaps) > max_iterations:
            status = Status.ITERATION_LIMIT
            break
        traces, value = descent.step(policy.log_traces, direction, values[-1])
        if traces is policy.log_traces:
            status = Status.STALLED
            break
        policy = TracePolicy(descent.game, traces)
        gaps.append(policy.gap)
        values.append(value)
    return policy, History(tuple(gaps), tuple(values)), status


def _success(game: Game, gap: float, tolerance: float) -> Status:
    if gap > tolerance:
        return Status.RESTRICTED
    return Status.CONVERGED if game.objective.convex else Status.LOCAL


def checked_features(game: Game, features: Sequence[FloatArray] | None) -> tuple[FloatArray, ...] | None:
    """The features as arrays, None for none.

    Raises:
        BadInput: they do not fit the traces.
    """
    if features is None:
        return None
    arrays = tuple(np.asarray(phi, dtype=float) for phi in features)
    fits = len(arrays) == len(game.prompts) and all(
        phi.ndim == 2 and phi.shape[0] == x.log_prob_Y.size and phi.shape[1] == arrays[0].shape[1]
        for phi, x in zip(arrays, game.prompts, strict=True)
    )
    if not fits:
        raise BadInput("features must be one array (traces, features) per prompt, all with the same features")
    return arrays


class _Descent:
    """The pieces of natural-gradient descent on traces."""

    def __init__(self, game: Game, features: tuple[FloatArray, ...] | None) -> None:
        self.game = game
        self.features = features
        self.length = 1.0 / (game.beta + game.objective.curvature)

    def start(self) -> LogTraces:
        """The reference, less the traces whose answers are forbidden."""
        rows = zip(self.game.prompts, self.game.log_admissible_PZ, strict=True)
        return tuple(
            log_normalise(np.where(np.isneginf(log_p0_Z[x.answer_Y]), -np.inf, x.log_prob_Y))
            for x, log_p0_Z in rows
        )

    def is_stationary(self, gap: float, slope: float, tolerance: float) -> bool:
        """Whether nothing is left to gain: by the gap, or with features by the slope within the class."""
        return min(gap, gap if self.features is None else slope) <= tolerance

    def direction(self, traces: LogTraces) -> tuple[LogTraces, float]:
        """Descent direction in logits, and its squared length in the natural metric (times 1/2β: reward)."""
        u_PZ = self.game.objective.gradient(TracePolicy(self.game, traces).log_p_PZ, self.game.weights_P)
        centred = []
        for x, log_pi, u_Z in zip(self.game.prompts, traces, u_PZ, strict=True):
            anchored = np.where(log_pi > -np.inf, self.game.beta * log_ratio(log_pi, x.log_prob_Y), 0.0)
            a_Y = anchored + np.where(log_pi > -np.inf, u_Z[x.answer_Y], 0.0)
            centred.append(a_Y - np.exp(log_pi) @ a_Y)
        if self.features is not None:
            centred = self._project(traces, centred)
        pairs = zip(self.game.weights_P, traces, centred, strict=True)
        slope = sum(float(w * (np.exp(log_pi) @ a_Y**2)) for w, log_pi, a_Y in pairs)
        return tuple(-a_Y for a_Y in centred), slope / (2 * self.game.beta)

    def _project(self, traces: LogTraces, centred: list[FloatArray]) -> list[FloatArray]:
        """Regress the centred a on the centred features, weighted by w π."""
        assert self.features is not None
        moved, roots = [], []
        for w, log_pi, phi in zip(self.game.weights_P, traces, self.features, strict=True):
            p_Y = np.exp(log_pi)
            moved.append(phi - p_Y @ phi)
            roots.append(np.sqrt(w * p_Y))
        design = np.concatenate([r[:, None] * phi for r, phi in zip(roots, moved, strict=True)])
        wanted = np.concatenate([r * a_Y for r, a_Y in zip(roots, centred, strict=True)])
        theta = np.linalg.lstsq(design, wanted, rcond=None)[0]
        return [phi @ theta for phi in moved]

    def step(self, traces: LogTraces, direction: LogTraces, value: float) -> tuple[LogTraces, float]:
        """One step, halved until J does not rise; the traces themselves where none is short enough."""
        allowed = value + 1e-14 * (abs(value) + self.game.beta)
        length = self.length
        while length > 1e-12 * self.length:
            candidate = tuple(
                log_normalise(log_pi + length * move) for log_pi, move in zip(traces, direction, strict=True)
            )
            value_then = TracePolicy(self.game, candidate).value
            if value_then <= allowed:
                return candidate, value_then
            length /= 2
        return traces, value
