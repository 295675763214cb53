"""Choosing the next token: inverse transform sampling, one uniform number per row and token."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

BLOCK = 256  # tokens whose weights are summed first; a draw then looks inside one block only


def choose(logits: Tensor, uniforms: Tensor, temperature: float, top_p: float) -> Tensor:
    """One token per row; the likeliest at temperature 0.

    Args:
        logits: shape (R, vocabulary), float32.
        uniforms: in [0, 1), shape (R,).
        temperature: tokens are drawn from softmax(logits / temperature).
        top_p: restricts them to the smallest set of likeliest tokens of this mass.

    Returns:
        Token ids, shape (R,).
    """
    if temperature == 0:
        return logits.argmax(-1)
    weights = (logits - logits.amax(-1, keepdim=True)).div_(temperature).exp_()
    if top_p < 1:
        weights = nucleus(weights / weights.sum(-1, keepdim=True), top_p)
    return draw(weights, uniforms)


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Zero all but the smallest set of likeliest tokens whose mass reaches `top_p`."""
    ordered, order = probabilities.sort(-1, descending=True)
    ordered[ordered.cumsum(-1) - ordered >= top_p] = 0.0
    return torch.zeros_like(probabilities).scatter(-1, order, ordered)


def draw(weights: Tensor, uniforms: Tensor) -> Tensor:
    """The first token at which the running sum of a row's weights passes its share, shape (R,).

    First the block of tokens, then the token inside it: the same inverse transform as over the whole
    vocabulary with a fraction of the work, and sums so short that float32 rounds them well.
    """
    blocks = pad(weights, (0, -weights.shape[-1] % BLOCK)).view(len(weights), -1, BLOCK)
    sums = blocks.sum(-1)
    if sums.shape[-1] == 1:
        return passes(blocks[:, 0], below(uniforms * sums[:, 0], sums[:, 0]))[0]
    block, rest = passes(sums, uniforms * sums.sum(-1))
    inside = blocks[torch.arange(len(blocks), device=weights.device), block]
    token, _ = passes(inside, rest)
    return block * BLOCK + token


def passes(weights: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Where each row's running sum first exceeds its target, and how much of the target is left there.

    Rounding may lift a target to the total; it is kept below, so that no entry of weight 0 is ever chosen.
    """
    cumulative = weights.cumsum(-1)
    targets = below(targets, cumulative[:, -1])
    place = torch.searchsorted(cumulative, targets[:, None], right=True)
    before = torch.where(place > 0, cumulative.gather(-1, (place - 1).clamp(min=0)), 0.0)
    return place.squeeze(-1), targets - before.squeeze(-1)


def below(targets: Tensor, totals: Tensor) -> Tensor:
    """The targets, each kept below its total."""
    return torch.minimum(targets, torch.nextafter(totals, torch.zeros_like(totals)))


def chosen_log_probs(logits: Tensor, chosen: Tensor) -> Tensor:
    """Log-softmax of the logits at the chosen tokens, shape (R,): temperature 1, whatever they were drawn at."""
    return logits.gather(-1, chosen[:, None]).squeeze(-1) - logits.logsumexp(-1)
