"""Do the phrasings of a problem get the same answers, and are they any surer of them than one phrasing is?

A sample without an answer agrees with nothing. Every figure is an unbiased estimate from pairs of draws, so it
means the same for any number of samples. A phrasing with a single draw has no pair of its own and is left out of
pairs across phrasings too, where others have more.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.metrics.base import Metric, counts_VZ
from alftbench.types import AnswerPartition


def agreements_VV(partition: AnswerPartition) -> FloatArray:
    """Chance that two draws give the same answer, one draw of each of two phrasings, unbiased; shape (V, V).

    Off the diagonal Σ_z p̂_v(z) p̂_w(z); on it, for two different draws of one phrasing,
    Σ_z c_z (c_z − 1) / n (n − 1), NaN for a single draw.
    """
    counts = counts_VZ(partition)
    n_V = np.array([len(row) for row in partition.class_VN], dtype=float)
    together_VV: FloatArray = counts @ counts.T / np.outer(n_V, n_V)
    with np.errstate(invalid="ignore"):
        within_V = (counts * (counts - 1)).sum(axis=1) / (n_V * (n_V - 1))
    np.fill_diagonal(together_VV, within_V)
    return together_VV


def paired_VV(partition: AnswerPartition) -> FloatArray:
    """`agreements_VV` of the phrasings with two draws or more; of all where none has."""
    many_V = np.array([len(row) > 1 for row in partition.class_VN])
    together_VV = agreements_VV(partition)
    return together_VV[np.ix_(many_V, many_V)] if many_V.any() else together_VV


def agreement_within(partition: AnswerPartition) -> float:
    """Chance that two draws of one phrasing give the same answer, a repeat: mean over v of Σ_z p_v(z)².

    NaN where no phrasing has two draws.
    """
    return float(np.diag(paired_VV(partition)).mean())


def agreement(partition: AnswerPartition) -> float:
    """Chance that draws of two different phrasings give the same answer: mean over v ≠ w of Σ_z p_v(z) p_w(z).

    NaN for one phrasing.
    """
    together_VV = paired_VV(partition)
    different_VV = ~np.eye(len(together_VV), dtype=bool)
    return float(together_VV[different_VV].mean()) if len(together_VV) > 1 else nan


def disagreement(partition: AnswerPartition) -> float:
    """`agreement_within` − `agreement`: half the mean squared distance ‖p_v − p_w‖² of two phrasings, unbiased.

    0 where phrasings answer alike, whatever they answer; an estimate of it may fall below.
    """
    return agreement_within(partition) - agreement(partition)


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
