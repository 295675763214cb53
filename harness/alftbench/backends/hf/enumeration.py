"""Every completion that a policy or its reference is likely to give to a prompt, by walking the tree of tokens.

A prefix is extended where one of the models gives it at least probability ε; as a completion is never likelier
than its prefixes, exactly the completions of probability ≥ ε are listed. ε falls until the mass that is left of
both models is small. The models walk together, so whatever either lists is known under both.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache

from alftbench.backends.base import TraceBounds
from alftbench.backends.hf.choosing import nucleus
from alftbench.backends.hf.generation import Decoding, prefill

ROWS = 1024  # prefixes that are extended at a time; more only wait for memory
LOGIT_BYTES = 1 << 27  # of them, where the vocabulary is large
FIRST = 0.1  # ε of the first walk, as a share of the mass that may be left
STEEPEST, FLATTEST = 1 / 64, 1 / 2  # by how much ε falls from one walk to the next
VANISHING = 1e-30  # an ε at which what is still missing is rounding

Tokens = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Listing:
    """Completions as token ids, the end token included, and log π of each under M models, shape (M, Y)."""

    tokens_Y: tuple[Tokens, ...]
    log_prob_MY: NDArray[np.float64]

    @property
    def left_M(self) -> NDArray[np.float64]:
        """The mass that is not listed, 1 − Σ π(y); rounding may leave it a little below 0."""
        return np.asarray(1 - np.exp(self.log_prob_MY).sum(axis=1))


def enumerate_completions(
    models: Sequence[Any], prompt: Sequence[int], decoding: Decoding, bounds: TraceBounds
) -> Listing | None:
    """The likeliest completions of a prompt, until no more than `bounds.mass` is left of any model.

    ε falls with the square of the mass still to be listed, about as fast as the tail of a small model asks.

    Args:
        models: M causal language models in evaluation mode with one vocabulary.
        prompt: token ids, shorter than the context by `decoding.max_tokens` at least.
        decoding: the distribution that is enumerated.
        bounds: when to stop.

    Returns:
        The completions, or None where that takes more than `bounds.prefixes` prefixes, or where rounding alone
        leaves more than the mass.
    """
    least = FIRST * bounds.mass
    while least > VANISHING:
        listing = walk(models, prompt, decoding, least, bounds.prefixes)
        if listing is None or listing.left_M.max() <= bounds.mass:
            return listing
        least *= float(np.clip((bounds.mass / listing.left_M.max()) ** 2, STEEPEST, FLATTEST))
    return None


@dataclass(frozen=True, eq=False)
class Branch:
    """Unfinished prefixes of one length: their log π, shape (M, F), and for each model logits and cache."""

    tokens_F: tuple[Tokens, ...]
    log_prob_MF: Tensor
    logits_M: tuple[Tensor, ...]
    caches_M: tuple[DynamicCache, ...]


@torch.inference_mode()
def walk(
    models: Sequence[Any], prompt: Sequence[int], decoding: Decoding, least: float, most: int
) -> Listing | None:
    """Every completion to which a model gives at least `least`; None beyond `most` prefixes.

    Depth first and some prefixes at a time, so memory holds a few thousand of them however many there are.
    """
    waiting = [root(models, prompt, decoding.pad_id)]
    tokens: list[Tokens] = []
    log_probs = [torch.empty((len(models), 0), dtype=torch.float64)]
    extended = 0
    while waiting:
        branch = waiting.pop()
        extended += len(branch.tokens_F)
        if extended > most:
            return None
        children = likely_children(branch, decoding, least)
        is_over = torch.tensor([decoding.finished(child) for child in children.tokens_C], dtype=torch.bool)
        tokens += [child for child, over in zip(children.tokens_C, is_over.tolist(), strict=True) if over]
        log_probs.append(children.log_prob_MC[:, is_over])
        waiting += extended_by(models, branch, children, (~is_over).nonzero().flatten())
    return Listing(tuple(tokens), torch.cat(log_probs, dim=1).numpy())


def root(models: Sequence[Any], prompt: Sequence[int], pad_id: int) -> Branch:
    """The prompt with nothing written."""
    read = [prefill(model, [prompt], pad_id) for model in models]
    nothing = torch.zeros((len(models), 1), dtype=torch.float64)
    return Branch(((),), nothing, tuple(logits for logits, _, _ in read), tuple(cache for *_, cache in read))


@dataclass(frozen=True, eq=False)
class Children:
    """Prefixes one token longer: the place of each one's parent, its tokens, its log π of shape (M, C)."""

    parent_C: Tensor
    tokens_C: list[Tokens]
    log_prob_MC: Tensor


def likely_children(branch: Branch, decoding: Decoding, least: float) -> Children:
    """The prefixes one token longer to which a model gives at least `least`."""
    steps_M = [log_distribution(logits, decoding.temperature, decoding.top_p).cpu() for logits in branch.logits_M]
    pairs = zip(steps_M, branch.log_prob_MF, strict=True)
    likely = [step >= (np.log(least) - log_prob_F)[:, None] for step, log_prob_F in pairs]
    parent_C, token_C = torch.stack(likely).any(0).nonzero(as_tuple=True)
    step_MC = torch.stack([step[parent_C, token_C].double() for step in steps_M])
    steps = zip(parent_C.tolist(), token_C.tolist(), strict=True)
    tokens = [(*branch.tokens_F[parent], token) for parent, token in steps]
    return Children(parent_C, tokens, branch.log_prob_MF[:, parent_C] + step_MC)


def extended_by(models: Sequence[Any], branch: Branch, children: Children, running: Tensor) -> Iterator[Branch]:
    """The branches of the children that go on; the last takes the caches over, the others copy them."""
    slices = torch.split(running, rows_at_once(models)) if len(running) else ()
    for place, kept in enumerate(slices):
        caches = branch.caches_M if place == len(slices) - 1 else copy.deepcopy(branch.caches_M)
        tokens = tuple(children.tokens_C[c] for c in kept.tolist())
        logits = read_last(models, tokens, caches, children.parent_C[kept])
        yield Branch(tokens, children.log_prob_MC[:, kept], logits, caches)


def rows_at_once(models: Sequence[Any]) -> int:
    """How many prefixes go through the models together; fewer where the vocabulary is large."""
    vocabulary = int(models[0].config.get_text_config().vocab_size)
    return max(1, min(ROWS, LOGIT_BYTES // (8 * len(models) * vocabulary)))


def read_last(
    models: Sequence[Any], tokens: Sequence[Tokens], caches: Sequence[DynamicCache], parent_F: Tensor
) -> tuple[Tensor, ...]:
    """Logits after the last token of prefixes whose parents are these rows of the caches, which become theirs."""
    logits = []
    for model, cache in zip(models, caches, strict=True):
        cache.batch_select_indices(parent_F.to(model.device))
        last = torch.tensor([[prefix[-1]] for prefix in tokens], device=model.device)
        logits.append(model(input_ids=last, past_key_values=cache, use_cache=True).logits[:, -1].float())
    return tuple(logits)


def log_distribution(logits: Tensor, temperature: float, top_p: float) -> Tensor:
    """The log-probabilities that `choose` draws the next token from, shape (R, vocabulary); −inf where never."""
    if temperature == 0:
        likeliest = logits.argmax(-1, keepdim=True)
        return torch.full_like(logits, -torch.inf).scatter(-1, likeliest, 0.0)
    log_probs = torch.log_softmax(logits / temperature, dim=-1)
    if top_p == 1:
        return log_probs
    kept = nucleus(log_probs.exp(), top_p)
    return (kept / kept.sum(-1, keepdim=True)).log()
