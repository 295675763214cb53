"""Rules of how many rollouts of a group are right: C of G. A right one earns what its group makes it worth."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from scipy.special import binom

from alftbench.base.arrays import FloatArray
from alftbench.base.validate import Positive, at_least
from alftbench.errors import UsageError
from alftbench.games.rewards.group import GroupRecord

Count = Annotated[int, at_least(1)]


def pass_at_k(
    record: GroupRecord, *, k: Annotated[Count | None, "k ≤ G; none for all of the group"] = 2
) -> FloatArray:
    """C C(G−C, k−1)/C(G−1, k−1): the chance that k − 1 others of the group are all wrong.

    Unbiased for the gradient of pass@k = 1 − (1 − p_c)^k, over k, at any G ≥ k. With k = G only a rollout that is
    alone in being right earns anything: "only the best rollout, by how far it beats the second", arXiv 2503.19595.

    Raises:
        UsageError: k is larger than the group.

    Source: PKPO, arXiv 2505.15201; pass@k training, arXiv 2508.10751.
    """
    return record.correct_VG * _others_wrong(record, record.group if k is None else k)


def maxrl(
    record: GroupRecord, *, order: Annotated[Count | None, "T ≤ G; none for all of the group"] = None
) -> FloatArray:
    """C Σ_{k≤T} C(G−C, k−1)/C(G−1, k−1), which is c G/C at T = G.

    Unbiased for the gradient of −Σ_{k≤T} (1 − p_c)^k/k, the first T terms of log p_c. In groups without a right
    rollout nobody earns anything.

    Raises:
        UsageError: T is larger than the group.

    Source: MaxRL, arXiv 2602.02710; with T its MaxRL-T.
    """
    if order is None:
        return record.correct_VG * record.group / np.maximum(record.right_V1, 1)
    worth = sum(_others_wrong(record, k) for k in range(1, order + 1))
    return np.asarray(record.correct_VG * worth)


def risk_seeking(
    record: GroupRecord, *, risk: Annotated[Positive, "β of e^{βr}; 0 would be correctness"] = 2.0
) -> FloatArray:
    """(1/β) e^{βc}/mean(e^{βc}) of the group; the paper's advantage, but for its constant −1/β.

    As G → ∞ it ascends (1/β) log E e^{βc}: correctness as β → 0, the best that is possible as β → ∞.
    Source: RS-GRPO, arXiv 2509.24261, and its code.
    """
    mean_V1 = 1 + np.expm1(risk) * record.right_V1 / record.group
    return np.asarray(np.exp(risk * record.correct_VG) / mean_V1 / risk)


def focal(record: GroupRecord, *, gamma: Annotated[float, at_least(0), "γ; 0 is correctness"] = 0.5) -> FloatArray:
    """C (1 − C/G)^γ: groups that mostly succeed count less.

    As G → ∞ it ascends −(1 − p_c)^{γ+1}/(γ+1). The paper scales the group's advantages, which with the mean as
    baseline is the same. Source: F-GRPO, arXiv 2602.06717.
    """
    return record.correct_VG * (1 - record.right_V1 / record.group) ** gamma


def _others_wrong(record: GroupRecord, k: int) -> FloatArray:
    if k > record.group:
        raise UsageError(f"a group of {record.group} rollouts says nothing of {k} at once; use at most the group")
    return np.asarray(binom(record.group - record.right_V1, k - 1) / binom(record.group - 1, k - 1))
