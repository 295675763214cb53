import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from alftbench.errors import Diverged
from alftbench.games.numerics import log_normalise
from alftbench.settle.descent import (
    counts_of,
    draw,
    exact_weights,
    play_exact,
    play_sampled,
    sampled_weights,
)
from alftbench.settle.language import marginals
from alftbench.settle.measure import settled
from alftbench.settle.settings import GAMES, Arm
from alftbench.settle.targets import Memory, Oracle, Rotation, advantages, target_player


def value(game, log_pi_PY):
    return game.distance(log_pi_PY).excess + game.value_star


@pytest.mark.parametrize("name", GAMES)
def test_exact_weights_are_the_gradient_of_the_value(name, language, settings, moved_PY):
    game = settled(name, language, settings)
    weights_PY = exact_weights(game, moved_PY)
    # Along free logits ∂J/∂θ = −W + π ΣW, and ΣW = 0 by centring.
    np.testing.assert_allclose(weights_PY.sum(axis=1), 0, atol=1e-15)
    for prompt, trace in ((0, 0), (1, 4), (0, 8)):
        step = np.zeros_like(moved_PY)
        step[prompt, trace] = 1e-5
        ahead, behind = (value(game, log_normalise(moved_PY + s * step)) for s in (1, -1))
        assert (ahead - behind) / 2e-5 == pytest.approx(-weights_PY[prompt, trace], abs=1e-9)


def test_the_networks_gradient_is_the_values_finite_difference(language, settings):
    game = settled("diversity", language, settings)
    policy = language.policy()
    with torch.no_grad():
        policy.write_V += torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
    log_pi = policy()
    weights = torch.from_numpy(exact_weights(game, log_pi.detach().numpy()))
    (-(weights * log_pi).sum()).backward()
    at = {name: p.detach().clone() for name, p in policy.named_parameters()}
    for name, index in (("embed_PH", (1, 3)), ("mix_HH", (2, 5)), ("write_V", (1,))):
        slopes = []
        for sign in (1, -1):
            shifted = {key: p.clone() for key, p in at.items()}
            shifted[name][index] += sign * 1e-5
            slopes.append(value(game, language.log_probs(shifted)))
        slope = (slopes[0] - slopes[1]) / 2e-5
        assert slope == pytest.approx(policy.get_parameter(name).grad[index].item(), abs=1e-8)


@pytest.mark.parametrize(
    ("name", "target"), [("diversity", "oracle"), ("correctness", "none"), ("coherence", "oracle")]
)
def test_the_expected_sampled_gradient_is_the_exact_one(name, target, language, settings, moved_PY):
    game, arm = settled(name, language, settings), Arm(name, "sampled", 0, target, group=2)
    expected = np.zeros_like(moved_PY)
    for y in itertools.product(range(9), repeat=2):
        drawn = np.array([[y], [y]])  # with the true p the prompts' groups do not meet
        chance_P = np.exp(moved_PY[:, list(y)].sum(axis=1))
        expected += chance_P[:, None] * sampled_weights(game, arm, settings, Oracle(), moved_PY, drawn)
    # The group's own mean takes the share 1/G of every advantage.
    np.testing.assert_allclose(expected, 0.5 * exact_weights(game, moved_PY), atol=1e-15)


def test_draws_follow_the_policy(moved_PY):
    drawn = draw(moved_PY, groups=5000, group=4, rng=np.random.default_rng(0))
    assert drawn.shape == (2, 5000, 4)
    for row, log_pi in zip(drawn, moved_PY, strict=True):
        shares = np.bincount(row.ravel(), minlength=9) / 20_000
        assert np.abs(shares - np.exp(log_pi)).max() < 5 * 0.5 / 20_000**0.5


def test_counts_of_groups_equal_counting():
    answers = np.random.default_rng(1).integers(0, 3, size=(2, 5, 4))
    counts = counts_of(answers, 3)
    for p, r, z in itertools.product(range(2), range(5), range(3)):
        assert counts[p, r, z] == (answers[p, r] == z).sum()


def test_memory_of_a_frozen_policy_converges_to_its_marginals(language, moved_PY):
    memory, rng = Memory(decay=0.999, group=8), np.random.default_rng(3)
    for _ in range(6000):
        answers = language.tree.answer_Y[draw(moved_PY, 2, 8, rng)]
        memory.observe(counts_of(answers, 3), np.zeros((1, 1)))
    p_PZ = np.exp(marginals(language.tree, moved_PY))
    # Worth 8 × 1.999/0.001 = 16,000 samples: a standard deviation of at most 0.004.
    assert np.abs(memory.estimate_PRZ - p_PZ[:, None]).max() < 0.02
    np.testing.assert_allclose(np.exp(memory.log_q()), p_PZ.mean(axis=0) * np.ones((2, 1)), atol=0.02)


def test_memory_starts_at_the_first_group_and_never_gives_a_drawn_answer_nothing():
    memory = Memory(decay=0.98, group=4)
    memory.observe(np.array([[[3, 1, 0]]]), np.zeros((1, 1)))
    np.testing.assert_allclose(memory.estimate_PRZ, [[[0.75, 0.25, 0]]])
    np.testing.assert_allclose(memory.log_p(), [[[np.log(0.75), np.log(0.25), 0]]])


def test_prompts_that_take_turns_have_memories_of_their_own():
    turns, alone = Rotation([Memory(0.5, 4) for _ in range(3)]), Memory(0.5, 4)
    counts = np.random.default_rng(5).multinomial(4, [0.5, 0.3, 0.2], size=(7, 2, 6))
    for step, counts_PRZ in enumerate(counts):
        turns.observe(counts_PRZ, np.zeros((1, 1)))
        if step % 3 == 1:
            alone.observe(counts_PRZ, np.zeros((1, 1)))
            np.testing.assert_array_equal(turns.log_p(), alone.log_p())
            np.testing.assert_array_equal(turns.log_q(), alone.log_q())


def test_advantages_are_centred_and_scaled_by_group():
    rewards = np.array([[[1.0, 3.0], [2.0, 2.0]]])
    np.testing.assert_allclose(advantages(rewards, "none"), [[[-1, 1], [0, 0]]])
    np.testing.assert_allclose(advantages(rewards, "std"), [[[-1, 1], [0, 0]]], atol=1e-3)


@pytest.mark.parametrize("name", GAMES)
def test_exact_gradients_approach_the_equilibrium(name, language, settings):
    played = play_exact(settled(name, language, settings), replace(settings, width=8, exact_steps=250))
    start = played.history[0][1]
    assert start.tv > 0.03
    assert played.final.tv < 0.1 * start.tv
    assert -1e-12 <= played.final.excess <= played.final.gap + 1e-12


def test_sampled_runs_repeat_and_count_their_tokens(language, settings):
    game, arm = settled("diversity", language, settings), Arm("diversity", "sampled", 7, "memory", 8)
    first, again = (play_sampled(game, arm, settings) for _ in range(2))
    assert first.history == again.history
    assert [tokens for tokens, _ in first.history] == [0, 128, 256]
    np.testing.assert_array_equal(first.log_averaged_PZ, again.log_averaged_PZ)


def test_a_rate_that_is_far_too_high_is_named(language, settings):
    wild = replace(settings, exact_learning_rate=1e37)
    with pytest.raises(Diverged, match="lower learning rate"):
        play_exact(settled("diversity", language, settings), wild)


def test_the_true_p_serves_correctness_and_the_oracle(settings):
    for target in ("none", "oracle"):
        assert isinstance(target_player(Arm("correctness", "sampled", 0, target, 4), settings), Oracle)
