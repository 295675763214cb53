"""Base, declared, predicted and reached answers of a problem: against closed forms and the trainers' own rules."""

from __future__ import annotations

import numpy as np
import pytest

from alftbench.equilibrium.from_traces import OrbitTraces
from alftbench.equilibrium.stages import DRAWS, FEATURES, NAMES, features, stage_values
from alftbench.errors import PluginError
from alftbench_trainers.recipes.coherence_grpo import COHERENCE_GRPO
from alftbench_trainers.recipes.diversity_game import DIVERSITY_GAME
from alftbench_trainers.recipes.labels import NOISY_VERIFIER, SPURIOUS
from alftbench_trainers.recipes.vanilla_grpo import VANILLA_GRPO

CORRECT_Z = np.array([True, False, False, False])  # the last is no answer
P0_VZ = np.array([[0.5, 0.3, 0.15, 0.05], [0.3, 0.2, 0.45, 0.05]])


def traces(p_VZ, mass=1e-9, split=0.6):
    """Every answer has two traces; the policy keeps the reference's shares of them."""
    answer_Y = np.repeat(np.arange(4), 2)
    within_Y = np.tile([split, 1 - split], 4)
    rows = zip(p_VZ, P0_VZ, strict=True)
    log_prob_V = [np.log(np.stack([p[answer_Y] * within_Y, p0[answer_Y] * within_Y])) for p, p0 in rows]
    return OrbitTraces([answer_Y] * 2, log_prob_V, CORRECT_Z, mass)


def tilted(weight_Z):
    p_VZ = P0_VZ * weight_Z
    return p_VZ / p_VZ.sum(axis=1, keepdims=True)


def total_variation(p_VZ, q_VZ):
    return float(np.abs(p_VZ - q_VZ).sum(axis=1).mean() / 2)


def test_a_fixed_reward_is_declared_and_predicted_alike():
    trainer = VANILLA_GRPO({"beta": "0.5"})
    star_VZ, reached_VZ = tilted(np.exp(CORRECT_Z / 0.5)), tilted(np.exp(CORRECT_Z / 1.0))
    values = stage_values(traces(reached_VZ), trainer.game(CORRECT_Z), trainer)
    assert set(values) == set(NAMES)
    for stage, p_VZ in (("base", P0_VZ), ("declared", star_VZ), ("predicted", star_VZ), ("reached", reached_VZ)):
        for name, truth in features(p_VZ, CORRECT_Z).items():
            assert values[f"{stage}_{name}"] == pytest.approx(truth, abs=1e-7)
    assert values["base_to_declared"] == pytest.approx(total_variation(P0_VZ, star_VZ), abs=1e-7)
    assert values["reached_to_declared"] == pytest.approx(total_variation(reached_VZ, star_VZ), abs=1e-7)
    assert values["reached_to_predicted"] == pytest.approx(values["reached_to_declared"], abs=1e-7)
    assert values["predicted_to_declared"] == pytest.approx(0, abs=1e-7)


def test_features_are_what_draws_would_show():
    p_VZ = np.array([[0.5, 0.25, 0.25, 0.0], [0.25, 0.25, 0.25, 0.25]])
    assert features(p_VZ, np.array([True, True, False, False])) == pytest.approx(
        {
            "accuracy": (0.75 + 0.5) / 2,
            "agreement": 0.5 * 0.25 + 0.25 * 0.25 * 2,
            "agreement_within": (0.375 + 3 / 16) / 2,  # silence agrees with nothing
            "distinct_right": (2 - 0.5**DRAWS - 0.75**DRAWS + 2 - 2 * 0.75**DRAWS) / 2,
        }
    )
    assert set(features(p_VZ, CORRECT_Z)) == set(FEATURES)


@pytest.mark.parametrize(
    "trainer",
    [
        DIVERSITY_GAME({"beta": "0.2", "diversity": "0.1", "estimator": "digamma"}),
        COHERENCE_GRPO({"beta": "0.2", "coherence": "0.2", "objective": "coherence", "group": "3"}),
    ],
)
def test_what_counts_answers_is_predicted_elsewhere_than_declared(trainer):
    values = stage_values(traces(P0_VZ), trainer.game(CORRECT_Z), trainer)
    assert values["predicted_to_declared"] > 0.01
    assert values["reached_to_declared"] == pytest.approx(values["base_to_declared"])
    p_VZ = np.exp(trainer.predicted(np.log(P0_VZ), CORRECT_Z, 3))
    assert values["predicted_accuracy"] == pytest.approx(features(p_VZ, CORRECT_Z)["accuracy"], abs=1e-6)


@pytest.mark.parametrize(
    ("trainer", "earned_Z"),
    [
        (SPURIOUS({"beta": "0.5"}), [0.5, 0.5, 0.5, 0.5]),
        (NOISY_VERIFIER({"beta": "0.5"}), [0.7, 0.3, 0.3, 0.0]),
        (NOISY_VERIFIER({"beta": "0.5", "true_positive": "0.2"}), [0.2, 0.3, 0.3, 0.0]),
    ],
)
def test_a_reward_at_random_is_predicted_by_its_rates(trainer, earned_Z):
    """As p ∝ p₀ e^{rate/β}: the reference for spurious rewards; among answers, Youden's J times correctness."""
    p_VZ = np.exp(trainer.predicted(np.log(P0_VZ), CORRECT_Z, 3))
    assert p_VZ == pytest.approx(tilted(np.exp(np.array(earned_Z) / 0.5)), abs=1e-7)
    values = stage_values(traces(P0_VZ), trainer.game(CORRECT_Z), trainer)
    assert values["predicted_to_declared"] < 1e-7


def test_answers_that_a_list_does_not_tell_are_left_out():
    """The rarest answers have less than a tenth of the mass that may be left: distances are those of the rest."""
    trainer = DIVERSITY_GAME({"beta": "0.2", "diversity": "0.1"})
    values = stage_values(traces(P0_VZ, mass=0.6), trainer.game(CORRECT_Z), trainer)
    assert values["base_accuracy"] == pytest.approx((0.5 / 0.95 + 0.3 / 0.95) / 2)


def test_the_same_answers_are_told_whatever_was_trained():
    """A trained model that hardly gives an answer, or gives a rare one often, changes no row of the base."""
    sure_VZ = np.array([[0.97, 0.02, 0.005, 0.005], [0.005, 0.02, 0.005, 0.97]])
    rows = []
    for trainer in (VANILLA_GRPO({"beta": "0.5"}), DIVERSITY_GAME({}), COHERENCE_GRPO({})):
        for p_VZ in (P0_VZ, sure_VZ, sure_VZ[::-1]):
            values = stage_values(traces(p_VZ, mass=0.6), trainer.game(CORRECT_Z), trainer)
            rows.append([values[f"base_{name}"] for name in FEATURES])
    assert rows == [pytest.approx(rows[0])] * 9
    assert rows[0][0] == pytest.approx((0.5 + 0.3) / 2 / 0.95)  # no answer, 0.05 in both, is what is not told


class Silent:
    """A trainer that declares a game and says nothing of its update."""


def test_what_nobody_predicts_is_left_open():
    game = VANILLA_GRPO({"beta": "0.5"}).game(CORRECT_Z)
    values = stage_values(traces(P0_VZ), game, Silent())
    assert np.isnan(values["predicted_accuracy"])
    assert values["declared_accuracy"] > values["base_accuracy"]


class Broken:
    def predicted(self, log_p0_VZ, correct_Z, unanswered):
        raise RuntimeError("no")


def test_a_prediction_that_fails_is_named():
    with pytest.raises(PluginError, match=r"predicted\(\) of Broken failed"):
        stage_values(traces(P0_VZ), VANILLA_GRPO({"beta": "0.5"}).game(CORRECT_Z), Broken())
