"""Recipes made of a rule: reward, options, game and needs are the rule's."""

from __future__ import annotations

import numpy as np
import pytest

from alftbench.base import entry_points
from alftbench.errors import UsageError
from alftbench.games.rewards import GroupRecord, correctness, frequency, maxrl, rule_info, ucpo
from alftbench.training.train import make_trainer
from alftbench.training.trainer import parse_spec
from alftbench_trainers.recipes import votes
from alftbench_trainers.recipes.of_rule import of_rule

RECORD = GroupRecord(np.array([[0, 1, 1, -1], [0, 0, 2, 1]]), np.array([True, False, True]))
CORRECT_Z = np.array([True, False, True, False])


def reward(spec):
    return make_trainer(parse_spec(spec)).reward(RECORD)


def test_the_reward_is_that_of_the_rule_with_the_options_of_the_recipe():
    assert reward("ucpo:weight=0.25") == pytest.approx(ucpo(RECORD, weight=0.25))
    assert reward("maxrl-t:order=2") == pytest.approx(maxrl(RECORD, order=2))


def test_without_labels_a_reward_has_a_strength_and_correctness_may_be_added():
    expected = 0.5 * frequency(RECORD) + 2 * correctness(RECORD)
    assert reward("empo:strength=0.5,correctness=2") == pytest.approx(expected)
    with pytest.raises(UsageError, match="strength"):
        reward("maxrl:strength=2")


def test_what_a_paper_takes_out_of_the_reference_follows_the_kl():
    trainer = make_trainer(parse_spec("mara:beta=0.07"))
    assert trainer.options.kl == 0.07
    assert "kl" not in trainer.config()


@pytest.mark.parametrize("name", sorted({*entry_points.available("trainer")} - {"external"}))
def test_a_game_is_declared_where_the_rule_has_an_objective_of_the_answers(name):
    trainer = make_trainer(parse_spec(name))
    declared = trainer.game(CORRECT_Z)
    without = {
        "gapo",
        "co-rewarding",
        "self-harmony",
        "evol-rl",
        "trace-coherence",
        "rank-bias",
        "mara",
        "best-of-n",
    }
    assert (declared is None) == (name in without)


def test_phrasings_are_asked_for_where_the_rule_compares_them():
    needing = {name for name in entry_points.available("trainer") if make_trainer(parse_spec(name)).needs_orbits}
    assert {"co-rewarding", "self-harmony", "pairwise-coherence", "trace-coherence", "coherence-grpo"} <= needing
    assert not {"ttrl", "empo", "pkpo", "vanilla-grpo"} & needing


def test_a_recipe_of_ones_own_is_a_line():
    recipe = of_rule("mine", "uniqueness", "Mine.", power=0.25, beta=0.5)
    trainer = recipe({})
    assert (trainer.options.power, trainer.options.beta) == (0.25, 0.5)
    assert recipe.paper == rule_info("uniqueness").paper
    assert votes.TTRL.paper == "arXiv 2504.16084"
