"""Do the phrasings of a problem get the same answers, and are they any surer of them than one phrasing is?

A sample without an answer agrees with nothing. Every figure is an unbiased estimate from pairs of draws, so it
means the same for any number of samples. A phrasing with a single draw has no pair of its own and is left out of
pairs across phrasings too, where others have more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.metrics.base import Metric, counts_VZ
from alftbench.types import AnswerPartition


def agreements(counts_VZ: FloatArray, n_V: FloatArray) -> FloatArray:
    """Chance that two draws give the same answer, one draw of each of two phrasings, unbiased; shape (…, V, V).

    Off the diagonal Σ_z p̂_v(z) p̂_w(z); on it, for two different draws of one phrasing,
    Σ_z c_z (c_z − 1) / n (n − 1), NaN for a single draw.

    Args:
        counts_VZ: how often each answer was given, shape (…, V, Z).
        n_V: draws of each phrasing, unanswered ones included.
    """
    together_VV = counts_VZ @ np.swapaxes(counts_VZ, -1, -2) / np.outer(n_V, n_V)
    with np.errstate(invalid="ignore"):
        within_V = (counts_VZ * (counts_VZ - 1)).sum(axis=-1) / (n_V * (n_V - 1))
    every = np.arange(len(n_V))
    together_VV[..., every, every] = within_V
    return together_VV


def within_across(together_VV: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means over phrasings of `agreements` on the diagonal and off it, shape (…); NaN off it for one phrasing."""
    V = together_VV.shape[-1]
    different_VV = ~np.eye(V, dtype=bool)
    within = np.diagonal(together_VV, axis1=-2, axis2=-1).mean(axis=-1)
    across = together_VV[..., different_VV].mean(axis=-1) if V > 1 else np.full(within.shape, np.nan)
    return within, across


def pairs(partition: AnswerPartition) -> tuple[float, float]:
    """How often pairs of draws within and across an orbit's phrasings agree.

    Of the phrasings with two draws or more; of all where none has.
    """
    n_V = np.array([len(row) for row in partition.class_VN], dtype=float)
    kept_V = n_V > 1 if (n_V > 1).any() else n_V > 0
    within, across = within_across(agreements(counts_VZ(partition)[kept_V], n_V[kept_V]))
    return float(within), float(across)


def agreement_within(partition: AnswerPartition) -> float:
    """Chance that two draws of one phrasing give the same answer, a repeat: mean over v of Σ_z p_v(z)².

    NaN where no phrasing has two draws.
    """
    return pairs(partition)[0]


def agreement(partition: AnswerPartition) -> float:
    """Chance that draws of two different phrasings give the same answer: mean over v ≠ w of Σ_z p_v(z) p_w(z).

    NaN for one phrasing.
    """
    return pairs(partition)[1]


def disagreement(partition: AnswerPartition) -> float:
    """`agreement_within` − `agreement`: half the mean squared distance ‖p_v − p_w‖² of two phrasings, unbiased.

    0 where phrasings answer alike, whatever they answer; an estimate of it may fall below.
    """
    within, across = pairs(partition)
    return within - across


def metrics(n: int) -> Sequence[Metric]:
    """Agreement across and within phrasings, their difference disagreement, their ratio of means coherence."""
    share = (0.0, 1.0)
    across, within = "agreement", "agreement_within"
    return [
        Metric("coherence", "ratio", True, share, None, shown=True, compared=True, ratio_of=(across, within)),
        Metric(across, "probability", True, share, agreement, shown=True),
        Metric(within, "probability", None, share, agreement_within, shown=True, compared=True),
        Metric("disagreement", "probability", False, share, disagreement, compared=True, unbiased=True),
    ]
