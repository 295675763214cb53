"""Rules of one phrasing's group: rare answers earn more. No answer earns the least that an answer can."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.base.validate import Positive, Rule, at_least
from alftbench.games.numerics import log_of
from alftbench.games.rewards.group import GroupRecord
from alftbench.games.rewards.targets import Target

Weight = Annotated[float, at_least(0), "λ, weight of diversity, in units of reward"]


def entropy(record: GroupRecord, target: Target) -> FloatArray:
    """−log p̂_v(z), nats.

    The best response to F(p) = Σ p log p (`Diversity`), up to a constant.
    Source: Distributional Alignment Games, arXiv 2604.27166 (Diversity-GRPO, entropy).
    """
    return -target.log_p(record)


def quadratic(record: GroupRecord, target: Target) -> FloatArray:
    """−p̂_v(z); 1 − p̂, the Gini index, is the same but for a constant.

    The best response to F(p) = ½ Σ p² (`QuadraticDiversity`), of which the U-statistic is unbiased at any G.
    Source: polynomial rewards of arXiv 2605.02435.
    """
    return -target.p(record)


def tsallis(
    record: GroupRecord,
    target: Target,
    *,
    alpha: Annotated[Positive, Rule("not 1, which is entropy", lambda alpha: alpha != 1), "α"] = 2.0,
) -> FloatArray:
    """−α/(α − 1) p̂_v(z)^{α−1}; α = 2 is twice `quadratic`, α → 1 is `entropy`.

    The best response to F(p) = Σ (p^α − p)/(α − 1), minus Tsallis' entropy, up to a constant. With the U-statistic
    p^{α−1} is unbiased for whole α from 2 to G; another target's estimate of log p is raised to the power.

    Raises:
        UsageError: the target has no estimate of this power at this G.

    Source: polynomial rewards of arXiv 2605.02435; the power of an estimate is the plug-in reading.
    """
    return -alpha / (alpha - 1) * target.power(record, alpha - 1)


def ucpo(record: GroupRecord, *, weight: Weight = 0.5) -> FloatArray:
    """c(z) (1 − λ log(n_z/C)), C the right rollouts of the group: right, and rare among the right.

    It ascends Σ c p + λ p_c H(p given right), p_c = Σ c p, with the plug-in of log p(z given right). The paper's
    code takes likelihoods of the rollouts for shares, and takes their entropy off the bonus, so that it adds up to
    nothing over the right ones; here answers are counted and nothing is taken off, which makes it a gradient.
    Source: arXiv 2605.00365.
    """
    right_VG = record.correct_VG
    among_right = record.own_VG / np.where(record.right_V1 > 0, record.right_V1, 1.0)
    return right_VG * (1 - weight * log_of(np.where(right_VG, among_right, 1.0)))


def differential_smoothing(record: GroupRecord, target: Target, *, weight: Weight = 0.5) -> FloatArray:
    """c(z) (1 − λ log p̂_v(z)): the entropy's reward on right rollouts only.

    It ascends (1 + λ) Σ c p − λ Σ c p log p. The paper smooths traces; here their answers stand for them. What it
    does besides to wrong rollouts, of which the rare ones are punished more, is left out: by its own account only
    the right ones matter for diversity. Source: arXiv 2511.19942.
    """
    return record.correct_VG * (1 - weight * target.log_p(record))
