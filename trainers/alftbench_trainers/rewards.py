"""Rewards of a group's rollouts from the counts of their answers: pure functions, shape (V, G).

V phrasings of one problem, G rollouts of each. f_v(z) = n_v(z) / G is the share of rollouts of phrasing v with
answer z, q(z) the share over all phrasings. Only differences within a phrasing's group matter to a
group-relative method, so every reward here differs per answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alftbench.errors import UsageError
from alftbench.games import ESTIMATORS, log_reward, log_table, power_reward
from alftbench.metrics.base import counts_VZ
from alftbench.types import NO_ANSWER, AnswerPartition

FloatArray = NDArray[np.float64]


def check_estimator(name: str) -> None:
    """Refuse an estimator of log p that does not exist."""
    if name not in ESTIMATORS:
        raise UsageError(f"option estimator={name}: use one of {', '.join(ESTIMATORS)}")


def classes(partition: AnswerPartition) -> NDArray[np.int64]:
    """The class of every rollout, shape (V, G); NO_ANSWER is -1."""
    return np.array(partition.class_VN, dtype=np.int64)


def correctness(partition: AnswerPartition) -> FloatArray:
    """c(z): 1 for a right answer, else 0."""
    right = np.array([*partition.correct_Z, False], dtype=float)  # index -1, no answer, is not right
    return right[classes(partition)]


def diversity(partition: AnswerPartition, estimator: str) -> FloatArray:
    """−log p̂_v(z): rare answers of a phrasing earn more; no answer earns the least that an answer can.

    The best response of the target to F(p) = Σ p log p, up to a constant.
    Source: Distributional Alignment Games, arXiv 2604.27166 (Diversity-GRPO, entropy).
    """
    class_VG = classes(partition)
    group = class_VG.shape[1]
    surprise = -log_shares(counts_VZ(partition), class_VG, group, estimator)
    return np.where(class_VG == NO_ANSWER, -log_table(group, estimator).max(), surprise)


def quadratic(partition: AnswerPartition) -> FloatArray:
    """−p̂_v(z) from the other rollouts of the group, unbiased; no answer earns the least that an answer can.

    The best response of the target to F(p) = ½ Σ p², of which Hoeffding's U-statistic is exact at any group size.
    Source: polynomial rewards of arXiv 2605.02435.
    """
    class_VG = classes(partition)
    group = class_VG.shape[1]
    share = power_reward(own_counts(counts_VZ(partition), class_VG), group, degree=1)
    return np.where(class_VG == NO_ANSWER, -1.0, -share)


def consensus(partition: AnswerPartition, estimator: str) -> FloatArray:
    """The log share log q̂(z): answers that all phrasings give earn more; needs no labels.

    No answer earns log 2 less than any answer can. Source: arXiv 2604.27166 (Coherence-GRPO).
    """
    class_VG = classes(partition)
    pooled_Z = counts_VZ(partition).sum(axis=0)
    counts = np.broadcast_to(pooled_Z, (len(class_VG), pooled_Z.size))
    least = log_table(class_VG.size, estimator).min() - np.log(2.0)
    return np.where(class_VG == NO_ANSWER, least, log_shares(counts, class_VG, class_VG.size, estimator))


def coherence(partition: AnswerPartition, estimator: str) -> FloatArray:
    """The difference log q̂(z) − log p̂_v(z): answers that other phrasings give more often earn more.

    The best response to F = JSD of the phrasings' answer distributions, which is convex and does not sharpen.
    """
    return consensus(partition, estimator) + diversity(partition, estimator)


def log_shares(counts: FloatArray, class_VG: NDArray[np.int64], n: int, estimator: str) -> FloatArray:
    """The estimate of log p of every rollout's class, which was drawn counts[v, z] times among n.

    Rollouts without an answer get the estimate of a class drawn once, for the caller to replace.
    """
    return log_reward(own_counts(counts, class_VG), n, estimator)


def own_counts(counts: FloatArray, class_VG: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often every rollout's class was drawn, shape (V, G); 1 for a rollout without an answer."""
    padded = np.hstack([counts, np.ones((len(counts), 1))])  # column -1 serves NO_ANSWER
    return np.take_along_axis(padded, class_VG % padded.shape[1], axis=1).astype(np.int64)
