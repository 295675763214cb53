"""What each rule is said to ascend: the limit of its reward is that gradient, or no gradient at all."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from alftbench.errors import UnknownName, UsageError
from alftbench.games.rewards import RULES, expected_update, population_reward, rule_info
from alftbench.games.rewards.population import proportional
from tests.games.rules import NAMES

RIGHT = np.array([True, False, True, True])
MARGINALS = np.array([[0.36, 0.30, 0.20, 0.14], [0.15, 0.22, 0.39, 0.24]])
REFERENCE = np.log([[0.1, 0.4, 0.3, 0.2], [0.25, 0.25, 0.2, 0.3]])
GRADIENTS = [name for name in NAMES if RULES[name].objective]
OTHERS = [name for name in NAMES if not RULES[name].objective]
SETTINGS = {
    "uniqueness": [{"power": 1.0}, {"power": 0.0}],
    "inverse-propensity": [{"floor": 0.25}],
    "maxrl": [{"order": 3}],
    "pass-at-k": [{"k": 5}],
    "tsallis": [{"alpha": 0.5}, {"alpha": 3.0}],
    "noisy-verifier": [{"true_positive": 0.2, "false_positive": 0.6}],
}
CASES = [(name, settings) for name in GRADIENTS for settings in [{}, *SETTINGS.get(name, [])]]


def gradient(value, p_VZ):
    """V ∂J/∂p by central differences."""
    slope = np.zeros_like(p_VZ)
    for place in np.ndindex(p_VZ.shape):
        step = np.zeros_like(p_VZ)
        step[place] = 1e-6
        slope[place] = len(p_VZ) * (value(p_VZ + step) - value(p_VZ - step)) / 2e-6
    return slope


def tangent(a_VZ):
    return a_VZ - a_VZ.mean(axis=1, keepdims=True)


def field_of(info, group, **settings):
    """The limit: exact with the truth as target, else a large group."""
    if info.estimator:
        return lambda p_VZ: info.population(p_VZ, RIGHT, None, REFERENCE, **settings)
    return lambda p_VZ: population_reward(info.rule(**settings), p_VZ, RIGHT, None, REFERENCE, group)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_the_limit_is_the_gradient_of_what_is_ascended(name, settings):
    """Where a large group is asked, the error is at most 60/G in reward and falls at least as 1/G."""
    info = rule_info(name)
    truth = tangent(gradient(lambda p_VZ: info.value(p_VZ, RIGHT, REFERENCE, **settings), MARGINALS))
    errors = [np.abs(tangent(field_of(info, group, **settings)(MARGINALS)) - truth).max() for group in (512, 2048)]
    assert errors[0] <= 60 / 512
    assert errors[1] <= max(errors[0] / 3.5, 1e-7)


def circulation(field, corners):
    """∮ Σ_v f_v · dp_v along a closed polygon of answer marginals: 0 for every loop if f is a gradient."""
    total = 0.0
    for start, end in pairwise([*corners, corners[0]]):
        times = (np.arange(40) + 0.5) / 40
        total += np.mean([(field(start + t * (end - start)) * (end - start)).sum() for t in times])
    return total


def loops():
    rng = np.random.default_rng(0)
    for _ in range(5):
        here, there = rng.dirichlet(np.full(4, 3.0), (2, 2))
        yield [np.array([a, b]) for a, b in ((here[0], here[1]), (there[0], here[1]), there, (here[0], there[1]))]
        corners = rng.dirichlet(np.full(4, 3.0), 3)
        yield [np.array([corner, here[1]]) for corner in corners]


def most_work(name, **settings):
    field = field_of(rule_info(name), 128, **settings)
    return max(abs(circulation(field, corners)) for corners in loops())


@pytest.mark.parametrize("name", OTHERS)
def test_a_rule_without_an_objective_does_work_around_a_loop(name):
    assert most_work(name, **({"bias": 1.0} if name == "rank-bias" else {})) > 0.01


@pytest.mark.parametrize("name", ["ucpo", "maxrl", "pairwise-coherence", "frequency", "batch-penalty"])
def test_one_with_an_objective_does_none(name):
    """But for the error of a group of 128."""
    assert most_work(name) < 2e-4


def test_a_large_group_is_on_average_in_proportion():
    class_UVG, weight_U = proportional(MARGINALS, 37)
    counts_UVZ = (class_UVG[..., None] == np.arange(4)).sum(axis=-2)
    assert (np.abs(counts_UVZ - 37 * MARGINALS) < 1).all()
    assert weight_U.sum() == pytest.approx(1)
    np.testing.assert_allclose(np.einsum("u,uvz->vz", weight_U, counts_UVZ), 37 * MARGINALS, atol=1e-12)


@pytest.mark.parametrize("name", ["ucpo", "maxrl", "risk-seeking", "uniqueness", "darling", "batch-penalty"])
def test_larger_groups_update_as_the_limit(name):
    """The expected update without a baseline and the population agree ever better."""
    info, p_VZ = rule_info(name), MARGINALS[:1]
    limit = gradient(lambda p_VZ: info.value(p_VZ, RIGHT), p_VZ)
    away = [
        np.abs(tangent(expected_update(info.rule(), p_VZ, RIGHT, group, "none").values_VZ - limit)).max()
        for group in (4, 8, 64)
    ]
    assert away[0] > away[1] > away[2] or max(away) < 1e-8
    assert away[2] < 0.03


@pytest.mark.parametrize("group", [3, 4, 7])
def test_votes_are_counted_as_a_group_of_this_size_holds_them(group):
    """majority-gain ascends P(the majority of G is right)/G at G, of which nothing is left in the limit."""
    from math import factorial, prod

    from alftbench.games.rewards.enumeration import compositions

    def majority_right(p_Z):
        total = 0.0
        for counts in compositions(group, 4):
            ways = factorial(group) / prod(factorial(n) for n in counts)
            top = counts == counts.max()
            total += ways * np.prod(p_Z**counts) * RIGHT[top].mean()
        return total / group

    update = expected_update(rule_info("majority-gain").rule(), MARGINALS, RIGHT, group, "none").values_VZ
    truth = [gradient(lambda p_VZ: majority_right(p_VZ[0]), p_Z[None])[0] for p_Z in MARGINALS]
    np.testing.assert_allclose(tangent(update), tangent(np.array(truth)), atol=1e-8)


@pytest.mark.parametrize(("name", "settings"), [("pass-at-k", {"k": 3}), ("maxrl", {"order": 3})])
def test_rules_of_how_many_are_right_are_unbiased_at_any_group(name, settings):
    info = rule_info(name)
    truth = tangent(gradient(lambda p_VZ: info.value(p_VZ, RIGHT, **settings), MARGINALS))
    for group, baseline in ((3, "none"), (4, "jackknife"), (9, "jackknife")):
        ours = expected_update(info.rule(**settings), MARGINALS, RIGHT, group, baseline)
        np.testing.assert_allclose(tangent(ours.values_VZ), truth, atol=1e-8)


def test_the_whole_group_is_the_last_term_of_maxrl_and_the_best_rollout_of_pass_at_k():
    for group in (2, 5):
        whole, last = (rule_info("maxrl").rule(order=order) for order in (None, group))
        update = expected_update(whole, MARGINALS, RIGHT, group).values_VZ
        np.testing.assert_allclose(update, expected_update(last, MARGINALS, RIGHT, group).values_VZ, atol=1e-12)
        best, most = (rule_info("pass-at-k").rule(k=k) for k in (None, group))
        update = expected_update(best, MARGINALS, RIGHT, group).values_VZ
        np.testing.assert_allclose(update, expected_update(most, MARGINALS, RIGHT, group).values_VZ, atol=1e-12)


def test_what_is_no_gradient_has_no_value():
    with pytest.raises(UsageError, match="gapo ascends no objective: no gradient"):
        rule_info("gapo").value(MARGINALS, RIGHT)
    with pytest.raises(UnknownName, match="did you mean 'maxrl'"):
        rule_info("maxrI")


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_says_where_it_comes_from(name):
    info = RULES[name]
    assert info.paper in info.function.__doc__
    assert info.paper.startswith("arXiv ")
    assert ("no gradient" in info.ascends) == (info.objective is None)
    assert info.family in {
        "correctness", "diversity", "frequency", "majority", "success", "consensus", "likelihood",
    }  # fmt: skip
    assert info.read({}) == info.read({key: str(value) for key, value in info.read({}).items()})
