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


def record_of_texts(class_VG, p_VZ, correct_Z, unanswered=None):
    """One rollout after the other: a policy with one text per answer, remembered as it is."""
    V, G = class_VG.shape
    reference = REFERENCE[correct_Z.size]
    remembered = p_VZ.copy()
    if unanswered is not None:
        remembered[:, unanswered] = 0
    own, ref, cross = np.zeros((V, G)), np.zeros((V, G)), np.zeros((V, G, V))
    for v, g in product(range(V), range(G)):
        z = class_VG[v, g]
        own[v, g], ref[v, g] = np.log(p_VZ[v, z]), reference[v, z]
        cross[v, g] = [np.log(p_VZ[other, z]) for other in range(V)]
    seen = class_VG if unanswered is None else np.where(class_VG == unanswered, NO_ANSWER, class_VG)
    memory = Remembered(remembered, steps=10**15, decay=1 - 1e-12)
    return GroupRecord(seen, correct_Z, own, ref, cross, remembered=memory)


def brute_force(rule, p_VZ, correct_Z, group, kinds, unanswered=None):
    """E[r_1 − b_1 | z_1 = z] over every sequence of draws of the orbit, for each baseline."""
    V, Z = p_VZ.shape
    a = {kind: np.zeros((V, Z)) for kind in kinds}
    for draws in product(range(Z), repeat=V * group):
        class_VG = np.array(draws).reshape(V, group)
        chance = np.prod([p_VZ[v, z] for v in range(V) for z in class_VG[v]])
        record = record_of_texts(class_VG, p_VZ, correct_Z, unanswered)
        rewards_VG = rule(record)
        for kind in kinds:
            first_V = (rewards_VG - baselines(rule, record, rewards_VG, kind))[:, 0]
            for v in range(V):
                a[kind][v, class_VG[v, 0]] += chance * first_V[v] / p_VZ[v, class_VG[v, 0]]
    return a
