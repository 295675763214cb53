"""What a rule rewards on average, by sampling: for orbits whose groups are too many to sum."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.games.rewards.group import GroupRecord, Rule


def sampled_update(
    rule: Rule,
    scene: Callable[[IntArray], GroupRecord],
    p_VZ: FloatArray,
    uniform_NVG: FloatArray,
    baseline: str,
    apart: bool,
) -> tuple[FloatArray, FloatArray]:
    """E[r_1 − b_1 | z_1 = z] and its standard error, both of shape (V, Z).

    Every orbit is drawn once and asked about with each answer in the place of its first rollout, so the errors of
    two answers, and of two policies, are nearly the same and cancel in their difference.

    Args:
        rule: takes a batch of orbits.
        scene: answers ↦ the record of rollouts that give them.
        p_VZ: answer marginals.
        uniform_NVG: the random numbers, in [0, 1).
        baseline: of `BASELINES`.
        apart: do phrasings not look at one another? Then one orbit serves them all.
    """
    V, Z = p_VZ.shape
    edges_VZ = np.cumsum(p_VZ, axis=-1)[:, :-1]
    drawn = [np.searchsorted(edges_VZ[v], uniform_NVG[:, v], side="right") for v in range(V)]
    class_NVG = np.stack(drawn, axis=1)
    values_VZ, errors_VZ = np.empty((V, Z)), np.empty((V, Z))
    for v in [slice(None)] if apart else [slice(v, v + 1) for v in range(V)]:
        for z in range(Z):
            asked_NVG = class_NVG.copy()
            asked_NVG[:, v, 0] = z
            advantage_NV = _first_advantage(rule, scene(asked_NVG), baseline)[:, v]
            values_VZ[v, z] = advantage_NV.mean(axis=0)
            errors_VZ[v, z] = advantage_NV.std(axis=0, ddof=1) / np.sqrt(len(advantage_NV))
    return values_VZ, errors_VZ


def _first_advantage(rule: Rule, record: GroupRecord, baseline: str) -> FloatArray:
    """The r_1 − b_1 of every group, shape (N, V)."""
    rewards_NVG = rule(record)
    first_NV = rewards_NVG[..., 0]
    if baseline == "none":
        return first_NV
    if baseline == "jackknife":
        return np.asarray(first_NV - rule(record.without(0)).mean(axis=-1))
    if baseline == "mean":
        return np.asarray(first_NV - rewards_NVG.mean(axis=-1))
    return np.asarray(first_NV - rewards_NVG[..., 1:].mean(axis=-1))
