"""Equilibria against a general convex solver, against their limits, and against enumeration."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

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
from tests.games.convex import minimum, unit
from tests.games.random_games import CONVEX, game_of, overlapping_marginals, random_game

# Clarabel stops at 1e-8 relative, in the unit of the larger of β and λ; at 5e-5 where it gets no farther.
CLARABEL, REDUCED = 2e-7, 1e-4
SEEDS = st.integers(0, 2**32 - 1)


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


STRENGTHS = st.floats(-2.0, 2.0).map(lambda exponent: 10.0**exponent)


@pytest.mark.parametrize("kind", CONVEX)
@settings(max_examples=45, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=SEEDS, P=st.integers(1, 8), Z=st.integers(2, 50), beta=STRENGTHS, lambda_=STRENGTHS)
@example(seed=0, P=1, Z=2, beta=1.0, lambda_=1.0)
@example(seed=1, P=1, Z=50, beta=0.01, lambda_=1.0)
@example(seed=2, P=8, Z=50, beta=1.0, lambda_=100.0)
@example(seed=3, P=8, Z=50, beta=0.01, lambda_=100.0)
@example(seed=4, P=8, Z=50, beta=100.0, lambda_=0.01)
def test_a_general_convex_solver_agrees(kind, seed, P, Z, beta, lambda_):
    """Fifty games a kind: J from both sides within Clarabel's accuracy, and the marginals as near as that.

    J is β-strongly convex in KL, so by Pinsker's inequality 2 β Σ w TV(p, p*)² ≤ J(p) − J(p*).
    """
    game = game_of(kind, np.random.default_rng(seed), P, Z, beta, lambda_)
    ours, theirs = solve(game), minimum(game)
    accuracy = unit(game) * (CLARABEL if theirs.accurate else REDUCED)
    assert abs(theirs.value - ours.value) <= accuracy
    exactly_feasible = kind != "constraint"
    rounding = 1e-12 * unit(game)
    if exactly_feasible:
        assert theirs.value >= ours.value - rounding
    excess = max(0.0, theirs.value - ours.value) + (rounding if exactly_feasible else accuracy)
    distance = total_variation(theirs.log_p_PZ, ours.log_p_PZ)
    assert 2 * beta * float(game.weights_P @ distance**2) <= excess


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
    p0 = overlapping_marginals(np.random.default_rng(1), 3, 6)
    hard = solve(Game.from_marginals(p0, HardCoherence(), 1.0)).log_p_PZ
    far, near = (
        total_variation(solve(Game.from_marginals(p0, Coherence(lam), 1.0)).log_p_PZ, hard).max()
        for lam in (1e3, 1e4)
    )
    assert near < 1e-3
    assert far / near == pytest.approx(10, rel=0.01)


@pytest.mark.parametrize("ratio", [1e-18, 20.0, 50.0, 1e2, 1e3, 1e4])
def test_prompts_without_a_common_answer(ratio):
    """One-hot references leave nothing to choose: F = λ JSD, with the two agreeing prompts at 2/3."""
    p0 = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    solution = solve(Game.from_marginals(p0, Coherence(ratio), 1.0))
    assert solution.converged
    assert np.array_equal(solution.p_PZ, p0)
    assert solution.value == pytest.approx(ratio * (np.log(3) - 2 / 3 * np.log(2)))


def test_groups_of_prompts_that_share_no_answer_do_not_act_on_each_other():
    """Two prompts over three answers beside one over two: each as if it were alone, weights renormalised."""
    left, right = np.array([[0.7, 0.2, 0.1], [0.1, 0.0, 0.9]]), np.array([[0.4, 0.6]])
    both = np.zeros((3, 5))
    both[:2, :3], both[2:, 3:] = left, right
    together = solve(Game.from_marginals(both, Coherence(3.0), 1.0, [1.0, 2.0, 5.0]))
    alone = solve(Game.from_marginals(left, Coherence(3.0), 1.0, [1.0, 2.0]))
    assert np.allclose(together.p_PZ[:2, :3], alone.p_PZ, atol=1e-12)
    assert np.allclose(together.p_PZ[2, 3:], right)


def sparse_game(seed, objective):
    """A few prompts and answers, most of the references zero: chains, islands, single answers."""
    rng = np.random.default_rng(seed)
    P, Z = int(rng.integers(2, 9)), int(rng.integers(2, 9))
    p0 = rng.integers(1, 10, (P, Z)) * (rng.random((P, Z)) > rng.choice([0.3, 0.5, 0.7]))
    p0[np.arange(P), rng.integers(Z, size=P)] += 1
    beta, lambda_ = 10 ** rng.uniform(-2, 2, size=2)
    return Game.from_marginals(p0, objective(float(beta), float(lambda_)), float(beta), rng.uniform(0.1, 1.0, P))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_coherence_over_any_pattern_of_zeros(seed):
    """Certified at λ/β from 1e-4 to 1e4, and never above what the dynamics reach."""
    game = sparse_game(seed, lambda beta, lambda_: Coherence(lambda_))
    solution = solve(game, "exact", 1e-10)
    assert solution.converged, (solution.status, solution.gap)
    rival = solve(game, "alternating", max_iterations=30)
    assert solution.value <= rival.value + 1e-13 * max(game.beta, game.objective.lambda_)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_coherence_at_the_weakest_anchor(seed):
    """References flat on what they allow, λ/β = 1e8: rounding leaves a gap of at most 1e-8 λ."""
    rng = np.random.default_rng(seed)
    P, Z = int(rng.integers(6, 9)), int(rng.integers(5, 9))
    p0 = (rng.random((P, Z)) > 0.6).astype(float)
    p0[np.arange(P), rng.integers(Z, size=P)] = 1.0
    game = Game.from_marginals(p0, Coherence(1e8), 1.0, rng.uniform(0.1, 1.0, P) ** 3)
    assert solve(game).gap <= 1.0


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_free_consensus_close_to_collapse_over_any_pattern_of_zeros(seed):
    """At λ = 0.9999 β the equal coherence game has λ/β = 1e4."""
    game = sparse_game(seed, lambda beta, _: Consensus(0.9999 * beta))
    assert solve(game).converged


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


def test_newton_is_shortened_where_the_references_are_far_apart():
    """Answers at 1e-60 for one prompt and not for another: full steps overshoot by tens of nats."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        game = Game.from_marginals(10 ** rng.uniform(-60, 0, size=(3, 5)), PairwiseCoherence(2.0), 0.1)
        solution = solve(game)
        assert solution.converged
        assert np.diff(solution.history.value_T).max() <= 1e-12 * solution.value


def test_a_tolerance_below_rounding_is_not_claimed():
    """`converged` is about the tolerance asked for."""
    game = game_of("pairwise_coherence", np.random.default_rng(1), 4, 9, beta=1.0, lambda_=1.0)
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
    assert solution.p_PZ[0, 0] == 0.0


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
