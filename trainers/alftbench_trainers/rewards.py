"""Rewards of a group's rollouts from the counts of their answers: pure functions, shape (V, G).

V phrasings of one problem, G rollouts of each. f_v(z) = n_v(z) / G is the share of rollouts of phrasing v with
answer z, q(z) the share over all phrasings. Only differences within a phrasing's group matter to a
group-relative method, so every reward here differs per answer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from alftbench.errors import UsageError
from alftbench.metrics.base import counts_VZ
from alftbench.types import NO_ANSWER, AnswerPartition

FloatArray = NDArray[np.float64]
LogEstimator = Callable[[FloatArray, int], FloatArray]


def plug_in(counts: FloatArray, n: int) -> FloatArray:
    """log(n_z / n); biased low for rare answers by Jensen's inequality."""
    return np.log(counts / n)


def digamma_estimate(counts: FloatArray, n: int) -> FloatArray:
    """ψ(n_z) − ψ(n): of the leave-one-out count N = n_z − 1 this is ψ(N + 1) − ψ(n), half the plug-in's bias."""
    return np.asarray(digamma(counts) - digamma(n))


ESTIMATORS: dict[str, LogEstimator] = {"plug-in": plug_in, "digamma": digamma_estimate}


def estimator(name: str) -> LogEstimator:
    """The estimator of log p(z) from the count of z among n draws, z itself drawn."""
    if name not in ESTIMATORS:
        raise UsageError(f"option estimator={name}: use {' or '.join(ESTIMATORS)}")
    return ESTIMATORS[name]


def classes(partition: AnswerPartition) -> NDArray[np.int64]:
    """The class of every rollout, shape (V, G); NO_ANSWER is -1."""
    return np.array(partition.class_VN, dtype=np.int64)


def correctness(partition: AnswerPartition) -> FloatArray:
    """c(z): 1 for a right answer, else 0."""
    right = np.array([*partition.correct_Z, False], dtype=float)  # index -1, no answer, is not right
    return right[classes(partition)]


def diversity(partition: AnswerPartition, log_estimate: LogEstimator) -> FloatArray:
    """−log p̂_v(z): rare answers of a phrasing earn more; no answer earns 0, the least.

    The best response of the target to F(p) = Σ p log p, up to a constant.
    Source: Distributional Alignment Games, arXiv 2604.27166 (Diversity-GRPO, entropy).
    """
    class_VG = classes(partition)
    surprise = -log_of_counts(counts_VZ(partition), class_VG, log_estimate, class_VG.shape[1])
    return np.where(class_VG == NO_ANSWER, 0.0, surprise)


def consensus(partition: AnswerPartition, log_estimate: LogEstimator) -> FloatArray:
    """Log q̂(z): answers that all phrasings give earn more; needs no labels.

    No answer earns log 2 less than an answer given once. Source: arXiv 2604.27166 (Coherence-GRPO).
    """
    class_VG = classes(partition)
    pooled = np.broadcast_to(counts_VZ(partition).sum(axis=0), (len(class_VG), len(partition.classes_Z)))
    log_q = log_of_counts(pooled, class_VG, log_estimate, class_VG.size)
    once = log_estimate(np.array(1.0), class_VG.size)
    return np.where(class_VG == NO_ANSWER, once - np.log(2.0), log_q)


def coherence(partition: AnswerPartition, log_estimate: LogEstimator) -> FloatArray:
    """Log q̂(z) − log p̂_v(z): answers that other phrasings give more often than this one earn more.

    The best response to F = JSD of the phrasings' answer distributions, which is convex and does not sharpen.
    """
    return consensus(partition, log_estimate) + diversity(partition, log_estimate)


def log_of_counts(
    counts: FloatArray, class_VG: NDArray[np.int64], log_estimate: LogEstimator, n: int
) -> FloatArray:
    """The estimate of log p for every rollout's class; rollouts without an answer get that of a count of 1."""
    padded = np.hstack([counts, np.ones((len(counts), 1))])  # column -1 serves NO_ANSWER
    return log_estimate(np.take_along_axis(padded, class_VG % padded.shape[1], axis=1), n)
