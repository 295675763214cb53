"""vanilla-grpo: the reward is correctness, 1 for a right answer and 0 for anything else.

Source: DeepSeekMath, arXiv 2402.03300; without length and standard-deviation normalisation as in Dr. GRPO,
arXiv 2503.20783 (`scale=std` brings the latter back).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alftbench.games import Correctness, Objective
from alftbench.games.objectives import indicator_bonus
from alftbench.training import TrainRequest, TrainResult, config_from_options
from alftbench_trainers.group_training import GroupConfig, train_group
from alftbench_trainers.rewards import correctness


class VanillaGrpo:
    """Group-relative policy optimisation of correctness."""

    needs_orbits = False

    def __init__(self, options: Mapping[str, str]) -> None:
        self._config = config_from_options(GroupConfig, options)

    def config(self) -> Mapping[str, Any]:
        """Every option with its value."""
        return asdict(self._config)

    def train(self, request: TrainRequest) -> TrainResult:
        """Train until the budget is used up."""
        return train_group(request, self._config, correctness)

    def game(self, correct_Z: NDArray[np.bool_]) -> tuple[Objective, float] | None:
        """Correctness with bonus 1, where the reward's scale is fixed."""
        return (Correctness(indicator_bonus(correct_Z)), self._config.beta) if self._config.closed else None
