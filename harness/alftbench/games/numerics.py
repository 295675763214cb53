"""Log-domain arithmetic in which an answer of probability zero is a number like any other.

Policies are arrays of log-probabilities, log_p_PZ: prompts by answers, −inf where an answer is impossible.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]


def log_sum_exp(log_x: FloatArray, axis: int = -1) -> FloatArray:
    """log Σ exp(x) along an axis; −inf where every term is zero.

    scipy's function does the same with ten times the overhead on arrays of fifty answers.
    """
    top = log_x.max(axis=axis, keepdims=True)
    top = np.where(top == -np.inf, 0.0, top)
    with np.errstate(divide="ignore"):
        total: FloatArray = np.log(np.exp(log_x - top).sum(axis=axis)) + top.squeeze(axis)
    return total


def log_normalise(log_x: FloatArray) -> FloatArray:
    """Scale so that the last axis sums to one in probability."""
    return log_x - log_sum_exp(log_x)[..., None]


def log_of(p: FloatArray) -> FloatArray:
    """log p with log 0 = −inf and no warning."""
    with np.errstate(divide="ignore"):
        return np.log(p)


def log_ratio(log_p: FloatArray, log_q: FloatArray) -> FloatArray:
    """log p − log q, read as 0 where both are zero."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(log_p - log_q, nan=0.0, posinf=np.inf, neginf=-np.inf)


def expectation(log_p: FloatArray, x: FloatArray) -> FloatArray:
    """Σ p x along the last axis, where p = 0 counts as 0 whatever x is."""
    p = np.exp(log_p)
    with np.errstate(invalid="ignore"):
        products: FloatArray = np.where(p > 0, p * x, 0.0)
    total: FloatArray = products.sum(axis=-1)
    return total


def kl(log_p: FloatArray, log_q: FloatArray) -> FloatArray:
    """KL(p‖q) = Σ p log(p/q) along the last axis, in nats.

    Summed as Σ q φ(p/q) with φ(t) = t log t − t + 1 ≥ 0 where the two are close: the plain sum loses every digit
    of a divergence below 1e-16, and a Nash gap is such a divergence.
    """
    ratio = log_ratio(log_p, log_q)
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.exp(log_q) * _phi(ratio)
        far = np.exp(log_p) * ratio - np.exp(log_p) + np.exp(log_q)
    terms = np.where(np.abs(ratio) < 1.0, near, np.where(np.isneginf(log_p), np.exp(log_q), far))
    total: FloatArray = terms.sum(axis=-1)
    return total


def _phi(t: FloatArray) -> FloatArray:
    """e^t t − e^t + 1 = t²/2 + t³/3 + t⁴/8 + …, without cancellation for small t."""
    series = t * t * (0.5 + t * (1 / 3 + t * (1 / 8 + t / 30)))
    direct = np.expm1(t) * (t - 1.0) + t
    return np.where(np.abs(t) < 1e-3, series, direct)


def total_variation(log_p: FloatArray, log_q: FloatArray) -> FloatArray:
    """½ Σ |p − q| along the last axis."""
    distance: FloatArray = 0.5 * np.abs(np.exp(log_p) - np.exp(log_q)).sum(axis=-1)
    return distance
