"""What a metric is: a number per problem, averaged over problems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.types import AnswerPartition

PerProblem = Callable[[AnswerPartition], float]


@dataclass(frozen=True)
class Metric:
    """One named number per problem; `bounds` are the smallest and largest values it can take.

    `per_problem` may return NaN where the metric is undefined (one phrasing has no coherence); such
    problems are left out of the mean and of its count.

    shown: give it a column in the tables of `compare` and of boards. compared: test its paired difference from the
    base there. Both are recorded with the value. plugin: who brought it; the harness fills that in.
    """

    name: str
    unit: str
    higher_is_better: bool | None
    bounds: tuple[float, float]
    per_problem: PerProblem
    shown: bool = False
    compared: bool = False
    plugin: str = ""


# Entry points of the group `alftbench.metrics` are factories: n samples per prompt → metrics.
MetricFactory = Callable[[int], Sequence[Metric]]


def mean_over_variants(score: Callable[[list[int], AnswerPartition], float]) -> PerProblem:
    """Lift a score of one prompt's samples to the mean over the orbit's phrasings."""

    def per_problem(partition: AnswerPartition) -> float:
        return float(np.mean([score(list(row), partition) for row in partition.class_VN]))

    return per_problem


def counts_VZ(partition: AnswerPartition) -> FloatArray:
    """Answers of each class per variant, shape (V, Z)."""
    counts = np.zeros((len(partition.class_VN), len(partition.classes_Z)))
    for v, row in enumerate(partition.class_VN):
        for z in row:
            if z >= 0:
                counts[v, z] += 1
    return counts
