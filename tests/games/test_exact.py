"""Equilibria against a general convex solver, against their limits, and against enumeration."""

import numpy as np
import pytest
from convex import least_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_games import CONVEX, random_game, random_marginals

from alftbench.errors import BadInput
from alftbench.games import (
    Coherence,
    Consensus,
    Constraint,
    Diversity,
    Game,
    HardCoherence,
    PairwiseCoherence,
    QuadraticDiversity,
    Status,
    TargetMatching,
    solve,
)
from alftbench.games.numerics import total_variation

# Clarabel stops at 1e-8 relative, in the unit of the larger of β and λ.
CLARABEL = 1e-6
SEEDS = st.integers(0, 2**32 - 1)
PER_BATCH = 10


@pytest.mark.parametrize("kind", CONVEX)
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=SEEDS)
def test_exact_certifies_itself(kind, seed):
    """Ten kinds, twenty seeds, four games each: the gap is at rounding, and that alone bounds J − J*."""
    for k in range(4):
        game = random_game(kind, seed + k)
        solution = solve(game, "exact", 1e-9)
        assert solution.converged, (solution.status, solution.gap)
        assert 0 <= solution.gap <= 1e-9
        assert np.allclose(solution.p_PZ.sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize("kind", CONVEX)
@pytest.mark.parametrize("batch", range(2))
def test_no_convex_solver_does_better(kind, batch):
    """Twenty games a kind, two hundred in all: our J is at most Clarabel's, less at most Clarabel's error."""
    games = [random_game(kind, 1000 * batch + k, most_answers=12 if k else 50) for k in range(PER_BATCH)]
    for game, (theirs, accurate) in zip(games, least_values(games), strict=True):
        ours = solve(game).value
        unit = max(game.beta, getattr(game.objective, "lambda_", 0.0), 1.0)
        assert ours <= theirs + 1e-9 * unit
        if accurate and np.isfinite(theirs):
            assert ours >= theirs - CLARABEL * unit


@pytest.mark.parametrize("kind", ["diversity", "quadratic_diversity", "coherence", "pairwise_coherence"])
def test_equilibrium_beats_its_neighbours(kind):
    """First principles: J rises in every direction from p*."""
    rng = np.random.default_rng(3)
    game = random_game(kind, 5, most_answers=6, span=0.5)
    best = solve(game)
    for _ in range(50):
        nudge = 1e-3 * rng.normal(size=best.p_PZ.shape)
        with np.errstate(invalid="ignore"):
            near = best.log_p_PZ + nudge
        near -= np.log(np.exp(near).sum(axis=1, keepdims=True))
        assert game.value(near) > best.value


def test_closed_forms_by_hand():
    """Two answers, β = λ: square roots; a bonus of β log 2 doubles the odds before the root."""
    p0 = np.array([[0.8, 0.2]])
    assert np.allclose(solve(Game.from_marginals(p0, Diversity(1.0, np.zeros(2)), 1.0)).p_PZ, [2 / 3, 1 / 3])
    tilted = Diversity(1.0, np.array([0.0, np.log(2.0)]))
    odds = np.sqrt(0.4 / 0.8)
    assert np.allclose(solve(Game.from_marginals(p0, tilted, 1.0)).p_PZ[0, 1], odds / (1 + odds))
    even = TargetMatching(1.0, np.log([0.5, 0.5]))
    assert np.allclose(solve(Game.from_marginals(p0, even, 1.0)).p_PZ, [2 / 3, 1 / 3])


def test_hard_coherence_is_the_limit_of_soft():
    """The distance to the geometric mean shrinks as 1/λ: tenfold λ, a tenth of the distance."""
    p0 = random_marginals(np.random.default_rng(1), 3, 6)
    p0 = (p0 + 0.01) / (p0 + 0.01).sum(axis=1, keepdims=True)
    hard = solve(Game.from_marginals(p0, HardCoherence(), 1.0)).log_p_PZ
    far, near = (
        total_variation(solve(Game.from_marginals(p0, Coherence(lam), 1.0)).log_p_PZ, hard).max()
        for lam in (1e3, 1e4)
    )
    assert near < 1e-3
    assert far / near == pytest.approx(10, rel=0.01)


def test_extreme_couplings_stay_finite():
    """Sixteen orders of magnitude, prompts without a common answer: no warning, no NaN, a gap at rounding."""
    p0 = np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 0.3, 0.7, 0.0], [0.0, 0.0, 0.4, 0.6]])
    for ratio in (1e-8, 1e-4, 1.0, 1e4, 1e8):
        solution = solve(Game.from_marginals(p0, Coherence(ratio), 1.0))
        assert solution.gap <= 1e-10 * max(1.0, ratio)
        assert np.isfinite(solution.p_PZ).all()
    for ratio in (1e-8, 1e8):
        for objective in (Diversity(ratio, np.zeros(4)), QuadraticDiversity(ratio, np.zeros(4))):
            assert solve(Game.from_marginals(p0, objective, 1.0)).gap <= 1e-9


def test_newton_needs_few_steps_over_eight_orders_of_magnitude():
    """Pairwise coherence has no closed form; a good start leaves Newton little to do."""
    for seed in range(40):
        solution = solve(random_game("pairwise_coherence", seed, span=4.0), "exact", 1e-9)
        assert solution.converged
        assert solution.iterations <= 6


def test_a_tolerance_below_rounding_is_not_claimed():
    """`converged` is about the tolerance asked for."""
    game = random_game("pairwise_coherence", 2)
    solution = solve(game, "exact", 1e-300)
    assert solution.status is Status.STALLED
    assert not solution.converged
    assert solution.gap < 1e-12


def test_pairwise_coherence_agrees_with_coherence_on_two_close_prompts():
    """To second order Σ_{i≠j} w_i w_j KL(p_i‖p_j) is twice λ Σ w_i KL(p_i‖q)."""
    p0 = np.array([[0.5, 0.3, 0.2], [0.501, 0.2995, 0.1995]])
    pairwise = solve(Game.from_marginals(p0, PairwiseCoherence(0.5), 1.0)).p_PZ
    assert np.allclose(pairwise, solve(Game.from_marginals(p0, Coherence(1.0), 1.0)).p_PZ, atol=1e-7)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_free_consensus_is_stationary_and_honest(seed):
    """Below β it is a certified coherence game; from β on it is a local solution and says so."""
    game = random_game("free_consensus", seed)
    solution = solve(game, "exact", 1e-9)
    assert solution.converged
    assert solution.status == (Status.CONVERGED if game.objective.lambda_ < game.beta else Status.LOCAL)
    assert solution.value <= game.value(game.log_reference_PZ) + 1e-12
    assert game.gap(solution.log_p_PZ) <= 1e-6 * max(1.0, game.objective.lambda_)


def test_free_consensus_below_beta_is_the_global_minimum():
    """λ < β: no point of a fine grid over two binary prompts is lower."""
    game = Game.from_marginals(np.array([[0.7, 0.3], [0.2, 0.8]]), Consensus(0.6), 1.0)
    best = solve(game).value
    grid = np.linspace(0.001, 0.999, 200)
    lowest = min(game.value(np.log([[a, 1 - a], [b, 1 - b]])) for a in grid for b in grid)
    assert best <= lowest <= best + 1e-4


def test_free_consensus_collapses_above_beta():
    """λ ≥ β: all mass on one answer."""
    game = Game.from_marginals(np.array([[0.5, 0.3, 0.2], [0.4, 0.35, 0.25]]), Consensus(2.0), 1.0)
    solution = solve(game)
    assert solution.status is Status.LOCAL
    assert solution.p_PZ.max(axis=1) == pytest.approx([1.0, 1.0])
    assert "lambda >= beta" in solution.message


def test_constraint_as_equality_and_as_prohibition():
    """Two inequalities that make an equality, and an answer that every feasible policy must avoid."""
    equality = Constraint(np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]), np.array([0.25, -0.25]))
    solution = solve(Game.from_marginals(np.array([[0.5, 0.3, 0.2]]), equality, 0.1))
    assert np.allclose(solution.p_PZ, [[0.25, 0.45, 0.3]])
    never = Constraint(np.array([[1.0, 0.0, 0.0]]), np.array([0.0]))
    solution = solve(Game.from_marginals(np.array([[0.5, 0.3, 0.2]]), never, 0.1))
    assert solution.converged
    assert np.allclose(solution.p_PZ, [[0.0, 0.6, 0.4]])


def test_constraints_of_any_scale_and_repeated():
    """Rows over six orders of magnitude, one of them given twice: the same policy."""
    rng = np.random.default_rng(6)
    p0, A = rng.dirichlet(np.ones(8), size=2), rng.normal(size=(4, 8))
    b = A @ np.full(8, 1 / 8)
    scale = np.array([1e-3, 1.0, 1e3, 1e2, 1.0])
    rows = np.array([0, 1, 2, 3, 1])
    plain = solve(Game.from_marginals(p0, Constraint(A, b), 0.5))
    scaled = solve(Game.from_marginals(p0, Constraint(scale[:, None] * A[rows], scale * b[rows]), 0.5))
    assert plain.converged
    assert scaled.converged
    assert np.allclose(plain.p_PZ, scaled.p_PZ, atol=1e-10)


def test_infeasible_games_are_refused_before_solving():
    """No policy of finite value: an error that names the prompt, not an infinite value."""
    impossible = Constraint(np.array([[1.0, 1.0]]), np.array([0.5]))
    with pytest.raises(BadInput, match=r"prompts\[0\].*A p <= b"):
        solve(Game.from_marginals(np.array([[0.5, 0.5]]), impossible, 1.0))
    with pytest.raises(BadInput, match="no answer has positive probability under every prompt"):
        solve(Game.from_marginals(np.eye(2), HardCoherence(), 1.0))
    with pytest.raises(BadInput, match=r"prompts\[1\]"):
        solve(Game.from_marginals(np.eye(2), TargetMatching(1.0, np.array([0.0, -np.inf])), 1.0))
