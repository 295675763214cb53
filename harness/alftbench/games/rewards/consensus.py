"""Rules over an orbit: answers that all phrasings give earn more, without labels. No answer earns the least."""

from __future__ import annotations

from alftbench.base.arrays import FloatArray
from alftbench.games.rewards.group import GroupRecord
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
