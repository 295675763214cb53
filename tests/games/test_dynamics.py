"""The dynamics: where they converge, how fast, and what they say where they do not."""

import numpy as np
import pytest

from alftbench.errors import BadInput, UnknownName, UsageError
from alftbench.games import (
    Coherence,
    Consensus,
    Constraint,
    Correctness,
    Diversity,
    Game,
    HardCoherence,
    Prompt,
    QuadraticDiversity,
    Status,
    solve,
    trace_quality,
)
from tests.games.random_games import random_game, random_marginals

P0 = np.array([[0.6, 0.3, 0.1]])
MIRRORED = (
    "correctness",
    "diversity+correctness",
    "quadratic_diversity",
    "tsallis_0.5",
    "tsallis_3",
    "target_matching",
    "beta_2",
    "coherence",
    "frozen_consensus",
    "pairwise_coherence",
)


def diversity(lambda_, beta=1.0):
    return Game.from_marginals(P0, Diversity(lambda_, np.zeros(3)), beta)


@pytest.mark.parametrize("kind", MIRRORED)
@pytest.mark.parametrize("seed", range(15))
def test_mirror_reaches_the_exact_equilibrium(kind, seed):
    """Tabular mirror descent on convex objectives: a gap of 1e-9 and the exact value."""
    game = random_game(kind, seed, span=1.0)
    solution = solve(game, "mirror", 1e-9)
    assert solution.converged, solution.message
    assert solution.gap <= 1e-9
    assert solution.value == pytest.approx(solve(game).value, abs=2e-9)


@pytest.mark.parametrize(
    ("kind", "ratio"),
    [
        ("diversity", 1e4),
        ("diversity", 1e-4),
        ("coherence", 1e-4),
        ("coherence", 1e2),
        ("coherence", 1e3),
    ],
)
def test_mirror_at_the_ends_of_the_range(kind, ratio):
    """At λ/β = 1e3 coherence contracts by 1e-3 a step: thousands of steps, but it arrives."""
    p0 = random_marginals(np.random.default_rng(0), 3, 10) + 1e-3
    lambda_, beta = ratio**0.5, ratio**-0.5
    objective = Coherence(lambda_) if kind == "coherence" else Diversity(lambda_, np.zeros(10))
    assert solve(Game.from_marginals(p0, objective, beta), "mirror").converged


def test_mirror_takes_one_step_at_the_inverse_curvature():
    """On diversity log p contracts by |1 − η(β+λ)| a step: at once at 1/(β+λ), not at all at 2/(β+λ)."""
    game = diversity(3.0)
    assert solve(game, "mirror", 1e-12, step=1 / 4).iterations == 1
    half = solve(game, "mirror", 1e-12, step=1 / 8)
    ratios = np.diff(np.log(half.history.gap_T[5:15]))
    assert np.allclose(ratios, np.log(1 / 4), atol=0.02)  # The gap is quadratic in the error.
    assert solve(game, "mirror", step=2 / 4).status is Status.CYCLES
    assert solve(game, "mirror", step=2.2 / 4).status is Status.DIVERGES


def test_alternating_on_diversity_needs_lambda_below_beta():
    """log p is multiplied by −λ/β a round: converges below, cycles at, diverges above, in results not NaN."""
    below = solve(diversity(0.9), "alternating")
    assert below.converged
    assert np.allclose(below.p_PZ, solve(diversity(0.9)).p_PZ, atol=1e-4)
    at = solve(diversity(1.0), "alternating")
    assert at.status is Status.CYCLES
    assert "period is 2" in at.message
    above = solve(diversity(1.1), "alternating")
    assert above.status is Status.DIVERGES
    for unsettled in (at, above):
        assert not unsettled.converged
        assert np.isfinite([unsettled.gap, unsettled.value]).all()
        assert unsettled.gap > 1e-3


def test_alternating_on_quadratic_diversity_cycles_without_blowing_up():
    """Bounded targets cannot run away: for λ ≫ β the policies jump between two points."""
    game = Game.from_marginals(P0, QuadraticDiversity(20.0, np.zeros(3)), 1.0)
    assert solve(game, "alternating").status is Status.CYCLES


@pytest.mark.parametrize("lambda_", [10.0, 1e3, 1e6])
def test_a_bounded_target_never_diverges(lambda_):
    """λ/β of 1e6 throws log p a million nats in one round, but no farther in the next."""
    game = Game.from_marginals(P0, QuadraticDiversity(lambda_, np.zeros(3)), 0.7)
    assert solve(game, "alternating").status is Status.CYCLES


@pytest.mark.parametrize("lambda_", [1.0 + 1e-9, 1.00001, 1.001])
def test_a_gap_that_does_not_fall_is_no_reason_for_more_iterations(lambda_):
    """λ a little above β: the limit comes long before the boundary, and the gap has only grown."""
    above = solve(diversity(lambda_), "alternating", max_iterations=2000)
    assert above.status is Status.DIVERGES
    assert above.gap > 1e-3
    assert solve(diversity(1 / lambda_), "alternating", max_iterations=2000).status is not Status.DIVERGES


@pytest.mark.parametrize("lambda_", [1.1, 3.0, 1e4])
def test_alternating_on_diversity_runs_to_the_boundary(lambda_):
    """log p is multiplied by λ/β a round, fast or slow, until the watch has seen enough."""
    solution = solve(diversity(lambda_), "alternating")
    assert solution.status is Status.DIVERGES
    assert "log-probability moved" in solution.message


@pytest.mark.parametrize("lambda_", [0.1, 1.0, 10.0, 100.0])
def test_alternating_on_coherence_converges_for_every_lambda(lambda_):
    """A joint minimisation: J never rises."""
    p0 = random_marginals(np.random.default_rng(5), 4, 8)
    game = Game.from_marginals(p0, Coherence(lambda_), 1.0)
    solution = solve(game, "alternating")
    assert solution.converged
    assert np.diff(solution.history.value_T).max() <= 1e-12
    assert solution.value == pytest.approx(solve(game).value, abs=2e-9)


def test_alternating_on_a_linear_objective_is_one_shot():
    """The target does not depend on the policy."""
    game = Game.from_marginals(P0, Correctness(np.array([0.0, 0.0, 1.0])), 0.5)
    assert solve(game, "alternating").iterations == 1


def test_alternating_on_a_free_consensus_says_local():
    """Stationary, not certified."""
    game = Game.from_marginals(P0, Consensus(2.0), 1.0)
    assert solve(game, "alternating").status is Status.LOCAL


def test_a_limit_is_not_convergence():
    """Too few steps: the status says so and the numbers are those of the last iterate."""
    game = Game.from_marginals(random_marginals(np.random.default_rng(2), 3, 5), Coherence(50.0), 0.1)
    solution = solve(game, "mirror", max_iterations=3)
    assert solution.status is Status.ITERATION_LIMIT
    assert not solution.converged
    assert solution.iterations == 3
    assert solution.gap == game.gap(solution.log_p_PZ)


@pytest.mark.parametrize("kind", ["diversity+correctness", "quadratic_diversity", "coherence", "constraint"])
def test_no_regret_averages_converge(kind):
    """Sublinear: four hundred times the rounds bring the gap down by a hundred at least."""
    game = random_game(kind, 4, most_answers=8, span=0.3)
    few, many = (solve(game, "no-regret", 1e-14, max_iterations=n) for n in (10, 4000))
    assert many.gap <= max(few.gap / 100, 1e-14)
    assert many.value <= solve(game).value + many.gap + 1e-12
    assert many.history.gap_T[0] == solve(game, "no-regret", max_iterations=1).history.gap_T[0]


def test_no_regret_is_the_average_of_its_definition():
    """η_t = 2/(β (t + 1 + t0)), weights t + t0, t0 = 2λ/β: five rounds summed in probabilities."""
    beta, lambda_ = 0.5, 0.8
    game = Game.from_marginals(P0, QuadraticDiversity(lambda_, np.zeros(3)), beta)
    t0, log_p, total, mass = 2 * lambda_ / beta, np.log(P0), np.zeros(3), 0.0
    for t in range(1, 6):
        share = 2 / (t + 1 + t0)
        log_p = (1 - share) * log_p + share * (np.log(P0) - lambda_ / beta * np.exp(log_p))
        log_p -= np.log(np.exp(log_p).sum())
        total, mass = total + (t + t0) * np.exp(log_p[0]), mass + t + t0
    found = solve(game, "no-regret", 1e-300, max_iterations=5)
    assert np.allclose(found.p_PZ[0], total / mass, atol=1e-14)


def test_no_regret_converges_where_alternating_cycles():
    """Averaging settles the cycle."""
    assert solve(diversity(1.0), "no-regret", 1e-6).converged


def test_no_regret_is_stable_under_a_strong_objective():
    """At λ = 100 β a first step of the full best response would throw log p a hundred times too far."""
    assert solve(diversity(100.0), "no-regret", 1e-6).converged


def test_a_tolerance_below_rounding_is_a_stall_not_a_success():
    """Mirror descent stops where its iterate repeats."""
    game = Game.from_marginals(random_marginals(np.random.default_rng(0), 3, 6), Coherence(1.0), 1.0)
    solution = solve(game, "mirror", 1e-60)
    assert solution.status is Status.STALLED
    assert not solution.converged
    assert solution.gap < 1e-25


def test_two_step_is_exact_for_hard_coherence_only():
    """Geometric mean and projection; the arithmetic mean is the other KL direction and pays for it."""
    p0 = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    hard = Game.from_marginals(p0, HardCoherence(), 1.0)
    assert solve(hard, "two-step").converged
    other = solve(hard, "two-step", mean="arithmetic")
    assert np.allclose(other.p_PZ, p0.mean(axis=0))
    assert other.gap == pytest.approx(other.value - solve(hard).value)
    soft = solve(Game.from_marginals(p0, Coherence(1.0), 1.0), "two-step")
    assert soft.status is Status.APPROXIMATE
    assert not soft.converged
    assert soft.gap > 1e-3


def test_direct_with_free_logits_is_exact_on_traces():
    """Three traces, two answers: the lift of the closed form, with no trace drift."""
    traces = Prompt(np.array([0, 0, 1]), np.log([0.5, 0.3, 0.2]))
    game = Game(1.0, Diversity(1.0, np.zeros(2)), ("a", "b"), (traces,))
    found, exact = solve(game, "direct", 1e-14), solve(game)
    assert found.converged
    assert np.allclose(found.policy[0], exact.policy[0], atol=1e-6)
    # p0 = (0.8, 0.2) becomes (2/3, 1/3); within an answer the traces keep their shares.
    assert np.allclose(np.exp(exact.policy[0]), [5 / 8 * 2 / 3, 3 / 8 * 2 / 3, 1 / 3])


@pytest.mark.parametrize("method", ["mirror", "alternating", "direct"])
def test_the_last_iterate_is_tested_too(method):
    """A linear objective takes one step, and one is allowed."""
    game = Game.from_marginals(P0, Correctness(np.array([0.0, 0.0, 1.0])), 0.5)
    solution = solve(game, method, max_iterations=1)
    assert solution.iterations == 1
    assert solution.converged


def test_direct_measures_its_gap_on_traces():
    """The class bends traces within answers: gap and drift are those of enumeration, the drift not zero."""
    rng = np.random.default_rng(0)
    traces = Prompt(np.array([0, 0, 1, 2]), np.log([0.4, 0.2, 0.3, 0.1]))
    game = Game(0.5, Diversity(1.0, np.zeros(3)), ("a", "b", "c"), (traces,))
    found = solve(game, "direct", 1e-12, features=[rng.normal(size=(4, 1))])
    quality = trace_quality(game, found.policy)
    assert quality.drift > 1e-4
    assert found.gap == pytest.approx(quality.gap)
    assert found.gap == pytest.approx(game.gap(found.log_p_PZ) + 0.5 * quality.drift)


def test_direct_in_a_class_stops_at_the_slope_asked_for():
    """Half the squared natural slope over β bounds what the class has left: the best of the class is as near."""
    traces = Prompt(np.array([0, 0, 1, 2]), np.log([0.4, 0.2, 0.3, 0.1]))
    game = Game(0.5, Diversity(1.0, np.zeros(3)), ("a", "b", "c"), (traces,))
    phi = [np.array([[1.0], [0.2], [-0.4], [0.9]])]
    best = solve(game, "direct", 1e-18, features=phi).value
    for tolerance in (1e-3, 1e-5, 1e-7):
        rough = solve(game, "direct", tolerance, features=phi)
        assert rough.status is Status.RESTRICTED
        assert rough.value - best <= tolerance


def test_direct_in_a_poor_class_is_stationary_and_shows_what_it_costs():
    """One feature cannot express the equilibrium: stationary, gap positive, and no better point on a scan."""
    rng = np.random.default_rng(0)
    traces = Prompt(np.array([0, 0, 1, 2]), np.log([0.4, 0.2, 0.3, 0.1]))
    game = Game(0.5, Diversity(1.0, np.zeros(3)), ("a", "b", "c"), (traces,))
    phi = rng.normal(size=(4, 1))
    found = solve(game, "direct", 1e-16, features=[phi])
    assert found.status is Status.RESTRICTED
    assert found.gap >= found.value - solve(game).value > 1e-4
    theta = np.linspace(-5, 5, 2001)[:, None]
    logits = np.log([0.4, 0.2, 0.3, 0.1]) + theta * phi[:, 0]
    pi = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    p = np.stack([pi[:, :2].sum(axis=1), pi[:, 2], pi[:, 3]], axis=1)
    J = 0.5 * (pi * np.log(pi / [0.4, 0.2, 0.3, 0.1])).sum(axis=1) + (p * np.log(p)).sum(axis=1)
    assert found.value == pytest.approx(J.min(), abs=1e-4)
    assert found.value <= J.min() + 1e-12


def test_direct_with_a_full_class_is_exact():
    """Indicator features span every policy."""
    game = random_game("coherence", 8, most_answers=5, span=0.5)
    P, Z = game.log_reference_PZ.shape
    blocks = [np.eye(P * Z)[i * Z : (i + 1) * Z] for i in range(P)]
    solution = solve(game, "direct", 1e-10, features=blocks)
    assert solution.converged
    assert solution.value == pytest.approx(solve(game).value, abs=1e-8)


def test_methods_refuse_what_they_cannot_do():
    """A clear error, with the methods that apply."""
    fair = Game.from_marginals(P0, Constraint(np.array([[1.0, 0, 0]]), np.array([0.5])), 1.0)
    for method in ("mirror", "alternating", "direct"):
        with pytest.raises(UsageError, match="exact, or no-regret with a wider --tolerance"):
            solve(fair, method)
    with pytest.raises(UsageError, match="exact, two-step or direct"):
        solve(Game.from_marginals(P0, HardCoherence(), 1.0), "no-regret")
    with pytest.raises(UsageError, match="coherence or consensus"):
        solve(fair, "two-step")
    with pytest.raises(UnknownName, match="did you mean 'exact'"):
        solve(fair, "exakt")
    with pytest.raises(BadInput, match="tolerance"):
        solve(fair, "exact", 0.0)
    with pytest.raises(BadInput, match="step"):
        solve(diversity(1.0), "mirror", step=-1.0)
    with pytest.raises(BadInput, match="features"):
        solve(diversity(1.0), "direct", features=[np.ones((2, 1))])
    with pytest.raises(BadInput, match="mean"):
        solve(Game.from_marginals(P0, Coherence(1.0), 1.0), "two-step", mean="harmonic")


@pytest.mark.parametrize("kind", [*MIRRORED, "beta_-0.5", "free_consensus"])
@pytest.mark.parametrize("method", ["alternating", "mirror", "no-regret", "direct", "wild mirror"])
def test_nothing_ends_in_a_nan(kind, method):
    """Whatever the dynamics do over four orders of magnitude, the result is a distribution and a number."""
    for seed in range(3):
        game = random_game(kind, seed, most_answers=8)
        options = {"step": 1.9 / game.beta} if method == "wild mirror" else {}
        solution = solve(game, method.removeprefix("wild "), max_iterations=200, **options)
        assert np.allclose(solution.p_PZ.sum(axis=1), 1.0)
        assert not np.isnan([solution.gap, solution.value]).any()
        assert solution.converged <= (solution.gap <= 1e-9)


def test_a_collapse_far_away_is_not_a_divergence():
    """Free consensus at λ = 1000 β drops answers by thousands of nats, while J falls at every round."""
    game = Game.from_marginals(P0, Consensus(1000.0), 1.0)
    assert solve(game, "alternating").status is Status.LOCAL
