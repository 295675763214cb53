"""diversity-game: right answers, and many different ones.

objective=entropy     reward η c(z) − λ log p̂_v(z): correctness, and the target player's best response to
                      F(p) = λ Σ p log p − η Σ c p
objective=quadratic   reward η c(z) − λ p̂_v(z), for F(p) = (λ/2) Σ p² − η Σ c p; unbiased from any group

The entropy's equilibrium is p* ∝ (p₀ e^{ηc/β})^{β/(β+λ)}: wrong answers stay rare as long as
β + λ is small beside η, right answers even out as λ/β grows.
Source: Distributional Alignment Games, arXiv 2604.27166 (Diversity-GRPO, entropy).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from alftbench.base.arrays import FloatArray
from alftbench.errors import UsageError
from alftbench.games import Diversity, Objective, QuadraticDiversity
from alftbench.games.objectives import indicator_bonus
from alftbench.games.rewards import U_STATISTIC, FromCounts, GroupRecord, Target, correctness, entropy, quadratic
from alftbench_trainers.loop.options import AUTO, CountOptions
from alftbench_trainers.recipe import Recipe


@dataclass(frozen=True)
class DiversityOptions(CountOptions):
    """Options of diversity-game."""

    diversity: Annotated[float, "λ, weight of diversity"] = 0.1
    correctness: Annotated[float, "η, reward of a right answer"] = 1.0
    objective: Annotated[Literal["entropy", "quadratic"], "of diversity: Σ p log p or ½ Σ p²"] = "entropy"

    def __post_init__(self) -> None:
        """Refuse an estimator where there is an exact one."""
        super().__post_init__()
        if self.objective == "quadratic" and self.estimator != AUTO:
            raise UsageError("option estimator: the quadratic objective has an exact one of its own; leave it out")

    @property
    def target(self) -> Target:
        """For the quadratic objective the estimate of p that is exact on average."""
        return FromCounts(U_STATISTIC) if self.objective == "quadratic" and not self.memory else super().target


def reward(record: GroupRecord, options: DiversityOptions) -> FloatArray:
    """η c(z) − λ log p̂_v(z), or η c(z) − λ p̂_v(z)."""
    spread = quadratic if options.objective == "quadratic" else entropy
    return options.correctness * correctness(record) + options.diversity * spread(record, options.target)


def game(options: DiversityOptions, correct_Z: NDArray[np.bool_]) -> Objective:
    """Diversity λ or its quadratic form with bonus η, as with exact answer marginals."""
    objective = Diversity if options.objective == "entropy" else QuadraticDiversity
    return objective(options.diversity, indicator_bonus(correct_Z, options.correctness))


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

    objective: Annotated[Literal["entropy", "quadratic"], "of diversity: Σ p log p or ½ Σ p²"] = "quadratic"


GINI_GRPO = replace(
    DIVERSITY_GAME,
    name="gini-grpo",
    description="Diversity-game with objective=quadratic: correctness plus the Gini index.",
    options=GiniOptions,
)
