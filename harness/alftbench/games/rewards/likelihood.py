"""Rules of how likely a rollout's text was, among right answers."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from scipy.stats import rankdata

from alftbench.base.arrays import FloatArray
from alftbench.base.validate import at_least, at_most
from alftbench.games.rewards.group import GroupRecord, needed


def rank_bias(
    record: GroupRecord, *, bias: Annotated[float, at_least(0), at_most(1), "b; 0 is correctness"] = 0.25
) -> FloatArray:
    """C (1 − b (G − rank)/G), rank 1 for the likeliest rollout of the group under π and G for the least likely.

    Equally likely rollouts share their ranks' mean. As G → ∞ with one text per answer rank/G is the share of
    rollouts that are likelier, so it jumps where two answers change places.

    Raises:
        UsageError: `log_prob_VG` is not at hand.

    Source: the unlikeliness reward of arXiv 2506.02355.
    """
    rank_VG = rankdata(-needed(record.log_prob_VG, "log_prob_VG"), axis=-1)
    return record.correct_VG * (1 - bias * (record.group - rank_VG) / record.group)


def mara(
    record: GroupRecord, *, kl: Annotated[float, at_least(0), "β of the KL that is in the reward as well"] = 0.2
) -> FloatArray:
    """C (1 + β (log π₀(anchor) − log π₀(y))), the anchor the likeliest right rollout of the group under π₀.

    With the KL's β the reference cancels among right answers: at the equilibrium all of them are as likely as the
    anchor. Reading: good is right; the paper has a threshold on the reward.

    Raises:
        UsageError: `reference_log_prob_VG` is not at hand.

    Source: mode-anchored reward augmentation, arXiv 2510.20817.
    """
    log_prob_VG = needed(record.reference_log_prob_VG, "reference_log_prob_VG")
    right_VG = record.correct_VG
    anchor = np.where(right_VG, log_prob_VG, -np.inf).max(axis=-1, keepdims=True)
    return np.where(right_VG, 1 + kl * (np.where(np.isfinite(anchor), anchor, 0.0) - log_prob_VG), 0.0)
