"""diversity-game: right answers, and many different ones.

objective=entropy     reward η c(z) − λ log p̂_v(z): correctness, and the target player's best response to
                      F(p) = λ Σ p log p − η Σ c p
objective=quadratic   reward η c(z) − λ p̂_v(z), for F(p) = (λ/2) Σ p² − η Σ c p; unbiased from any group
objective=tsallis     reward η c(z) − λ α/(α − 1) p̂_v(z)^{α−1}, for F(p) = λ Σ (p^α − p)/(α − 1) − η Σ c p;
                      unbiased for whole α up to G, else the power of the estimate of log p

The entropy's equilibrium is p* ∝ (p₀ e^{ηc/β})^{β/(β+λ)}: wrong answers stay rare as long as
β + λ is small beside η, right answers even out as λ/β grows.
Source: Distributional Alignment Games, arXiv 2604.27166 (Diversity-GRPO, entropy).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from alftbench.base.arrays import FloatArray
from alftbench.base.validate import Rule, at_least, at_most
from alftbench.errors import UsageError
from alftbench.games import Diversity, Objective, QuadraticDiversity, TsallisDiversity
from alftbench.games.objectives import LARGEST_INDEX, LEAST_INDEX, indicator_bonus
from alftbench.games.rewards import (
    U_STATISTIC,
    FromCounts,
    GroupRecord,
    Target,
    correctness,
    entropy,
    quadratic,
    tsallis,
)
from alftbench_trainers.loop.options import AUTO, CountOptions
from alftbench_trainers.recipe import Recipe

Kind = Annotated[
    Literal["entropy", "quadratic", "tsallis"], "of diversity: Σ p log p, ½ Σ p² or Σ (p^α − p)/(α − 1)"
]
Index = Annotated[
    float,
    at_least(LEAST_INDEX),
    at_most(LARGEST_INDEX),
    Rule("not 1, which is objective=entropy", lambda alpha: alpha != 1),
    "α, of objective=tsallis; small α asks most for rare answers",
]


@dataclass(frozen=True)
class DiversityOptions(CountOptions):
    """Options of diversity-game."""

    diversity: Annotated[float, "λ, weight of diversity"] = 0.1
    correctness: Annotated[float, "η, reward of a right answer"] = 1.0
    objective: Kind = "entropy"
    alpha: Index = 1.5

    def __post_init__(self) -> None:
        """Refuse an estimator where there is an exact one."""
        super().__post_init__()
        if self.objective == "quadratic" and self.estimator != AUTO:
            raise UsageError("option estimator: the quadratic objective has an exact one of its own; leave it out")

    @property
    def target(self) -> Target:
        """Where there is an estimate of the power of p that is exact on average, that one."""
        return FromCounts(U_STATISTIC) if self._exact and not self.memory else super().target

    @property
    def _exact(self) -> bool:
        """Has the reward a U-statistic at this G, and was no other estimator asked for?"""
        whole = self.alpha == int(self.alpha) and 1 < self.alpha <= self.group
        return self.objective == "quadratic" or (self.objective == "tsallis" and whole and self.estimator == AUTO)


def reward(record: GroupRecord, options: DiversityOptions) -> FloatArray:
    """η c(z) plus λ times −log p̂_v(z), −p̂_v(z) or −α/(α − 1) p̂_v(z)^{α−1}."""
    rules: dict[str, Callable[[GroupRecord, Target], FloatArray]] = {
        "entropy": entropy,
        "quadratic": quadratic,
        "tsallis": partial(tsallis, alpha=options.alpha),
    }
    spread = rules[options.objective](record, options.target)
    return options.correctness * correctness(record) + options.diversity * spread


def game(options: DiversityOptions, correct_Z: NDArray[np.bool_]) -> Objective:
    """Diversity λ, its quadratic form or Tsallis' with bonus η, as with exact answer marginals."""
    bonus_Z = indicator_bonus(correct_Z, options.correctness)
    if options.objective == "tsallis":
        return TsallisDiversity(options.diversity, options.alpha, bonus_Z)
    objective = Diversity if options.objective == "entropy" else QuadraticDiversity
    return objective(options.diversity, bonus_Z)


DIVERSITY_GAME = Recipe(
    name="diversity-game",
    description="Group-relative policy optimisation of correctness plus answer entropy.",
    paper="arXiv 2604.27166",
    options=DiversityOptions,
    rule=reward,
    game=game,
)


@dataclass(frozen=True)
class GiniOptions(DiversityOptions):
    """Options of gini-grpo."""

    objective: Kind = "quadratic"


GINI_GRPO = replace(
    DIVERSITY_GAME,
    name="gini-grpo",
    description="Diversity-game with objective=quadratic: correctness plus the Gini index.",
    options=GiniOptions,
)


@dataclass(frozen=True)
class TsallisOptions(DiversityOptions):
    """Options of tsallis-grpo."""

    objective: Kind = "tsallis"


TSALLIS_GRPO = replace(
    DIVERSITY_GAME,
    name="tsallis-grpo",
    description="Diversity-game with objective=tsallis: correctness plus Tsallis' entropy of index alpha.",
    paper="arXiv 2605.02435",
    options=TsallisOptions,
)
