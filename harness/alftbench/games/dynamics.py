"""The game as it is played: mirror descent, alternating best response and no-regret averages.

None of these is damped behind the caller's back. Where the dynamics cycle or run away the result says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.errors import BadInput, UsageError
from alftbench.games.game import Game
from alftbench.games.history import History
from alftbench.games.numerics import log_normalise, log_ratio
from alftbench.games.objectives import Constraint
from alftbench.games.solution import Solution, Status

_ROUNDING = 4 * np.finfo(float).eps
_FAR = 700.0
"""Nats below the reference at which a probability is about to leave float64."""
_RECORDS = 5
"""So many times the policies must be farther than ever: a target of bounded size throws them far, but once."""
_ENOUGH = 100
"""Rounds from which the gap's trend is worth a word."""


@dataclass
class _Watch:
    """Records the dynamics and recognises how they end; Brent's algorithm finds cycles of any period."""

    game: Game
    tolerance: float
    gaps: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    detail: str = ""
    _lowest_gap: float = np.inf
    _lowest_value: float = np.inf
    _landmark: FloatArray | None = None
    _landmark_at: int = 0
    _previous: FloatArray | None = None
    _farthest: float = _FAR
    _records: int = 0

    def observe(self, log_p_PZ: FloatArray) -> Status | None:
        """Record one iterate; the status if the dynamics ended with it."""
        self.gaps.append(self.game.gap(log_p_PZ))
        self.values.append(self.game.value(log_p_PZ))
        self._lowest_gap = min(self._lowest_gap, self.gaps[-1])
        self._lowest_value = min(self._lowest_value, self.values[-1])
        if self.gaps[-1] <= self.tolerance:
            return Status.CONVERGED if self.game.objective.convex else Status.LOCAL
        if self._ran_away(log_p_PZ):
            self.detail = f"A log-probability moved {self._farthest:.3g} nats, the gap to {self.gaps[-1]:.3g}."
            return Status.DIVERGES
        return self._repeats(log_p_PZ)

    def _ran_away(self, log_p_PZ: FloatArray) -> bool:
        """Ever farther from the reference, with both the gap and J above what they have been."""
        gap, value = self.gaps[-1], self.values[-1]
        if gap <= 2 * self._lowest_gap or value <= self._lowest_value + self.tolerance:
            return False
        distance = _distance(log_p_PZ, self.game.log_admissible_PZ)
        if distance > 1.01 * self._farthest:
            self._farthest, self._records = distance, self._records + 1
        return self._records >= _RECORDS

    def _repeats(self, log_p_PZ: FloatArray) -> Status | None:
        now = len(self.gaps) - 1
        moved = np.inf if self._previous is None else _distance(log_p_PZ, self._previous)
        self._previous = log_p_PZ
        if moved <= _ROUNDING * (1.0 + _distance(log_p_PZ, self.game.log_admissible_PZ)):
            return Status.STALLED
        if self._landmark is not None and moved > 1e-6:
            period = now - self._landmark_at
            if period > 1 and _distance(log_p_PZ, self._landmark) <= 1e-12 * max(1.0, moved):
                self.detail = f"The period is {period}."
                return Status.CYCLES
        if now & (now - 1) == 0:
            self._landmark, self._landmark_at = log_p_PZ, now
        return None

    def target_is_infinite(self) -> Status:
        """The status where the last iterate has no best response that is a number."""
        self.detail = f"The target's answer to iterate {len(self.gaps) - 1} is infinite."
        return Status.DIVERGES

    def at_limit(self) -> Status:
        """The status when no round is left: what more rounds would bring."""
        quarter = len(self.gaps) // 4
        before, after = max(self.gaps[quarter : 2 * quarter + 1]), max(self.gaps[3 * quarter :])
        if len(self.gaps) < _ENOUGH or after < before:
            return Status.ITERATION_LIMIT
        self.detail = f"Over the last half of the rounds the gap went from {before:.6g} to {after:.6g}."
        return Status.DIVERGES

    def solution(self, method: str, status: Status, log_p_PZ: FloatArray) -> Solution:
        """What was seen, as a solution."""
        game, steps = self.game, len(self.gaps) - 1
        target = game.objective.target(log_p_PZ, game.weights_P)
        history = History(tuple(self.gaps), tuple(self.values))
        value, gap = self.values[-1], self.gaps[-1]
        return Solution(game, method, status, log_p_PZ, target, value, gap, steps, history, detail=self.detail)


def _distance(log_p_PZ: FloatArray, log_q_PZ: FloatArray) -> float:
    return float(np.abs(log_ratio(log_p_PZ, log_q_PZ)).max())


def alternating(game: Game, tolerance: float = 1e-9, *, max_iterations: int = 100_000) -> Solution:
    """Alternating best response: the target answers the policies, the policies answer the target.

    p ← p0 exp(−∇F(p)/β), normalised; for coherence q ← Σ w_i p_i, p_i ← p0_i^{β/(β+λ)} q^{λ/(β+λ)}.
    Converges for coherence at every λ, for linear objectives at once, and for diversity only where λ < β:
    log p is multiplied by −λ/β a round, so it cycles at λ = β and diverges above, and the status says so.

    Args:
        game: what to solve.
        tolerance: on the Nash gap, in units of reward.
        max_iterations: rounds allowed.

    Raises:
        UsageError: the objective has no gradient.

    Source: arXiv 2604.27166; the condition is derived here.
    """
    needs_gradient(game, "alternating")

    def update(log_p_PZ: FloatArray) -> FloatArray:
        return game.objective.respond(log_p_PZ, game.log_admissible_PZ, game.weights_P, game.beta)

    return _play(game, update, "alternating", tolerance, max_iterations)


def mirror(
    game: Game, tolerance: float = 1e-9, *, step: float | None = None, max_iterations: int = 100_000
) -> Solution:
    """Mirror descent, which KL-regularised policy-gradient methods approximate.

    log p ← (1 − ηβ) log p + ηβ log p0 − η u, normalised, with u = ∇F(p).

    Args:
        game: what to solve.
        tolerance: on the Nash gap, in units of reward.
        step: η in units of 1/reward, used as given: above 2/(β+λ) diversity diverges and the status says so.
            Left out, η starts at 1/(β + curvature of F) and is halved whenever J would rise.
        max_iterations: steps allowed.

    Raises:
        UsageError: the objective has no gradient.
        BadInput: a step that is not positive.

    Source: arXiv 2604.27166 (mirror descent dynamics); the stability bound is derived here.
    """
    needs_gradient(game, "mirror")
    if step is not None and not step > 0:
        raise BadInput(f"step is {step}; it must be positive")
    return _play(game, _MirrorStep(game, step), "mirror", tolerance, max_iterations)


class _MirrorStep:
    """One step of mirror descent; without a given step length it remembers the one that worked."""

    def __init__(self, game: Game, step: float | None) -> None:
        self.game = game
        self.fixed = step is not None
        self.step = step if step is not None else 1.0 / (game.beta + game.objective.curvature)

    def __call__(self, log_p_PZ: FloatArray) -> FloatArray:
        game = self.game
        u_PZ = game.objective.gradient(log_p_PZ, game.weights_P)
        best = game.best_response(u_PZ)
        if self.fixed:
            return toward(log_p_PZ, best, self.step * game.beta)
        value = game.value(log_p_PZ)
        allowed = value + 1e-14 * (abs(value) + game.beta)
        candidate = toward(log_p_PZ, best, self.step * game.beta)
        while not game.value(candidate) <= allowed and self.step > 1e-12:
            self.step /= 2
            candidate = toward(log_p_PZ, best, self.step * game.beta)
        return candidate


def toward(log_p_PZ: FloatArray, log_best_PZ: FloatArray, share: float) -> FloatArray:
    """The geometric step from the policies toward their best response: mirror descent with η = share/β."""
    move = log_ratio(log_best_PZ, log_p_PZ)
    return log_normalise(log_p_PZ + share * move)


def _play(
    game: Game, update: Callable[[FloatArray], FloatArray], method: str, tolerance: float, max_iterations: int
) -> Solution:
    """Iterate from the reference until the watch knows the end."""
    watch = _Watch(game, tolerance)
    log_p_PZ = log_normalise(game.log_admissible_PZ)
    status = watch.observe(log_p_PZ)
    for _ in range(max_iterations):
        if status is not None:
            break
        with np.errstate(invalid="ignore"):  # An infinite target leaves no number, which is seen to next.
            candidate = update(log_p_PZ)
        if np.isnan(candidate).any():
            status = watch.target_is_infinite()
            break
        log_p_PZ = candidate
        status = watch.observe(log_p_PZ)
    return watch.solution(method, status or watch.at_limit(), log_p_PZ)


def no_regret(game: Game, tolerance: float = 1e-9, *, max_iterations: int = 10_000) -> Solution:
    """Two no-regret players: a best-responding target, policies on mirror descent, averaged iterates.

    η_t = 2/(β (t + 1 + t0)) with t0 = 2·curvature/β, and averages weighted by t + t0. For `constraint` the
    target ascends its multipliers, μ ← max(0, μ + σ (A p − b)), and the policies best-respond. Sublinear: the
    gap falls like a power of 1/T, so tight tolerances end at the iteration limit, and the status says so.

    Args:
        game: what to solve.
        tolerance: on the Nash gap of the averaged policies, in units of reward.
        max_iterations: rounds allowed.

    Raises:
        UsageError: hard coherence, which has no gradient.

    Source: arXiv 2604.27166 (no-regret dynamics); weights after Lacoste-Julien, Schmidt, Bach 2012.
    """
    if isinstance(game.objective, Constraint):
        return _multiplier_ascent(game, game.objective, tolerance, max_iterations)
    needs_gradient(game, "no-regret")
    offset = 2 * game.objective.curvature / game.beta
    watch = _Watch(game, tolerance)
    log_p_PZ = average = log_normalise(game.log_admissible_PZ)
    status, total = watch.observe(average), 0.0
    for t in range(1, max_iterations + 1):
        if status is not None:
            break
        u_PZ = game.objective.gradient(log_p_PZ, game.weights_P)
        if not np.isfinite(u_PZ[game.log_admissible_PZ > -np.inf]).all():
            status = watch.target_is_infinite()
            break
        log_p_PZ = toward(log_p_PZ, game.best_response(u_PZ), 2 / (t + 1 + offset))
        total += t + offset
        average = mixed(average, log_p_PZ, (t + offset) / total)
        status = watch.observe(average)
    return watch.solution("no-regret", status or watch.at_limit(), average)


def mixed(log_p_PZ: FloatArray, log_q_PZ: FloatArray, share: float) -> FloatArray:
    """The mixture log((1 − share) p + share q)."""
    return log_q_PZ if share >= 1 else np.logaddexp(log_p_PZ + np.log1p(-share), log_q_PZ + np.log(share))


def _multiplier_ascent(game: Game, objective: Constraint, tolerance: float, max_iterations: int) -> Solution:
    """Gradient ascent on the dual, with averages of multipliers and policies."""
    log_p0, weights_P = game.log_admissible_PZ, game.weights_P
    step = game.beta / max(float((objective.A_CZ**2).sum(axis=0).max()), np.finfo(float).tiny)
    mu = mu_average = np.zeros((weights_P.size, objective.b_C.size))
    average = objective.policy(mu, log_p0, game.beta)
    gaps, values = [], []
    for t in range(max_iterations + 1):
        gaps.append(objective.gap(average, log_p0, weights_P, game.beta, mu_average))
        values.append(game.value(average))
        if gaps[-1] <= tolerance:
            break
        mu = np.maximum(0.0, mu - step * objective.slack(objective.policy(mu, log_p0, game.beta)))
        share = 2 / (t + 2)
        mu_average = (1 - share) * mu_average + share * mu
        average = mixed(average, objective.policy(mu, log_p0, game.beta), share)
    status = Status.CONVERGED if gaps[-1] <= tolerance else Status.ITERATION_LIMIT
    history = History(tuple(gaps), tuple(values))
    steps = len(gaps) - 1
    u_PZ = mu_average @ objective.A_CZ
    return Solution(
        game, "no-regret", status, average, None, values[-1], gaps[-1], steps, history, learned_u_PZ=u_PZ
    )


def needs_gradient(game: Game, method: str) -> None:
    """Refuse an indicator, with the methods that apply.

    Raises:
        UsageError: the objective has no gradient.
    """
    if not game.objective.differentiable:
        allowed = (
            "exact, or no-regret with a wider --tolerance"
            if isinstance(game.objective, Constraint)
            else "exact, two-step or direct"
        )
        raise UsageError(
            f"{method} needs a gradient and {game.objective.name} is an indicator; use --method {allowed}"
        )
