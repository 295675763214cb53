"""Gradients, curvature and certificates against their definitions."""

import numpy as np
import pytest

from alftbench.games import Coherence, Constraint, Diversity, Game, PairwiseCoherence, best_response, solve
from alftbench.games.numerics import kl, log_normalise, log_of, log_sum_exp
from tests.games.random_games import CONVEX, random_game, random_marginals

SMOOTH = [kind for kind in CONVEX if kind not in ("constraint", "hard_coherence")] + ["free_consensus"]


def interior(game, rng):
    """A random policy on the admissible answers."""
    noise = rng.normal(size=game.log_admissible_PZ.shape)
    return log_normalise(game.log_admissible_PZ + noise)


@pytest.mark.parametrize("kind", SMOOTH)
def test_gradient_is_the_derivative_of_the_value(kind):
    """dF along a move d of the marginals is Σ_i w_i u_i·d_i, by central differences."""
    rng = np.random.default_rng(7)
    for seed in range(5):
        game = random_game(kind, seed, most_answers=8, span=0.5)
        log_p, w = interior(game, rng), game.weights_P
        p = np.exp(log_p)
        d = p * rng.normal(size=p.shape)
        d -= p * d.sum(axis=1, keepdims=True)
        h = 1e-5
        slope = game.objective.value(log_of(p + h * d), w) - game.objective.value(log_of(p - h * d), w)
        u = np.where(p > 0, game.objective.gradient(log_p, w), 0.0)
        assert slope / (2 * h) == pytest.approx(float(w @ (u * d).sum(axis=1)), rel=1e-5, abs=1e-7)


def test_pairwise_hessian_is_the_derivative_of_the_gradient():
    """Blocks in the coordinates dp/√(p/w), by central differences of the gradient."""
    rng = np.random.default_rng(2)
    p, w, F = rng.dirichlet(np.ones(4), size=3), np.array([0.2, 0.3, 0.5]), PairwiseCoherence(0.7)
    blocks = F.fisher_hessian(np.log(p), w)
    for j in range(3):
        h = 1e-6 * p[j]
        up, down = p.copy(), p.copy()
        up[j] += h
        down[j] -= h
        rows = w[:, None] * (F.gradient(np.log(up), w) - F.gradient(np.log(down), w)) / (2 * h)
        scaled = rows * np.sqrt(p / w[:, None]) * np.sqrt(p[j] / w[j])
        # The gradient omits a constant per prompt, λ(1 − w_i), whose derivative is zero.
        assert np.allclose(scaled.T, blocks[:, :, j], rtol=1e-5)


@pytest.mark.parametrize("kind", [kind for kind in SMOOTH if kind != "free_consensus"])
def test_gap_bounds_suboptimality(kind):
    """For any policy, gap ≥ J(p) − J(p*) ≥ 0; at p* both vanish."""
    rng = np.random.default_rng(11)
    for seed in range(20):
        game = random_game(kind, seed, most_answers=8, span=1.0)
        log_p = interior(game, rng)
        best = solve(game)
        excess = game.value(log_p) - best.value
        assert game.gap(log_p) >= excess - 1e-12 * max(1.0, abs(best.value))
        assert excess >= -1e-12 * max(1.0, abs(best.value))


def test_gap_is_the_regret_of_both_players():
    """Diversity by hand: max_u G(p,u) − min_p G(p,u) from the definition of G, F*(u) = λ log Σ e^{u/λ}."""
    beta, lam = 0.7, 0.4
    p0, p = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.6, 0.3])
    game = Game.from_marginals(p0[None], Diversity(lam, np.zeros(3)), beta)
    u = lam * np.log(p)
    conjugate = lam * np.log(np.exp(u / lam).sum())
    least = -beta * np.log((p0 * np.exp(-u / beta)).sum()) - conjugate
    most = beta * (p * np.log(p / p0)).sum() + lam * (p * np.log(p)).sum()
    assert game.gap(np.log(p)[None]) == pytest.approx(most - least)


def fair_game(bound):
    """At most so much for answer 0, which the reference gives one half."""
    fair = Constraint(np.array([[1.0, 0.0, 0.0]]), np.array([bound]))
    return Game.from_marginals(np.array([[0.5, 0.3, 0.2]]), fair, 0.7)


def test_gap_of_a_feasible_policy_is_what_a_constraint_leaves():
    """The dual is tight: J(p) − J(p*) exactly, the slack at its price included."""
    game = fair_game(0.25)
    best = solve(game).value
    for p in ([[0.25, 0.45, 0.3]], [[0.25, 0.3, 0.45]], [[0.1, 0.5, 0.4]], [[0.0, 0.5, 0.5]]):
        log_p = log_of(np.array(p))
        assert game.gap(log_p) == pytest.approx(game.value(log_p) - best, abs=1e-14)


def test_gap_of_an_infeasible_policy_counts_the_violation():
    """Where the multiplier is zero the violation alone is left; where not, once more at its price μ."""
    idle = fair_game(0.6)
    log_p = log_of(np.array([[0.8, 0.1, 0.1]]))
    regret = 0.7 * float(kl(log_p, np.log([[0.5, 0.3, 0.2]]))[0])
    assert idle.gap(log_p) == pytest.approx(regret + 0.2)
    busy = fair_game(0.25)
    mu = 0.7 * np.log(3.0)  # Odds of answer 0 fall from 1 to 1/3.
    star = np.log([[0.25, 0.45, 0.3]])
    assert busy.gap(log_p) == pytest.approx(0.7 * float(kl(log_p, star)[0]) + mu * 0.55 + 0.55)


def test_gap_of_a_policy_that_misses_an_answer_is_infinite_for_diversity():
    """∇F = −∞ there: the best response gives the answer everything."""
    game = Game.from_marginals(np.array([[0.5, 0.5]]), Diversity(1.0, np.zeros(2)), 1.0)
    assert game.gap(log_of(np.array([[1.0, 0.0]]))) == np.inf


def test_best_response_solves_the_regularised_problem():
    """No other policy has a lower β KL(p‖p0) + u·p."""
    rng = np.random.default_rng(0)
    p0, u = random_marginals(rng, 1, 5), rng.normal(size=(1, 5))
    best = best_response(log_of(p0), u, 0.5)
    cost = lambda log_p: 0.5 * kl(log_p, log_of(p0))[0] + (np.exp(log_p) * u).sum()  # noqa: E731
    rivals = [log_normalise(log_of(p0) + rng.normal(size=(1, 5))) for _ in range(100)]
    assert cost(best) <= min(cost(rival) for rival in rivals)


def test_coherence_value_is_the_jensen_shannon_divergence():
    """λ (H(Σ w p) − Σ w H(p))."""
    rng = np.random.default_rng(4)
    p, w = rng.dirichlet(np.ones(5), size=3), np.array([0.2, 0.3, 0.5])
    entropy = lambda x: -(x * np.log(x)).sum(axis=-1)  # noqa: E731
    assert Coherence(2.0).value(np.log(p), w) == pytest.approx(2 * (entropy(w @ p) - w @ entropy(p)))


def test_divergence_keeps_its_digits():
    """KL of a perturbation of 1e-12 is half its variance, 24 orders below the naive sum's rounding."""
    p = np.array([0.1, 0.2, 0.3, 0.4])
    nudge = 1e-12 * np.array([4.0, -3.0, 2.0, -1.0])
    moved = log_normalise(np.log(p) + nudge)
    variance = p @ nudge**2 - (p @ nudge) ** 2
    assert kl(np.log(p), moved) == pytest.approx(variance / 2, rel=1e-2)


def test_divergence_at_the_edges():
    """0 log 0 = 0, mass on an impossible answer is infinite, and log-probabilities may pass 1e3."""
    half = log_of(np.array([0.5, 0.5, 0.0]))
    one = log_of(np.array([1.0, 0.0, 0.0]))
    assert kl(one, half) == pytest.approx(np.log(2))
    assert kl(half, one) == np.inf
    assert kl(np.array([0.0, -5000.0]), np.log([0.5, 0.5])) == pytest.approx(np.log(2))
    assert kl(np.log([0.5, 0.5]), np.array([0.0, -5000.0])) == pytest.approx(2500 + np.log(0.5))
    assert log_sum_exp(np.array([-np.inf, -np.inf])) == -np.inf
