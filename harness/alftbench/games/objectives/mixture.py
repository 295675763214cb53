"""The best mixture of answers for several prompts at once: what the conjugate of soft coherence asks for."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from alftbench.base.arrays import FloatArray

_ROUNDS = 200
_CLOSE = 1e-14


def best_mixture(log_gain_PZ: FloatArray, weights_P: FloatArray) -> float:
    """An upper bound, tight to rounding, on max_q Σ_i w_i log Σ_z q(z) e^{g_i(z)} over distributions q.

    At any q no other mixture is better by more than log max_z Σ_i w_i e^{g_i(z)} / Σ_z q e^{g_i} (Jensen's
    inequality); steps are taken until that is nothing. Each is the maximum of the quadratic model, a non-negative
    least-squares problem in as many rows as prompts, or where that does not improve a step of the EM algorithm.

    Args:
        log_gain_PZ: log gains g, −inf allowed, but not for all answers of a prompt.
        weights_P: orbit weights, positive, summing to one.

    Source: Cover 1984 (the bound and EM), Wang 2007 (the model); the link to coherence is derived here.
    """
    top_P = log_gain_PZ.max(axis=1)
    gain_PZ = np.exp(log_gain_PZ - top_P[:, None])
    q = np.full(gain_PZ.shape[1], 1.0 / gain_PZ.shape[1])
    lowest, value = np.inf, -np.inf
    for _ in range(_ROUNDS):
        each_P = gain_PZ @ q
        relative_PZ = gain_PZ / each_P[:, None]
        slope_Z = weights_P @ relative_PZ
        value = float(weights_P @ np.log(each_P))
        lowest = min(lowest, value + float(np.log(slope_Z.max())))
        if lowest - value <= _CLOSE:
            break
        q = _improved(q, _model_maximum(relative_PZ, weights_P), gain_PZ, weights_P, value, slope_Z)
    return float(weights_P @ top_P) + lowest


def _model_maximum(relative_PZ: FloatArray, weights_P: FloatArray) -> FloatArray | None:
    """The distribution that maximises the second-order model of the value; None where the search fails."""
    design = np.vstack([np.sqrt(weights_P)[:, None] * (relative_PZ - 2.0), np.ones(relative_PZ.shape[1])])
    try:
        q, _ = nnls(design, np.r_[np.zeros(weights_P.size), 1.0])
    except RuntimeError:
        return None
    total = q.sum()
    return np.asarray(q / total) if total > 0 else None


def _improved(
    q: FloatArray,
    model: FloatArray | None,
    gain_PZ: FloatArray,
    weights_P: FloatArray,
    value: float,
    slope_Z: FloatArray,
) -> FloatArray:
    """A point on the way to the model's maximum that is better than q, else the EM step."""
    length = 1.0
    while model is not None and length > 1e-6:
        candidate = (1.0 - length) * q + length * model
        each_P = gain_PZ @ candidate
        if each_P.min() > 0 and weights_P @ np.log(each_P) > value:
            return np.asarray(candidate)
        length /= 4
    em = q * slope_Z
    return np.asarray(em / em.sum())
