"""The equilibrium of soft coherence from as many numbers as there are prompts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.games.numerics import log_normalise

_ROUNDS = 100
_FALL = 0.2
"""The share α of the anchor falls at most to this part of itself at a time on the way to a weak anchor."""
_NEAR = 0.1
"""Largest relative slope at which a stage of that way ends."""
_EXACT = 1e-10
"""Largest relative slope at the end, in units of α; the marginals are then right to about as much."""
_ROUNDING = 4 * float(np.finfo(float).eps)


def coherence_equilibrium(log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float, lambda_: float) -> FloatArray:
    """The policies that solve soft coherence, by Newton's method in P dimensions.

    With α = β/(β+λ) the equilibrium p_i = p0_i^α q^{1−α} e^{−c_i}, q = Σ_i w_i p_i, gives q answer by
    answer: q(z)^α = Σ_i w_i e^{−c_i} p0_i(z)^α =: e^{h_z(c)}. What is left is to normalise every policy,
    which is the stationarity of the convex function

        Φ(c) = α log Σ_z exp(h_z(c)/α) + w·c.

    Nothing of size Z² appears, and it does not matter which prompts can give which answers.

    Args:
        log_p0_PZ: log reference answer marginals.
        weights_P: orbit weights, positive, summing to one.
        beta: strength of the KL anchor.
        lambda_: weight of coherence.

    Returns:
        log p*, shape (P, Z).

    Source: the fixed point is that of arXiv 2604.27166; the dual is derived here.
    """
    share = beta / (beta + lambda_)
    # An answer that no prompt can give would only carry −inf through every round.
    possible = (log_p0_PZ > -np.inf).any(axis=0)
    log_p = np.full_like(log_p0_PZ, -np.inf)
    consensus = _consensus(log_p0_PZ[:, possible], weights_P, share)
    log_p[:, possible] = log_normalise(share * log_p0_PZ[:, possible] + (1.0 - share) * consensus)
    return log_p


def _consensus(log_p0_PZ: FloatArray, weights_P: FloatArray, share: float) -> FloatArray:
    """The equilibrium's log q for a share α of the anchor.

    Φ bends on the scale α, so a weak anchor is reached through stronger ones, each from where the last ended.
    """
    n_stages = max(1, math.ceil(math.log(share) / math.log(_FALL)))
    c_P = np.zeros(weights_P.size)
    for k in range(1, n_stages):
        c_P = _Dual(log_p0_PZ, weights_P, share ** (k / n_stages)).minimum(c_P, _NEAR).c_P
    return _Dual(log_p0_PZ, weights_P, share).minimum(c_P, max(_ROUNDING, _EXACT * share)).log_q_Z


@dataclass(frozen=True, eq=False)
class _Point:
    """c and Φ(c), the consensus q that c implies, the shares ρ_i(z) = w_i p_i(z)/q(z), and their mean E_q ρ.

    error: the largest relative error of a prompt's normalisation.
    """

    c_P: FloatArray
    value: float
    log_q_Z: FloatArray
    q_Z: FloatArray
    shares_PZ: FloatArray
    mean_P: FloatArray
    error: float


class _Dual:
    """Φ for one share α."""

    def __init__(self, log_p0_PZ: FloatArray, weights_P: FloatArray, share: float) -> None:
        self.powers_PZ = share * log_p0_PZ + np.log(weights_P)[:, None]
        self.weights_P = weights_P
        self.share = share

    def at(self, c_P: FloatArray) -> _Point:
        tilted_PZ = self.powers_PZ - c_P[:, None]
        top_Z = tilted_PZ.max(axis=0)
        shares_PZ = np.exp(tilted_PZ - top_Z)
        sums_Z = shares_PZ.sum(axis=0)
        shares_PZ /= sums_Z
        log_q = (top_Z + np.log(sums_Z)) / self.share
        top = log_q.max()
        q_Z = np.exp(log_q - top)
        mass = q_Z.sum()
        q_Z /= mass
        total = top + math.log(mass)
        value = float(self.share * total + self.weights_P @ c_P)
        mean_P = shares_PZ @ q_Z
        error = float(np.abs(1.0 - mean_P / self.weights_P).max())
        return _Point(c_P, value, log_q - total, q_Z, shares_PZ, mean_P, error)

    def minimum(self, c_P: FloatArray, tolerance: float) -> _Point:
        """Newton's method with a line search, until no prompt's relative slope is above the tolerance."""
        here = self.at(c_P)
        for _ in range(_ROUNDS):
            if here.error <= tolerance:
                break
            step = self._step(here, min(here.error, 1.0))
            descent = float((self.weights_P - here.mean_P) @ step)
            length, ahead = 1.0, self.at(here.c_P + step)
            allowed = 10 * _ROUNDING * (1 + abs(here.value))
            while ahead.value > here.value + 1e-4 * length * descent + allowed and length > 1e-10:
                length /= 2
                ahead = self.at(here.c_P + length * step)
            if ahead.error >= here.error and -descent <= allowed:
                break
            here = ahead
        return here

    def _step(self, point: _Point, ridge: float) -> FloatArray:
        """The Newton step −(∇²Φ)⁻¹ ∇Φ with ∇Φ = w − E_q ρ and ∇²Φ = E_q[diag ρ − ρρᵀ] + (1/α) Cov_q ρ.

        Adding a constant to c changes nothing, so that direction is pinned by w wᵀ. The Hessian is at least
        diag w where the slope is zero, but can vanish elsewhere: the ridge vanishes with the slope.
        """
        w, mean_P = self.weights_P, point.mean_P
        second_PP = (point.shares_PZ * point.q_Z) @ point.shares_PZ.T
        covariance = second_PP - mean_P[:, None] * mean_P
        hessian = np.diag(mean_P + ridge * w) - second_PP + covariance / self.share + w[:, None] * w
        return np.asarray(np.linalg.solve(hessian, mean_P - w))
