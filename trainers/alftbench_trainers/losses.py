"""Token log-probabilities and the policy-gradient loss: pure tensor functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from alftbench.backends.generation import prefill


def right_pad(rows: Sequence[Sequence[int]], pad_id: int, device: Any) -> tuple[Tensor, Tensor]:
    """Token ids and mask, shape (R, T), padded on the right."""
    length = max(map(len, rows))
    ids = torch.full((len(rows), length), pad_id)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids.to(device), mask.to(device)


def token_log_probs(
    model: Any,
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]],
    pad_id: int,
    temperature: float = 1.0,
) -> Tensor:
    """Log π(y_t | prompt, y_<t) of every completion token, 0 on padding.

    Each prompt is run once and its keys and values serve all its completions, with gradient; logits are
    formed on completion positions alone.

    Args:
        model: a transformers causal language model.
        prompts: token ids of P prompts.
        completions: token ids of R = P × G completions, G in a row for each prompt.
        pad_id: any token id; padded positions are masked.
        temperature: the policy is softmax(logits / temperature), as it was sampled.

    Returns:
        Shape (R, T).
    """
    group = len(completions) // len(prompts)
    first_logits, prompt_mask, cache = prefill(model, prompts, pad_id)
    cache.batch_repeat_interleave(group)
    ids, mask = right_pad(completions, pad_id, model.device)
    full_mask = torch.cat([prompt_mask.repeat_interleave(group, 0), mask[:, :-1]], dim=1)
    logits = first_logits.repeat_interleave(group, 0)[:, None]
    if ids.shape[1] > 1:
        positions = (full_mask.cumsum(-1) - 1)[:, prompt_mask.shape[1] :]
        out = model(input_ids=ids[:, :-1], attention_mask=full_mask, position_ids=positions, past_key_values=cache)
        logits = torch.cat([logits, out.logits.float()], dim=1)
    return torch.log_softmax(logits / temperature, dim=-1).gather(-1, ids[..., None]).squeeze(-1) * mask


def policy_gradient_loss(log_probs_RT: Tensor, advantages_R: Tensor, n_rollouts: int) -> Tensor:
    """−(1/N) Σ_r A_r Σ_t log π(y_rt): its gradient is the policy gradient.

    Each batch is used for one update, so the policy that is updated is the one that sampled and there is no
    ratio to clip; tokens are summed, not averaged, so long completions are not favoured (Dr. GRPO,
    arXiv 2503.20783).

    Args:
        log_probs_RT: from `token_log_probs`, shape (R, T).
        advantages_R: shape (R,).
        n_rollouts: N, the rollouts of the whole batch, of which these R may be a part.
    """
    return -(advantages_R * log_probs_RT.sum(-1)).sum() / n_rollouts


def group_advantages(rewards_PG: Tensor, scale: str) -> Tensor:
    """Rewards less their group's mean; `scale="std"` divides by the group's standard deviation too.

    Dividing changes what is optimised (binary rewards: arcsin √p in place of p, arXiv 2510.13651), so it is
    never the default here.
    """
    centred = rewards_PG - rewards_PG.mean(-1, keepdim=True)
    if scale == "std":
        centred = centred / (rewards_PG.std(-1, correction=0, keepdim=True) + 1e-4)
    return centred
