"""diversity-game: right answers, and many different ones.

objective=entropy     reward η c(z) − λ log p̂_v(z): correctness, and the target player's best response to
                      F(p) = λ Σ p log p − η Σ c p
objective=quadratic   reward η c(z) − λ p̂_v(z), for F(p) = (λ/2) Σ p² − η Σ c p; unbiased from any group

The entropy's equilibrium is p* ∝ (p₀ e^{ηc/β})^{β/(β+λ)}: wrong answers stay rare as long as
β + λ is small beside η, right answers even out as λ/β grows.
Source: Distributional Alignment Games, arXiv 2604.27166 (Diversity-GRPO, entropy).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alftbench.errors import UsageError
from alftbench.games import Diversity, Objective, QuadraticDiversity
from alftbench.games.objectives import indicator_bonus
from alftbench.types import AnswerPartition
from alftbench_trainers import rewards
from alftbench_trainers.loop.loop import GroupConfig, GroupTrainer


@dataclass(frozen=True)
class DiversityConfig(GroupConfig):
    """diversity: λ. correctness: η. objective: entropy or quadratic. estimator: of log p, for the entropy."""

    diversity: float = 0.75
    correctness: float = 1.0
    objective: str = "entropy"
    estimator: str = "plug-in"

    def __post_init__(self) -> None:
        """Refuse values that cannot train."""
        super().__post_init__()
        rewards.check_estimator(self.estimator)
        if self.objective not in ("entropy", "quadratic"):
            raise UsageError(f"option objective={self.objective}: use entropy or quadratic")
        if self.objective == "quadratic" and self.estimator != "plug-in":
            raise UsageError("option estimator: the quadratic objective has an exact one of its own; leave it out")


class DiversityGame(GroupTrainer):
    """Group-relative policy optimisation of correctness plus answer entropy."""

    config_type = DiversityConfig
    settings: DiversityConfig

    def game(self, correct_Z: NDArray[np.bool_]) -> tuple[Objective, float] | None:
        """Diversity λ or its quadratic form with bonus η, as with exact answer marginals."""
        config = self.settings
        bonus_Z = indicator_bonus(correct_Z, config.correctness)
        game = Diversity if config.objective == "entropy" else QuadraticDiversity
        return (game(config.diversity, bonus_Z), config.beta) if config.closed else None

    def reward(self, partition: AnswerPartition) -> NDArray[np.float64]:
        """η × correctness − λ log p̂ or − λ p̂, shape (V, G)."""
        config = self.settings
        if config.objective == "quadratic":
            spread = rewards.quadratic(partition)
        else:
            spread = rewards.diversity(partition, config.estimator)
        return config.correctness * rewards.correctness(partition) + config.diversity * spread
