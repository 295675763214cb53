"""Where a method would settle at group size G if nothing else stood in its way: no noise, no network, no end.

A policy gradient stops where the expected update a(z) of every answer is the same. With the KL to the reference
in the reward that is p(z) ∝ p₀(z) exp(a(z; p)/β), found by damped iteration from the policy that training starts
from. `limit` is the same as G → ∞; the declared equilibrium is that with exact targets. What lies between them is
the estimator's and the baseline's doing. A rule that is not the gradient of a concave objective may have several
such points: this is the one next to the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.games.numerics import log_normalise
from alftbench.games.rewards.group import BoolArray, Rule
from alftbench.games.rewards.update import UpdateOf

Field = Callable[[FloatArray], FloatArray]
"""Log answer marginals ↦ the expected advantage of every answer, centred under them; both of shape (V, Z)."""
Population = Callable[[FloatArray], FloatArray]
"""Answer marginals ↦ the reward of every answer as G → ∞, both of shape (V, Z)."""

_ROUNDS = 1500
_SAMPLED_ROUNDS, _DRAWS = 100, 1000
_NOISE = 4.0  # standard errors
_PATIENCE = 40
"""Rounds without progress before the step is halved: division by a small standard deviation makes a(z) steep."""
_NEGLIGIBLE = 1e-12
"""Probability below which an answer is not asked to have settled: nothing that is shown would move."""


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """Where a method settles without optimisation noise.

    Args:
        log_p_PZ: the answer marginals.
        residual: largest |a(z)| left, in reward; large where the iteration found no fixed point.
        noise: what of a residual may be the sampling error of the update, in reward; 0 where it is exact.
    """

    log_p_PZ: FloatArray
    residual: float
    noise: float = 0.0

    @property
    def settled(self) -> bool:
        """Whether the iteration settled, as far as the noise lets it be told."""
        return self.residual <= max(1e-6, self.noise)


def iterate(
    field: Field, log_p_PZ: FloatArray, step: float, tolerance: float = 1e-9, rounds: int = _ROUNDS
) -> FixedPoint:
    """Damped iteration of log p ← log p + η a(z).

    Where a(z) turns round from one step to the next, η was too long and is made shorter; where it keeps its
    direction η grows again, up to what it was at first. Without progress the iteration goes back to the best point
    with η/2.

    Args:
        field: a.
        log_p_PZ: where to start; it finds the fixed point next to it.
        step: η at first.
        tolerance: the residual, in reward, that is small enough.
        rounds: how often a is asked for, at most.
    """
    best, best_residual, waited, longest = log_p_PZ, np.inf, 0, step
    last_PZ = np.zeros_like(log_p_PZ)
    for _ in range(rounds):
        a_PZ = field(log_p_PZ)
        moving_PZ = np.where(log_p_PZ > np.log(_NEGLIGIBLE), a_PZ, 0.0)
        residual = float(np.abs(moving_PZ).max())
        waited += 1
        if residual < best_residual:
            best, best_residual, waited = log_p_PZ, residual, 0
        if residual <= tolerance:
            break
        if waited == _PATIENCE:
            log_p_PZ, a_PZ, step, longest, waited = best, field(best), step / 2, longest / 2, 0
        step = min(longest, step * _lengthened(moving_PZ, last_PZ))
        last_PZ = moving_PZ
        log_p_PZ = log_normalise(log_p_PZ + np.clip(step * a_PZ, -1.0, 1.0))
    return FixedPoint(best, best_residual)


def _lengthened(now_PZ: FloatArray, last_PZ: FloatArray) -> float:
    """By what to multiply a step: less than 1 where the advantages turned round, more where they did not turn."""
    both = float(np.linalg.norm(now_PZ) * np.linalg.norm(last_PZ))
    cosine = float((now_PZ * last_PZ).sum()) / both if both else 0.0
    return 0.7 if cosine < -0.3 else 1.1 if cosine > 0.3 else 1.0


def centred(a_PZ: FloatArray, log_p_PZ: FloatArray) -> FloatArray:
    """The advantages less their mean under the policy, phrasing by phrasing."""
    return np.asarray(a_PZ - (np.exp(log_p_PZ) * a_PZ).sum(axis=1, keepdims=True))


def predicted(
    rule: Rule,
    log_p0_VZ: FloatArray,
    correct_Z: BoolArray,
    beta: float,
    group: int,
    baseline: str,
    unanswered: int | None = None,
    draws: int = _DRAWS,
    seed: int = 0,
) -> FixedPoint:
    """The fixed point of a rule's expected update that is next to the reference.

    With any of `BASELINES` the KL term and the rule shrink alike, so β is as it stands. Where the update can only
    be sampled, the draws are the same all the way, and the point is as exact as they are: `noise`.

    Args:
        rule: takes a batch of orbits.
        log_p0_VZ: log answer marginals of the reference, one row per phrasing; every answer is possible.
        correct_Z: whether an answer is right.
        beta: β, positive.
        group: G.
        baseline: of `BASELINES`.
        unanswered: the class that stands for no answer, if any.
        draws: orbits that are sampled where nothing else is possible.
        seed: of these draws.

    Raises:
        UnknownName: no such baseline.
        UsageError: the group is too small, or the rule refuses it or needs what a record of answers has not.
    """
    log_p0_VZ = log_normalise(log_p0_VZ)
    update = UpdateOf(rule, correct_Z, len(log_p0_VZ), group, baseline, unanswered, log_p0_VZ, draws, seed)
    kept = 1 - 1 / group if baseline == "mean" else 1.0

    def field(log_p_VZ: FloatArray) -> FloatArray:
        a_VZ = update(np.exp(log_p_VZ)).values_VZ / kept
        return centred(a_VZ - beta * (log_p_VZ - log_p0_VZ), log_p_VZ)

    if update.exact:
        return iterate(field, log_p0_VZ, step=0.5 / beta)
    error = float(update(np.exp(log_p0_VZ)).error_VZ.max()) / kept
    point = iterate(field, log_p0_VZ, step=0.5 / beta, tolerance=error / 4, rounds=_SAMPLED_ROUNDS)
    at = update(np.exp(point.log_p_PZ))
    shown = point.log_p_PZ > np.log(_NEGLIGIBLE)
    return replace(point, noise=_NOISE * float(at.error_VZ[shown].max()) / kept)


def limit(population: Population, log_p0_VZ: FloatArray, beta: float) -> FixedPoint:
    """The fixed point of a rule as G → ∞ that is next to the reference.

    No baseline is left then: its share in the update falls as 1/G.

    Args:
        population: what the rule rewards in the limit, such as `population_reward` of it.
        log_p0_VZ: log answer marginals of the reference, one row per phrasing; every answer is possible.
        beta: β, positive.
    """
    log_p0_VZ = log_normalise(log_p0_VZ)

    def field(log_p_VZ: FloatArray) -> FloatArray:
        a_VZ = population(np.exp(log_p_VZ))
        return centred(a_VZ - beta * (log_p_VZ - log_p0_VZ), log_p_VZ)

    return iterate(field, log_p0_VZ, step=0.5 / beta)
