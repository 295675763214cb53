"""Test-time reinforcement learning, arXiv 2504.16084: reward the answer that a phrasing's majority gives."""

import numpy as np

from alftbench_trainers.loop.options import GroupOptions
from alftbench_trainers.recipe import Recipe


def majority(record, options):
    """1 for the most frequent answer of a phrasing's group (the first in order where several tie), else 0."""
    counts_VZ = np.pad(record.counts_VZ, ((0, 0), (0, 1)))  # there may be no class at all
    return (record.class_VG == counts_VZ.argmax(axis=1)[:, None]).astype(float)


MAJORITY_VOTE = Recipe(
    name="majority-vote",
    description="Group-relative policy optimisation of agreement with the group's most frequent answer.",
    paper="arXiv 2504.16084",
    options=GroupOptions,
    rule=majority,
)
