"""Rules that look at labels: right answers earn more."""

from __future__ import annotations

from alftbench.base.arrays import FloatArray
from alftbench.games.rewards.group import GroupRecord


def correctness(record: GroupRecord) -> FloatArray:
    """c(z): 1 for a right answer, else 0.

    The best response to F(p) = −Σ c p (`Correctness`). Source: DeepSeekMath, arXiv 2402.03300.
    """
    return record.correct_VG.astype(float)
