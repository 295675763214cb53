"""A slow definition of a rule's expected update, and what rules are asked about."""

from __future__ import annotations

from itertools import product

import numpy as np

from alftbench.games.rewards import RULES, GroupRecord, Remembered, baselines
from alftbench.types import NO_ANSWER

THREE = np.array([[0.5, 0.3, 0.2], [0.25, 0.15, 0.6]])
THREE_RIGHT = np.array([False, True, True])
TWO = np.array([[0.35, 0.65], [0.8, 0.2]])
TWO_RIGHT = np.array([False, True])
REFERENCE = {2: np.log([[0.6, 0.4], [0.5, 0.5], [0.7, 0.3]]), 3: np.log([[0.2, 0.5, 0.3], [0.4, 0.25, 0.35]])}
"""Log answer marginals of a reference, by the number of answers."""
NAMES = sorted(RULES)
ALONE = [name for name in NAMES if RULES[name].phrasings == 1]


def rule_for(name):
    """The rule at its defaults; with an estimator that has a table at any group."""
    info = RULES[name]
    return info.rule(estimator="digamma") if info.estimator == "variance-optimal" else info.rule()


def record_of_texts(class_NVG, p_VZ, correct_Z, unanswered=None):
    """A policy with one text per answer, remembered as it is."""
    reference, phrasings = REFERENCE[correct_Z.size], range(len(p_VZ))
    remembered = p_VZ.copy()
    if unanswered is not None:
        remembered[:, unanswered] = 0
    own = np.stack([np.log(p_VZ[v])[class_NVG[:, v]] for v in phrasings], axis=1)
    ref = np.stack([reference[v % len(reference)][class_NVG[:, v]] for v in phrasings], axis=1)
    cross = np.stack([np.log(p_VZ[other])[class_NVG] for other in phrasings], axis=-1)
    seen = class_NVG if unanswered is None else np.where(class_NVG == unanswered, NO_ANSWER, class_NVG)
    memory = Remembered(remembered, steps=10**15, decay=1 - 1e-12)
    return GroupRecord(seen, correct_Z, own, ref, cross, remembered=memory)


def brute_force(rule, p_VZ, correct_Z, group, kinds, unanswered=None):
    """E[r_1 − b_1 | z_1 = z] over every sequence of draws of the orbit, for each baseline."""
    V, Z = p_VZ.shape
    class_NVG = np.array(list(product(range(Z), repeat=V * group))).reshape(-1, V, group)
    chance_N = np.prod([p_VZ[v][class_NVG[:, v]].prod(axis=-1) for v in range(V)], axis=0)
    record = record_of_texts(class_NVG, p_VZ, correct_Z, unanswered)
    rewards_NVG = rule(record)
    a = {}
    for kind in kinds:
        first_NV = (rewards_NVG - baselines(rule, record, rewards_NVG, kind))[..., 0]
        first = [[class_NVG[:, v, 0] == z for z in range(Z)] for v in range(V)]
        sums = [[(chance_N * first_NV[:, v])[first[v][z]].sum() for z in range(Z)] for v in range(V)]
        a[kind] = np.array(sums) / p_VZ
    return a
