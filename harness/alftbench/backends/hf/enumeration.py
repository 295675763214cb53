"""Every completion that a model is likely to give to the prompts of an orbit, by walking the tree of tokens.

A prefix is extended where the model gives it at least probability ε; as a completion is never likelier than its
prefixes, exactly the completions of probability ≥ ε are listed. ε falls, prompt by prompt, until the mass that is
left is small. The same walk scores given completions: there a prefix is extended where one of them begins with it,
so what completions share is read once. All prompts walk together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alftbench.backends.base import TraceBounds
from alftbench.backends.hf.choosing import nucleus
from alftbench.backends.hf.generation import Decoder, Decoding, decoder_of, prefill

ROWS = 1024  # prefixes that are extended at a time; more only wait for memory
LOGIT_BYTES = 1 << 27  # of them, where the vocabulary is large
FIRST = 0.1  # ε of the first walk, as a share of the mass that may be left
STEEPEST, FLATTEST = 1 / 64, 1 / 2  # by how much ε falls from one walk to the next
HASTE = 0.5  # of the ε that should do: prefixes too many cost less than one more walk
VANISHING = 1e-30  # an ε at which what is still missing is rounding

Tokens = tuple[int, ...]
Scores = dict[Tokens, float]
"""Completions as token ids, the end token included, each with its log π."""
Continuations = Mapping[Tokens, set[int]]
"""The tokens by which prefixes are to be extended whatever their probability."""


@dataclass(frozen=True)
class Query:
    """A prompt of a walk.

    Args:
        prompt: its token ids, shorter than the context by `decoding.max_tokens` at least.
        decoding: the distribution of its completions.
        least: ε, the probability from which a prefix is extended; infinity for none.
        wanted: what is extended besides.
    """

    prompt: Tokens
    decoding: Decoding
    least: float
    wanted: Continuations


def enumerate_completions(
    model: Any, prompts: Sequence[Tokens], decodings: Sequence[Decoding], bounds: TraceBounds
) -> list[Scores] | None:
    """The likeliest completions of each prompt, until no more than `bounds.mass` is left.

    ε falls a little faster than the square of the mass still to be listed, which the tail of a small model asks.

    Args:
        model: a causal language model in evaluation mode.
        prompts: token ids.
        decodings: the distribution that is enumerated, for each prompt.
        bounds: when to stop.

    Returns:
        The completions, or None where a prompt takes more than `bounds.prefixes` prefixes, or where rounding alone
        leaves more than the mass.
    """
    pairs = zip(prompts, decodings, strict=True)
    queries = {place: Query(*pair, FIRST * bounds.mass, {}) for place, pair in enumerate(pairs)}
    listed: dict[int, Scores] = {}
    while queries:
        found = walk(model, list(queries.values()), bounds.prefixes)
        if found is None:
            return None
        listed.update(zip(queries, found, strict=True))
        lacking = {place: left(listed[place]) for place in queries if left(listed[place]) > bounds.mass}
        queries = {place: steeper(queries[place], bounds.mass / mass) for place, mass in lacking.items()}
        if any(query.least <= VANISHING for query in queries.values()):
            return None
    return [listed[place] for place in range(len(prompts))]


def steeper(query: Query, share: float) -> Query:
    """The query with a smaller ε; `share`: the mass that may be left by what is."""
    least = query.least * float(np.clip(HASTE * share**2, STEEPEST, FLATTEST))
    return Query(query.prompt, query.decoding, least, query.wanted)


def left(scores: Scores) -> float:
    """The mass that is not listed, 1 − Σ π(y); rounding may leave it a little below 0."""
    return float(1 - np.exp(list(scores.values())).sum())


def score_completions(
    model: Any, prompts: Sequence[Tokens], decodings: Sequence[Decoding], wanted: Sequence[Sequence[Tokens]]
) -> list[Scores]:
    """Log π of given completions of each prompt, −inf where the prompt cannot have one as its completion."""
    possible = [
        [tokens for tokens in completions if is_completion(tokens, decoding)]
        for completions, decoding in zip(wanted, decodings, strict=True)
    ]
    places = [place for place, completions in enumerate(possible) if completions]
    queries = [Query(prompts[p], decodings[p], np.inf, continuations(possible[p])) for p in places]
    found = dict(zip(places, (walk(model, queries, None) or []) if queries else [], strict=True))
    return [
        {tokens: found.get(place, {}).get(tokens, -np.inf) for tokens in completions}
        for place, completions in enumerate(wanted)
    ]


def is_completion(tokens: Tokens, decoding: Decoding) -> bool:
    """Does a completion of another prompt end where this one's would?"""
    return len(tokens) <= decoding.max_tokens and decoding.finished(tokens)


def continuations(completions: Sequence[Tokens]) -> Continuations:
    """The tokens that follow each prefix of some completions."""
    following: dict[Tokens, set[int]] = {}
    for tokens in completions:
        for length, token in enumerate(tokens):
            following.setdefault(tokens[:length], set()).add(token)
    return following


@dataclass(frozen=True, eq=False)
class Branch:
    """Unfinished prefixes of one length: the place of each one's prompt, its log π, shape (F,), and logits.

    decoder: has read them, a row each.
    """

    query_F: Tensor
    tokens_F: tuple[Tokens, ...]
    log_prob_F: Tensor
    logits: Tensor
    decoder: Decoder


@torch.inference_mode()
def walk(model: Any, queries: Sequence[Query], most: int | None) -> list[Scores] | None:
    """Every completion that the queries ask for; None where one takes more than `most` prefixes.

    Depth first and some prefixes at a time, so memory holds a few thousand of them however many there are.
    """
    waiting = [root(model, queries)]
    listed: list[Scores] = [{} for _ in queries]
    extended = torch.zeros(len(queries), dtype=torch.long)
    while waiting:
        branch = waiting.pop()
        extended += torch.bincount(branch.query_F, minlength=len(queries))
        if most is not None and extended.max() > most:
            return None
        children = likely_children(branch, queries)
        running = []
        for place, (query, tokens) in enumerate(zip(children.query_C.tolist(), children.tokens_C, strict=True)):
            if queries[query].decoding.finished(tokens):
                listed[query][tokens] = float(children.log_prob_C[place])
            else:
                running.append(place)
        waiting += extended_by(model, branch, children, torch.tensor(running, dtype=torch.long))
    return listed


def root(model: Any, queries: Sequence[Query]) -> Branch:
    """The prompts with nothing written."""
    logits, mask_PL, cache = prefill(model, [query.prompt for query in queries], queries[0].decoding.pad_id)
    P = len(queries)
    decoder = decoder_of(model, cache, mask_PL, group=1, room=0)
    return Branch(torch.arange(P), ((),) * P, torch.zeros(P, dtype=torch.float64), logits, decoder)


@dataclass(frozen=True, eq=False)
class Children:
    """Prefixes one token longer: the places of each one's parent and prompt, its tokens, its log π; C of them."""

    parent_C: Tensor
    query_C: Tensor
    tokens_C: list[Tokens]
    log_prob_C: Tensor


def likely_children(branch: Branch, queries: Sequence[Query]) -> Children:
    """The prefixes one token longer that their prompt's query asks for."""
    decoding = queries[0].decoding
    steps = log_distribution(branch.logits, decoding.temperature, decoding.top_p).cpu()
    log_least_P = torch.tensor([query.least for query in queries], dtype=torch.float64).log()
    chosen = steps >= (log_least_P[branch.query_F] - branch.log_prob_F)[:, None]
    for row, (query, prefix) in enumerate(zip(branch.query_F.tolist(), branch.tokens_F, strict=True)):
        if wanted := queries[query].wanted.get(prefix):
            chosen[row, list(wanted)] = True
    parent_C, token_C = chosen.nonzero(as_tuple=True)
    tokens = [(*branch.tokens_F[f], t) for f, t in zip(parent_C.tolist(), token_C.tolist(), strict=True)]
    log_prob_C = branch.log_prob_F[parent_C] + steps[parent_C, token_C].double()
    return Children(parent_C, branch.query_F[parent_C], tokens, log_prob_C)


def extended_by(model: Any, branch: Branch, children: Children, running: Tensor) -> Iterator[Branch]:
    """The branches of the children that go on."""
    for kept in torch.split(running, rows_at_once(model)) if len(running) else ():
        tokens = tuple(children.tokens_C[c] for c in kept.tolist())
        decoder = branch.decoder.taken(children.parent_C[kept].to(model.device))
        logits = decoder.step(model, torch.tensor([prefix[-1] for prefix in tokens], device=model.device))
        yield Branch(children.query_C[kept], tokens, children.log_prob_C[kept], logits, decoder)


def rows_at_once(model: Any) -> int:
    """How many prefixes go through the model together; fewer where the vocabulary is large."""
    vocabulary = int(model.config.get_text_config().vocab_size)
    return max(1, min(ROWS, LOGIT_BYTES // (4 * vocabulary)))


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
