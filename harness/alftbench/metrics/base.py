"""What a metric is: a number per problem, averaged over problems, or the ratio of two such means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.types import AnswerPartition

METRICS_VERSION = 2
"""Of what the names of metrics mean: in 1 coherence was 1 − JSD/log V, and distinct answers were counted at n."""

REDEFINED = ("coherence",)  # names that meant something else in a version before

PerProblem = Callable[[AnswerPartition], float]


@dataclass(frozen=True)
class Metric:
    """One named number; `bounds` are the smallest and largest values that it can truly have.

    `per_problem` may return NaN where the metric is undefined (one phrasing has no agreement); such problems are
    left out of the mean and of its count. It is None where `ratio_of` names two other metrics: the value is then
    the mean of the first over the mean of the second, over the problems for which both are defined.

    unbiased: a problem's value estimates without bias what lies within the bounds, and may itself lie outside.
    counts_right: it counts different right answers, of which a problem may have fewer than its `bounds` allow.
    shown: give it a column in the tables of `compare` and of boards. compared: test its paired difference from the
    base there. Both are recorded with the value. plugin: who brought it; the harness fills that in.
    """

    name: str
    unit: str
    higher_is_better: bool | None
    bounds: tuple[float, float]
    per_problem: PerProblem | None
    shown: bool = False
    compared: bool = False
    plugin: str = ""
    ratio_of: tuple[str, str] | None = None
    unbiased: bool = False
    counts_right: bool = False

    def __post_init__(self) -> None:
        if (self.per_problem is None) == (self.ratio_of is None):
            raise ValueError(f"metric {self.name!r}: give either per_problem or ratio_of")

    def on(self, right_answers: int | None) -> Metric:
        """The same on problems that have at most so many different right answers; None where that is not known."""
        if right_answers is None or not self.counts_right:
            return self
        return replace(self, bounds=(self.bounds[0], min(self.bounds[1], float(right_answers))))


# Entry points of the group `alftbench.metrics` are factories: n samples per prompt → metrics.
MetricFactory = Callable[[int], Sequence[Metric]]


def mean_over_variants(score: Callable[[list[int], AnswerPartition], float]) -> PerProblem:
    """Lift a score of one prompt's samples to the mean over those of the orbit's phrasings that have one."""

    def per_problem(partition: AnswerPartition) -> float:
        scores_V = np.array([score(list(row), partition) for row in partition.class_VN])
        defined_V = scores_V[~np.isnan(scores_V)]
        return float(defined_V.mean()) if len(defined_V) else float("nan")

    return per_problem


def counts_VZ(partition: AnswerPartition) -> FloatArray:
    """Answers of each class per variant, shape (V, Z)."""
    counts = np.zeros((len(partition.class_VN), len(partition.classes_Z)))
    for v, row in enumerate(partition.class_VN):
        for z in row:
            if z >= 0:
                counts[v, z] += 1
    return counts


def powers_of_two(n: int) -> list[int]:
    """2, 4, 8 … up to n: how many draws metrics are given for, whatever n a run has."""
    return [2**i for i in range(1, n.bit_length()) if 2**i <= n]
