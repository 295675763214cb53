"""What is subtracted from a rollout's reward: the mean of its group, with or without the rollout's own part in it.

A baseline that does not depend on a rollout's answer leaves the expected update alone. The group's mean depends on
it twice: it holds the rollout's own reward, and the others' rewards count the rollout's answer. `leave-one-out`
mends the first, `jackknife` both; `none` subtracts nothing, and so no noise either:

    none           b_i = 0                       E[r_1 − b_1 | z_1 = z] = f
    mean           b_i = mean_j r_j                                       (1 − 1/G) (f − p f′/(G−1))
    leave-one-out  b_i = mean_{j≠i} r_j                                   f − p f′/(G−1)
    jackknife      b_i = mean_{j≠i} r_j^{(−i)}                            f

up to a constant, with f(p) the expected reward of a polynomial estimate and r^{(−i)} the rewards of the orbit
whose every phrasing lacks its i-th rollout. The jackknife removes what the baseline distorts, not what the
estimator of log p in a reward gets wrong.

Source: leave-one-out of RLOO, arXiv 2402.14740; the distortion and the jackknife are derived here.
"""

from __future__ import annotations

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.errors import UnknownName, UsageError
from alftbench.games.rewards.group import GroupRecord, Rule

BASELINES = ("none", "mean", "leave-one-out", "jackknife")


def baselines(rule: Rule, record: GroupRecord, rewards_VG: FloatArray, kind: str) -> FloatArray:
    """The baseline of every rollout, shaped like its rewards: (V, G), or (…, V, G) for a batch of orbits.

    Args:
        rule: the reward rule.
        record: the rollouts.
        rewards_VG: what the rule gives them.
        kind: of `BASELINES`.

    Raises:
        UnknownName: no such baseline.
        UsageError: the rule needs more rollouts than a group has without one of them.
    """
    if kind not in BASELINES:
        raise UnknownName("baseline", kind, BASELINES)
    if kind == "jackknife":
        without = [rule(record.without(i)).mean(axis=-1) for i in range(checked_group(record.group))]
        return np.stack(without, axis=-1)
    if kind == "none":
        return np.zeros_like(rewards_VG)
    total_V = rewards_VG.sum(axis=-1, keepdims=True)
    if kind == "mean":
        return np.broadcast_to(total_V / record.group, rewards_VG.shape)
    return np.asarray((total_V - rewards_VG) / (record.group - 1))


def checked_group(group: int) -> int:
    """A group from which one rollout can be left out and two remain to be compared.

    Raises:
        UsageError: it cannot.
    """
    if group < 3:
        raise UsageError(
            f"baseline=jackknife compares rollouts without one of them: group={group} must be at least 3"
        )
    return group
