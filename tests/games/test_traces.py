"""Gathering traces into answers and lifting marginals back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alftbench.errors import BadInput
from alftbench.games import (
    Coherence,
    Diversity,
    Game,
    Prompt,
    TracePolicy,
    lift,
    marginalise,
    solve,
    trace_drift,
    trace_quality,
)
from alftbench.games.numerics import kl, log_normalise, log_of


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_marginalise_is_the_sum_over_traces(seed):
    """Against a loop, with impossible traces and answers that have none."""
    rng = np.random.default_rng(seed)
    Z, Y = int(rng.integers(1, 6)), int(rng.integers(1, 30))
    answer = rng.integers(0, Z, size=Y)
    prob = rng.random(Y) * (rng.random(Y) < 0.8)
    expected = [sum(p for a, p in zip(answer, prob, strict=True) if a == z) for z in range(Z)]
    assert np.allclose(np.exp(marginalise(answer, log_of(prob), Z)), expected)


def test_marginalise_keeps_what_exp_would_lose():
    """Two traces at exp(−2000) are one answer at 2 exp(−2000)."""
    log_p = marginalise(np.array([0, 1, 1]), np.array([0.0, -2000.0, -2000.0]), 2)
    assert log_p[1] == pytest.approx(-2000 + np.log(2))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_lift_has_the_marginals_and_no_drift(seed):
    """The chain rule: KL(π‖π0) = KL(p‖p0) exactly when the traces keep their shares."""
    rng = np.random.default_rng(seed)
    Z, Y = 4, 20
    answer = np.concatenate([np.arange(Z), rng.integers(0, Z, size=Y - Z)])
    log_pi0 = log_normalise(rng.normal(size=Y))
    log_p0, log_p = marginalise(answer, log_pi0, Z), log_normalise(rng.normal(size=Z))
    log_pi = lift(answer, log_pi0, log_p0, log_p)
    assert np.allclose(marginalise(answer, log_pi, Z), log_p)
    assert kl(log_pi, log_pi0) == pytest.approx(kl(log_p, log_p0))
    assert trace_drift(answer, log_pi, log_pi0, Z) == pytest.approx(0.0, abs=1e-15)
    other = log_normalise(log_pi + rng.normal(size=Y))
    drift = kl(other, log_pi0) - kl(marginalise(answer, other, Z), log_p0)
    assert trace_drift(answer, other, log_pi0, Z) == pytest.approx(drift)


def test_solution_lifts_every_prompt():
    """Policies are normalised over traces, and impossible traces stay impossible."""
    prompts = (
        Prompt(np.array([0, 0, 1]), np.array([-1.0, -np.inf, -2.0]), weight=3.0),
        Prompt(np.array([1, 0]), np.array([5.0, 5.0])),
    )
    game = Game(0.5, Coherence(1.0), ("a", "b"), prompts)
    assert np.allclose(game.weights_P, [0.75, 0.25])
    solution = solve(game)
    for log_pi, log_p, prompt in zip(solution.policy, solution.log_p_PZ, prompts, strict=True):
        assert np.exp(log_pi).sum() == pytest.approx(1.0)
        assert np.allclose(marginalise(prompt.answer_Y, log_pi, 2), log_p)
    assert solution.policy[0][1] == -np.inf


def two_prompts():
    """Five traces and three on two answers, weights 3:1."""
    prompts = (
        Prompt(np.array([0, 0, 1, 1, 1]), np.log([0.3, 0.1, 0.2, 0.3, 0.1]), weight=3.0),
        Prompt(np.array([1, 0, 0]), np.log([0.5, 0.25, 0.25])),
    )
    return Game(0.5, Coherence(1.0), ("a", "b"), prompts)


def test_the_equilibrium_has_no_gap_no_error_and_no_drift():
    """All three figures of the lifted solution are zero."""
    game = two_prompts()
    quality = trace_quality(game, solve(game).policy)
    assert [quality.gap, quality.marginal_error, quality.drift] == pytest.approx([0, 0, 0], abs=1e-14)


def test_quality_of_a_policy_by_hand():
    """Only the first prompt drifts: its answers are those of p*, its traces within answer 0 are 1:1, not 3:1."""
    game = two_prompts()
    log_pi = [row.copy() for row in solve(game).policy]
    mass = np.exp(log_pi[0][:2]).sum()
    log_pi[0][:2] = np.log(mass / 2)
    quality = trace_quality(game, [row + 7.0 for row in log_pi])  # Normalised on the way in.
    drift = 0.75 * mass * 0.5 * np.log(0.5 / 0.75 * 0.5 / 0.25)
    assert quality.drift == pytest.approx(drift)
    assert quality.gap == pytest.approx(0.5 * drift)
    assert quality.marginal_error == pytest.approx(0.0, abs=1e-12)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_value_and_gap_on_traces_are_those_of_the_game_of_traces(seed):
    """J = β Σ w KL(π‖π0) + F(p) summed trace by trace, and gap = β Σ w KL(π‖π_u) with π_u ∝ π0 e^{−u/β}."""
    game, rng = two_prompts(), np.random.default_rng(seed)
    log_pi = tuple(log_normalise(rng.normal(size=x.log_prob_Y.size)) for x in game.prompts)
    policy, weights = TracePolicy(game, log_pi), game.weights_P
    anchor = [float(kl(row, x.log_prob_Y)) for row, x in zip(log_pi, game.prompts, strict=True)]
    F = game.objective.value(policy.log_p_PZ, weights)
    assert policy.value == pytest.approx(game.beta * float(weights @ anchor) + F)
    u = game.objective.gradient(policy.log_p_PZ, weights)
    answers = zip(game.prompts, u, strict=True)
    best = [log_normalise(x.log_prob_Y - u_Z[x.answer_Y] / game.beta) for x, u_Z in answers]
    regret = [float(kl(row, other)) for row, other in zip(log_pi, best, strict=True)]
    assert policy.gap == pytest.approx(game.beta * float(weights @ regret))


def test_a_policy_that_does_not_fit_is_refused():
    """One entry per trace."""
    with pytest.raises(BadInput, match="one entry per trace"):
        trace_quality(two_prompts(), [np.zeros(5), np.zeros(2)])


def test_a_million_traces():
    """1e6 traces on 1e4 answers: certified, and lifted without loss."""
    rng = np.random.default_rng(0)
    traces = Prompt(rng.integers(0, 10_000, size=1_000_000), rng.normal(size=1_000_000))
    game = Game(1.0, Diversity(2.0, np.zeros(10_000)), tuple(map(str, range(10_000))), (traces,))
    solution = solve(game)
    assert solution.gap <= 1e-9
    assert np.exp(solution.policy[0]).sum() == pytest.approx(1.0)
