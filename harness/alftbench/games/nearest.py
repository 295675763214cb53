"""Nearest policies on traces: to the reference, with given answers; within a class, to given policies."""

from __future__ import annotations

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.games.game import Prompt
from alftbench.games.numerics import log_normalise
from alftbench.games.objectives.power import deformed_log, free_maximum

_ROUNDS = 200
_SETTLED = 1e-24
"""Squared natural slope, in nats, at which the members of a class are the nearest to rounding."""
_SHORTEST = 1e-6

LogTraces = tuple[FloatArray, ...]


def projected_traces(prompt: Prompt, log_p_Z: FloatArray, order: float) -> FloatArray:
    """The Bregman projection of a prompt's reference onto the policies with answer marginals p.

    argmin Σ_y D_b(π(y)‖π0(y)) subject to Σ_{y: E(y)=z} π(y) = p(z): π^b = π0^b + ν_z within every answer, for
    b > 0 cut off at zero. For b = 0 it keeps the reference's traces given the answer, as `lift` does.

    Args:
        prompt: its traces.
        log_p_Z: the wanted log answer marginals, −inf wherever the reference is zero.
        order: b of the divergence.

    Returns:
        log π_Y.

    Source: Bregman 1967 (projection); the one-dimensional solve is derived here.
    """
    answer_Y, log_prob_Y = prompt.answer_Y, prompt.log_prob_Y
    kept = np.flatnonzero((log_prob_Y > -np.inf) & (log_p_Z[answer_Y] > -np.inf))
    kept = kept[np.argsort(answer_Y[kept], kind="stable")]
    _, first, row, sizes = np.unique(answer_Y[kept], return_index=True, return_inverse=True, return_counts=True)
    column = np.arange(kept.size) - first[row]
    # A row per answer; scaled to sum to one, D_b of masses m is m^{1+b} times that of the shares.
    shares = np.full((sizes.size, sizes.max(initial=1)), -np.inf)
    shares[row, column] = log_prob_Y[kept] - log_p_Z[answer_Y[kept]]
    log_pi_Y = np.full(log_prob_Y.size, -np.inf)
    log_pi_Y[kept] = free_maximum(deformed_shares(shares, order), order)[row, column] + log_p_Z[answer_Y[kept]]
    return log_pi_Y


def deformed_shares(log_x: FloatArray, order: float) -> FloatArray:
    """The deformed logarithm log_b x with −∞ where x = 0, at every order."""
    return np.where(log_x > -np.inf, deformed_log(log_x, order), -np.inf)


def fitted_traces(
    weights_P: FloatArray, log_references: LogTraces, log_targets: LogTraces, features: tuple[FloatArray, ...]
) -> LogTraces:
    """The members of a class that are nearest to given policies: argmin_θ Σ_i w_i KL(τ_i‖π_i).

    π_i(y) ∝ π0_i(y) exp(θ·φ_i(y)), θ shared by the orbit. It is supervised fine-tuning on the traces of τ, convex
    in θ, and at the minimum features have the same mean under both: Newton's method, shortened where it must be.

    Args:
        weights_P: weights of the prompts.
        log_references: log π0 of every trace, per prompt.
        log_targets: log τ, −inf wherever π0 is.
        features: φ, one array (traces, features) per prompt.

    Source: Csiszár 1975 (moment projection); arXiv 2604.27166 (a policy step as a supervised fit).
    """
    kept = tuple(log_prob > -np.inf for log_prob in log_references)
    parts = zip(log_references, log_targets, features, kept, strict=True)
    rows = [(reference[k], np.exp(target[k]), phi[k]) for reference, target, phi, k in parts]

    def members(theta_K: FloatArray) -> list[FloatArray]:
        return [log_normalise(reference + phi @ theta_K) for reference, _, phi in rows]

    def loss(log_pis: list[FloatArray]) -> float:
        return -float(weights_P @ [tau @ log_pi for (_, tau, _), log_pi in zip(rows, log_pis, strict=True)])

    theta_K = np.zeros(features[0].shape[1])
    log_pis = members(theta_K)
    for _ in range(_ROUNDS):
        step_K, slope = _newton_step(weights_P, rows, log_pis)
        length, ahead = 1.0, members(theta_K + step_K)
        while length > _SHORTEST and loss(ahead) > loss(log_pis):
            length /= 2
            ahead = members(theta_K + length * step_K)
        if slope <= _SETTLED or length <= _SHORTEST:
            break
        theta_K, log_pis = theta_K + length * step_K, ahead
    whole = [np.full(log_prob.size, -np.inf) for log_prob in log_references]
    for row, k, log_pi in zip(whole, kept, log_pis, strict=True):
        row[k] = log_pi
    return tuple(whole)


def _newton_step(
    weights_P: FloatArray, rows: list[tuple[FloatArray, FloatArray, FloatArray]], log_pis: list[FloatArray]
) -> tuple[FloatArray, float]:
    """The step H⁻¹ g, g = Σ w (E_τ φ − E_π φ) and H = Σ w Cov_π φ, and its squared length g·H⁻¹g in nats."""
    K = rows[0][2].shape[1]
    rise_K, fisher_KK = np.zeros(K), np.zeros((K, K))
    for w, (_, tau, phi), log_pi in zip(weights_P, rows, log_pis, strict=True):
        pi = np.exp(log_pi)
        centred = phi - pi @ phi
        rise_K += w * (tau @ centred)
        fisher_KK += w * centred.T @ (pi[:, None] * centred)
    step_K = np.linalg.lstsq(fisher_KK, rise_K, rcond=1e-13)[0]
    return np.asarray(step_K, dtype=float), float(rise_K @ step_K)
