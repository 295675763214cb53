"""Every rule against a slow definition; what recipes add up; options."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import digamma

from alftbench.errors import UsageError
from alftbench.games import (
    ESTIMATORS,
    Coherence,
    Consensus,
    Correctness,
    Diversity,
    Game,
    QuadraticDiversity,
    TsallisDiversity,
    log_table,
    solve,
)
from alftbench.games.objectives import indicator_bonus
from alftbench.games.rewards import (
    U_STATISTIC,
    Estimates,
    FromCounts,
    GroupRecord,
    coherence,
    consensus,
    correctness,
    entropy,
    one_by_one,
    one_of_each,
    quadratic,
    tsallis,
)
from alftbench.training.trainer import OptionInfo
from alftbench_trainers.recipes.coherence_grpo import COHERENCE_GRPO
from alftbench_trainers.recipes.diversity_game import DIVERSITY_GAME, TSALLIS_GRPO
from alftbench_trainers.recipes.vanilla_grpo import VANILLA_GRPO

PLUG_IN = FromCounts("plug-in")
ORBITS = st.lists(st.lists(st.integers(-1, 2), min_size=4, max_size=4), min_size=1, max_size=4)


def record(class_VG, correct=(True, False, False)):
    return GroupRecord(np.array(class_VG), np.array(correct))


def slow(class_VG, estimator):
    """(log p̂, p̂, log q̂) of every rollout, counted one by one."""
    V, G = len(class_VG), len(class_VG[0])
    pooled = [z for row in class_VG for z in row]
    own, orbit = log_table(G, estimator), log_table(V * G, estimator)
    log_p, p, log_q = (np.zeros((V, G)) for _ in range(3))
    for v, g in product(range(V), range(G)):
        z = class_VG[v][g]
        log_p[v, g] = max(own) if z < 0 else own[class_VG[v].count(z) - 1]
        p[v, g] = 1.0 if z < 0 else (class_VG[v].count(z) - 1) / (G - 1)
        log_q[v, g] = min(orbit) - log(2) if z < 0 else orbit[pooled.count(z) - 1]
    return log_p, p, log_q


@given(ORBITS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_rules_are_what_counting_one_by_one_gives(estimator, class_VG):
    log_p, p, log_q = slow(class_VG, estimator)
    seen, target = record(class_VG), FromCounts(estimator)
    np.testing.assert_array_equal(entropy(seen, target), -log_p)
    np.testing.assert_array_equal(quadratic(seen, FromCounts(U_STATISTIC)), -p)
    np.testing.assert_array_equal(consensus(seen, target), log_q)
    np.testing.assert_array_equal(coherence(seen, target), log_q - log_p)
    np.testing.assert_array_equal(correctness(seen), [[float(z == 0) for z in row] for row in class_VG])


def test_the_plug_in_rules_by_hand():
    seen = record([[0, 0, 1, -1], [0, 2, 2, 2]])
    np.testing.assert_allclose(entropy(seen, PLUG_IN), [[log(2), log(2), log(4), 0], [log(4)] + [log(4 / 3)] * 3])
    expected = [[log(3 / 8)] * 2 + [log(1 / 8), log(1 / 16)], [log(3 / 8)] + [log(3 / 8)] * 3]
    np.testing.assert_allclose(consensus(seen, PLUG_IN), expected)
    agreed = record([[0, 0, 1, 2], [1, 0, 2, 0]])
    np.testing.assert_allclose(coherence(agreed, PLUG_IN), 0.0, atol=1e-12)


def test_the_quadratic_reward_is_unbiased():
    """Every group of 3 draws, weighed by its chance: the expectation given one's own answer is −p exactly."""
    p = np.array([0.5, 0.3, 0.2])
    sums = np.zeros(3)
    for group in product(range(3), repeat=3):
        reward = quadratic(record([group]), FromCounts(U_STATISTIC))
        sums[group[0]] += np.prod(p[list(group)]) * reward[0, 0]
    np.testing.assert_allclose(sums / p, -p)


def test_a_group_without_any_answer_has_rewards():
    silent = record([[-1, -1], [-1, -1]], correct=())
    for reward in (entropy, quadratic, consensus, coherence):
        assert np.ptp(reward(silent, PLUG_IN)) == 0
    assert correctness(silent).tolist() == [[0, 0], [0, 0]]


@given(ORBITS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_no_answer_never_earns_more_than_an_answer(estimator, class_VG):
    seen = record(class_VG)
    for rule in (consensus, entropy, quadratic):
        reward = rule(seen, FromCounts(estimator))
        answered, silent = reward[seen.answered_VG], reward[~seen.answered_VG]
        if answered.size and silent.size:
            assert silent.max() <= answered.min() + 1e-12


@given(ORBITS, st.randoms())
def test_rewards_follow_the_rollouts_not_their_order(class_VG, random):
    order = list(range(len(class_VG)))
    random.shuffle(order)
    shuffled = record([class_VG[i] for i in order])
    for rule in (consensus, entropy, coherence):
        np.testing.assert_allclose(rule(shuffled, PLUG_IN), rule(record(class_VG), PLUG_IN)[order])


def test_a_batch_of_orbits_is_each_of_them():
    class_RVG = np.random.default_rng(0).integers(-1, 3, size=(5, 2, 4))
    batch = GroupRecord(class_RVG, np.array([True, False, False]))
    for rule in (consensus, entropy, quadratic, coherence):
        np.testing.assert_array_equal(rule(batch, PLUG_IN), one_by_one(lambda r: rule(r, PLUG_IN))(batch))  # noqa: B023
    np.testing.assert_array_equal(correctness(batch), one_by_one(correctness)(batch))


@pytest.mark.parametrize(
    ("rule", "objective"),
    [
        (entropy, Diversity(1.0, np.zeros(3))),
        (quadratic, QuadraticDiversity(1.0, np.zeros(3))),
        (partial(tsallis, alpha=0.5), TsallisDiversity(1.0, 0.5, np.zeros(3))),
        (partial(tsallis, alpha=3.0), TsallisDiversity(1.0, 3.0, np.zeros(3))),
        (coherence, Coherence(1.0)),
        (consensus, Consensus(1.0)),
        (lambda seen, target: correctness(seen), Correctness(indicator_bonus(np.array([True, False, False])))),
    ],
)
def test_a_rule_that_knows_the_truth_is_the_best_response_of_its_objective(rule, objective):
    """r = −∂F/∂p up to a constant per phrasing, by finite differences of F along the simplex."""
    p_VZ, weights_V = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]), np.array([0.5, 0.5])
    truth = Estimates(np.log(p_VZ), np.log(p_VZ.mean(axis=0)))
    reward_VZ = rule(one_of_each(2, np.array([True, False, False])), truth)

    def value(at_VZ):
        return objective.value(np.log(at_VZ), weights_V)

    for v, (z, other) in product(range(2), [(0, 1), (1, 2), (2, 0)]):
        step = np.zeros_like(p_VZ)
        step[v, z], step[v, other] = 1e-6, -1e-6
        slope = (value(p_VZ + step) - value(p_VZ - step)) / 2e-6 / weights_V[v]
        assert reward_VZ[v, z] - reward_VZ[v, other] == pytest.approx(-slope, abs=1e-6)


def test_recipes_mix_their_terms():
    seen = record([[0, 1], [0, 0]])
    agreeing = COHERENCE_GRPO(
        {"coherence": "2", "correctness": "3", "objective": "consensus", "pooled": "plug-in"}
    )
    np.testing.assert_allclose(
        agreeing.reward(seen), [[2 * log(3 / 4) + 3, 2 * log(1 / 4)], [2 * log(3 / 4) + 3] * 2]
    )
    diverse = DIVERSITY_GAME({"diversity": "0.5", "estimator": "digamma"})
    half = -0.5 * (digamma(1) - digamma(2))
    np.testing.assert_allclose(diverse.reward(seen), [[1 + half, half], [1, 1]], atol=1e-12)
    gini = DIVERSITY_GAME({"diversity": "0.5", "objective": "quadratic"})
    np.testing.assert_allclose(gini.reward(seen), [[1, 0], [0.5, 0.5]])
    # α = 2 is twice quadratic, from the same U-statistic; α = 1.5 is −3 √p̂ with the p̂ of the estimator.
    twice = TSALLIS_GRPO({"diversity": "0.25", "alpha": "2"})
    np.testing.assert_allclose(twice.reward(seen), gini.reward(seen))
    root = TSALLIS_GRPO({"diversity": "0.5", "estimator": "plug-in"})
    np.testing.assert_allclose(root.reward(seen), [[1 - 1.5 * 0.5**0.5, -1.5 * 0.5**0.5], [-0.5, -0.5]])


@pytest.mark.parametrize(("alpha", "apart"), [("2", 1e-6), ("3", 1e-6), ("1.5", 0.01), ("0.5", 0.05)])
def test_tsallis_ends_where_its_game_says(alpha, apart):
    """With whole α the reward is unbiased and the prediction at G is the declared game's; else nearly (TV)."""
    p0_VZ, correct_Z = np.array([[0.35, 0.25, 0.2, 0.1, 0.1]]), np.array([True, True, True, False, False])
    trainer = TSALLIS_GRPO({"alpha": alpha})
    objective, beta = trainer.game(correct_Z)
    declared = solve(Game.from_marginals(p0_VZ, objective, beta)).p_PZ
    predicted = np.exp(trainer.predicted(np.log(p0_VZ), correct_Z, None))
    assert np.abs(predicted - declared).sum() / 2 <= apart


def test_label_free_coherence_does_not_look_at_labels():
    seen = record([[0, 1, 2], [1, 1, 0]])
    trainer = COHERENCE_GRPO({})
    other = replace(seen, correct_Z=np.array([False, True, True]))
    np.testing.assert_array_equal(trainer.reward(seen), trainer.reward(other))


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        (COHERENCE_GRPO, {"objective": "peace"}, "must be one of consensus, coherence"),
        (
            DIVERSITY_GAME,
            {"estimator": "guess"},
            "must be one of auto, plug-in, digamma, minimax",
        ),
        (DIVERSITY_GAME, {"estimator": "digamma", "objective": "quadratic"}, "has an exact one of its own"),
        (TSALLIS_GRPO, {"alpha": "1"}, "option alpha=1: must be a number, .*not 1, which is objective=entropy"),
        (TSALLIS_GRPO, {"alpha": "0"}, "at least 0.01"),
        (DIVERSITY_GAME, {"group": "1"}, "group=1: must be a whole number, at least 2"),
        (DIVERSITY_GAME, {"learning_rate": "-1"}, "must be a number, above 0"),
        (DIVERSITY_GAME, {"scale": "max"}, "must be one of none, std"),
        (DIVERSITY_GAME, {"beta": "nan"}, "must be a number, at least 0, finite"),
        (DIVERSITY_GAME, {"diversity": "inf"}, "must be a number, finite"),
        (DIVERSITY_GAME, {"warmup": "-5"}, "warmup=-5: must be a whole number, at least 0"),
        (DIVERSITY_GAME, {"group": "four"}, "group=four: must be a whole number, at least 2"),
        (DIVERSITY_GAME, {"colour": "red"}, "option colour: there is no such setting; known: learning_rate"),
    ],
)
def test_wrong_options_are_named(recipe, options, message):
    with pytest.raises(UsageError, match=message):
        recipe(options)


@pytest.mark.parametrize("recipe", [VANILLA_GRPO, COHERENCE_GRPO, DIVERSITY_GAME, TSALLIS_GRPO])
def test_a_recipe_tells_every_option_with_its_default_and_meaning(recipe):
    told = recipe.info.options
    assert {option.name: option.default for option in told} == recipe({}).config()
    assert all(option.meaning for option in told)
    assert OptionInfo("beta", "a number, at least 0", 0.2, told[1].meaning) == told[1]
