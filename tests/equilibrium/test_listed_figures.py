"""Figures of listed completions against those of every trace."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from alftbench.equilibrium.from_samples import FIGURES
from alftbench.equilibrium.from_traces import OrbitTraces, covered_answers, exact_figures
from alftbench.games import (
    Coherence,
    Correctness,
    Diversity,
    Game,
    Prompt,
    QuadraticDiversity,
    kl,
    solve,
    trace_drift,
    trace_quality,
)

VOCABULARY, END, PAD, LENGTH = 5, 4, 0, 5
PROMPT = (1, 2, 3)
STRINGS = [s for n in range(1, LENGTH) for s in product(range(END), repeat=n - 1)]
ALL = [(*s, END) for s in STRINGS] + list(product(range(END), repeat=LENGTH - 1))
"""Every completion of up to four tokens, token 4 ending it."""


def game_of(objective, beta, log_prob_V, answer_V, n_answers):
    prompts = tuple(Prompt(a, row[1]) for a, row in zip(answer_V, log_prob_V, strict=True))
    return Game(beta, objective, tuple(map(str, range(n_answers))), prompts)


def truth(objective, beta, orbit: OrbitTraces) -> dict[str, float]:
    """The figures of a policy whose traces are all known."""
    Z = orbit.correct_Z.size
    game = game_of(objective, beta, orbit.log_prob_V, orbit.answer_V, Z)
    quality = trace_quality(game, [row[0] for row in orbit.log_prob_V])
    drifts = [trace_drift(a, *row, Z) for a, row in zip(orbit.answer_V, orbit.log_prob_V, strict=True)]
    return {
        "kl": float(np.mean([kl(*row) for row in orbit.log_prob_V])),
        "trace_drift": float(np.mean(drifts)),
        "marginal_error": quality.marginal_error,
        "nash_gap": quality.gap,
    }


def random_orbit(rng, n_answers=8, n_traces=60, V=2) -> OrbitTraces:
    """Two phrasings with heavy-tailed traces; a policy that has moved."""
    answers = [rng.integers(0, n_answers, n_traces) for _ in range(V)]
    p0 = rng.dirichlet(np.full(n_traces, 0.15), size=V) + 1e-6
    p = p0 * np.exp(rng.normal(size=p0.shape))
    rows = [np.log(np.stack([a / a.sum(), b / b.sum()])) for a, b in zip(p, p0, strict=True)]
    return OrbitTraces(answers, rows, np.arange(n_answers) == 0, 1e-12)


def listed(orbit: OrbitTraces, least: float) -> OrbitTraces:
    """What a listing of traces of at least this probability knows of an orbit."""
    kept = [row.max(axis=0) >= np.log(least) for row in orbit.log_prob_V]
    answers = [a[k] for a, k in zip(orbit.answer_V, kept, strict=True)]
    rows = [row[:, k] for row, k in zip(orbit.log_prob_V, kept, strict=True)]
    left = max(float((1 - np.exp(row).sum(axis=1)).max()) for row in rows)
    return replace(orbit, answer_V=answers, log_prob_V=rows, mass=max(left, 1e-12))


CORRECT_Z = np.arange(8) == 0
GAMES = {
    "correctness": (Correctness(CORRECT_Z * 1.0), 0.2),
    "diversity": (Diversity(0.3, CORRECT_Z * 1.0), 0.3),
    "strong diversity": (Diversity(0.75, CORRECT_Z * 1.0), 0.02),
    "coherence": (Coherence(0.3), 0.3),
}


@pytest.mark.parametrize("name", GAMES)
def test_with_every_trace_listed_the_figures_are_the_games_own(name):
    rng = np.random.default_rng(0)
    for _ in range(20):
        orbit = random_orbit(rng)
        exact, found = truth(*GAMES[name], orbit), exact_figures(orbit, GAMES[name])
        for figure in FIGURES:
            assert getattr(found, figure) == pytest.approx(exact[figure], rel=1e-3, abs=1e-5), figure


def test_what_is_not_listed_never_adds_divergence_and_its_mass_bounds_the_marginals():
    rng = np.random.default_rng(1)
    for least in (0.05, 0.01, 1e-3, 1e-4):
        for _ in range(50):
            orbit = random_orbit(rng)
            short = listed(orbit, least)
            exact, found = truth(*GAMES["correctness"], orbit), exact_figures(short, None)
            assert found.kl <= exact["kl"] + 1e-5
            assert found.trace_drift <= exact["trace_drift"] + 1e-5
            for whole, part, a, b in zip(
                orbit.log_prob_V, short.log_prob_V, orbit.answer_V, short.answer_V, strict=True
            ):
                shares = [np.bincount(x, np.exp(row[0]), 8) for x, row in ((a, whole), (b, part))]
                assert np.abs(shares[0] - shares[1]).sum() <= short.mass + 1e-9


@pytest.mark.parametrize("name", GAMES)
def test_error_and_gap_of_told_answers_are_below_the_truth_but_for_what_is_left(name):
    """Where the target depends on the policy, log p of a rare answer lacks what is not listed of it."""
    rng = np.random.default_rng(2)
    rows = []
    for _ in range(100):
        orbit = random_orbit(rng)
        short = listed(orbit, 1e-3)
        exact, found = truth(*GAMES[name], orbit), exact_figures(short, GAMES[name])
        rows.append([found.marginal_error, exact["marginal_error"], found.nash_gap, exact["nash_gap"], short.mass])
    error, exact_error, gap, exact_gap, mass = np.array(rows).T
    assert (error <= exact_error + 0.5 * mass).all()
    assert (gap <= exact_gap * (1.0 if name == "correctness" else 1.25)).all()
    assert error.mean() <= exact_error.mean()
    assert 0.75 * exact_gap.mean() <= gap.mean() <= exact_gap.mean()
    assert 0.9 * exact_error.mean() <= error.mean()


def test_a_rest_that_is_an_answer_would_claim_a_gap_that_is_not_there():
    """Why the rest is left out: at the equilibrium of 200 answers, with strong diversity."""
    rng = np.random.default_rng(3)
    log_p0 = np.log(rng.dirichlet(np.full(200, 0.5)))
    correct_Z = np.arange(200) == 0
    objective, beta = Diversity(0.75, correct_Z * 1.0), 0.02
    power = beta / (beta + 0.75)
    log_p = power * (log_p0 + correct_Z / beta)
    log_p -= np.log(np.exp(log_p).sum())
    orbit = OrbitTraces([np.arange(200)], [np.stack([log_p, log_p0])], correct_Z, 1e-12)
    assert truth(objective, beta, orbit)["nash_gap"] == pytest.approx(0, abs=1e-9)
    short = listed(orbit, 1 / 210)
    assert 0.01 < short.mass < 0.7
    found = exact_figures(short, (objective, beta))
    assert (found.marginal_error, found.nash_gap) == pytest.approx((0, 0), abs=1e-9)
    row = np.concatenate([short.log_prob_V[0], np.log(1 - np.exp(short.log_prob_V[0]).sum(1))[:, None]], axis=1)
    with_rest = OrbitTraces([np.append(short.answer_V[0], 200)], [row], np.append(correct_Z, False), 1e-12)
    as_answer = truth(Diversity(0.75, with_rest.correct_Z * 1.0), beta, with_rest)
    assert as_answer["marginal_error"] > 0.01
    assert as_answer["nash_gap"] > 0.01


def test_an_equilibrium_of_squares_is_one_whatever_is_told():
    """λ/2 Σ p² is not the same game among some answers: there its weight is λ p(S)."""
    p0 = np.concatenate([np.array([0.6, 0.3, 0.1]) * 0.95, np.exp(-np.linspace(0, 12, 200))])
    p0[3:] *= 0.05 / p0[3:].sum()
    orbit = OrbitTraces([np.arange(203)] * 2, [], np.zeros(203, bool), 0.2)
    objective, beta = QuadraticDiversity(0.75, np.zeros(203)), 0.02
    rows = []
    for reference in (p0, p0[::-1]):
        log_p = solve(Game.from_marginals(reference[None], objective, beta)).log_p_PZ[0]
        rows.append(np.stack([log_p, np.log(reference)]))
    orbit = replace(orbit, log_prob_V=rows)
    share_V = [
        np.exp(row[0][told_Z]).sum() for row, told_Z in zip(rows, covered_answers(orbit, objective), strict=True)
    ]
    assert max(share_V) < 0.8
    found = exact_figures(orbit, (objective, beta))
    assert (found.marginal_error, found.nash_gap) == pytest.approx((0, 0), abs=1e-12)
    off = replace(orbit, log_prob_V=[np.stack([row[1], row[1]]) for row in rows])
    assert exact_figures(off, (objective, beta)).marginal_error > 0.1


def own_mistakes(rng, V=4, W=8) -> OrbitTraces:
    """Phrasings with a mistake each, likely there and rare in the others; a policy part of the way to agreement.

    Answer 0 is right, 1 to V the mistakes, then 3 that all have in common; W heavy-tailed traces of each.
    """
    Z = V + 4
    p0_VZ = np.full((V, Z), 0.002)
    p0_VZ[:, 0] = rng.uniform(0.3, 0.6, V)
    p0_VZ[np.arange(V), np.arange(V) + 1] = rng.uniform(0.2, 0.5, V)
    p0_VZ[:, V + 1 :] = 0.02
    p0_VZ /= p0_VZ.sum(1, keepdims=True)
    star_VZ = solve(Game.from_marginals(p0_VZ, *OF_PHRASINGS)).p_PZ
    p_VZ = p0_VZ**0.5 * star_VZ**0.5
    within_ZW = rng.dirichlet(np.full(W, 0.3), size=Z) + 1e-4
    moved_VZW = within_ZW * np.exp(0.2 * rng.normal(size=(V, Z, W)))
    rows = []
    for v in range(V):
        pair = p_VZ[v, :, None] * moved_VZW[v], p0_VZ[v, :, None] * within_ZW
        rows.append(np.log([one.ravel() / one.sum() for one in pair]))
    return OrbitTraces([np.repeat(np.arange(Z), W)] * V, rows, np.arange(Z) == 0, 1e-12)


OF_PHRASINGS = (Coherence(0.2), 0.1)


def shared(orbit: OrbitTraces, least: float, mass: float) -> OrbitTraces:
    """What `joint_list` knows: what a phrasing lists, and what another lists with a hundredth of the mass."""
    likely = [row.max(axis=0) >= np.log(least) for row in orbit.log_prob_V]
    enough = np.any([row.max(axis=0) >= np.log(0.01 * mass) for row in orbit.log_prob_V], axis=0)
    union = np.any(likely, axis=0) & enough
    kept = [own | union for own in likely]
    answers = [a[k] for a, k in zip(orbit.answer_V, kept, strict=True)]
    rows = [row[:, k] for row, k in zip(orbit.log_prob_V, kept, strict=True)]
    return replace(orbit, answer_V=answers, log_prob_V=rows, mass=mass)


def test_the_mistake_of_one_phrasing_is_told_of_all():
    """Coherence moves just these answers. Without the other phrasings' scores their figures lack most of it."""
    rng = np.random.default_rng(7)
    rows = []
    for _ in range(40):
        orbit = own_mistakes(rng)
        exact = truth(*OF_PHRASINGS, orbit)
        short = listed(orbit, 3e-3)
        joint = exact_figures(shared(orbit, 3e-3, short.mass), OF_PHRASINGS)
        alone = exact_figures(short, OF_PHRASINGS)
        assert covered_answers(shared(orbit, 3e-3, short.mass), OF_PHRASINGS[0])[:, :5].all()
        assert not covered_answers(short, OF_PHRASINGS[0])[:, :5].all()
        rows.append([(f["marginal_error"], f["nash_gap"]) for f in (exact, vars(joint), vars(alone))])
    exact_, joint_, alone_ = np.array(rows).transpose(1, 0, 2)
    assert exact_.mean(axis=0).min() > 0.01
    assert np.abs(joint_ / exact_ - 1).max() < 0.05
    assert (alone_ / exact_).mean(axis=0).max() < 0.8
