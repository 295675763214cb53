"""Rules over an orbit: answers that all phrasings give earn more, without labels. No answer earns the least."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.base.validate import Positive
from alftbench.games.rewards.group import GroupRecord, at_least_two, needed
from alftbench.games.rewards.targets import Target


def consensus(record: GroupRecord, target: Target) -> FloatArray:
    """The log share log q̂(z), nats; q follows the policy, so it sharpens.

    The best response to F = Σ_v w_v CE(p_v, q) (`Consensus`). Source: arXiv 2604.27166 (Coherence-GRPO).
    """
    return target.log_q(record)


def coherence(record: GroupRecord, target: Target) -> FloatArray:
    """The difference log q̂(z) − log p̂_v(z), nats: answers that other phrasings give more often earn more.

    The best response to F = JSD of the phrasings' answer distributions (`Coherence`), convex: it does not sharpen.
    Source: arXiv 2604.27166; 2511.08440.
    """
    return target.log_q(record) - target.log_p(record)


def pairwise_coherence(
    record: GroupRecord, *, smoothing: Annotated[Positive, "s, added to every count"] = 0.5
) -> FloatArray:
    """Σ_j w_j (p̂_j(z)/p̂_v(z) − log(p̂_v(z)/p̂_j(z))) with w_j = 1/V and p̂ ∝ n + s.

    The best response to F = Σ_{i≠j} w_i w_j KL(p_i‖p_j) (`PairwiseCoherence`). A phrasing that never gave the
    answer has the count 0 and p̂ would be 0: s is what it has instead. No answer is read as given by the whole own
    group and by no other. Source: arXiv 2511.08440 (coherence); the gradient is derived here.

    Raises:
        UsageError: there is no other phrasing.
    """
    at_least_two(record)
    V, counts_VZ = record.phrasings, record.counts_VZ + smoothing
    log_ratio = np.log(counts_VZ[..., None, :, :]) - np.log(counts_VZ[..., :, None, :])
    reward_VZ = (np.exp(log_ratio) + log_ratio).mean(axis=-2)
    rarest = smoothing / (record.group + smoothing)
    return record.at_own_answer(reward_VZ, float(((V - 1) * (rarest + np.log(rarest)) + 1) / V))


def trace_coherence(record: GroupRecord) -> FloatArray:
    """mean_{j≠v} log π(y|x_j) − log π(y|x_v), nats: what other phrasings would have written too earns more.

    In expectation −mean_{j≠v} KL(π_v‖π_j) over whole traces, which costs V passes a rollout. The others are held
    still: each phrasing ascends its own part, and together that is no gradient. No answer earns as its text does,
    but no more than the least of the answers in its group.

    Raises:
        UsageError: there is no other phrasing, or `cross_log_prob_VGV` is not at hand.

    Source: after the coherence of arXiv 2511.08440.
    """
    at_least_two(record)
    cross_VGV = needed(record.cross_log_prob_VGV, "cross_log_prob_VGV")
    own_VG: FloatArray = np.einsum("...vgv->...vg", cross_VGV)
    earned_VG: FloatArray = (cross_VGV.sum(axis=-1) - own_VG) / (record.phrasings - 1) - own_VG
    least = np.where(record.answered_VG, earned_VG, np.inf).min(axis=-1, keepdims=True)
    return np.asarray(np.where(record.answered_VG, earned_VG, np.minimum(earned_VG, least)))
