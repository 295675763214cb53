"""Direct projection onto hard coherence: the nearest policies of a class whose phrasings agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.games.exact import exact
from alftbench.games.game import Game
from alftbench.games.history import History
from alftbench.games.numerics import log_normalise
from alftbench.games.policies import TracePolicy
from alftbench.games.solution import Solution, Status

_AGREE = 1e-13
"""Largest difference of two phrasings' probabilities that is rounding."""
_SHORTEST = 1e-6
_FAR_APART = 1e-3
"""Disagreement above which Newton's step may lead to a farther policy than the nearest."""
_STARTS = 8
"""Descents tried: with features the problem is not convex."""


def project(
    game: Game,
    tolerance: float,
    features: tuple[FloatArray, ...] | None,
    max_iterations: int,
    log_q_Z: FloatArray | None = None,
) -> Solution:
    """Minimise β Σ_i w_i KL(π_i‖π0_i) over a class of policies on traces, subject to p_i = q for every prompt.

    Without features the class is every policy, and the I-projection has a closed form: q ∝ Π p0_i^{w_i}, traces
    given the answer as in the reference. With π_i(y) ∝ π0_i(y) exp(θ·φ_i(y)) it is Newton's method on the
    Lagrangian, whose multipliers u_i (Σ_i w_i u_i = 0) are the target's strategy within the class. That problem
    is not convex: the best of nine descents is returned, one of them from the member nearest to p_i = q above.

    Args:
        game: a game of hard coherence.
        tolerance: on the gap, or with features on the squared slope within the class.
        features: one array (traces, features) per prompt, or None.
        max_iterations: Newton steps allowed.
        log_q_Z: the q that all must have, within a class; left out, the cheapest is found.

    Returns:
        A solution; *stalled* where no policy of the class was found whose phrasings agree.

    Source: Csiszár 1975 (I-projection); arXiv 2511.08440 (direct projection).
    """
    if features is None:
        found = exact(game, tolerance)
        return Solution(
            game,
            "direct",
            found.status,
            found.log_p_PZ,
            found.log_target_Z,
            found.value,
            found.gap,
            0,
            found.history,
        )
    return _Class(game, features, log_q_Z).solve(tolerance, max_iterations)


@dataclass(frozen=True, eq=False)
class _Point:
    """A policy of the class, its disagreement c (P·Z), its derivative C, and what the Lagrangian needs.

    cost: β Σ_i w_i KL(π_i‖reference_i). fisher: Σ_i w_i Cov(φ_i), shape (K, K). nu: multipliers of c. residual:
    the Lagrangian's slope.
    """

    theta_K: FloatArray
    log_traces: tuple[FloatArray, ...]
    centred: tuple[FloatArray, ...]
    cost: float
    fisher: FloatArray
    disagreement: FloatArray
    derivative: FloatArray
    nu: FloatArray
    residual: FloatArray

    def merit(self, price: float) -> float:
        """The exact penalty: cost plus price times disagreement."""
        return self.cost + price * float(np.abs(self.disagreement).sum())


class _Class:
    """The exponential family π_i ∝ π0_i exp(θ·φ_i), θ shared by the orbit."""

    def __init__(self, game: Game, features: tuple[FloatArray, ...], log_q_Z: FloatArray | None = None) -> None:
        self.game = game
        self.features_given = features
        self.q_Z = None if log_q_Z is None else np.exp(log_q_Z)
        # Answers that not every prompt can give are out of the class, as the objective demands.
        self.kept = tuple(
            np.flatnonzero((row[x.answer_Y] > -np.inf) & (x.log_prob_Y > -np.inf))
            for x, row in zip(game.prompts, game.log_admissible_PZ, strict=True)
        )
        self.features = tuple(phi[kept] for phi, kept in zip(features, self.kept, strict=True))
        pairs = zip(game.prompts, self.kept, strict=True)
        self.log_references = tuple(log_normalise(x.log_prob_Y[kept]) for x, kept in pairs)
        self.one_hot = tuple(
            np.eye(len(game.answers))[x.answer_Y[kept]] for x, kept in zip(game.prompts, self.kept, strict=True)
        )

    def at(self, theta_K: FloatArray) -> _Point:
        """The policy with parameters θ."""
        beta, w = self.game.beta, self.game.weights_P
        rows = zip(self.log_references, self.features, strict=True)
        log_pi = tuple(log_normalise(log_prob + phi @ theta_K) for log_prob, phi in rows)
        pi = [np.exp(row) for row in log_pi]
        centred = tuple(phi - p @ phi for p, phi in zip(pi, self.features, strict=True))
        fisher = np.einsum(
            "p,pkl->kl", w, [phi.T @ (p[:, None] * phi) for p, phi in zip(pi, centred, strict=True)]
        )
        pairs = zip(pi, log_pi, self.log_references, strict=True)
        cost = beta * float(w @ [p @ (row - reference) for p, row, reference in pairs])
        p_PZ = np.array([p @ hot for p, hot in zip(pi, self.one_hot, strict=True)])
        moves = np.array(
            [hot.T @ (p[:, None] * phi) for p, phi, hot in zip(pi, centred, self.one_hot, strict=True)]
        )
        # Where q is free it is the policies' own mean, and moves with them.
        middle_Z = w @ p_PZ if self.q_Z is None else self.q_Z
        drag_ZK = np.einsum("p,pzk->zk", w, moves) if self.q_Z is None else 0.0
        disagreement = (w[:, None] * (p_PZ - middle_Z)).ravel()
        derivative = (w[:, None, None] * (moves - drag_ZK)).reshape(-1, theta_K.size)
        slope = beta * fisher @ theta_K
        nu = np.linalg.lstsq(derivative.T, -slope, rcond=1e-12)[0]
        residual = slope + derivative.T @ nu
        return _Point(theta_K, log_pi, centred, cost, fisher, disagreement, derivative, nu, residual)

    def steps(self, here: _Point) -> list[FloatArray]:
        """Newton's step on the Lagrangian, and the one with the Fisher matrix alone, which never climbs."""
        beta, w = self.game.beta, self.game.weights_P
        u_PZ = here.nu.reshape(w.size, -1)
        if self.q_Z is None:
            u_PZ = u_PZ - w @ u_PZ
        bent = np.zeros_like(here.fisher)
        rows = zip(w, here.log_traces, here.centred, self.one_hot, u_PZ, strict=True)
        for weight, log_pi, phi, hot, u_Z in rows:
            p = np.exp(log_pi)
            a = beta * phi @ here.theta_K + hot @ u_Z
            bent += weight * phi.T @ ((p * (a - p @ a))[:, None] * phi)
        C, K = here.derivative, here.theta_K.size
        right = np.r_[-beta * here.fisher @ here.theta_K, -here.disagreement]
        found = []
        for H in (beta * here.fisher + bent, beta * here.fisher):
            system = np.block([[H, C.T], [C, np.zeros((C.shape[0], C.shape[0]))]])
            found.append(np.linalg.lstsq(system, right, rcond=1e-13)[0][:K])
        return found

    def advance(self, here: _Point) -> _Point:
        """The first shortened step that lowers the penalty or the conditions' error; itself where none does."""
        price = 2 * float(np.abs(here.nu).max()) + self.game.beta
        newton, cautious = self.steps(here)
        for step in (cautious, newton) if np.abs(here.disagreement).max() > _FAR_APART else (newton, cautious):
            length = 1.0
            while length > _SHORTEST:
                ahead = self.at(here.theta_K + length * step)
                if ahead.merit(price) < here.merit(price) or (
                    length == 1.0 and _error(ahead) < 0.5 * _error(here)
                ):
                    return ahead
                length /= 2
        return here

    def solve(self, tolerance: float, max_iterations: int) -> Solution:
        """The best of what is reached from the reference, the two-step member and random policies of the class."""
        here, status, values = self._best(self._starts(tolerance, max_iterations), tolerance, max_iterations)
        return self._solution(here, status, tolerance, tuple(values))

    def _starts(self, tolerance: float, max_iterations: int) -> list[FloatArray]:
        """Parameters to descend from; where q is free also those of the best member at the reference's own q."""
        K = self.features[0].shape[1]
        starts = [np.zeros(K), *np.random.default_rng(0).normal(size=(_STARTS - 1, K))]
        if self.q_Z is not None:
            return starts
        fixed = _Class(self.game, self.features_given, exact(self.game).log_target_Z)
        return [*starts, fixed._best(starts, tolerance, max_iterations)[0].theta_K]

    def _best(
        self, starts: list[FloatArray], tolerance: float, max_iterations: int
    ) -> tuple[_Point, Status, list[float]]:
        """The cheapest end of the descents from some starts, before those that did not settle."""
        ends = [self._descend(self.at(start), tolerance, max_iterations) for start in starts]
        ranks = [(status is not Status.RESTRICTED, here.cost) for here, status, _ in ends]
        return ends[min(range(len(ends)), key=lambda k: ranks[k])]

    def _descend(self, here: _Point, tolerance: float, max_iterations: int) -> tuple[_Point, Status, list[float]]:
        """Steps until the class is exhausted, where they end, and the cost on the way."""
        values = [here.cost]
        while len(values) <= max_iterations:
            ahead = self.advance(here)
            settled = self._slope(here) <= tolerance and np.abs(here.disagreement).max() <= _AGREE
            if ahead is here or (settled and _error(ahead) >= _error(here)):
                return here, Status.RESTRICTED if settled else Status.STALLED, values
            here = ahead
            values.append(here.cost)
        return here, Status.ITERATION_LIMIT, values

    def _slope(self, here: _Point) -> float:
        """Half the squared natural slope over β: what the class has left, to second order."""
        natural = np.linalg.lstsq(here.fisher, here.residual, rcond=1e-12)[0]
        return float(here.residual @ natural) / (2 * self.game.beta)

    def _solution(self, here: _Point, status: Status, tolerance: float, value_T: tuple[float, ...]) -> Solution:
        game, traces = self.game, []
        for x, kept, log_pi in zip(game.prompts, self.kept, here.log_traces, strict=True):
            row = np.full(x.log_prob_Y.size, -np.inf)
            row[kept] = log_pi
            traces.append(row)
        policy = TracePolicy(game, tuple(traces))
        value, gap, detail = policy.value, policy.gap, ""
        if gap <= tolerance and status is Status.RESTRICTED:
            status = Status.CONVERGED
        if not np.isfinite(gap):
            detail = self._apart(np.exp(policy.log_p_PZ))
        target = game.objective.target(policy.log_p_PZ, game.weights_P)
        history = History((gap,), value_T)
        return Solution(
            game, "direct", status, policy.log_p_PZ, target, value, gap, len(value_T) - 1, history,
            log_traces=policy.log_traces, detail=detail,
        )  # fmt: skip

    def _apart(self, p_PZ: FloatArray) -> str:
        """By how much the best that was found misses what was asked."""
        if self.q_Z is not None:
            apart = float(np.abs(p_PZ - self.q_Z).max())
            return f"No policy of the class was found that has the consensus: it is off by up to {apart:.2g}."
        apart = float(np.ptp(p_PZ, axis=0).max())
        return f"No policy of the class was found whose phrasings agree: they differ by up to {apart:.2g}."


def _error(point: _Point) -> float:
    """How far the conditions of a minimum are from met."""
    return float(np.abs(point.disagreement).max() + np.abs(point.residual).max())
