"""Test-time reinforcement learning, arXiv 2504.16084: reward the answer that a phrasing's majority gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alftbench.metrics.base import counts_VZ
from alftbench.types import AnswerPartition
from alftbench_trainers.loop.loop import GroupTrainer
from alftbench_trainers.rewards import classes


class MajorityVote(GroupTrainer):
    """Group-relative policy optimisation of agreement with the group's most frequent answer."""

    def reward(self, partition: AnswerPartition) -> NDArray[np.float64]:
        """1 for the most frequent answer of a phrasing's group (the first in order where several tie), else 0."""
        counts = np.hstack([counts_VZ(partition), np.zeros((len(partition.class_VN), 1))])
        return (classes(partition) == counts.argmax(axis=1)[:, None]).astype(float)
