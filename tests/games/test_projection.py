"""Direct projection onto hard coherence: all policies against a convex solver, a class against a scan of it."""

from itertools import pairwise

import numpy as np
import pytest

from alftbench.games import Game, HardCoherence, Prompt, Status, solve, trace_quality
from tests.games import convex


def orbit(rng, P, Z, extra):
    """An orbit of a few traces, at least one an answer."""
    answers = [np.r_[np.arange(Z), rng.integers(0, Z, size=rng.integers(0, extra + 1))] for _ in range(P)]
    prompts = tuple(Prompt(a, rng.normal(size=a.size), float(rng.uniform(0.3, 1))) for a in answers)
    return Game(float(10 ** rng.uniform(-1, 1)), HardCoherence(), tuple("abcdef"[:Z]), prompts)


@pytest.mark.parametrize("block", range(4))
def test_all_policies_against_a_convex_solver(block):
    """Eighty games over traces: the least cost, every phrasing alike, and no trace moved within its answer."""
    for seed in range(20):
        rng = np.random.default_rng(20 * block + seed)
        game = orbit(rng, int(rng.integers(2, 5)), int(rng.integers(2, 6)), 3)
        found = solve(game, "direct")
        assert found.certified
        assert found.value == pytest.approx(convex.nearest_agreement(game), abs=2e-7 * max(1.0, game.beta))
        assert np.ptp(found.p_PZ, axis=0).max() <= 1e-12
        quality = trace_quality(game, found.policy)
        assert max(quality.gap, quality.marginal_error, quality.drift) <= 1e-12


def scan(game, features, n=201, reach=6.0):
    """The least cost on a grid of two parameters where the two phrasings of two answers agree, by bisection."""

    def at(theta):
        apart, cost = 0.0, 0.0
        for sign, x, phi, w in zip((1, -1), game.prompts, features, game.weights_P, strict=True):
            log_pi = x.log_prob_Y + theta @ phi.T
            log_pi -= log_pi.max(axis=-1, keepdims=True)
            log_pi -= np.log(np.exp(log_pi).sum(axis=-1, keepdims=True))
            pi = np.exp(log_pi)
            apart = apart + sign * pi @ (x.answer_Y == 0)
            cost = cost + game.beta * w * (pi * (log_pi - x.log_prob_Y)).sum(axis=-1)
        return apart, cost

    line, least = np.linspace(-reach, reach, n), np.inf
    for flip in (1, -1):
        theta = np.stack(np.meshgrid(line, line, indexing="ij"), -1)[..., ::flip]
        sign = np.sign(at(theta)[0])
        changes = sign[:, :-1] != sign[:, 1:]
        low, high = theta[:, :-1][changes], theta[:, 1:][changes]
        below = np.sign(at(low)[0])
        for _ in range(40):
            middle = (low + high) / 2
            same = (np.sign(at(middle)[0]) == below)[:, None]
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        least = min(least, at(low)[1].min(initial=np.inf))
    return least


@pytest.mark.parametrize("block", range(5))
def test_a_class_against_a_scan(block):
    """Seventy-five games, two features: never above the best of the scan, and as low where it lies on the grid."""
    equal = 0
    for seed in range(15):
        rng = np.random.default_rng(1000 + 15 * block + seed)
        game = orbit(rng, 2, 2, 2)
        features = [rng.normal(size=(x.log_prob_Y.size, 2)) for x in game.prompts]
        found, least = solve(game, "direct", 1e-12, features=features, max_iterations=200), scan(game, features)
        if not np.isfinite(least):
            continue
        assert found.converged, found.message
        assert np.ptp(found.p_PZ, axis=0).max() <= 1e-12
        assert found.value <= least + 1e-3 * game.beta
        equal += abs(found.value - least) <= 1e-3 * game.beta
    assert equal >= 11


def test_a_class_of_every_policy_is_the_closed_form():
    """One feature a trace and prompt: certified, and the geometric mean."""
    rng = np.random.default_rng(3)
    game = orbit(rng, 3, 4, 2)
    sizes = [x.log_prob_Y.size for x in game.prompts]
    every, ends = np.eye(sum(sizes)), np.cumsum([0, *sizes])
    features = [every[a:b] for a, b in pairwise(ends)]
    found = solve(game, "direct", 1e-9, features=features)
    assert found.status is Status.CONVERGED
    assert np.allclose(found.p_PZ, solve(game).p_PZ, atol=1e-9)


def test_answers_that_are_not_common_are_left_out():
    """Their traces have probability zero, in the class as without one."""
    prompts = (Prompt(np.array([0, 1, 2]), np.log([0.5, 0.3, 0.2])), Prompt(np.array([0, 1]), np.log([0.4, 0.6])))
    game = Game(1.0, HardCoherence(), ("a", "b", "c"), prompts)
    features = [np.array([[1.0, 0], [0, 0], [0, 0]]), np.array([[0, 1.0], [0, 0]])]
    for found in (solve(game, "direct"), solve(game, "direct", features=features)):
        assert found.certified
        q = np.sqrt([0.5 * 0.4, 0.3 * 0.6])
        assert np.allclose(found.p_PZ, [*(q / q.sum()), 0.0])


def test_a_class_that_cannot_agree_says_so():
    """One feature that moves both phrasings alike."""
    prompts = tuple(Prompt(np.array([0, 1]), np.log(p)) for p in ([0.9, 0.1], [0.2, 0.8]))
    game = Game(1.0, HardCoherence(), ("a", "b"), prompts)
    found = solve(game, "direct", features=[np.zeros((2, 1))] * 2)
    assert not found.converged
    assert found.status is Status.STALLED
    assert "differ by up to 0.7" in found.message
    assert np.allclose(found.p_PZ.sum(axis=1), 1.0)
