"""Attention over a shared prefix against transformers' own attention, for every architecture it is used for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

from alftbench.backends.hf import generation, prefix
from alftbench.backends.hf.generation import Decoding, SelectedCache, decoder_of, forks, generate, prefill
from alftbench.backends.hf.prefix import BARE, PLAIN, SharedPrefix, supports
from tests.helpers import ROOT

PROMPTS = [(1, 2, 3), (3,), (2, 2, 1, 3, 1)]


def model(kind, **more):
    """A random model of an architecture, with fewer key than query heads."""
    torch.manual_seed(0)
    sizes = {
        "vocab_size": 300, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64,
        "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 4, "initializer_range": 0.5,
        "sliding_window": None,
    }  # fmt: skip
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **{**sizes, **more})).eval()


@pytest.mark.parametrize("kind", sorted(PLAIN))
def test_logits_equal_those_of_transformers_cache_while_rows_fork_and_leave(kind):
    made = model(kind)
    assert supports(made.config)
    rng = torch.Generator().manual_seed(1)
    with torch.inference_mode():
        _, mask, one = prefill(made, PROMPTS, 0)
        _, _, two = prefill(made, PROMPTS, 0)
        ours, theirs = SharedPrefix(one, mask, 4, 12), SelectedCache(two, mask)
        rows = 3
        for chosen in (None, (0, 1, 2, 0, 0, 2), None, (0, 1, 2, 3, 4, 5, 1, 5, 1), (4, 8, 6, 1), (1, 1, 0), (2,)):
            if chosen is not None:
                rows = len(chosen)
                ours.select(torch.tensor(chosen))
                theirs.select(torch.tensor(chosen))
            tokens = torch.randint(300, (rows,), generator=rng)
            torch.testing.assert_close(ours.step(made, tokens), theirs.step(made, tokens), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_rows_taken_are_their_own_and_leave_the_others_as_they_were(kind):
    made = model(kind) if kind == "llama" else model(kind, n_embd=32, n_head=4, n_layer=2)
    tokens = torch.tensor([5, 6, 7])
    with torch.inference_mode():
        _, mask, cache = prefill(made, PROMPTS, 0)
        decoder = decoder_of(made, cache, mask, 1, 0)
        one = decoder.taken(torch.arange(3))
        first = one.step(made, tokens)
        forked = one.taken(torch.tensor([2, 0, 2]))
        second = forked.step(made, torch.tensor([8, 9, 10]))
        again = decoder.taken(torch.arange(3)).step(made, tokens)
        _, mask, cache = prefill(made, [(*PROMPTS[2], 7)], 0)
        other = decoder_of(made, cache, mask, 1, 1).step(made, torch.tensor([10]))
    torch.testing.assert_close(again, first, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(second[2:], other, atol=2e-5, rtol=1e-4)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1))
def test_forks_give_every_draw_the_row_of_all_that_wrote_the_same(draws):
    present = {row for row, _ in draws}
    renamed = {row: place for place, row in enumerate(sorted(present))}  # every row has some draw
    pairs = [(renamed[row], token) for row, token in draws]
    row_D, chosen = torch.tensor(pairs).T
    parents, tokens, new_D = forks(row_D, chosen, 6)
    assert [(int(parents[row]), int(tokens[row])) for row in new_D] == pairs
    assert len(parents) == len(set(pairs))
    assert parents[: len(present)].tolist() == list(range(len(present)))


@pytest.mark.parametrize("kind", sorted(BARE))
def test_a_bare_pass_has_the_very_logits_of_the_whole_one(kind, monkeypatch):
    made = model(kind)
    uniforms = np.random.default_rng(2).random((3, 4, 12))
    decoding = Decoding(12, 1.0, 1.0, frozenset(range(20)), 0, log_probs=True)
    bare = generate(made, PROMPTS, uniforms, decoding)
    monkeypatch.setattr(prefix, "BARE", frozenset())
    monkeypatch.setattr(prefix, "bare_pass", lambda *_: 1 / 0)
    assert generate(made, PROMPTS, uniforms, decoding) == bare


def test_what_attends_to_a_window_only_keeps_transformers_cache():
    config = model("mistral").config
    assert supports(config)
    config.sliding_window = 8
    assert not supports(config)
    assert not supports(AutoConfig.for_model("gemma2"))
    assert not supports(AutoConfig.for_model("gpt2"))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_draws_that_agree_are_one_row_of_the_batch(kind, monkeypatch):
    made = model(kind) if kind == "llama" else model(kind, n_embd=32, n_head=4, n_layer=2)
    rows, decoder = [], SharedPrefix if supports(made.config) else SelectedCache
    step = decoder.step
    monkeypatch.setattr(decoder, "step", lambda self, *given: rows.append(len(given[1])) or step(self, *given))
    uniforms = np.tile(np.random.default_rng(1).random((3, 1, 6)), (1, 4, 1))
    uniforms[0, 3, 3:] = 1 - uniforms[0, 3, 3:]  # one draw of the first prompt parts at its fourth token
    generate(made, PROMPTS, uniforms, Decoding(6, 1.0, 1.0, frozenset(), 0))
    assert rows == [3, 3, 3, 4, 4]


@pytest.mark.parametrize("kind", ["gpt2", "mistral"])
def test_other_architectures_draw_as_each_row_alone_would(kind):
    """Learned positions; a window shorter than the text: both take the general path."""
    more = {"sliding_window": 4} if kind == "mistral" else {"n_embd": 32, "n_head": 4, "n_layer": 2}
    made = model(kind, **more)
    assert not supports(made.config)
    uniforms = np.random.default_rng(1).random((3, 6, 10))
    decoding = Decoding(10, 1.0, 1.0, frozenset(range(20)), 0)
    together = generate(made, PROMPTS, uniforms, decoding)
    alone = [
        generate(made, [p], uniforms[i : i + 1, g : g + 1], decoding)[0][0]
        for i, p in enumerate(PROMPTS)
        for g in range(6)
    ]
    assert [c for group in together for c in group] == alone


def test_the_models_own_attention_is_put_back(monkeypatch):
    made = model("llama")
    before = made.config._attn_implementation
    generate(made, PROMPTS, np.zeros((3, 2, 4)), Decoding(4, 0.0, 1.0, frozenset(), 0))
    assert made.config._attn_implementation == before
    monkeypatch.setattr(SharedPrefix, "attend", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        generate(made, PROMPTS, np.zeros((3, 2, 4)), Decoding(4, 0.0, 1.0, frozenset(), 0))
    assert made.config._attn_implementation == before


def test_room_is_taken_at_the_start_and_never_grows():
    made = model("llama")
    with torch.inference_mode():
        _, mask, cache = prefill(made, PROMPTS, 0)
        decoder = SharedPrefix(cache, mask, 2, 5)
        places = [layer.all_keys.data_ptr() for layer in decoder.layers]
        decoder.step(made, torch.arange(3))
        decoder.select(torch.tensor([0, 1, 2, 0, 1, 2]))
        decoder.step(made, torch.arange(6))
        decoder.select(torch.tensor([1, 4]))
        decoder.step(made, torch.arange(2))
    assert [layer.all_keys.data_ptr() for layer in decoder.layers] == places
    assert isinstance(cache, DynamicCache)
    assert generation.COMPACT_BELOW < 1


def test_the_docs_name_these_architectures():
    text = " ".join((ROOT / "docs/backends.md").read_text(encoding="utf-8").split())
    names = sorted(PLAIN)
    assert f"Models of the types {', '.join(names[:-1])} and {names[-1]} " in text
