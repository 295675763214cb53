"""Choosing tokens against the softmax and against a plain inverse transform."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from alftbench.backends.hf.choosing import BLOCK, choose, chosen_log_probs, draw, nucleus


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax_over_several_blocks(temperature):
    """Chi-square of 40,000 draws, tokens grouped by 20 in the order of the vocabulary."""
    vocabulary, n = 3 * BLOCK - 100, 40_000
    logits = torch.randn(vocabulary, generator=torch.Generator().manual_seed(0))
    expected = torch.softmax(logits.double() / temperature, -1).numpy()
    uniforms = torch.from_numpy(np.random.default_rng(0).random(n)).float()
    chosen = torch.cat([choose(logits.expand(len(u), -1), u, temperature, 1.0) for u in uniforms.split(4000)])
    edges = np.arange(0, vocabulary, 20)
    counts = np.add.reduceat(np.bincount(chosen, minlength=vocabulary), edges)
    assert stats.chisquare(counts, np.add.reduceat(expected, edges) * n).pvalue > 0.001


@given(st.integers(1, 3 * BLOCK), st.integers(0, 1000))
def test_a_draw_is_the_plain_inverse_transform(vocabulary, seed):
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 4, (5, vocabulary)).astype(float)  # whole numbers: every sum is exact
    weights[:, rng.integers(vocabulary)] += 1
    uniforms = rng.integers(0, 1 << 12, 5) / (1 << 12)
    plain = [
        np.searchsorted(w.cumsum(), u * w.sum(), side="right") for w, u in zip(weights, uniforms, strict=True)
    ]
    assert draw(torch.tensor(weights), torch.tensor(uniforms)).tolist() == plain


@given(st.integers(2, 2 * BLOCK), st.integers(0, 1000))
def test_what_has_no_weight_is_never_drawn_even_at_the_edges(vocabulary, seed):
    rng = np.random.default_rng(seed)
    weights = torch.from_numpy(rng.random((4, vocabulary)) * (rng.random((4, vocabulary)) < 0.1)).float()
    weights[:, vocabulary // 2] = 0.1
    for uniform in (0.0, 1.0, float(np.nextafter(np.float32(1), np.float32(0)))):
        chosen = draw(weights, torch.full((4,), uniform))
        assert (weights[torch.arange(4), chosen] > 0).all()


def test_greedy_takes_the_likeliest():
    assert choose(torch.tensor([[0.0, 2.0, 1.0]]), torch.tensor([0.99]), 0.0, 1.0).tolist() == [1]


def test_nucleus_keeps_the_smallest_set_that_reaches_the_mass():
    kept = nucleus(torch.tensor([[0.1, 0.5, 0.15, 0.25]]), 0.7)
    assert kept.tolist() == [[0.0, 0.5, 0.0, 0.25]]


def test_log_probs_are_those_of_the_softmax():
    logits = torch.randn(4, 7, generator=torch.Generator().manual_seed(3))
    chosen = torch.tensor([0, 6, 3, 2])
    torch.testing.assert_close(chosen_log_probs(logits, chosen), logits.log_softmax(-1)[torch.arange(4), chosen])
