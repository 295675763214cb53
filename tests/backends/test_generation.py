"""Sampling and scoring against a plain, slow use of the same model."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import LlamaConfig, LlamaForCausalLM

from alftbench.backends.hf.choosing import nucleus
from alftbench.backends.hf.generation import Decoding, generate
from alftbench.backends.hf.scoring import token_log_probs

VOCABULARY, END, PAD = 5, 4, 0


@pytest.fixture(scope="module")
def small():
    """A random Llama over five tokens, small enough to enumerate."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=32, pad_token_id=PAD, eos_token_id=END, bos_token_id=None,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def decoding(max_tokens, temperature=1.0, top_p=1.0):
    return Decoding(max_tokens, temperature, top_p, frozenset({END}), PAD)


@torch.no_grad()
def plain_log_prob(model, prompt, completion):
    """log π(completion | prompt) by one full forward pass, without cache or padding."""
    ids = torch.tensor([[*prompt, *completion]])
    logits = torch.log_softmax(model(input_ids=ids).logits[0], -1)
    return sum(float(logits[len(prompt) + t - 1, token]) for t, token in enumerate(completion))


def test_sampling_has_exactly_the_models_distribution(small):
    """Chi-square of 20,000 draws against the enumerated distribution over all completions of two tokens."""
    prompt, draws = (1, 2, 3), 20_000
    uniforms = np.random.default_rng(0).random((1, draws, 2))
    found = [c.token_ids for c in generate(small, [prompt], uniforms, decoding(2))[0]]
    outcomes = [(END,), *((a, b) for a, b in product(range(VOCABULARY), repeat=2) if a != END)]
    expected = np.array([np.exp(plain_log_prob(small, prompt, o)) for o in outcomes])
    assert expected.sum() == pytest.approx(1.0, abs=1e-5)
    counts = [found.count(o) for o in outcomes]
    assert sum(counts) == draws
    assert stats.chisquare(counts, expected / expected.sum() * draws).pvalue > 0.001


def test_greedy_equals_transformers_own_generate(small):
    prompts = [(1, 2, 3), (3,), (2, 2, 1, 3, 1)]
    ours = generate(small, prompts, np.zeros((3, 1, 6)), decoding(6, temperature=0))
    for prompt, (completion,) in zip(prompts, ours, strict=True):
        theirs = small.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            do_sample=False, max_new_tokens=6,
        )  # fmt: skip
        assert list(completion.token_ids) == theirs[0, len(prompt) :].tolist()


def test_a_draw_does_not_depend_on_what_is_sampled_beside_it(small):
    prompts = [(1, 2, 3), (3,), (2, 2, 1, 3, 1)]
    uniforms = np.random.default_rng(1).random((3, 40, 8))
    together = generate(small, prompts, uniforms, decoding(8))
    alone = [generate(small, [p], uniforms[i : i + 1], decoding(8))[0] for i, p in enumerate(prompts)]
    assert together == alone


def test_finish_reasons(small):
    completions = generate(small, [(1,)], np.random.default_rng(2).random((1, 200, 3)), decoding(3))[0]
    for completion in completions:
        ended = completion.token_ids[-1] == END
        assert completion.finish_reason == ("stop" if ended else "length")
        assert END not in completion.token_ids[:-1]
    assert {c.finish_reason for c in completions} == {"stop", "length"}


def test_top_p_never_leaves_the_nucleus(small):
    logits = small(torch.tensor([[1, 2, 3]])).logits[0, -1]
    allowed = set(nucleus(torch.softmax(logits, -1)[None], 0.5).nonzero()[:, 1].tolist())
    uniforms = np.random.default_rng(3).random((1, 300, 1))
    found = {c.token_ids[0] for c in generate(small, [(1, 2, 3)], uniforms, decoding(1, top_p=0.5))[0]}
    assert found <= allowed


def test_shared_prefill_scores_equal_a_plain_forward_pass(small):
    prompts = [(1, 2, 3), (3,)]
    completions = [(1, END), (2, 2, 1, END), (END,), (3, 1)]
    scored = token_log_probs(small, prompts, completions, PAD).sum(-1).tolist()
    expected = [plain_log_prob(small, prompts[i // 2], c) for i, c in enumerate(completions)]
    assert scored == pytest.approx(expected, abs=1e-5)


def test_gradients_flow_through_the_shared_prefill(small):
    prompts, completions = [(1, 2, 3)], [(1, 2, END), (2, END)]
    small.zero_grad()
    token_log_probs(small, prompts, completions, PAD).sum().backward()
    shared = [p.grad.clone() for p in small.parameters()]
    small.zero_grad()
    for completion in completions:
        ids = torch.tensor([[*prompts[0], *completion]])
        logits = torch.log_softmax(small(input_ids=ids).logits[0], -1)
        sum(logits[2 + t, token] for t, token in enumerate(completion)).backward()
    for ours, parameter in zip(shared, small.parameters(), strict=True):
        torch.testing.assert_close(ours, parameter.grad, atol=1e-5, rtol=1e-4)


def test_a_row_ends_where_the_context_does(small):
    decoding_ = replace(decoding(8), context=7)
    uniforms = np.random.default_rng(4).random((2, 50, 8))
    short, long = generate(small, [(1, 2, 3), (2, 2, 1, 3, 1)], uniforms, decoding_)
    assert {len(c.token_ids) for c in short if c.finish_reason == "length"} == {4}
    assert {len(c.token_ids) for c in long if c.finish_reason == "length"} == {2}
    unlimited = generate(small, [(1, 2, 3)], uniforms[:1], decoding(8))[0]
    assert [c.token_ids[:4] for c in unlimited] == [c.token_ids for c in short]


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.8), (0.0, 1.0)])
def test_log_probs_are_the_models_at_temperature_1_however_tokens_are_chosen(small, temperature, top_p):
    prompts = [(1, 2, 3), (3,)]
    uniforms = np.random.default_rng(5).random((2, 20, 6))
    groups = generate(small, prompts, uniforms, replace(decoding(6, temperature, top_p), log_probs=True))
    for prompt, group in zip(prompts, groups, strict=True):
        for completion in group:
            expected = plain_log_prob(small, prompt, completion.token_ids)
            assert sum(completion.log_probs) == pytest.approx(expected, abs=1e-5)


def test_a_halted_row_writes_little_more_and_leaves_the_others_alone(small):
    asked = []

    def halt(tokens):
        asked.append(len(tokens))
        return tokens[0] == 1

    never_ends = Decoding(26, 1.0, 1.0, frozenset(), PAD)
    uniforms = np.random.default_rng(6).random((1, 40, 26))
    free = generate(small, [(1, 2)], uniforms, never_ends)[0]
    halted = generate(small, [(1, 2)], uniforms, replace(never_ends, halt=halt))[0]
    assert {len(c.token_ids) for c in halted} == {8, 26}
    assert [len(c.token_ids) == 8 for c in halted] == [c.token_ids[0] == 1 for c in free]
    assert all(a.token_ids == b.token_ids[: len(a.token_ids)] for a, b in zip(halted, free, strict=True))
    assert set(asked) == {8, 16, 24}
