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
from alftbench.equilibrium.from_traces import exact_figures
from alftbench.equilibrium.quality import orbit_draws, orbit_traces
from alftbench.equilibrium.traces import OrbitListing
from alftbench.errors import BadInput
from alftbench.games import (
    Correctness,
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
def test_given_completions_are_scored_however_rare_and_impossible_ones_never_come(pair, temperature, top_p):
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
    listing = OrbitListing.of(found)
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
