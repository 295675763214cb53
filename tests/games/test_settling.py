"""Where rules settle: at what tabular policies reach that are trained by sampling, and at closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alftbench.games import Coherence, Diversity, Game, solve
from alftbench.games.objectives import indicator_bonus
from alftbench.games.rewards import (
    RULES,
    baselines,
    correctness,
    entropy,
    exact_population_reward,
    limit,
    population_reward,
    predicted,
    rule_info,
)
from alftbench.games.rewards.fixed_point import centred, iterate
from alftbench.games.rewards.made_up import one_text_each

P0 = np.array([[0.4, 0.25, 0.2, 0.15], [0.2, 0.35, 0.15, 0.3]])
RIGHT = np.array([False, True, True, False])
BETA, GROUP, GROUPS, STEPS, KEPT = 0.5, 4, 200, 500, 400
TRAINED = {
    "noisy-verifier": "mean",
    "w-reinforce": "none",
    "tsallis": "leave-one-out",
    "ucpo": "mean",
    "inverse-propensity": "mean",
    "gapo": "mean",
    "majority": "jackknife",
    "self-harmony": "mean",
    "majority-gain": "none",
    "maxrl": "leave-one-out",
    "focal": "mean",
    "coherence": "jackknife",
    "trace-coherence": "mean",
    "rank-bias": "mean",
    "mara": "jackknife",
}


def train(rule, log_p0_VZ, baseline, seed):
    """Policy gradient on the logits of a table, with the KL in the reward; the last answer marginals."""
    rng = np.random.default_rng(seed)
    log_p_VZ, seen = log_p0_VZ.copy(), []
    V, Z = log_p0_VZ.shape
    for step in range(STEPS):
        p_VZ = np.exp(log_p_VZ)
        class_NVG = np.stack([rng.choice(Z, (GROUPS, GROUP), p=p_Z) for p_Z in p_VZ], axis=1)
        record = one_text_each(class_NVG, RIGHT, None, p_VZ, log_p0_VZ)
        record = replace(record, uniform_VG=rng.random(class_NVG.shape))
        rewards = rule(record)
        penalty = record.at_own_answer(BETA * (log_p_VZ - log_p0_VZ), 0.0)
        away = penalty - penalty.mean(axis=-1, keepdims=True)
        if baseline != "mean":
            away = away * GROUP / (GROUP - 1)
        advantage = rewards - baselines(rule, record, rewards, baseline) - away
        per_answer = [[advantage[:, v][class_NVG[:, v] == z].sum() for z in range(Z)] for v in range(V)]
        gradient = np.array(per_answer) / (GROUPS * GROUP)
        log_p_VZ = log_p_VZ + 2.0 * (gradient - p_VZ * gradient.sum(axis=1, keepdims=True))
        log_p_VZ = log_p_VZ - np.log(np.exp(log_p_VZ).sum(axis=1, keepdims=True))
        if step >= STEPS - KEPT:
            seen.append(np.exp(log_p_VZ))
    return np.array(seen)


@pytest.mark.parametrize(("name", "baseline"), TRAINED.items())
def test_a_trained_table_ends_where_predicted(name, baseline):
    """The mean of the last steps is within four standard errors, and a hundredth for the step's length."""
    rule, log_p0_VZ = rule_info(name).rule(), np.log(P0[: RULES[name].phrasings])
    point = predicted(rule, log_p0_VZ, RIGHT, BETA, GROUP, baseline)
    assert point.settled
    seen_NVZ = train(rule, log_p0_VZ, baseline, seed=1)
    blocks = seen_NVZ.reshape(8, KEPT // 8, *seen_NVZ.shape[1:]).mean(axis=1)
    error = blocks.std(axis=0, ddof=1) / np.sqrt(8)
    away = np.abs(blocks.mean(axis=0) - np.exp(point.log_p_PZ))
    assert (away <= 4 * error + 0.01).all()
    moved = np.abs(np.exp(point.log_p_PZ) - P0[: len(log_p0_VZ)]).max()
    assert moved > 3 * away.max(), "so near to the reference that it shows nothing"


def test_right_answers_are_even_under_mara():
    """With the β of the KL and the anchor the likeliest right answer the reference cancels among right answers."""
    info, log_p0_VZ = rule_info("mara"), np.log(P0)
    point = limit(lambda p_VZ: info.population(p_VZ, RIGHT, None, log_p0_VZ, kl=BETA), log_p0_VZ, BETA)
    p_VZ = np.exp(point.log_p_PZ)
    np.testing.assert_allclose(p_VZ[:, 1], p_VZ[:, 2], rtol=1e-6)
    truth = np.log(p_VZ[:, 1] / p_VZ[:, 0]) - np.log(P0[:, [1, 2]].max(axis=1) / P0[:, 0])
    np.testing.assert_allclose(truth, 1 / BETA, rtol=1e-6)


@pytest.mark.parametrize("beta", [0.2, 1.0])
def test_the_limit_of_rules_with_targets_is_the_declared_equilibrium(beta):
    log_p0_VZ = np.log(P0)

    def rule_of(target):
        return lambda record: correctness(record) + 0.3 * entropy(record, target)

    point = limit(lambda p_VZ: exact_population_reward(rule_of, p_VZ, RIGHT), log_p0_VZ, beta)
    declared = solve(Game.from_marginals(P0, Diversity(0.3, indicator_bonus(RIGHT)), beta)).p_PZ
    np.testing.assert_allclose(np.exp(point.log_p_PZ), declared, atol=1e-7)
    info = rule_info("coherence")
    point = limit(lambda p_VZ: info.population(p_VZ, RIGHT), log_p0_VZ, beta)
    np.testing.assert_allclose(
        np.exp(point.log_p_PZ), solve(Game.from_marginals(P0, Coherence(1.0), beta)).p_PZ, atol=1e-7
    )


def test_maxrl_without_a_target_settles_at_its_closed_form():
    """F = −log p_c: p ∝ p₀ e^{c/(β p_c)}, so logit p_c = logit p0_c + 1/(β p_c); within O(1/1024)."""
    info = rule_info("maxrl")
    point = limit(lambda p_VZ: population_reward(info.rule(), p_VZ, RIGHT), np.log(P0[:1]), BETA)
    right, before = np.exp(point.log_p_PZ)[0, RIGHT].sum(), P0[0, RIGHT].sum()
    assert np.log(right / (1 - right)) == pytest.approx(
        np.log(before / (1 - before)) + 1 / (BETA * right), abs=4e-3
    )


@pytest.mark.parametrize("slope", [0.05, 0.39, 0.4, 0.41, 4.0])
def test_a_step_that_is_too_long_is_made_shorter(slope):
    """At a = −slope (log p − log p*) a step of 5 multiplies the distance by 1 − 5 slope: 0.75, about −1, −19."""
    log_p_PZ, end_PZ = np.log(P0), np.log(P0[::-1])
    point = iterate(lambda log_p: centred(slope * (end_PZ - log_p), log_p), log_p_PZ, step=5.0, rounds=200)
    assert point.residual <= 1e-9
    np.testing.assert_allclose(np.exp(point.log_p_PZ), P0[::-1], atol=1e-7)


def test_larger_groups_settle_nearer_to_the_limit():
    info, log_p0_VZ = rule_info("darling"), np.log(P0)
    end = np.exp(limit(lambda p_VZ: info.population(p_VZ, RIGHT), log_p0_VZ, BETA).log_p_PZ)
    away = [
        np.abs(np.exp(predicted(info.rule(), log_p0_VZ, RIGHT, BETA, group, "mean").log_p_PZ) - end).max()
        for group in (4, 16, 64)
    ]
    assert away[0] > 2 * away[1] > 4 * away[2]


def test_where_the_update_is_sampled_the_point_says_how_exact_it_is():
    p0_VZ = np.random.default_rng(0).dirichlet(np.full(5, 3.0), size=3)
    right = np.arange(5) == 0
    rule = rule_info("self-harmony").rule()
    points = [predicted(rule, np.log(p0_VZ), right, 1.0, 6, "mean", draws=400, seed=seed) for seed in (0, 1)]
    for point in points:
        assert point.settled
        assert 1e-3 < point.noise < 0.3
    first, second = (np.exp(point.log_p_PZ) for point in points)
    assert 0 < np.abs(first - second).max() < 0.1


def test_a_rule_that_votes_has_a_point_next_to_each_reference():
    """Not concave: whichever answer leads at first wins."""
    rule = rule_info("majority").rule()
    ahead = [predicted(rule, np.log([p0]), RIGHT[:2], 0.2, 8, "mean") for p0 in ([0.55, 0.45], [0.45, 0.55])]
    shares = [np.exp(point.log_p_PZ)[0, 0] for point in ahead]
    assert shares[0] > 0.9
    assert shares[1] == pytest.approx(1 - shares[0], abs=1e-6)
