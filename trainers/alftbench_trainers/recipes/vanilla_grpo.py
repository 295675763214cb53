"""vanilla-grpo: the reward is correctness, 1 for a right answer and 0 for anything else.

Source: DeepSeekMath, arXiv 2402.03300; without length and standard-deviation normalisation as in Dr. GRPO,
arXiv 2503.20783 (`scale=std` brings the latter back).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alftbench.games import Correctness, Objective
from alftbench.games.objectives import indicator_bonus
from alftbench.types import AnswerPartition
from alftbench_trainers.loop.loop import GroupTrainer
from alftbench_trainers.rewards import correctness


class VanillaGrpo(GroupTrainer):
    """Group-relative policy optimisation of correctness."""

    def reward(self, partition: AnswerPartition) -> NDArray[np.float64]:
        """1 where right, shape (V, G)."""
        return correctness(partition)

    def game(self, correct_Z: NDArray[np.bool_]) -> tuple[Objective, float] | None:
        """Correctness with bonus 1, where the reward's scale is fixed."""
        return (Correctness(indicator_bonus(correct_Z)), self.settings.beta) if self.settings.closed else None
