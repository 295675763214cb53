"""No-regret dynamics with ascent in u: regrets by their definition, the bound they give, and where they end."""

import json

import numpy as np
import pytest

from alftbench.errors import UsageError
from alftbench.games import Coherence, Consensus, Constraint, Diversity, Game, Status, plot, solve, two_player_gap
from tests.games.random_games import CONVEX, random_game

LEARNT = [kind for kind in CONVEX if kind not in ("constraint", "hard_coherence")]
P0 = np.array([[0.6, 0.3, 0.1]])


@pytest.mark.parametrize("kind", LEARNT)
def test_regrets_bound_the_pair_and_vanish(kind):
    """At any round the sum is at least the gap of the averages; a hundredfold rounds, a tenth of it at most."""
    game = random_game(kind, 4, most_answers=8, span=0.3)
    for rounds in (3, 30, 300):
        found = solve(game, "ascent", 1e-300, max_iterations=rounds)
        assert found.iterations == (rounds if found.gap else 1)
        assert 0 <= found.gap <= max(found.history.gap_T[-1], 0.0) + 1e-13
        assert found.value - solve(game).value <= found.gap + 1e-12
    curve = np.array(found.history.policy_regret_T) + found.history.target_regret_T
    assert np.allclose(curve, found.history.gap_T)
    assert curve[-1] <= max(curve[min(2, curve.size - 1)] / 10, 1e-12)


def test_regrets_are_those_of_their_definition():
    """Six rounds played again: against the best policy of a fine grid and the best target in hindsight."""
    beta, lambda_, t0 = 0.5, 0.8, 2 * 0.8 / 0.5
    p0, p = np.array([0.7, 0.3]), np.array([0.7, 0.3])
    rounds, mean = [], p
    for t in range(1, 7):
        u = lambda_ * np.log(mean)
        log_p = np.log(p) + 2 / (t + 1 + t0) * (np.log(p0) - u / beta - np.log(p))
        p = np.exp(log_p) / np.exp(log_p).sum()
        rounds.append((t + t0, p, u))
        total = sum(a for a, _, _ in rounds)
        mean = sum(a * q for a, q, _ in rounds) / total

    def G(q, u):
        return beta * (q * np.log(q / p0)).sum() + (q * u).sum() - lambda_ * np.log(np.exp(u / lambda_).sum())

    played = sum(a * G(q, u) for a, q, u in rounds) / total
    grid = np.linspace(1e-4, 1 - 1e-4, 20_000)
    best = min(sum(a * G(np.array([x, 1 - x]), u) for a, _, u in rounds) / total for x in grid[::20])
    targets = lambda_ * np.log(np.stack([grid, 1 - grid], 1))
    hindsight = max(sum(a * G(q, v) for a, q, _ in rounds) / total for v in targets[::20])
    found = solve(
        Game.from_marginals(p0[None], Diversity(lambda_, np.zeros(2)), beta), "ascent", 1e-300, max_iterations=6
    )
    assert np.allclose(found.p_PZ[0], mean, atol=1e-14)
    assert found.history.policy_regret_T[-1] == pytest.approx(played - best, abs=1e-5)
    assert found.history.target_regret_T[-1] == pytest.approx(hindsight - played, abs=1e-5)
    assert np.allclose(found.u_PZ[0], sum(a * u for a, _, u in rounds) / total, atol=1e-14)
    assert found.gap == pytest.approx(two_player_gap(found.game, found.log_p_PZ, found.u_PZ).gap)


@pytest.mark.parametrize("ratio", [0.1, 1.0, 10.0, 100.0])
def test_ascent_converges_where_alternating_cycles_or_diverges(ratio):
    """Diversity at any λ/β."""
    found = solve(Game.from_marginals(P0, Diversity(ratio, np.zeros(3)), 1.0), "ascent", 1e-5 * max(1.0, ratio))
    assert found.status is Status.CONVERGED
    assert np.allclose(found.p_PZ, solve(found.game).p_PZ, atol=1e-2)


def test_the_curve_is_written_and_drawn(tmp_path):
    """At most a hundred rounds of it in JSON, the last one among them."""
    pytest.importorskip("matplotlib")
    game = Game.from_marginals(np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]), Coherence(2.0), 0.3)
    found = solve(game, "ascent", 1e-300, max_iterations=500)
    shown = json.loads(json.dumps(found.to_json(), allow_nan=False))["regret"]
    assert (shown["round"][0], shown["round"][-1]) == (1, 500)
    assert len(shown["round"]) == len(shown["policy"]) == len(shown["target"]) <= 100
    assert shown["target"][-1] == found.history.target_regret_T[-1]
    plot(found, tmp_path / "regret.png")
    assert (tmp_path / "regret.png").read_bytes().startswith(b"\x89PNG")
    assert solve(game).to_json()["regret"] is None


def test_ascent_refuses_what_has_no_conjugate_game():
    """An indicator, and a free consensus."""
    with pytest.raises(UsageError, match="exact, or no-regret with a wider --tolerance"):
        solve(Game.from_marginals(P0, Constraint(np.array([[1.0, 0, 0]]), np.array([0.5])), 1.0), "ascent")
    with pytest.raises(UsageError, match="freeze its target"):
        solve(Game.from_marginals(P0, Consensus(0.5), 1.0), "ascent")
