"""The best mixture of answers for several prompts at once: what the conjugate of soft coherence asks for."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from alftbench.base.arrays import FloatArray, IntArray

_ROUNDS = 200
_CLOSE = 1e-14
_SHORTEST = 1e-9
_NEWCOMERS = 32
"""Answers that may join a mixture at a time, those of the steepest slope: the rest would only cost."""


def best_mixture(log_gain_PZ: FloatArray, weights_P: FloatArray) -> float:
    """An upper bound, tight to rounding, on max_q Σ_i w_i log Σ_z q(z) e^{g_i(z)} over distributions q.

    At any q no other mixture is better by more than log max_z Σ_i w_i e^{g_i(z)} / Σ_z q e^{g_i} (Jensen's
    inequality); steps are taken until that is nothing. Each goes toward the maximum of the quadratic model, a
    non-negative least-squares problem in as many rows as prompts, or else toward the steepest answer.

    Args:
        log_gain_PZ: log gains g, −inf allowed, but not for all answers of a prompt.
        weights_P: orbit weights, positive, summing to one.

    Source: Cover 1984 (the bound), Wang 2007 (the model); the link to coherence is derived here.
    """
    top_P = log_gain_PZ.max(axis=1)
    gain_PZ = np.exp(log_gain_PZ - top_P[:, None])
    q: FloatArray = np.zeros(gain_PZ.shape[1])
    np.add.at(q, log_gain_PZ.argmax(axis=1), weights_P)
    lowest = np.inf
    for _ in range(_ROUNDS):
        each_P = gain_PZ @ q
        relative_PZ = gain_PZ / each_P[:, None]
        slope_Z = weights_P @ relative_PZ
        value = float(weights_P @ np.log(each_P))
        lowest = min(lowest, value + float(np.log(slope_Z.max())))
        if lowest - value <= _CLOSE:
            break
        steepest = np.eye(1, q.size, int(slope_Z.argmax()))[0]
        ahead = _improved(q, _model_maximum(relative_PZ, weights_P, _working(q, slope_Z)), gain_PZ, weights_P)
        if ahead is q:
            ahead = _improved(q, steepest, gain_PZ, weights_P)
        if ahead is q:
            break
        q = ahead
    return float(weights_P @ top_P) + lowest


def _working(q: FloatArray, slope_Z: FloatArray) -> IntArray:
    """The answers of the mixture, and those that would improve it most."""
    count = min(_NEWCOMERS, q.size)
    steep = np.argpartition(-slope_Z, count - 1)[:count]
    return np.union1d(np.flatnonzero(q), steep)


def _model_maximum(relative_PZ: FloatArray, weights_P: FloatArray, working: IntArray) -> FloatArray:
    """The distribution on the working answers that maximises the second-order model of the value."""
    columns = relative_PZ[:, working]
    design = np.vstack([np.sqrt(weights_P)[:, None] * (columns - 2.0), np.ones(working.size)])
    q = np.zeros(relative_PZ.shape[1])
    try:
        q[working], _ = nnls(design, np.r_[np.zeros(weights_P.size), 1.0])
    except RuntimeError:  # Its own limit of iterations: the steepest answer is tried instead.
        return q
    return np.asarray(q / max(float(q.sum()), np.finfo(float).tiny))


def _improved(q: FloatArray, goal: FloatArray, gain_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
    """The first point on a halving way to the goal that is better than q; q itself where there is none.

    The bound is of first order in the distance to the maximum, the value of second: where rounding hides whether
    the value rises, a lower bound is better.
    """
    here_P, length = gain_PZ @ q, 1.0
    value = float(weights_P @ np.log(here_P))
    while length > _SHORTEST:
        candidate = (1.0 - length) * q + length * goal
        candidate /= candidate.sum()
        each_P = gain_PZ @ candidate
        rise = float(weights_P @ np.log(each_P)) - value if each_P.min() > 0 else -np.inf
        flat = abs(rise) <= _CLOSE
        if (flat and _steepest(gain_PZ, each_P, weights_P) < _steepest(gain_PZ, here_P, weights_P)) or (
            rise > 0 and not flat
        ):
            return np.asarray(candidate)
        length /= 2
    return q


def _steepest(gain_PZ: FloatArray, each_P: FloatArray, weights_P: FloatArray) -> float:
    """The largest slope, 1 at the maximum."""
    return float(((weights_P / each_P) @ gain_PZ).max())
