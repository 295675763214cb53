"""How large the largest class of answers is."""

from __future__ import annotations

from math import nan

from alftbench.metrics.base import Metric, counts_VZ
from alftbench.types import AnswerPartition


def metrics(n: int) -> list[Metric]:
    """The share of the largest class among the answers."""
    return [Metric("largest_class", "share", None, (0.0, 1.0), largest_class, shown=True, compared=True)]


def largest_class(partition: AnswerPartition) -> float:
    """max_z c(z) / Σ_z c(z) over all phrasings; undefined where nothing was answered."""
    counts_Z = counts_VZ(partition).sum(axis=0)
    return float(counts_Z.max() / counts_Z.sum()) if counts_Z.sum() else nan
