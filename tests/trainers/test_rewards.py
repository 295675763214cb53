from __future__ import annotations

from itertools import product
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import digamma

from alftbench.errors import UsageError
from alftbench.types import AnswerPartition
from alftbench_trainers import rewards
from alftbench_trainers.recipes.coherence_grpo import CoherenceGrpo
from alftbench_trainers.recipes.diversity_game import DiversityGame

PLUG_IN = "plug-in"


def made(class_VN, correct=(True, False, False)):
    return AnswerPartition("p", ("a", "b", "c"), correct, tuple(map(tuple, class_VN)), {})


def test_correctness():
    assert rewards.correctness(made([[0, 1, -1], [2, 0, 0]])).tolist() == [[1, 0, 0], [0, 1, 1]]


def test_diversity_is_minus_the_log_share_within_the_phrasing():
    found = rewards.diversity(made([[0, 0, 1, -1], [0, 0, 0, 0]]), PLUG_IN)
    np.testing.assert_allclose(found, [[log(2), log(2), log(4), 0], [0, 0, 0, 0]])


def test_quadratic_is_minus_the_share_among_the_other_rollouts():
    found = rewards.quadratic(made([[0, 0, 1, -1], [0, 0, 0, 0]]))
    np.testing.assert_allclose(found, [[-1 / 3, -1 / 3, 0, -1], [-1, -1, -1, -1]])


def test_the_quadratic_reward_is_unbiased():
    """Every group of 3 draws, weighed by its chance: the expectation given one's own answer is −p exactly."""
    p = np.array([0.5, 0.3, 0.2])
    sums = np.zeros(3)
    for group in product(range(3), repeat=3):
        sums[group[0]] += np.prod(p[list(group)]) * rewards.quadratic(made([group]))[0, 0]
    np.testing.assert_allclose(sums / p, -p)


def test_consensus_is_the_log_share_over_all_phrasings():
    found = rewards.consensus(made([[0, 0, 1, -1], [0, 2, 2, 2]]), PLUG_IN)
    expected = [[log(3 / 8)] * 2 + [log(1 / 8), log(1 / 16)], [log(3 / 8)] + [log(3 / 8)] * 3]
    np.testing.assert_allclose(found, expected)


def test_coherence_vanishes_where_phrasings_agree():
    found = rewards.coherence(made([[0, 0, 1, 2], [1, 0, 2, 0]]), PLUG_IN)
    np.testing.assert_allclose(found, 0.0, atol=1e-12)


@given(st.lists(st.lists(st.integers(-1, 2), min_size=4, max_size=4), min_size=1, max_size=4))
@pytest.mark.parametrize("estimator", ["plug-in", "digamma", "minimax", "variance-optimal"])
def test_no_answer_never_earns_more_than_an_answer(estimator, class_VN):
    partition = made(class_VN)
    classes = rewards.classes(partition)
    for reward in (rewards.consensus(partition, estimator), rewards.diversity(partition, estimator)):
        answered, silent = reward[classes >= 0], reward[classes < 0]
        if answered.size and silent.size:
            assert silent.max() <= answered.min() + 1e-12


@given(st.lists(st.lists(st.integers(-1, 2), min_size=3, max_size=3), min_size=2, max_size=3), st.randoms())
def test_rewards_follow_the_rollouts_not_their_order(class_VN, random):
    order = list(range(len(class_VN)))
    random.shuffle(order)
    shuffled = made([class_VN[i] for i in order])
    for reward in (rewards.consensus, rewards.diversity, rewards.coherence):
        found = reward(made(class_VN), PLUG_IN)
        np.testing.assert_allclose(reward(shuffled, PLUG_IN), found[order])


def test_trainers_mix_their_terms():
    partition = made([[0, 1], [0, 0]])
    coherence = CoherenceGrpo({"coherence": "2", "correctness": "3"})
    np.testing.assert_allclose(
        coherence.reward(partition), [[2 * log(3 / 4) + 3, 2 * log(1 / 4)], [2 * log(3 / 4) + 3] * 2]
    )
    diverse = DiversityGame({"diversity": "0.5", "estimator": "digamma"})
    half = -0.5 * (digamma(1) - digamma(2))
    np.testing.assert_allclose(diverse.reward(partition), [[1 + half, half], [1, 1]], atol=1e-12)
    gini = DiversityGame({"diversity": "0.5", "objective": "quadratic"})
    np.testing.assert_allclose(gini.reward(partition), [[1, 0], [0.5, 0.5]])


def test_label_free_coherence_does_not_look_at_labels():
    classes = [[0, 1, 2], [1, 1, 0]]
    trainer = CoherenceGrpo({})
    np.testing.assert_array_equal(
        trainer.reward(made(classes)), trainer.reward(made(classes, correct=(False, True, True)))
    )


@pytest.mark.parametrize(
    ("trainer", "options", "message"),
    [
        (CoherenceGrpo, {"objective": "peace"}, "use consensus or coherence"),
        (DiversityGame, {"estimator": "guess"}, "use one of plug-in, digamma, minimax, variance-optimal"),
        (DiversityGame, {"group": "1"}, "at least 2 rollouts"),
        (DiversityGame, {"learning_rate": "-1"}, "must be above 0"),
        (DiversityGame, {"scale": "max"}, "use none or std"),
        (DiversityGame, {"beta": "nan"}, "must be a finite number"),
        (DiversityGame, {"diversity": "inf"}, "must be a finite number"),
        (DiversityGame, {"warmup": "-5"}, "must not be negative"),
        (DiversityGame, {"group": "four"}, "expected int"),
        (DiversityGame, {"colour": "red"}, "no option 'colour'"),
    ],
)
def test_wrong_options_are_named(trainer, options, message):
    with pytest.raises(UsageError, match=message):
        trainer(options)
