"""A paired difference with what was compared: the cell of a table of differences."""

from __future__ import annotations

from typing import NamedTuple

from alftbench.base.arrays import FloatArray
from alftbench.base.stats import paired_difference
from alftbench.types import Comparison


class Names(NamedTuple):
    """What is compared: a metric on a suite, of a candidate less that of a baseline."""

    suite: str
    metric: str
    baseline: str
    candidate: str


def tested_difference(
    names: Names, candidate_SP: FloatArray, baseline_SP: FloatArray, n_seeds: int, largest: float
) -> Comparison:
    """The mean difference over seeds and problems, its interval, and p not yet adjusted for other tests.

    `largest` is the largest difference that two values of the metric can have.
    """
    difference = paired_difference(candidate_SP, baseline_SP, largest)
    return Comparison(
        **names._asdict(),
        difference=difference.value,
        low=difference.low,
        high=difference.high,
        p_value=difference.p_value,
        p_adjusted=float("nan"),
        n_pairs=difference.n_pairs,
        n_seeds=n_seeds,
        error=difference.error,
        freedom=difference.freedom,
    )
