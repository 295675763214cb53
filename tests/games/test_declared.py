"""The game that a rule declares, and what a rule rewards in a group that holds the answers in proportion."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from alftbench.games import Correctness, Game, QuadraticDiversity, solve
from alftbench.games.objectives import indicator_bonus
from alftbench.games.rewards import RULES, population_reward, rule_info
from alftbench.games.rewards.declared import Declared
from alftbench.games.rewards.proportions import reward_in_proportion

RIGHT = np.array([True, True, False, False])
P0 = np.array([[0.25, 0.15, 0.4, 0.2], [0.15, 0.25, 0.2, 0.4]])
SILENT = np.zeros((2, 1))  # the last class of a declared game is no answer, here impossible
OF_COUNTS = [name for name, info in RULES.items() if info.objective and not info.estimator and name != "mara"]


def game(name, beta=0.3, p0_PZ=P0, **settings):
    objective = Declared(rule_info(name), np.append(RIGHT, False), settings)
    return Game.from_marginals(np.hstack([p0_PZ, SILENT]), objective, beta)


def value(name, p_PZ, **settings):
    """Of the policies, to be maximised: what the rule ascends less the KL."""
    kl = float((p_PZ * np.log(p_PZ / P0)).sum(axis=1).mean())
    return rule_info(name).value(p_PZ, RIGHT, **settings) - 0.3 * kl


@pytest.mark.parametrize("name", OF_COUNTS)
def test_a_group_in_proportion_is_the_limit_of_large_groups(name):
    rule = rule_info(name).rule()
    exact = reward_in_proportion(rule, P0, RIGHT, None)
    errors = [np.abs(exact - population_reward(rule, P0, RIGHT, None, None, group)).max() for group in (256, 1024)]
    assert errors[0] < 30 / 256 * max(1.0, np.abs(exact).max())
    assert errors[1] <= max(errors[0] / 3, 1e-6)


@pytest.mark.parametrize("name", [name for name in OF_COUNTS if not name.startswith("majority")])
def test_the_point_it_rests_at_is_a_local_maximum_of_what_is_ascended(name):
    """A general optimiser that starts at the reference, or nearby the point, does not get above it."""
    p_PZ = solve(game(name)).p_PZ[:, :4]

    def less(logits):
        exp = np.exp(logits.reshape(P0.shape) - logits.max())
        return -value(name, exp / exp.sum(axis=1, keepdims=True))

    rng = np.random.default_rng(0)
    best = value(name, p_PZ)
    for shift in rng.normal(scale=0.05, size=(2, *P0.shape)):
        found = minimize(less, (np.log(p_PZ) + shift).ravel(), method="BFGS", options={"gtol": 1e-5})
        assert -found.fun <= best + 1e-7


@pytest.mark.parametrize("name", [name for name in OF_COUNTS if not name.startswith("majority")])
def test_its_target_is_minus_the_gradient_of_its_value(name):
    objective, weights = game(name).objective, np.full(2, 0.5)
    u_PZ = objective.gradient(np.log(np.hstack([P0, SILENT + 1e-300])), weights)
    for v, z in np.ndindex(2, 3):
        shift = np.zeros_like(P0)
        shift[v, z], shift[v, 3] = 1e-6, -1e-6
        above, below = (-rule_info(name).value(P0 + sign * shift, RIGHT) for sign in (1, -1))
        assert 2 * (above - below) / 2e-6 == pytest.approx(u_PZ[v, z] - u_PZ[v, 3], abs=1e-4)


def test_games_that_have_a_solver_of_their_own_agree():
    bonus = indicator_bonus(RIGHT)
    twins = {
        "correctness": (Correctness(bonus), {}),
        "noisy-verifier": (Correctness(0.4 * bonus), {"true_positive": 0.4, "false_positive": 0.0}),
    }
    for name, (twin, settings) in twins.items():
        ours, theirs = solve(game(name, **settings)), solve(Game.from_marginals(P0, twin, 0.3))
        assert ours.converged
        assert ours.p_PZ[:, :4] == pytest.approx(theirs.p_PZ, abs=1e-8)
    theirs = solve(Game.from_marginals(P0, QuadraticDiversity(0.5, bonus), 0.3))
    assert solve(game("batch-penalty", weight=0.5)).p_PZ[:, :4] == pytest.approx(theirs.p_PZ, abs=1e-7)


def test_weight_and_correctness_are_those_of_a_reward_that_is_a_sum():
    right = np.append(RIGHT, False)
    objective = Declared(rule_info("frequency"), right, {}, weight=0.4, correctness=1.0)
    p_PZ = np.hstack([0.9 * P0, SILENT + 0.1])
    u_PZ = objective.gradient(np.log(p_PZ), np.full(2, 0.5))
    assert u_PZ == pytest.approx(-(0.4 * p_PZ * (np.arange(5) < 4) + right), abs=1e-9)


def test_answers_that_cannot_be_given_stay_impossible():
    p0_PZ = np.array([[0.5, 0.0, 0.5, 0.0], [0.25, 0.25, 0.5, 0.0]])
    p_PZ = solve(game("inverse-propensity", p0_PZ=p0_PZ)).p_PZ
    assert (p_PZ[:, :4][p0_PZ == 0] == 0).all()
    assert p_PZ.sum(axis=1) == pytest.approx(1)
    assert p_PZ[1, 0] == pytest.approx(p_PZ[1, 1])
