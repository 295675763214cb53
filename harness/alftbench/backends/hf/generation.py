"""Sampling with a causal transformer: draws of a prompt go through the model once for as long as they agree.

Used by the `hf` backend and by the trainers' rollouts. Every draw consumes its own uniform numbers, one per
token, by inverse transform sampling, so a draw does not depend on what else is sampled beside it. Draws that have
written the same so far are one row of the batch, the prompt at first; where they choose different tokens the row
is forked.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache

from alftbench.backends.hf.choosing import choose, chosen_log_probs
from alftbench.backends.hf.prefix import SharedPrefix, supports

COMPACT_BELOW = 0.9  # ended rows leave the batch once this share or less is still running
HALT_EVERY = 8  # tokens between two looks for a reason to halt, which costs a decoding of text


@dataclass(frozen=True)
class Completion:
    """Token ids of one draw, the end token included where it was reached.

    log_probs: log π of each token at temperature 1, in nats, where they were asked for.
    """

    token_ids: tuple[int, ...]
    finish_reason: str
    log_probs: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Decoding:
    """How tokens are chosen and where a completion ends.

    log_probs: record each token's. context: tokens of prompt and completion together at most. halt: says of
    the tokens written so far that the rest will not be needed; draws ask now and then, a walk at every token.
    """

    max_tokens: int
    temperature: float
    top_p: float
    end_ids: frozenset[int]
    pad_id: int
    log_probs: bool = False
    context: int | None = None
    halt: Callable[[Sequence[int]], bool] | None = None

    def finished(self, tokens: Sequence[int]) -> bool:
        """Is a completion over with its last token?"""
        is_last = tokens[-1] in self.end_ids or len(tokens) == self.max_tokens
        return is_last or (self.halt is not None and self.halt(tokens))

    def completion(self, tokens: Sequence[int], log_probs: tuple[float, ...] | None = None) -> Completion:
        """Finished tokens as a completion."""
        return Completion(tuple(tokens), "stop" if tokens[-1] in self.end_ids else "length", log_probs)


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


class Decoder(Protocol):
    """Prompts that have been read, a row each, ready to take tokens one at a time."""

    def select(self, rows: Tensor) -> None:
        """Go on with these rows, in this order; one that is named twice is forked, one that is not is dropped."""
        ...

    def taken(self, rows: Tensor) -> Decoder:
        """These rows as a decoder of their own, for one token more; this one stays as it is."""
        ...

    def step(self, model: Any, tokens: Tensor) -> Tensor:
        """Logits after one more token of every row, shape (R, vocabulary)."""
        ...


class SelectedCache:
    """A `Decoder` for any architecture: transformers' own cache, the prompts' part copied into every row."""

    def __init__(self, cache: DynamicCache, mask: Tensor) -> None:
        self.cache, self.mask = cache, mask

    def select(self, rows: Tensor) -> None:
        """Go on with these rows."""
        self.cache.batch_select_indices(rows)
        self.mask = self.mask[rows]

    def taken(self, rows: Tensor) -> SelectedCache:
        """These rows as a decoder of their own."""
        cache = copy.copy(self.cache)
        cache.layers = [copy.copy(layer) for layer in self.cache.layers]
        other = SelectedCache(cache, self.mask)
        other.select(rows)
        return other

    def step(self, model: Any, tokens: Tensor) -> Tensor:
        """Logits after one more token of every row, shape (R, vocabulary)."""
        self.mask = torch.cat([self.mask, self.mask.new_ones((len(self.mask), 1))], dim=1)
        out = model(
            input_ids=tokens[:, None],
            attention_mask=self.mask,
            position_ids=self.mask.sum(-1, keepdim=True) - 1,
            past_key_values=self.cache,
            use_cache=True,
        )
        return out.logits[:, -1].float()  # type: ignore[no-any-return]


def decoder_of(model: Any, cache: DynamicCache, mask: Tensor, group: int, room: int) -> Decoder:
    """Prompts that have been read, each to be forked into `group` rows of `room` tokens at most."""
    return SharedPrefix(cache, mask, group, room) if supports(model.config) else SelectedCache(cache, mask)


class RunningDraws:
    """What N draws have written so far, and which of them still run.

    Shapes: tokens (N, T); lengths (N,); draws (D,), those that are in the batch; running (D,).
    """

    def __init__(self, n: int, room: Tensor, decoding: Decoding) -> None:
        device = room.device
        self.decoding = decoding
        self.tokens = torch.zeros((n, decoding.max_tokens), dtype=torch.long, device=device)
        self.log_probs = torch.zeros(self.tokens.shape, device=device) if decoding.log_probs else None
        self.lengths = torch.zeros(n, dtype=torch.long, device=device)
        self.room = room
        self.draws = torch.arange(n, device=device)
        self.running = torch.ones(n, dtype=torch.bool, device=device)
        self.end_ids = torch.tensor(sorted(decoding.end_ids), dtype=torch.long, device=device)

    def add(self, t: int, chosen: Tensor, logits: Tensor) -> None:
        """Take token t of every draw in the batch; those that are over are marked."""
        self.tokens[self.draws, t] = chosen
        if self.log_probs is not None:
            self.log_probs[self.draws, t] = chosen_log_probs(logits, chosen)
        self.lengths[self.draws[self.running]] = t + 1
        self.running &= ~torch.isin(chosen, self.end_ids) & (t + 1 < self.room[self.draws])
        if self.decoding.halt and (t + 1) % HALT_EVERY == 0:
            for place in self.running.nonzero().flatten().tolist():
                self.running[place] = not self.decoding.halt(self.tokens[self.draws[place], : t + 1].tolist())

    def drop_ended(self) -> Tensor | None:
        """The places of the draws that stay once enough have ended, else None."""
        if self.running.float().mean() > COMPACT_BELOW:
            return None
        keep = self.running.nonzero().squeeze(-1)
        self.draws, self.running = self.draws[keep], self.running[keep]
        return keep

    def completions(self) -> list[Completion]:
        """The N completions."""
        log_probs = [None] * len(self.tokens) if self.log_probs is None else self.log_probs.tolist()
        rows = zip(self.tokens.tolist(), self.lengths.tolist(), log_probs, strict=True)
        return [self.decoding.completion(tokens[:n], values and tuple(values[:n])) for tokens, n, values in rows]


@torch.inference_mode()
def generate(
    model: Any, prompts: Sequence[Sequence[int]], uniforms_PGT: NDArray[Any], decoding: Decoding
) -> list[list[Completion]]:
    """G completions for each of P prompts.

    Args:
        model: a transformers causal language model in evaluation mode.
        prompts: token ids of P prompts, each shorter than the context.
        uniforms_PGT: numbers in [0, 1), shape (P, G, max_tokens): the randomness of every draw.
        decoding: how tokens are chosen.
    """
    n_prompts, group = uniforms_PGT.shape[:2]
    uniforms = torch.from_numpy(uniforms_PGT.reshape(n_prompts * group, -1)).float().to(model.device)
    logits, mask, cache = prefill(model, prompts, decoding.pad_id)
    longest = min(decoding.max_tokens, decoding.context or decoding.max_tokens)
    decoder = decoder_of(model, cache, mask, group, longest)
    room = (decoding.context or 1 << 62) - mask.sum(-1).repeat_interleave(group)
    drawn = RunningDraws(len(uniforms), room, decoding)
    decode(model, decoder, logits, uniforms, drawn)
    rows = drawn.completions()
    return [rows[p * group : (p + 1) * group] for p in range(n_prompts)]


def decode(model: Any, decoder: Decoder, logits: Tensor, uniforms: Tensor, drawn: RunningDraws) -> None:
    """Token by token until every draw has ended; ended draws leave the batch now and then."""
    decoding = drawn.decoding
    row_D = torch.arange(len(logits), device=logits.device).repeat_interleave(len(uniforms) // len(logits))
    for t in range(decoding.max_tokens):
        logits_D = logits[row_D]
        chosen = choose(logits_D, uniforms[drawn.draws, t], decoding.temperature, decoding.top_p)
        drawn.add(t, chosen, logits_D)
        if t + 1 == decoding.max_tokens or not drawn.running.any():
            break
        keep = drawn.drop_ended()
        if keep is not None:
            row_D, chosen = row_D[keep], chosen[keep]
        chosen = chosen.masked_fill(~drawn.running, decoding.pad_id)
        parents, tokens, row_D = forks(row_D, chosen, logits.shape[-1])
        decoder.select(parents)
        logits = decoder.step(model, tokens)


def forks(row_D: Tensor, chosen: Tensor, vocabulary: int) -> tuple[Tensor, Tensor, Tensor]:
    """The rows after the next token: one for every row and token that some draw in it chose.

    A row's first goes on in its place, the others come after all of these, so that little has to be moved.

    Args:
        row_D: the row that each draw is in.
        chosen: its next token.
        vocabulary: the number of tokens there are.

    Returns:
        The row that each new one goes on from, its token, and the new row of each draw.
    """
    pairs, place_D = torch.unique(row_D * vocabulary + chosen, return_inverse=True)
    forked = (pairs // vocabulary).diff(prepend=pairs.new_tensor([-1])) == 0
    order = torch.cat([(~forked).nonzero().squeeze(-1), forked.nonzero().squeeze(-1)])
    return pairs[order] // vocabulary, pairs[order] % vocabulary, order.argsort()[place_D]
