"""The equilibrium of soft coherence from as many numbers as there are prompts."""

from __future__ import annotations

import numpy as np

from alftbench.games.numerics import FloatArray, log_normalise

_ROUNDS = 100


def coherence_equilibrium(log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float, lambda_: float) -> FloatArray:
    """The policies that solve soft coherence, by Newton's method in P dimensions.

    With α = β/(β+λ) the equilibrium p_i = p0_i^α q^{1−α} e^{−c_i}, q = Σ_i w_i p_i, gives q answer by
    answer: q(z)^α = Σ_i w_i e^{−c_i} p0_i(z)^α =: e^{h_z(c)}. What is left is to normalise every policy,
    which is the stationarity of the convex function

        Φ(c) = α log Σ_z exp(h_z(c)/α) + w·c.

    Nothing of size Z² appears, and an answer that only some prompts can give needs no care.

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
    powers_PZ = share * log_p0_PZ[:, possible] + np.log(weights_P)[:, None]
    c_P = np.zeros(weights_P.size)
    value, log_q, shares_PZ = _dual(c_P, powers_PZ, weights_P, share)
    for _ in range(_ROUNDS):
        slope, step = _newton_step(log_q, shares_PZ, weights_P, share)
        length, ahead = 1.0, _dual(c_P + step, powers_PZ, weights_P, share)
        while ahead[0] > value + 1e-4 * length * (slope @ step) + 1e-13 * (1 + abs(value)) and length > 1e-10:
            length /= 2
            ahead = _dual(c_P + length * step, powers_PZ, weights_P, share)
        c_P = c_P + length * step
        value, log_q, shares_PZ = ahead
        # Convergence is quadratic: the step after one of 1e-7 α is of the order of 1e-14 α.
        if np.abs(step).max() <= 1e-7 * share:
            break
    log_p = np.full_like(log_p0_PZ, -np.inf)
    log_p[:, possible] = log_normalise(share * log_p0_PZ[:, possible] + (1.0 - share) * log_q)
    return log_p


def _dual(
    c_P: FloatArray, powers_PZ: FloatArray, weights_P: FloatArray, share: float
) -> tuple[float, FloatArray, FloatArray]:
    """Φ(c), the consensus log q_Z it implies, and the shares ρ_i(z) = w_i p_i(z)/q(z)."""
    tilted_PZ = powers_PZ - c_P[:, None]
    top_Z = tilted_PZ.max(axis=0)
    shares_PZ = np.exp(tilted_PZ - top_Z)
    sums_Z = shares_PZ.sum(axis=0)
    shares_PZ /= sums_Z
    log_q = (top_Z + np.log(sums_Z)) / share
    top = log_q.max()
    total = top + np.log(np.exp(log_q - top).sum())
    return float(share * total + weights_P @ c_P), log_q - total, shares_PZ


def _newton_step(
    log_q_Z: FloatArray, shares_PZ: FloatArray, weights_P: FloatArray, share: float
) -> tuple[FloatArray, FloatArray]:
    """The slope ∇Φ = w − E_q ρ and the Newton step against ∇²Φ = E_q[diag ρ − ρρᵀ] + (1/α) Cov_q ρ.

    Adding a constant to c changes nothing, so that direction is pinned by w wᵀ.
    """
    weighted_PZ = shares_PZ * np.exp(log_q_Z)
    mean_P = weighted_PZ.sum(axis=1)
    second_PP = weighted_PZ @ shares_PZ.T
    covariance = second_PP - mean_P[:, None] * mean_P
    slope = weights_P - mean_P
    hessian = np.diag(mean_P) - second_PP + covariance / share + weights_P[:, None] * weights_P
    return slope, np.linalg.solve(hessian, -slope)
