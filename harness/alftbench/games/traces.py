"""Between traces and answers: E(y) = z gathers traces into answer marginals and lifts marginals back.

Everything takes time and memory proportional to the number of traces.
"""

from __future__ import annotations

import numpy as np

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.games.numerics import kl, log_of, log_ratio


def marginalise(answer_Y: IntArray, log_prob_Y: FloatArray, Z: int) -> FloatArray:
    """Log answer marginals: log p(z) = log Σ_{y: E(y)=z} exp(log π(y)).

    Args:
        answer_Y: the index of each trace's answer, in 0..Z−1.
        log_prob_Y: log π(y), −inf allowed.
        Z: number of answers.

    Returns:
        log p_Z, −inf for an answer without traces.

    Source: arXiv 2604.27166 (answer marginal).
    """
    top_Z = np.full(Z, -np.inf)
    np.maximum.at(top_Z, answer_Y, log_prob_Y)
    top_Z[np.isneginf(top_Z)] = 0.0
    each_Y = np.exp(log_prob_Y - top_Z[answer_Y])
    sums_Z = np.bincount(answer_Y, weights=each_Y, minlength=Z).astype(float)
    return np.asarray(log_of(sums_Z) + top_Z)


def lift(answer_Y: IntArray, log_prob_Y: FloatArray, log_p0_Z: FloatArray, log_p_Z: FloatArray) -> FloatArray:
    """The policy with given answer marginals that keeps the reference's traces given the answer.

    log π(y) = log π0(y) + log p(E(y)) − log p0(E(y)).

    Args:
        answer_Y: the index of each trace's answer.
        log_prob_Y: log π0(y).
        log_p0_Z: the reference's log answer marginals.
        log_p_Z: the wanted log answer marginals.

    Returns:
        log π_Y.

    Source: arXiv 2604.27166 (chain rule of the KL divergence).
    """
    return log_prob_Y + log_ratio(log_p_Z, log_p0_Z)[answer_Y]


def trace_drift(answer_Y: IntArray, log_pi_Y: FloatArray, log_pi0_Y: FloatArray, Z: int) -> float:
    """What a policy pays beyond what its answers ask: Σ_z p(z) KL(π(·|z)‖π0(·|z)), in nats.

    It is KL(π‖π0) less KL(p‖p0), and 0 at every equilibrium.

    Args:
        answer_Y: the index of each trace's answer.
        log_pi_Y: log π(y).
        log_pi0_Y: log π0(y).
        Z: number of answers.

    Source: arXiv 2604.27166 (chain rule); the name is ours.
    """
    kept = lift(answer_Y, log_pi0_Y, marginalise(answer_Y, log_pi0_Y, Z), marginalise(answer_Y, log_pi_Y, Z))
    return float(kl(log_pi_Y, kept))
