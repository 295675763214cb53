"""Do the phrasings of a problem get the same answers? Undefined (NaN) for a single phrasing.

A sample without an answer agrees with nothing: each phrasing's unanswered samples are a class of their own.
So a model that never answers has coherence and agreement 0, not 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import log, nan

import numpy as np
from scipy.special import entr

from alftbench.base.arrays import FloatArray
from alftbench.metrics.base import Metric, counts_VZ
from alftbench.types import NO_ANSWER, AnswerPartition


def distributions(partition: AnswerPartition) -> FloatArray:
    """Empirical answer distribution per variant, shape (V, Z + V): column Z + v is v's "no answer"."""
    unanswered = [sum(z == NO_ANSWER for z in row) for row in partition.class_VN]
    n_V = np.array([len(row) for row in partition.class_VN], dtype=float)
    counts = np.hstack([counts_VZ(partition), np.diag(np.array(unanswered, dtype=float))])
    shares: FloatArray = counts / n_V[:, None]
    return shares


def coherence(partition: AnswerPartition) -> float:
    """1 − JSD(p̂_1 … p̂_V) / log V, with JSD = H(mean p̂) − mean H(p̂_v).

    The plug-in estimate: sampling noise makes phrasings look different, so it is low by about
    (V − 1)(Z − 1) / (2 n V log V); compare at equal n only.
    """
    p_VZ = distributions(partition)
    if len(p_VZ) < 2:
        return nan
    divergence = entr(p_VZ.mean(axis=0)).sum() - entr(p_VZ).sum(axis=1).mean()
    return float(np.clip(1.0 - divergence / log(len(p_VZ)), 0.0, 1.0))


def agreement(partition: AnswerPartition) -> float:
    """Probability that two draws from different phrasings give the same answer, unbiased.

    mean over v < w of Σ_z p̂_v(z) p̂_w(z).
    """
    p_VZ = distributions(partition)
    if len(p_VZ) < 2:
        return nan
    return float(np.mean([p_VZ[v] @ p_VZ[w] for v, w in combinations(range(len(p_VZ)), 2)]))


def metrics(n: int) -> Sequence[Metric]:
    """Coherence and agreement."""
    return [
        Metric("coherence", "fraction", True, (0.0, 1.0), coherence, shown=True, compared=True),
        Metric("agreement", "probability", True, (0.0, 1.0), agreement, shown=True, compared=True),
    ]
