"""Rules of one phrasing's group: rare answers earn more. No answer earns the least that an answer can."""

from __future__ import annotations

from alftbench.base.arrays import FloatArray
from alftbench.games.rewards.group import GroupRecord
from alftbench.games.rewards.targets import Target


def entropy(record: GroupRecord, target: Target) -> FloatArray:
    """−log p̂_v(z), nats.

    The best response to F(p) = Σ p log p (`Diversity`), up to a constant.
    Source: Distributional Alignment Games, arXiv 2604.27166 (Diversity-GRPO, entropy).
    """
    return -target.log_p(record)


def quadratic(record: GroupRecord, target: Target) -> FloatArray:
    """−p̂_v(z).

    The best response to F(p) = ½ Σ p² (`QuadraticDiversity`), of which the U-statistic is unbiased at any G.
    Source: polynomial rewards of arXiv 2605.02435.
    """
    return -target.p(record)
