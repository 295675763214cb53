"""What happens to agreement as the phrasings' references grow apart, to disjoint supports.

Phrasing i answers p0_i(h) = (1−h) common + h own_i. The common part gives the right answer 0.4 and spreads the
rest evenly; own_i lives on two wrong answers that no other phrasing's own part shares. At heterogeneity h = 1 no
answer is common. Everything is tabular and exact, so no optimiser enters. The common part stands for the truth, so
that improvement is measurable: KL(common‖p_i), which a projection onto a set that holds the truth cannot raise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.errors import UsageError
from alftbench.games import Coherence, Consensus, Game, HardCoherence, Objective, PairwiseCoherence, kl, solve
from alftbench.games.numerics import log_of, log_sum_exp
from alftbench.settle.settings import SettleSettings

HETEROGENEITY = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.99, 0.999, 1.0)
RIGHT = 0
_RIGHT_SHARE = 0.4
_FLOOR = 1e-6


@dataclass(frozen=True)
class SweepPoint:
    """One method at one heterogeneity.

    Args:
        method: how the phrasings are made to agree.
        heterogeneity: h in [0, 1].
        right: probability of the right answer, averaged over phrasings; NaN where the method does not apply.
        disagreement: Jensen-Shannon divergence of the phrasings, nats.
        to_truth: KL(common‖p) averaged over phrasings, nats; infinite where an answer is ruled out.
        status: the solver's word, or why the method does not apply.
    """

    method: str
    heterogeneity: float
    right: float
    disagreement: float
    to_truth: float
    status: str


def references(prompts: int, heterogeneity: float) -> FloatArray:
    """The p0_i(h) of P phrasings over 1 + 2P answers, shape (P, Z)."""
    common = common_part(prompts)
    own_PZ = np.zeros((prompts, common.size))
    for i in range(prompts):
        own_PZ[i, 1 + 2 * i : 3 + 2 * i] = 0.7, 0.3
    return (1 - heterogeneity) * common + heterogeneity * own_PZ


def common_part(prompts: int) -> FloatArray:
    """What all phrasings share: 0.4 on the right answer, the rest even over 2P others."""
    common = np.full(1 + 2 * prompts, (1 - _RIGHT_SHARE) / (2 * prompts))
    common[RIGHT] = _RIGHT_SHARE
    return common


def sweep(settings: SettleSettings) -> list[SweepPoint]:
    """Every method at every heterogeneity."""
    return [point for h in HETEROGENEITY for point in _at(h, settings)]


def _at(h: float, settings: SettleSettings) -> Iterator[SweepPoint]:
    beta, p0_PZ = settings.beta, references(settings.prompts, h)
    floored = (p0_PZ + _FLOOR) / (p0_PZ + _FLOOR).sum(axis=1, keepdims=True)
    yield _point("reference", h, log_of(p0_PZ), "as it is")
    frozen = log_of(p0_PZ.mean(axis=0))
    ways: list[tuple[str, Objective, FloatArray, str, dict[str, Any]]] = [
        ("hard coherence (geometric)", HardCoherence(), p0_PZ, "exact", {}),
        ("hard coherence, floor 1e-6", HardCoherence(), floored, "exact", {}),
        ("two-step, geometric", HardCoherence(), p0_PZ, "two-step", {"mean": "geometric"}),
        ("two-step, arithmetic", HardCoherence(), p0_PZ, "two-step", {"mean": "arithmetic"}),
        ("two-step, arithmetic, floor 1e-6", HardCoherence(), floored, "two-step", {"mean": "arithmetic"}),
        ("soft coherence, λ = 2β", Coherence(2 * beta), p0_PZ, "exact", {}),
        ("soft coherence, λ = 20β", Coherence(20 * beta), p0_PZ, "exact", {}),
        ("pairwise coherence, λ = 2β", PairwiseCoherence(2 * beta), p0_PZ, "exact", {}),
        ("frozen arithmetic consensus, λ = β", Consensus(beta, frozen), p0_PZ, "exact", {}),
        ("free consensus, λ = 0.8β", Consensus(0.8 * beta), p0_PZ, "exact", {}),
        ("free consensus, λ = 2β", Consensus(2 * beta), p0_PZ, "exact", {}),
    ]
    for name, objective, p0, method, options in ways:
        yield _solved(name, h, Game.from_marginals(p0, objective, beta), method, options)


def _solved(name: str, h: float, game: Game, method: str, options: dict[str, Any]) -> SweepPoint:
    try:
        solution = solve(game, method, **options)
    except UsageError as error:
        nothing = float("nan")
        return SweepPoint(name, h, nothing, nothing, nothing, str(error))
    return _point(name, h, solution.log_p_PZ, str(solution.status))


def _point(name: str, h: float, log_p_PZ: FloatArray, status: str) -> SweepPoint:
    log_q = log_sum_exp(log_p_PZ, axis=0) - np.log(len(log_p_PZ))
    return SweepPoint(
        name,
        h,
        right=float(np.exp(log_p_PZ[:, RIGHT]).mean()),
        disagreement=float(kl(log_p_PZ, log_q).mean()),
        to_truth=float(kl(np.log(common_part(len(log_p_PZ))), log_p_PZ).mean()),
        status=status,
    )
