"""Test-time reinforcement learning, arXiv 2504.16084: reward the answer that a phrasing's majority gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alftbench.metrics.base import counts_VZ
from alftbench.training import TrainRequest, TrainResult, config_from_options
from alftbench.types import AnswerPartition
from alftbench_trainers.group_training import GroupConfig, train_group
from alftbench_trainers.rewards import classes


class MajorityVote:
    """Group-relative policy optimisation of agreement with the group's most frequent answer."""

    needs_orbits = False

    def __init__(self, options: Mapping[str, str]) -> None:
        self._config = config_from_options(GroupConfig, options)

    def config(self) -> Mapping[str, Any]:
        """Every option with its value."""
        return asdict(self._config)

    def train(self, request: TrainRequest) -> TrainResult:
        """Train until the budget is used up."""
        return train_group(request, self._config, majority)


def majority(partition: AnswerPartition) -> NDArray[np.float64]:
    """1 for the most frequent answer of a phrasing's group (the first in order where several tie), else 0."""
    counts = np.hstack([counts_VZ(partition), np.zeros((len(partition.class_VN), 1))])
    return (classes(partition) == counts.argmax(axis=1)[:, None]).astype(float)
