"""Baselines and where they lead, against brute force over every sequence of draws of a group."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from alftbench.errors import UnknownName, UsageError
from alftbench.games import Coherence, Correctness, Diversity, Game, QuadraticDiversity, solve
from alftbench.games.objectives import indicator_bonus
from alftbench.games.rewards import (
    BASELINES,
    U_STATISTIC,
    FromCounts,
    GroupRecord,
    baselines,
    coherence,
    consensus,
    correctness,
    entropy,
    expected_advantage,
    predicted,
    quadratic,
    reward_table,
)
from alftbench.games.rewards.fixed_point import centred
from alftbench.types import NO_ANSWER

P_VZ = np.array([[0.5, 0.3, 0.2], [0.25, 0.15, 0.6]])
CORRECT_Z = np.array([False, True, False])
RULES = {
    "correctness": correctness,
    "entropy": lambda record: entropy(record, FromCounts("plug-in")),
    "digamma": lambda record: entropy(record, FromCounts("digamma")),
    "quadratic": lambda record: quadratic(record, FromCounts(U_STATISTIC)),
    "consensus": lambda record: consensus(record, FromCounts("plug-in")),
    "coherence": lambda record: coherence(record, FromCounts("digamma")),
}


def of_record(rule, class_VG, kind):
    record = GroupRecord(class_VG, CORRECT_Z)
    return baselines(rule, record, rule(record), kind)


def brute_force(rule, p_VZ, group, kind, unanswered=None):
    """E[r_1 − b_1 | z_1 = z] over every sequence of draws of the orbit."""
    V, Z = p_VZ.shape
    a_VZ = np.zeros((V, Z))
    for draws in product(range(Z), repeat=V * group):
        class_VG = np.array(draws).reshape(V, group)
        chance = np.prod([p_VZ[v, z] for v in range(V) for z in class_VG[v]])
        seen = class_VG if unanswered is None else np.where(class_VG == unanswered, NO_ANSWER, class_VG)
        record = GroupRecord(seen, CORRECT_Z)
        rewards_VG = rule(record)
        advantage_VG = rewards_VG - baselines(rule, record, rewards_VG, kind)
        for v in range(V):
            a_VZ[v, class_VG[v, 0]] += chance * advantage_VG[v, 0] / p_VZ[v, class_VG[v, 0]]
    return a_VZ


@pytest.mark.parametrize("kind", BASELINES)
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(("phrasings", "group"), [(1, 3), (1, 4), (2, 3)])
@pytest.mark.parametrize("unanswered", [None, 2])
def test_the_expected_update_is_that_of_all_draws(kind, name, phrasings, group, unanswered):
    rule, p_VZ = RULES[name], P_VZ[:phrasings]
    ours = expected_advantage(reward_table(rule, group, phrasings), p_VZ, CORRECT_Z, kind, unanswered)
    truth = brute_force(rule, p_VZ, group, kind, unanswered)
    factor = 1 - 1 / group if kind == "mean" else 1
    np.testing.assert_allclose(factor * centred(ours, np.log(p_VZ)), centred(truth, np.log(p_VZ)), atol=1e-12)


@pytest.mark.parametrize(("kind", "kept"), [("mean", 2 / 3), ("leave-one-out", 2 / 3), ("jackknife", 1.0)])
def test_the_weight_that_the_u_statistic_keeps(kind, kept):
    """λ_eff/λ = (G−2)/(G−1) at G = 4 unless the baseline does not count the rollout's answer."""
    ours = expected_advantage(reward_table(RULES["quadratic"], 4), P_VZ, CORRECT_Z, kind)
    np.testing.assert_allclose(centred(ours, np.log(P_VZ)), centred(-kept * P_VZ, np.log(P_VZ)), atol=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_a_jackknife_baseline_does_not_know_the_rollout_s_answer(name):
    for others in product(range(3), repeat=5):
        class_VG = np.array([[0, *others[:2]], others[2:]])
        values = []
        for z in (0, 1, 2, NO_ANSWER):
            class_VG[0, 0] = z
            values.append(of_record(RULES[name], class_VG.copy(), "jackknife")[0, 0])
        assert values == [values[0]] * 4


def test_a_batch_of_orbits_has_the_baselines_of_each():
    class_NVG = np.random.default_rng(0).integers(-1, 3, (7, 2, 4))
    for kind, rule in product(BASELINES, RULES.values()):
        whole = of_record(rule, class_NVG, kind)
        each = [of_record(rule, class_VG, kind) for class_VG in class_NVG]
        np.testing.assert_array_equal(whole, each)


def test_what_a_baseline_cannot_do_is_refused():
    with pytest.raises(UsageError, match="at least 3"):
        of_record(correctness, np.array([[0, 1]]), "jackknife")
    with pytest.raises(UnknownName, match="median"):
        of_record(correctness, np.array([[0, 1]]), "median")


def declared(objective, beta):
    return solve(Game.from_marginals(P_VZ, objective, beta)).p_PZ


@pytest.mark.parametrize("kind", BASELINES)
def test_a_fixed_reward_settles_at_its_declared_equilibrium(kind):
    settled = predicted(correctness, np.log(P_VZ), CORRECT_Z, 0.2, 4, kind)
    assert settled.settled
    truth = declared(Correctness(indicator_bonus(CORRECT_Z)), 0.2)
    np.testing.assert_allclose(np.exp(settled.log_p_PZ), truth, atol=1e-7)


def test_an_unbiased_estimate_with_a_jackknife_settles_at_the_declared_equilibrium():
    def rule(record):
        return correctness(record) + 0.5 * quadratic(record, FromCounts(U_STATISTIC))

    truth = declared(QuadraticDiversity(0.5, indicator_bonus(CORRECT_Z, 1.0)), 0.2)
    at = {kind: np.exp(predicted(rule, np.log(P_VZ), CORRECT_Z, 0.2, 4, kind).log_p_PZ) for kind in BASELINES}
    np.testing.assert_allclose(at["jackknife"], truth, atol=1e-7)
    np.testing.assert_allclose(at["mean"], at["leave-one-out"], atol=1e-7)
    assert np.abs(at["mean"] - truth).max() > 0.01


@pytest.mark.parametrize(
    ("objective", "rule"), [(Diversity(0.1, np.zeros(3)), "digamma"), (Coherence(0.1), "coherence")]
)
def test_larger_groups_settle_nearer_to_the_declared_equilibrium(objective, rule):
    """Digamma is nearly unbiased where an answer is drawn often: its fixed point goes to p* as G grows."""
    truth = declared(objective, 0.2)

    def errors(group):
        settled = predicted(lambda r: 0.1 * RULES[rule](r), np.log(P_VZ), CORRECT_Z, 0.2, group, "jackknife")
        assert settled.settled
        return np.abs(np.exp(settled.log_p_PZ) - truth).max()

    assert errors(64) < 0.002 < 0.01 > errors(16) > errors(64)


def test_a_predicted_point_is_where_the_update_of_all_draws_vanishes():
    """Brute force once more: at the fixed point no answer is ascended, the KL term included."""

    def rule(record):
        return 0.3 * coherence(record, FromCounts("plug-in"))

    settled = predicted(rule, np.log(P_VZ), CORRECT_Z, 0.2, 3, "mean")
    p_VZ = np.exp(settled.log_p_PZ)
    update = brute_force(rule, p_VZ, 3, "mean") - (1 - 1 / 3) * 0.2 * np.log(p_VZ / P_VZ)
    np.testing.assert_allclose(centred(update, np.log(p_VZ)), 0, atol=1e-6)
