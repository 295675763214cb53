"""Rules of how often an answer came up in its group: f = n/G, n the rollouts that gave it, itself included."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.base.validate import at_least, at_most
from alftbench.games.rewards.group import GroupRecord


def frequency(record: GroupRecord) -> FloatArray:
    """f, without labels; 0 for no answer.

    It ascends ½ Σ p², so it sharpens. Source: EMPO, arXiv 2504.05812, where f is the share of the rollouts that
    mean the same; OM-GRPO, arXiv 2608.03119, has this reward and a mask on the answer's tokens.
    """
    return record.answered_VG * record.own_VG / record.group


def inverse_propensity(
    record: GroupRecord,
    *,
    floor: Annotated[float, at_least(0), at_most(1), "ε, shares below it count as it"] = 0.0,
) -> FloatArray:
    """c/max(f, ε): a right answer earns as much however often it is drawn.

    At ε = 0 it ascends Σ c log p: without the KL every right answer is as likely as any other. Names of it, equal
    up to the constant G: IPS-GRPO, arXiv 2601.21669; R/n, which is DRA-GRPO, arXiv 2505.09655, where two rollouts
    are alike if their answers are; c n^{−α} at α = 1 (`uniqueness`).
    """
    return record.correct_VG / np.maximum(record.own_VG / record.group, floor)


def uniqueness(
    record: GroupRecord, *, power: Annotated[float, at_least(0), "α; 0 is correctness, 1 inverse propensity"] = 0.5
) -> FloatArray:
    """C f^{−α}.

    The paper has c n^{−α} = c f^{−α} G^{−α}; in shares it has the same size at any group. It ascends
    Σ c p^{1−α}/(1−α), which is Σ c log p at α = 1. The paper weights the advantage; here the reward.
    Source: arXiv 2601.08763; the escort distributions of arXiv 2604.25907.
    """
    share_VG: FloatArray = record.own_VG / record.group
    return np.asarray(record.correct_VG * np.power(share_VG, -power))


def batch_penalty(
    record: GroupRecord, *, weight: Annotated[float, at_least(0), "λ, of the penalty"] = 0.5
) -> FloatArray:
    """C − λ (n − 1)/G: what the rest of the group says too is worth less; no answer counts as said by all.

    It ascends Σ c p − (λ/2) Σ p²; (n − 1)/G is the U-statistic of p times (G − 1)/G.
    Source: batch exploration of arXiv 2509.06941.
    """
    repeats_VG = np.where(record.answered_VG, record.own_VG, record.group) - 1
    return record.correct_VG - weight * repeats_VG / record.group


def gapo(record: GroupRecord) -> FloatArray:
    """C (1 − |f − 1/L|), L the different right answers in the group, f the share among its right rollouts.

    Readings: an answer is valid if it is right, and L is counted in the group, where the paper has a list that
    the prompt gives. As G → ∞ L is the number of right answers that are possible; its update is no gradient.
    Source: arXiv 2511.12596.
    """
    right_VG = record.correct_VG
    n_right = np.where(record.right_V1 > 0, record.right_V1, 1.0)
    seen_VZ = (record.counts_VZ > 0) & record.correct_Z
    n_answers = np.maximum(seen_VZ.sum(axis=-1)[..., None], 1)
    return np.asarray(right_VG * (1 - np.abs(record.own_VG / n_right - 1 / n_answers)))


def darling(record: GroupRecord) -> FloatArray:
    """C (G − n)/(G − 1): quality times diversity, the share of the other rollouts that answer otherwise.

    It ascends Σ c (p − p²/2). The paper's classifier of equivalent texts is here the classes of answers.
    Source: arXiv 2509.02534.
    """
    return np.asarray(record.correct_VG * (record.group - record.own_VG) / max(record.group - 1, 1))
