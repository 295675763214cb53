"""What a rule makes of a policy at group size G, against brute force over every sequence of draws."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from alftbench.errors import UsageError
from alftbench.games.rewards import (
    U_STATISTIC,
    FromCounts,
    coherence,
    consensus,
    correctness,
    entropy,
    enumerated_advantage,
    expected_advantage,
    quadratic,
    reward_table,
)
from alftbench.games.rewards.enumeration import compositions
from alftbench.games.rewards.group import GroupRecord

P_VZ = np.array([[0.5, 0.3, 0.2], [0.25, 0.15, 0.6]])
CORRECT_Z = np.array([False, True, False])
COUNT_RULES = {
    "correctness": correctness,
    "entropy": lambda record: entropy(record, FromCounts("digamma")),
    "quadratic": lambda record: quadratic(record, FromCounts(U_STATISTIC)),
    "consensus": lambda record: consensus(record, FromCounts("plug-in")),
    "coherence": lambda record: coherence(record, FromCounts("plug-in")),
    "mixed": lambda record: 2 * correctness(record) - 0.3 * record.own_VG + record.correct_VG * record.pooled_VG,
}


def share_of_right(record):
    """Looks at the verdicts on the other rollouts: 1/C for a right answer, as MaxRL."""
    return record.correct_VG / np.maximum(record.correct_VG.sum(axis=-1, keepdims=True), 1)


def majority(record):
    """Looks at the counts of the other answers."""
    return (record.own_VG == record.own_VG.max(axis=-1, keepdims=True)).astype(float)


def brute_force(rule, p_VZ, group, scale="none"):
    """E[(r_1 − mean)/deviation | z_1 = z] over every sequence of draws of the orbit."""
    V, Z = p_VZ.shape
    a_VZ = np.zeros((V, Z))
    for draws in product(range(Z), repeat=V * group):
        class_VG = np.array(draws).reshape(V, group)
        chance = np.prod([p_VZ[v, z] for v in range(V) for z in class_VG[v]])
        rewards = rule(GroupRecord(class_VG, CORRECT_Z))
        centred = rewards - rewards.mean(axis=1, keepdims=True)
        if scale == "std":
            centred = centred / (rewards.std(axis=1, keepdims=True) + 1e-4)
        for v in range(V):
            a_VZ[v, class_VG[v, 0]] += chance * centred[v, 0] / p_VZ[v, class_VG[v, 0]]
    return a_VZ


def centred(a_VZ, p_VZ):
    return a_VZ - (p_VZ * a_VZ).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", COUNT_RULES)
@pytest.mark.parametrize(("phrasings", "group"), [(1, 2), (1, 4), (2, 2), (2, 3)])
def test_the_table_gives_the_expected_advantage(name, phrasings, group):
    p_VZ, rule = P_VZ[:phrasings], COUNT_RULES[name]
    ours = expected_advantage(reward_table(rule, group, phrasings), p_VZ, CORRECT_Z)
    truth = brute_force(rule, p_VZ, group)
    np.testing.assert_allclose((1 - 1 / group) * centred(ours, p_VZ), truth, atol=1e-12)


@pytest.mark.parametrize("rule", [*COUNT_RULES.values(), share_of_right, majority])
@pytest.mark.parametrize("scale", ["none", "std"])
@pytest.mark.parametrize(("phrasings", "group"), [(1, 4), (2, 2), (2, 3)])
def test_enumeration_gives_it_for_any_rule(rule, scale, phrasings, group):
    p_VZ = P_VZ[:phrasings]
    ours = enumerated_advantage(rule, p_VZ, CORRECT_Z, group, scale)
    np.testing.assert_allclose(ours, brute_force(rule, p_VZ, group, scale), atol=1e-12)


@pytest.mark.parametrize("rule", [share_of_right, majority])
def test_a_rule_that_looks_beyond_own_counts_has_no_table(rule):
    with pytest.raises(UsageError, match="more than an answer's own counts"):
        reward_table(rule, 4)


def test_too_many_count_vectors_are_refused():
    with pytest.raises(UsageError, match="are too many to sum"):
        enumerated_advantage(correctness, np.full((2, 8), 1 / 8), np.zeros(8, dtype=bool), 8)


def test_a_table_is_the_rule_at_its_counts():
    table = reward_table(COUNT_RULES["coherence"], 3, 2)
    assert table.shape == (3, 3, 4)
    np.testing.assert_allclose(table[0, :, 1], [np.log((a + 2) / 6) - np.log((a + 1) / 3) for a in range(3)])
    assert reward_table(COUNT_RULES["entropy"], 3, 2).shape == (3, 3, 1)


@pytest.mark.parametrize("G", [4, 8])
def test_the_group_mean_weakens_count_rewards_as_derived(G):
    """A reward with mean f(p) has E[advantage] = (1 − 1/G)(f − p f′/(G−1)): the U-statistic keeps (G−2)/(G−1)."""
    ours = expected_advantage(reward_table(COUNT_RULES["quadratic"], G), P_VZ, CORRECT_Z)
    np.testing.assert_allclose(centred(ours, P_VZ), centred(-P_VZ * (G - 2) / (G - 1), P_VZ), atol=1e-12)


def test_compositions_are_all_count_vectors():
    counts = compositions(4, 3)
    assert len(counts) == len(np.unique(counts, axis=0)) == 15
    assert (counts.sum(axis=1) == 4).all()
