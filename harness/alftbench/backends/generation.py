"""Sampling with a causal transformer: one prefill per prompt, shared by all its draws.

Used by the `hf` backend and by the trainers' rollouts. Every draw consumes its own uniform numbers, one per
token, by inverse transform sampling, so a draw does not depend on what else is sampled beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache

COMPACT_BELOW = 0.75  # drop finished rows from the cache once this share or less is still running


@dataclass(frozen=True)
class Completion:
    """Token ids of one draw, the end token included where it was reached."""

    token_ids: tuple[int, ...]
    finish_reason: str


@dataclass(frozen=True)
class Decoding:
    """How tokens are chosen and where a completion ends."""

    max_tokens: int
    temperature: float
    top_p: float
    end_ids: frozenset[int]
    pad_id: int


def left_pad(rows: Sequence[Sequence[int]], pad_id: int, device: Any) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, shape (P, L), padded on the left."""
    length = max(map(len, rows))
    ids = torch.full((len(rows), length), pad_id)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, length - len(row) :] = torch.tensor(row)
        mask[i, length - len(row) :] = 1
    return ids.to(device), mask.to(device)


def prefill(model: Any, prompts: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor, DynamicCache]:
    """Run the prompts once: logits of the next token (P, vocabulary), attention mask (P, L), cache."""
    ids, mask = left_pad(prompts, pad_id, model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    out = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=DynamicCache(config=model.config),
        use_cache=True,
        logits_to_keep=1,
    )
    return out.logits[:, -1].float(), mask, out.past_key_values


def choose(logits: Tensor, uniforms: Tensor, decoding: Decoding) -> Tensor:
    """One token per row by inverse transform sampling; the likeliest at temperature 0."""
    if decoding.temperature == 0:
        return logits.argmax(-1)
    probabilities = torch.softmax(logits / decoding.temperature, dim=-1)
    if decoding.top_p < 1:
        probabilities = nucleus(probabilities, decoding.top_p)
    cumulative = probabilities.cumsum(-1)
    thresholds = uniforms[:, None] * cumulative[:, -1:]
    chosen = torch.searchsorted(cumulative, thresholds, right=True).squeeze(-1)
    return chosen.clamp(max=logits.shape[-1] - 1)


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Zero all but the smallest set of likeliest tokens whose mass reaches `top_p`."""
    ordered, order = probabilities.sort(-1, descending=True)
    ordered[ordered.cumsum(-1) - ordered >= top_p] = 0.0
    return torch.zeros_like(probabilities).scatter(-1, order, ordered)


@torch.inference_mode()
def generate(
    model: Any, prompts: Sequence[Sequence[int]], uniforms_PGT: NDArray[Any], decoding: Decoding
) -> list[list[Completion]]:
    """G completions for each of P prompts.

    Args:
        model: a transformers causal language model in evaluation mode.
        prompts: token ids of P prompts.
        uniforms_PGT: numbers in [0, 1), shape (P, G, max_tokens): the randomness of every draw.
        decoding: how tokens are chosen.
    """
    n_prompts, group = uniforms_PGT.shape[:2]
    uniforms = torch.from_numpy(uniforms_PGT.reshape(n_prompts * group, -1)).float().to(model.device)
    uniforms.clamp_(max=1 - 2**-24)  # rounding to float32 must not make a 1 of what is below 1
    logits, mask, cache = prefill(model, prompts, decoding.pad_id)
    cache.batch_repeat_interleave(group)
    rows = _decode(
        model, logits.repeat_interleave(group, 0), mask.repeat_interleave(group, 0), cache, uniforms, decoding
    )
    return [rows[p * group : (p + 1) * group] for p in range(n_prompts)]


def _decode(
    model: Any, logits: Tensor, mask: Tensor, cache: DynamicCache, uniforms: Tensor, decoding: Decoding
) -> list[Completion]:
    """Token by token until every row has ended; ended rows leave the batch now and then."""
    tokens: list[list[int]] = [[] for _ in range(len(logits))]
    rows = torch.arange(len(logits), device=logits.device)
    running = torch.ones(len(rows), dtype=torch.bool, device=logits.device)
    end_ids = torch.tensor(sorted(decoding.end_ids), device=logits.device)
    for t in range(decoding.max_tokens):
        chosen = choose(logits, uniforms[rows, t], decoding)
        for row, token, alive in zip(rows.tolist(), chosen.tolist(), running.tolist(), strict=True):
            if alive:
                tokens[row].append(token)
        running &= ~torch.isin(chosen, end_ids)
        if t + 1 == decoding.max_tokens or not running.any():
            break
        if running.float().mean() <= COMPACT_BELOW:
            keep = running.nonzero().squeeze(-1)
            cache.batch_select_indices(keep)
            rows, chosen, mask, running = rows[keep], chosen[keep], mask[keep], running[keep]
        mask = torch.cat([mask, mask.new_ones((len(mask), 1))], dim=1)
        out = model(
            input_ids=chosen[:, None],
            attention_mask=mask,
            position_ids=mask.sum(-1, keepdim=True) - 1,
            past_key_values=cache,
            use_cache=True,
        )
        logits = out.logits[:, -1].float()
    return [_completion(row, decoding) for row in tokens]


def _completion(row: list[int], decoding: Decoding) -> Completion:
    return Completion(tuple(row), "stop" if row and row[-1] in decoding.end_ids else "length")
