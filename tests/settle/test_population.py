import itertools
from dataclasses import replace

import numpy as np
import pytest

from alftbench.games import Game, total_variation
from alftbench.games.rewards import GroupRecord, enumerated_advantage
from alftbench.settle.descent import sampled_weights
from alftbench.settle.language import marginals
from alftbench.settle.measure import objective_of, settled
from alftbench.settle.population import _field, fixed_point
from alftbench.settle.settings import Arm
from alftbench.settle.targets import right_answers, rule_of, target_player
from alftbench_trainers.recipes.coherence_grpo import COHERENCE_GRPO
from alftbench_trainers.recipes.diversity_game import DIVERSITY_GAME
from alftbench_trainers.recipes.vanilla_grpo import VANILLA_GRPO

CASES = [
    ("diversity", "plug-in", 3, "none", "reward"),
    ("diversity", "minimax", 3, "none", "loss"),
    ("diversity", "digamma", 3, "std", "reward"),
    ("diversity", "plug-in", 3, "std", "loss"),
    ("correctness", "none", 3, "std", "loss"),
    ("quadratic", "u-statistic", 3, "none", "reward"),
    ("quadratic", "plug-in", 3, "std", "reward"),
    ("coherence", "plug-in", 2, "none", "reward"),
    ("coherence", "variance-optimal", 2, "none", "reward"),
]


@pytest.mark.parametrize(("name", "target", "group", "scale", "anchor"), CASES)
def test_the_field_is_the_expected_sampled_gradient(name, target, group, scale, anchor, language, settings):
    """Every way to draw answers, weighed by its chance, on a policy that keeps the reference's traces."""
    arm = Arm(name, "sampled", 0, target, group, scale, anchor)
    game, tree = settled(name, language, settings), language.tree
    p_PZ = np.array([[0.5, 0.3, 0.2], [0.25, 0.15, 0.6]])
    ratio_PZ = np.log(p_PZ) - language.log_p0_PZ
    log_pi_PY = language.log_pi0_PY + ratio_PZ[:, tree.answer_Y]
    some_trace = [int(np.flatnonzero(tree.answer_Y == z)[0]) for z in range(3)]
    expected_PZ = np.zeros((2, 3))
    for both in itertools.product(range(3), repeat=2 * group):
        answers = np.array(both).reshape(2, 1, group)
        drawn = np.array(some_trace)[answers]
        chance = np.prod(np.take_along_axis(p_PZ, answers[:, 0], axis=1))
        weights_PY = sampled_weights(game, arm, settings, target_player(arm, settings), log_pi_PY, drawn)
        expected_PZ += chance * np.stack([weights_PY[:, tree.answer_Y == z].sum(axis=1) for z in range(3)], axis=1)
    field = _field(arm, game.game, settings)(np.log(p_PZ))
    share = 1 - 1 / group if scale == "none" and anchor == "reward" else 1.0
    np.testing.assert_allclose(expected_PZ, 0.5 * p_PZ * share * field, atol=1e-12)


@pytest.mark.parametrize("name", ["diversity", "coherence"])
def test_with_the_true_p_the_fixed_point_is_the_equilibrium(name, language, settings):
    game = settled(name, language, settings)
    fixed = fixed_point(Arm(name, "sampled", 0, "oracle", 4), game.game, settings)
    assert fixed is not None
    assert fixed.settled
    np.testing.assert_allclose(fixed.log_p_PZ, game.log_star_PZ, atol=1e-8)


def test_bias_falls_from_plug_in_to_minimax(language, settings):
    game = settled("diversity", language, settings)

    def bias(target):
        fixed = fixed_point(Arm("diversity", "sampled", 0, target, 8), game.game, settings)
        assert fixed.settled
        return total_variation(fixed.log_p_PZ, game.log_star_PZ).mean()

    assert bias("plug-in") > bias("digamma") > bias("minimax")
    assert bias("plug-in") > 10 * bias("memory") > 0


def test_a_fixed_point_of_division_by_the_deviation_has_no_advantage_left(language, settings):
    game, arm = settled("diversity", language, settings), Arm("diversity", "sampled", 0, "plug-in", 8, "std")
    fixed = fixed_point(arm, game.game, settings)
    assert fixed.settled
    assert np.abs(_field(arm, game.game, settings)(fixed.log_p_PZ)).max() <= 1e-6


def test_there_is_no_prediction_without_an_exact_expectation(language, settings):
    game = settled("coherence", language, settings).game
    assert fixed_point(Arm("coherence", "sampled", 0, "plug-in", 8, "std"), game, settings) is None


def test_marginals_of_a_lifted_policy_are_what_was_lifted(language):
    np.testing.assert_allclose(marginals(language.tree, language.log_pi0_PY), language.log_p0_PZ, atol=1e-14)


@pytest.mark.parametrize("name", ["diversity", "quadratic", "coherence"])
def test_a_memorys_bias_is_what_sampling_shows(name, settings):
    """A policy that stands still, its memory after burn-in, and the mean advantage of each answer."""
    arm = Arm(name, "sampled", 0, "memory", 4, decay=0.9)
    p_PZ = np.array([[0.5, 0.3, 0.2], [0.25, 0.35, 0.4]])
    rng, target = np.random.default_rng(0), target_player(arm, settings)
    sums_PZ, counts_PZ = np.zeros((2, 3)), np.zeros((2, 3))
    for step in range(300):
        counts_PRZ = np.stack([rng.multinomial(4, p, size=3000) for p in p_PZ])
        target.observe(counts_PRZ, np.zeros((1, 1)))
        if step >= 60:
            class_PRG = (np.arange(4)[:, None] >= counts_PRZ.cumsum(axis=-1)[..., None, :]).sum(axis=-1)
            orbits = GroupRecord(class_PRG.swapaxes(0, 1), right_answers(settings))
            rewards_PRG = rule_of(arm, settings, target.target())(orbits).swapaxes(0, 1)
            credit_PRG = (rewards_PRG - rewards_PRG.mean(axis=-1, keepdims=True)) * 4 / 3
            drawn_PZRG = class_PRG[:, None] == np.arange(3)[:, None, None]
            sums_PZ += (drawn_PZRG * credit_PRG[:, None]).sum(axis=(2, 3))
            counts_PZ += counts_PRZ.sum(axis=1)
    found_PZ = sums_PZ / counts_PZ
    game = settled_at(name, p_PZ, settings)
    predicted_PZ = _field(arm, game, settings)(np.log(p_PZ))
    truth_PZ = _field(replace(arm, target="oracle"), game, settings)(np.log(p_PZ))
    size = np.abs(predicted_PZ - truth_PZ).max()
    assert np.abs(found_PZ - predicted_PZ).max() < 0.1 * size


def settled_at(name, p_PZ, settings):
    return Game.from_marginals(p_PZ, objective_of(name, settings), settings.beta)


RECIPES = {
    "diversity": DIVERSITY_GAME({"correctness": "0", "diversity": "1", "estimator": "digamma"}),
    "quadratic": DIVERSITY_GAME({"correctness": "0", "diversity": "1", "objective": "quadratic"}),
    "coherence": COHERENCE_GRPO({"coherence": "1", "objective": "coherence", "estimator": "digamma"}),
    "correctness": VANILLA_GRPO({}),
}


@pytest.mark.parametrize("name", RECIPES)
def test_what_settle_plays_is_what_the_recipe_trains_on(name, settings):
    """The same draws: rewards of `settle` at λ = η = 1 and of the recipe, and the advantage that they predict."""
    settings = replace(settings, lambda_=1.0, eta=1.0)
    target = {"quadratic": "u-statistic", "correctness": "none"}.get(name, "digamma")
    arm = Arm(name, "sampled", 0, target, 3)
    player = target_player(arm, settings)
    rng = np.random.default_rng(3)
    for _ in range(20):
        record = GroupRecord(rng.integers(0, 3, size=(2, 3)), right_answers(settings))
        player.observe(record.counts_VZ[:, None], np.zeros((1, 3)))
        np.testing.assert_array_equal(
            rule_of(arm, settings, player.target())(record), RECIPES[name].reward(record)
        )
    p_PZ = np.array([[0.5, 0.3, 0.2], [0.25, 0.35, 0.4]])
    predicted_PZ = enumerated_advantage(RECIPES[name].reward, p_PZ, right_answers(settings), 3) / (1 - 1 / 3)
    game = settled_at(name, p_PZ, settings)  # whose reference is p, so that the anchor pulls nowhere
    np.testing.assert_allclose(_field(arm, game, settings)(np.log(p_PZ)), predicted_PZ, atol=1e-12)
