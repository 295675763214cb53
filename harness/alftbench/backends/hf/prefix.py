"""Attention of a prompt's rows to their prompt, whose keys and values are held and read once for all of them.

A row is what one draw has written, or several that agree so far. At a decoding step it has one query. Those of a
prompt's rows form one matrix that meets the prompt's keys in one product; the tokens a row has written itself lie
in room taken once for the longest completion of every draw, so nothing is copied as they grow and a batch that is
too large fails at its start. The softmax runs over both parts
together: the result is ordinary attention.

The idea of one pass over a shared prefix: Juravsky et al., "Hydragen: High-Throughput LLM Inference with Shared
Prefixes", 2024, arXiv:2402.05099.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

NAME = "alftbench_shared_prefix"
# Architectures whose layers all attend to the whole context by plain softmax attention; each one is tested.
PLAIN = frozenset({"llama", "mistral", "qwen2", "qwen3", "phi3", "olmo2", "granite", "gemma"})
# Those whose whole pass is embedding, layers, norm, output; what is done around it costs a small model dear.
BARE = frozenset({"llama", "mistral", "qwen2", "qwen3"})


def supports(config: Any) -> bool:
    """Whether a model's attention is the one written here; others keep transformers' own cache."""
    whole_context = set(getattr(config, "layer_types", None) or ()) <= {"full_attention"}
    return config.model_type in PLAIN and whole_context and getattr(config, "sliding_window", None) is None


class OwnTokens(DynamicLayer):  # type: ignore[no-untyped-call]  # transformers leaves its hook untyped
    """One layer's keys and values of what the rows wrote, in room for all that may come: shape (N, K, T, D)."""

    def __init__(self, like: Tensor, rows: int, room: tuple[int, int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        shape = (room[0], like.shape[1], room[1], like.shape[3])
        self.all_keys, self.all_values = like.new_empty(shape), like.new_empty(shape)
        self.rows, self.length = rows, 0

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Store the new token's keys and values; all that are stored so far, shape (R, K, t, D)."""
        self.all_keys[: self.rows, :, self.length] = key_states[:, :, 0]
        self.all_values[: self.rows, :, self.length] = value_states[:, :, 0]
        self.length += 1
        return self.all_keys[: self.rows, :, : self.length], self.all_values[: self.rows, :, : self.length]

    def get_seq_length(self) -> int:
        """Tokens stored."""
        return self.length

    def select(self, rows: Tensor, moved: Tensor) -> None:
        """Go on with these rows, inside the same memory; `moved`: the places whose row is not there already."""
        for store in (self.all_keys, self.all_values):
            store[moved, :, : self.length] = store[rows[moved], :, : self.length]
        self.rows = len(rows)

    def taken(self, rows: Tensor) -> OwnTokens:
        """These rows in memory of their own, with room for one token more."""
        other = OwnTokens(self.all_keys, len(rows), (len(rows), self.length + 1))
        other.length = self.length
        for store, own in ((self.all_keys, other.all_keys), (self.all_values, other.all_values)):
            own[:, :, : self.length] = store[rows, :, : self.length]
        return other


class SharedPrefix:
    """The cache of P prompts, a row each at first, while what their draws write is decoded token by token.

    Args:
        prompts: the filled cache of the prompts, keys and values of shape (P, K, L, D) per layer.
        mask: 1 on prompt tokens, 0 on padding, shape (P, L).
        group: draws per prompt, the rows that it may be forked into.
        room: tokens that a draw may write.
    """

    def __init__(self, prompts: DynamicCache, mask: Tensor, group: int, room: int) -> None:
        layers: list[Any] = prompts.layers
        self.keys, self.values = [layer.keys for layer in layers], [layer.values for layer in layers]
        dtype = self.keys[0].dtype
        self.bias = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
        self.bias = self.bias.masked_fill_(mask == 0, torch.finfo(dtype).min)[:, None, None]
        self.prompt_R = torch.arange(len(mask), device=mask.device)
        self.lengths_R = mask.sum(-1)
        self.layers = [OwnTokens(keys, len(mask), (len(mask) * group, room)) for keys in self.keys]
        self.own = Cache(layers=[*self.layers])
        self.width = 1  # rows of a prompt at most
        self.slot_R: Tensor | None = (
            None  # the place of a row among those of all prompts, where they differ in number
        )

    def step(self, model: Any, tokens: Tensor) -> Tensor:
        """Logits after one more token of every row, shape (R, vocabulary)."""
        positions = (self.lengths_R + self.own.get_seq_length())[:, None]
        given = {"position_ids": positions, "past_key_values": self.own, "shared_prefix": self}
        with attention(model):
            if model.config.model_type in BARE:
                logits = bare_pass(model, tokens[:, None], positions, given)
            else:
                logits = model(input_ids=tokens[:, None], use_cache=True, **given).logits
        return logits[:, -1].float()

    def select(self, rows: Tensor) -> None:
        """Go on with these rows, in this order, forked where named twice; a prompt without any leaves too."""
        moved = (rows != torch.arange(len(rows), device=rows.device)).nonzero().squeeze(-1)
        if len(rows) == len(self.prompt_R) and not len(moved):
            return
        for layer in self.layers:
            layer.select(rows, moved)
        self._regroup(rows)

    def taken(self, rows: Tensor) -> SharedPrefix:
        """These rows as a cache of their own, with room for one token more; this one stays as it is."""
        other = copy.copy(self)
        other.layers = [layer.taken(rows) for layer in self.layers]
        other.own = Cache(layers=[*other.layers])
        other._regroup(rows)
        return other

    def _regroup(self, rows: Tensor) -> None:
        """Which prompt each of these rows has, and its place beside the others of that prompt."""
        self.lengths_R = self.lengths_R[rows]
        left, self.prompt_R, counts = torch.unique(self.prompt_R[rows], return_inverse=True, return_counts=True)
        if len(left) < len(self.bias):
            self.bias = self.bias[left]
            self.keys, self.values = [k[left] for k in self.keys], [v[left] for v in self.values]
        self.width = int(counts.max())
        order = self.prompt_R.argsort(stable=True)
        first_R = (counts.cumsum(0) - counts)[self.prompt_R]
        self.slot_R = self.prompt_R * self.width + order.argsort() - first_R

    def attend(self, layer: int, query: Tensor, keys: Tensor, values: Tensor, scaling: float) -> Tensor:
        """softmax(q·[prompt keys, own keys]ᵀ · scaling) [prompt values, own values].

        Args:
            layer: which of the model's layers asks.
            query: shape (R, H, 1, D).
            keys: of the rows' own tokens, shape (R, K, t, D); K divides H.
            values: like keys.
            scaling: factor of the scores.

        Returns:
            Shape (R, 1, H, D).
        """
        rows, heads, _, width = query.shape
        query = (query * scaling).reshape(rows, keys.shape[1], -1, width)
        scores_prompt = self.gather(query) @ self.keys[layer].transpose(-1, -2) + self.bias
        length = scores_prompt.shape[-1]
        scores = torch.cat([self.scatter(scores_prompt), query @ keys.transpose(-1, -2)], dim=-1)
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
        seen_prompt = self.scatter(self.gather(weights[..., :length]) @ self.values[layer])
        return (seen_prompt + weights[..., length:] @ values).reshape(rows, 1, heads, width)

    def gather(self, rows: Tensor) -> Tensor:
        """(R, K, h, x) → (P, K, G·h, x): what belongs to a prompt side by side, zeros where it has fewer rows."""
        if self.slot_R is not None:
            padded = rows.new_zeros((len(self.bias) * self.width, *rows.shape[1:]))
            padded[self.slot_R] = rows
            rows = padded
        return rows.reshape(-1, self.width, *rows.shape[1:]).transpose(1, 2).flatten(2, 3)

    def scatter(self, groups: Tensor) -> Tensor:
        """(P, K, G·h, x) → (R, K, h, x), undoing `gather`."""
        prompts, heads, queries, size = groups.shape
        rows = groups.view(prompts, heads, self.width, queries // self.width, size).transpose(1, 2).flatten(0, 1)
        return rows if self.slot_R is None else rows[self.slot_R]


def bare_pass(model: Any, tokens: Tensor, positions: Tensor, given: dict[str, Any]) -> Tensor:
    """Logits of a model of `BARE`: the operations of its `forward`, without a mask or a record of outputs."""
    inner = model.model
    hidden = inner.embed_tokens(tokens)
    rotation = inner.rotary_emb(hidden, positions)
    for layer in inner.layers:
        hidden = layer(hidden, attention_mask=None, position_embeddings=rotation, **given)
    logits: Tensor = model.lm_head(inner.norm(hidden))
    return logits


def shared_prefix_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, *_: Any, scaling: float, shared_prefix: Any, **__: Any
) -> tuple[Tensor, None]:
    """The function that transformers calls in every layer."""
    return shared_prefix.attend(module.layer_idx, query, key, value, scaling), None


AttentionInterface.register(NAME, shared_prefix_attention)


@contextmanager
def attention(model: Any) -> Iterator[None]:
    """Let a model attend by `shared_prefix_attention` for a while."""
    before = model.config._attn_implementation
    model.config._attn_implementation = NAME
    try:
        yield
    finally:
        model.config._attn_implementation = before
