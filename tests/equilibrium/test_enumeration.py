"""Listed completions against brute force over all token strings and against draws; their figures against truth."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import LlamaConfig, LlamaForCausalLM

from alftbench.backends.base import BackendOptions, TraceBounds
from alftbench.backends.hf import enumeration
from alftbench.backends.hf.backend import HfBackend
from alftbench.backends.hf.choosing import nucleus
from alftbench.backends.hf.enumeration import (
    Query,
    enumerate_completions,
    left,
    log_distribution,
    score_completions,
    walk,
)
from alftbench.backends.hf.generation import Decoding
from alftbench.backends.hf.listing import Known, joint_list
from alftbench.backends.stops import StopStrings
from alftbench.equilibrium.from_samples import FIGURES, estimate
from alftbench.equilibrium.from_traces import OrbitTraces, covered_answers, exact_figures
from alftbench.equilibrium.quality import orbit_draws, orbit_traces
from alftbench.equilibrium.traces import OrbitListing
from alftbench.errors import BadInput
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
from alftbench.suites.grade import graded
from alftbench.suites.load import load_suite
from alftbench.types import Orbit, SamplingParams

VOCABULARY, END, PAD, LENGTH = 5, 4, 0, 5
PROMPT = (1, 2, 3)
STRINGS = [s for n in range(1, LENGTH) for s in product(range(END), repeat=n - 1)]
ALL = [(*s, END) for s in STRINGS] + list(product(range(END), repeat=LENGTH - 1))
"""Every completion of up to four tokens, token 4 ending it."""


def small(seed: int):
    """A random Llama over five tokens whose completions differ in probability by orders of magnitude."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=32, pad_token_id=PAD, eos_token_id=END, bos_token_id=None, initializer_range=0.5,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def pair():
    """A policy and a reference."""
    return small(0), small(1)


def rules(**changes) -> Decoding:
    return replace(Decoding(LENGTH - 1, 1.0, 1.0, frozenset({END}), PAD), **changes)


@torch.no_grad()
def plainly(model, temperature=1.0, top_p=1.0, prompt=PROMPT) -> np.ndarray:
    """Log π of every completion by full forward passes without a cache, shape (Y,)."""
    log_probs = np.empty(len(ALL))
    for length in range(1, LENGTH):
        places = [i for i, completion in enumerate(ALL) if len(completion) == length]
        ids = torch.tensor([ALL[i] for i in places])
        prompts = torch.tensor(prompt).repeat(len(ids), 1)
        logits = model(input_ids=torch.cat([prompts, ids], 1)).logits[:, len(prompt) - 1 : -1].double()
        p = nucleus(torch.softmax(logits / temperature, -1).flatten(0, 1), top_p).view(logits.shape)
        p = p / p.sum(-1, keepdim=True)
        log_probs[places] = p.gather(-1, ids[..., None]).log().sum((1, 2)).numpy()
    return log_probs


PROMPTS = (PROMPT, (3, 1, 2, 2, 1), (2,))


def listed_by(model, mass, decoding, prompts=PROMPTS, prefixes=10_000):
    return enumerate_completions(model, prompts, [decoding] * len(prompts), TraceBounds(mass, prefixes))


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 1.0), (1.0, 0.8)])
def test_a_full_list_has_every_completion_with_its_probability(pair, temperature, top_p):
    chosen = rules(temperature=temperature, top_p=top_p)
    for prompt, scores in zip(PROMPTS, listed_by(pair[0], 1e-5, chosen), strict=True):
        truth = plainly(pair[0], temperature, top_p, prompt)
        assert np.exp(truth).sum() == pytest.approx(1)
        for tokens, log_prob in zip(ALL, truth, strict=True):
            if log_prob > np.log(1e-5):
                assert np.exp(scores[tokens]) == pytest.approx(np.exp(log_prob), rel=1e-3, abs=1e-9)
        assert left(scores) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("mass", [0.5, 0.1, 0.01])
def test_a_short_list_has_the_likeliest_and_says_what_is_left(pair, mass):
    for prompt, scores in zip(PROMPTS, listed_by(pair[0], mass, rules()), strict=True):
        truth = np.exp(plainly(pair[0], prompt=prompt))
        places = [ALL.index(tokens) for tokens in scores]
        unlisted = np.setdiff1d(np.arange(len(ALL)), places)
        assert 0 < len(places) < len(ALL)
        assert truth[places].min() >= truth[unlisted].max()
        assert left(scores) == pytest.approx(truth[unlisted].sum(), abs=1e-5)
        assert left(scores) <= mass


@pytest.mark.parametrize("rows", [1, 3, 1024])
def test_the_list_does_not_depend_on_what_goes_through_the_model_together(pair, monkeypatch, rows):
    monkeypatch.setattr(enumeration, "ROWS", rows)
    queries = [Query(prompt, rules(), least, {}) for prompt, least in zip(PROMPTS, (1e-3, 1e-2, 0.1), strict=True)]
    for query, scores in zip(queries, walk(pair[0], queries, None), strict=True):
        truth = dict(zip(ALL, plainly(pair[0], prompt=query.prompt), strict=True))
        assert set(scores) == {tokens for tokens, log_prob in truth.items() if log_prob >= np.log(query.least)}
        for tokens, log_prob in scores.items():
            assert log_prob == pytest.approx(truth[tokens], abs=1e-4)


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 1.0), (1.0, 0.8)])
def test_given_completions_are_scored_however_rare_and_impossible_ones_are_minus_infinity(
    pair, temperature, top_p
):
    chosen = rules(temperature=temperature, top_p=top_p)
    wanted = [ALL[::7], ALL[1::5], []]
    scored = score_completions(pair[1], PROMPTS, [chosen] * 3, wanted)
    for prompt, completions, scores in zip(PROMPTS, wanted, scored, strict=True):
        truth = dict(zip(ALL, plainly(pair[1], temperature, top_p, prompt), strict=True))
        assert list(scores) == completions
        for tokens in completions:
            assert np.exp(scores[tokens]) == pytest.approx(np.exp(truth[tokens]), rel=1e-3, abs=1e-9)
    unfinished = (1, 1)
    (short,) = score_completions(pair[1], PROMPTS[:1], [rules(max_tokens=2)], [[unfinished, (1, 1, 1, 1)]])
    assert np.isfinite(short[unfinished])
    assert short[1, 1, 1, 1] == -np.inf
    (longer,) = score_completions(pair[1], PROMPTS[:1], [rules()], [[unfinished]])
    assert longer[unfinished] == -np.inf


def test_a_joint_list_has_what_either_model_lists_of_any_phrasing_under_both(pair):
    bounds = TraceBounds(0.2, 10_000)
    ours, theirs = (Known.of(model, PROMPTS, (rules(),) * 3, bounds) for model in pair)
    joint = joint_list(ours, theirs, bounds)
    truth_MV = [[plainly(model, prompt=prompt) for prompt in PROMPTS] for model in pair]
    likely = {
        tokens
        for known in (ours, theirs)
        for scores in known.listed_V
        for tokens, log_prob in scores.items()
        if log_prob >= np.log(0.01 * 0.2)
    }
    for v, (tokens_Y, log_prob_MY) in enumerate(joint):
        assert likely | set(ours.listed_V[v]) | set(theirs.listed_V[v]) == set(tokens_Y)
        places = [ALL.index(tokens) for tokens in tokens_Y]
        for row, truth_V in zip(log_prob_MY, truth_MV, strict=True):
            assert row == pytest.approx(truth_V[v][places], abs=1e-3)


def test_a_stop_string_ends_a_completion_where_it_is_first_written(pair):
    ends = rules(halt=lambda tokens: tokens[-2:] == (1, 1))
    (scores,) = listed_by(pair[0], 1e-5, ends, (PROMPT,))
    assert any(tokens[-2:] == (1, 1) for tokens in scores)
    assert all((1, 1) not in pairwise(tokens[:-1]) for tokens in scores)
    assert left(scores) == pytest.approx(0, abs=1e-4)


def test_a_list_that_takes_too_many_prefixes_is_given_up(pair):
    assert listed_by(pair[0], 0.01, rules(), prefixes=10) is None


def test_greedy_has_one_next_token():
    log_p = log_distribution(torch.tensor([[0.0, 2.0, 1.0]]), 0, 1.0)
    assert log_p.tolist() == [[-np.inf, 0.0, -np.inf]]


# Figures of a listing against those of every trace.


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


# The embedded model.


@pytest.fixture(scope="module")
def backends(tiny) -> tuple[HfBackend, HfBackend]:
    """The embedded model off its equilibrium, and as it is."""
    policy, reference = (HfBackend(tiny, BackendOptions("cpu", "float32")) for _ in range(2))
    torch.manual_seed(0)
    with torch.no_grad():
        for weights in policy.model.parameters():
            weights.add_(0.05 * weights.std() * torch.randn_like(weights))
    return policy, reference


@pytest.mark.parametrize("suite", ["sums", "splits"])
def test_draws_come_as_often_as_the_list_says(backends, suite):
    policy, reference = backends
    chosen = load_suite(suite)
    n = 600
    for variant in next(iter(chosen.orbits("test", None))).variants[:2]:
        params = replace(chosen.info.sampling, n=n)
        (found,) = policy.traces(reference, [variant], params, TraceBounds(0.05))
        assert max(found.left) <= 0.05
        draws = [s for portion in policy.sample([variant], params) for s in portion]
        texts = [(s.text, s.finish_reason) for s in draws]
        p: dict[tuple[str, str], float] = {}
        for one, log_prob in zip(found.samples, found.log_prob_MY[0], strict=True):
            p[one.text, one.finish_reason] = p.get((one.text, one.finish_reason), 0) + np.exp(log_prob)
        often = [key for key, share in p.items() if share * n >= 10]
        counts = np.array([texts.count(key) for key in often])
        expected = np.array([p[key] * n for key in often])
        rest = [n - counts.sum()], [n - expected.sum()]
        assert len(often) >= 2
        result = stats.chisquare(np.append(counts, rest[0]), np.append(expected, rest[1]))
        assert result.pvalue > 1e-4


def test_a_list_holds_what_the_same_draws_would_be_with_stop_strings(backends):
    policy, reference = backends
    variant = next(iter(load_suite("sums").orbits("test", None))).variants[0]
    params = SamplingParams(n=300, max_tokens=32, stop=("\nAns",))
    (found,) = policy.traces(reference, [variant], params, TraceBounds(0.02))
    stops = StopStrings(policy.tokenizer, params.stop)
    assert any(one.finish_reason == "stop" and "Ans" not in one.text for one in found.samples)
    assert not any(stop in one.text for one in found.samples for stop in stops.stops)
    listed_texts = {(one.text, one.finish_reason, one.n_tokens) for one in found.samples}
    draws = [
        (s.text, s.finish_reason, s.n_tokens) for portion in policy.sample([variant], params) for s in portion
    ]
    assert sum(draw in listed_texts for draw in draws) >= 0.93 * len(draws)


def orbit_figures(backends, orbit: Orbit, declared):
    """The figures of an orbit's listed completions, and those estimated from 64 draws of each phrasing."""
    policy, reference = backends
    suite, params = load_suite("sums"), SamplingParams(n=64, max_tokens=32)
    found = policy.traces(reference, orbit.variants, params, TraceBounds(0.01))
    listing = OrbitListing(tuple(s for t in found for s in t.samples), tuple(t.log_prob_MY for t in found))
    traces = orbit_traces(graded(suite, orbit, listing.samples), listing, 0.01)
    place = {variant.name: i for i, variant in enumerate(orbit.variants)}
    ours, theirs = (
        sorted(
            (s for part in b.sample(orbit.variants, params) for s in part),
            key=lambda s: (place[s.variant], s.draw),
        )
        for b in backends
    )
    ratio = policy.log_probs(orbit.variants, ours) - reference.log_probs(orbit.variants, ours)
    made = (graded(suite, orbit, samples) for samples in (ours, theirs))
    draws = orbit_draws(*made, ratio.reshape(len(place), -1))
    return exact_figures(traces, declared(traces.correct_Z)), estimate(draws, declared(draws.correct_Z))


def test_the_figures_of_a_model_off_its_equilibrium_are_what_its_samples_say(backends):
    declared = lambda correct_Z: (Correctness(correct_Z * 1.0), 0.2)  # noqa: E731
    orbits = [replace(o, variants=o.variants[:2]) for o in list(load_suite("sums").orbits("test", None))[:4]]
    pairs = [orbit_figures(backends, orbit, declared) for orbit in orbits]
    exact, sampled = (
        np.array([[getattr(f, name) for name in FIGURES] for f in side]) for side in zip(*pairs, strict=True)
    )
    noise = (sampled - exact).std(axis=0, ddof=1) / np.sqrt(len(orbits))
    kl_error, drift, error, gap = sampled.mean(axis=0) - exact.mean(axis=0)
    assert exact.mean(axis=0)[2] > 0.05
    assert exact.mean(axis=0)[3] > 0.05
    assert -3 * noise[0] <= kl_error <= 3 * noise[0] + 0.05  # the list leaves 1% of the mass out of KL
    assert abs(error) <= 3 * noise[2] + 0.03
    assert (np.array([drift, gap]) <= 3 * noise[[1, 3]] + 0.01).all()


def test_models_of_other_tokens_are_not_listed_together(backends):
    policy, reference = backends
    variant = next(iter(load_suite("sums").orbits("test", None))).variants[0]
    ends = reference.model.generation_config.eos_token_id
    reference.model.generation_config.eos_token_id = 5
    try:
        with pytest.raises(BadInput, match="differ in tokenizer or end tokens"):
            policy.traces(reference, [variant], SamplingParams(max_tokens=32), TraceBounds())
    finally:
        reference.model.generation_config.eos_token_id = ends
