"""Where a method would settle at group size G if nothing else stood in its way: no noise, no network, no end.

A policy gradient stops where the expected advantage a(z) of every answer is the same. With the KL to the reference
in the reward that is p(z) ∝ p₀(z) exp(a(z; p)/β), found by damped iteration from the policy that training starts
from. The declared equilibrium is the same with exact targets (G → ∞); what lies between the two is the estimator's
and the baseline's doing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.games.numerics import log_normalise
from alftbench.games.rewards.expectation import expected_advantage, reward_table
from alftbench.games.rewards.group import BoolArray, Rule

Field = Callable[[FloatArray], FloatArray]
"""Log answer marginals ↦ the expected advantage of every answer, centred under them; both of shape (V, Z)."""

_ROUNDS = 1500
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
    """

    log_p_PZ: FloatArray
    residual: float

    @property
    def settled(self) -> bool:
        """Whether the iteration settled."""
        return self.residual <= 1e-6


def iterate(field: Field, log_p_PZ: FloatArray, step: float) -> FixedPoint:
    """Damped iteration of log p ← log p + η a(z); without progress it goes back to the best point with η/2.

    Args:
        field: a.
        log_p_PZ: where to start; it finds the fixed point next to it.
        step: η at first.
    """
    best, best_residual, waited = log_p_PZ, np.inf, 0
    for _ in range(_ROUNDS):
        a_PZ = field(log_p_PZ)
        residual = float(np.abs(a_PZ[log_p_PZ > np.log(_NEGLIGIBLE)]).max())
        waited += 1
        if residual < best_residual:
            best, best_residual, waited = log_p_PZ, residual, 0
        if residual <= 1e-9:
            break
        if waited == _PATIENCE:
            log_p_PZ, a_PZ, step, waited = best, field(best), step / 2, 0
        log_p_PZ = log_normalise(log_p_PZ + np.clip(step * a_PZ, -1.0, 1.0))
    return FixedPoint(best, best_residual)


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
) -> FixedPoint:
    """The fixed point of a rule's expected update that is next to the reference.

    With any of `BASELINES` the KL term and the rule shrink alike, so β is as it stands.

    Args:
        rule: takes a batch of orbits; an answer's reward depends on its own counts and correctness alone.
        log_p0_VZ: log answer marginals of the reference, one row per phrasing; every answer is possible.
        correct_Z: whether an answer is right.
        beta: β, positive.
        group: G.
        baseline: of `BASELINES`.
        unanswered: the class that stands for no answer, if any.

    Raises:
        UsageError: the reward depends on more than the answer's own counts and correctness.
    """
    reward_CAB = reward_table(rule, group, len(log_p0_VZ))

    def field(log_p_VZ: FloatArray) -> FloatArray:
        a_VZ = expected_advantage(reward_CAB, np.exp(log_p_VZ), correct_Z, baseline, unanswered)
        return centred(a_VZ - beta * (log_p_VZ - log_p0_VZ), log_p_VZ)

    return iterate(field, log_normalise(log_p0_VZ), step=0.5 / beta)
