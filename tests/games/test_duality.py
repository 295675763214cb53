"""Both players: F*, G(π, u) and the gap of any pair against a convex solver and against deviations of either."""

import numpy as np
import pytest

from alftbench.errors import BadInput, UsageError
from alftbench.games import (
    Consensus,
    Constraint,
    Diversity,
    Game,
    HardCoherence,
    PairwiseCoherence,
    Prompt,
    Status,
    conjugate,
    dual_value,
    solve,
    trace_quality,
    two_player_gap,
    two_player_value,
)
from alftbench.games.numerics import log_normalise
from tests.games import convex
from tests.games.random_games import CONVEX, game_of

CLARABEL = 2e-6  # of the largest of β, λ and |u|
INDICATORS = ("constraint", "hard_coherence")
P0 = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])


def small_game(kind, seed):
    """At most three prompts and six answers."""
    rng = np.random.default_rng(seed)
    beta, lambda_ = 10 ** rng.uniform(-1, 1, size=2)
    return game_of(kind, rng, int(rng.integers(1, 4)), int(rng.integers(2, 7)), float(beta), float(lambda_)), rng


def some_policy(game, rng):
    """Any policy of finite value: at random, or for an indicator the equilibrium."""
    if not game.objective.differentiable:
        return solve(game).log_p_PZ
    return log_normalise(game.log_admissible_PZ + rng.normal(size=game.log_admissible_PZ.shape))


def some_target(game, rng, seed):
    """In turn: noise, what a remembered policy calls for, and the equilibrium's target with noise."""
    noise = game.beta * rng.normal(size=game.log_admissible_PZ.shape)
    if seed % 3 == 0:
        return noise
    if seed % 3 == 1 and game.objective.differentiable:
        return game.objective.gradient(some_policy(game, rng), game.weights_P)
    return solve(game).u_PZ + 0.1 * noise


def unit(game, u_PZ):
    possible = game.log_admissible_PZ > -np.inf
    return max(1.0, game.beta, getattr(game.objective, "lambda_", 0.0), float(np.abs(u_PZ[possible]).max()))


@pytest.mark.parametrize("kind", CONVEX)
def test_gap_of_any_pair_against_a_convex_solver(kind):
    """Sixteen games a kind: J(π) − D(u) with F* by Clarabel, and the two regrets from G alone."""
    for seed in range(16):
        game, rng = small_game(kind, seed)
        log_p, u = some_policy(game, rng), some_target(game, rng, seed)
        u = np.where(game.log_admissible_PZ > -np.inf, u, 0.0)
        accuracy = CLARABEL * unit(game, u)
        with np.errstate(divide="ignore"):
            free = np.log((np.exp(game.log_admissible_PZ) * np.exp(-u / game.beta)).sum(axis=1))
        best = -game.beta * float(game.weights_P @ free) - convex.conjugate(game, u)
        both = two_player_gap(game, log_p, u)
        assert abs(both.gap - (game.value(log_p) - best)) <= accuracy
        assert min(both.policy_regret, both.target_regret) >= 0
        assert dual_value(game, u) == pytest.approx(best, abs=accuracy)
        value = two_player_value(game, log_p, u)
        assert both.policy_regret == pytest.approx(value - dual_value(game, u), abs=accuracy)
        assert both.target_regret == pytest.approx(game.value(log_p) - value, abs=accuracy)


@pytest.mark.parametrize("kind", CONVEX)
def test_no_deviation_gains_more_than_the_regret(kind):
    """Fifty other policies against u, fifty other targets against π."""
    for seed in range(3):
        game, rng = small_game(kind, 100 + seed)
        log_p, u = some_policy(game, rng), some_target(game, rng, seed)
        both, here = two_player_gap(game, log_p, u), two_player_value(game, log_p, u)
        rounding = 1e-7 * unit(game, u)
        for _ in range(50 if kind != "pairwise_coherence" else 3):
            other = log_normalise(game.log_admissible_PZ + 2 * rng.normal(size=log_p.shape))
            assert here - two_player_value(game, other, u) <= both.policy_regret + rounding
            v = u + game.beta * rng.normal(size=u.shape)
            assert two_player_value(game, log_p, v) - here <= both.target_regret + rounding


@pytest.mark.parametrize("kind", CONVEX)
def test_equilibria_are_saddle_points(kind):
    """Neither player of an exact solution can gain, and D(u*) = J(π*): strong duality."""
    for seed in range(10):
        game, _ = small_game(kind, 200 + seed)
        solution = solve(game)
        rounding = (1e-7 if kind == "pairwise_coherence" else 1e-11) * unit(game, solution.u_PZ)
        assert 0 <= solution.pair.gap <= rounding
        assert dual_value(game, solution.u_PZ) == pytest.approx(solution.value, abs=rounding)


@pytest.mark.parametrize("kind", [kind for kind in CONVEX if kind not in INDICATORS])
def test_at_the_best_response_it_is_the_nash_gap(kind):
    """u = ∇F(p): the target regrets nothing, so the pair's gap is the policies'."""
    for seed in range(5):
        game, rng = small_game(kind, 300 + seed)
        log_p = some_policy(game, rng)
        u = game.objective.gradient(log_p, game.weights_P)
        rounding = (1e-7 if kind == "pairwise_coherence" else 1e-11) * unit(game, u)
        both = two_player_gap(game, log_p, u)
        assert both.policy_regret == pytest.approx(game.gap(log_p), rel=1e-9, abs=1e-12)
        assert both.target_regret <= rounding


def test_conjugates_by_hand():
    """Two answers: a soft maximum, a sparse one, a maximum over common answers, a capped answer."""
    u = np.array([[1.0, 0.0]])
    flat = np.array([[0.5, 0.5]])
    assert conjugate(Game.from_marginals(flat, Diversity(1.0, np.zeros(2)), 1.0), u) == pytest.approx(
        np.log(1 + np.e)
    )
    cap = Game.from_marginals(flat, Constraint(np.array([[1.0, 0.0]]), np.array([0.3])), 1.0)
    assert conjugate(cap, u) == pytest.approx(0.3)
    hard = Game.from_marginals(np.array([[0.5, 0.5, 0.0], [0.2, 0.4, 0.4]]), HardCoherence(), 1.0, [3, 1])
    assert conjugate(hard, np.array([[1.0, 0.0, 9.0], [0.0, 4.0, 9.0]])) == pytest.approx(1.0)


def test_a_constant_per_prompt_does_not_matter():
    """Rewards are compared within a prompt: 1e6 more for all answers changes no regret beyond rounding."""
    game = Game.from_marginals(P0, Diversity(0.7, np.zeros(3)), 0.4)
    u = np.array([[0.3, -1.0, 0.2], [0.0, 0.5, 0.1]])
    plain, moved = (two_player_gap(game, np.log(P0[::-1]), u + c) for c in (0.0, np.array([[1e6], [-2e6]])))
    assert moved.policy_regret == pytest.approx(plain.policy_regret, abs=1e-8)
    assert moved.target_regret == pytest.approx(plain.target_regret, abs=1e-8)


def test_a_remembered_target_costs_what_it_lags():
    """Memory of an older policy: no gap at rest, and the gap grows with the distance of what is remembered."""
    game = Game.from_marginals(P0, Diversity(1.0, np.zeros(3)), 1.0)
    best, gaps = solve(game).log_p_PZ, []
    for share in (0.0, 0.1, 0.5, 1.0):
        remembered = log_normalise((1 - share) * best + share * np.log(P0))
        gaps.append(two_player_gap(game, best, game.objective.gradient(remembered, game.weights_P)).gap)
    assert gaps[0] <= 1e-14
    assert np.all(np.diff(gaps) > 1e-4)


def test_what_makes_no_target_is_said():
    """Shapes, NaN, infinity, and a game without a conjugate."""
    game = Game.from_marginals(P0, Diversity(1.0, np.zeros(3)), 1.0)
    with pytest.raises(BadInput, match=r"shape \(3,\); it must be \(2, 3\)"):
        two_player_gap(game, np.log(P0), np.zeros(3))
    with pytest.raises(BadInput, match="not a number"):
        conjugate(game, np.full((2, 3), np.nan))
    infinite = np.zeros((2, 3))
    infinite[0, 0] = -np.inf
    assert two_player_gap(game, np.log(P0), infinite).gap == np.inf
    assert dual_value(game, infinite) == -np.inf
    free = Game.from_marginals(P0, Consensus(0.5), 1.0)
    with pytest.raises(UsageError, match="freeze its target"):
        conjugate(free, np.zeros((2, 3)))
    assert solve(free).to_json()["dual"] is None


def test_trace_drift_is_the_policies_to_pay():
    """A class that bends traces within answers: the pair's gap is that of enumeration."""
    traces = Prompt(np.array([0, 0, 1, 2]), np.log([0.4, 0.2, 0.3, 0.1]))
    game = Game(0.5, Diversity(1.0, np.zeros(3)), ("a", "b", "c"), (traces,))
    found = solve(game, "direct", 1e-12, features=[np.random.default_rng(0).normal(size=(4, 1))])
    assert found.pair.gap == pytest.approx(trace_quality(game, found.policy).gap)
    assert found.pair.gap > 1e-3


def test_the_dual_is_written():
    """u by answer, F*(u), D(u) ≤ J and the gap between them."""
    out = solve(Game.from_marginals(P0, PairwiseCoherence(0.3), 1.0, answers="abc")).to_json()
    dual = out["dual"]
    assert [set(row) for row in dual["u"]] == [{"a", "b", "c"}] * 2
    assert dual["two_player_gap"] == pytest.approx(out["value"] - dual["value"], abs=1e-8)
    assert 0 <= dual["two_player_gap"] <= 1e-8
    never = Constraint(np.array([[1.0, 0.0, 0.0]]), np.array([0.0]))
    held = solve(Game.from_marginals(P0, never, 0.1))
    assert held.status is Status.CONVERGED
    assert held.pair.gap <= 1e-10
