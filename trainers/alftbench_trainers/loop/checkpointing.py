"""Log-probabilities whose activations are computed again in the backward pass (gradient checkpointing).

A checkpointed layer cannot add to a cache of keys and values, so each completion goes through with its prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_layers import GradientCheckpointingLayer

from alftbench.backends.hf.generation import left_pad
from alftbench.backends.hf.scoring import right_pad
from alftbench.errors import UsageError
from alftbench_trainers.loop.batch import RolloutBatch


def prepare(model: Any) -> None:
    """Let a model's layers be checkpointed; they are only inside `checkpointed`.

    Raises:
        UsageError: the model has no such layers.
    """
    if not any(isinstance(layer, GradientCheckpointingLayer) for layer in model.modules()):
        raise UsageError("option checkpointing=true: this model's layers cannot be checkpointed; leave it out")
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})  # the older name goes away with transformers 6


@contextmanager
def checkpointed(model: Any) -> Iterator[None]:
    """Checkpoint the layers of a prepared model; what is in them, such as dropout, stays as in evaluation."""
    layers = [layer for layer in model.modules() if isinstance(layer, GradientCheckpointingLayer)]
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False


def recomputed_log_probs(model: Any, batch: RolloutBatch, pad_id: int, temperature: float) -> Tensor:
    """Log π(y_t | prompt, y_<t) of every completion token, 0 on padding, shape (R, T).

    Args:
        model: prepared.
        batch: R completions.
        pad_id: any token id; padded positions are masked.
        temperature: the policy is softmax(logits / temperature).
    """
    prompts = [prompt for prompt, n in zip(batch.prompts, batch.counts_P, strict=True) for _ in range(n)]
    prompt_ids, prompt_mask = left_pad(prompts, pad_id, model.device)
    ids, mask = right_pad(batch.completions, pad_id, model.device)
    full_mask = torch.cat([prompt_mask, mask], dim=1)[:, :-1]
    positions = (full_mask.cumsum(-1) - 1).clamp(min=0)
    whole = torch.cat([prompt_ids, ids], dim=1)[:, :-1]
    with checkpointed(model):
        out = model(
            input_ids=whole, attention_mask=full_mask, position_ids=positions, use_cache=False,
            logits_to_keep=ids.shape[1],
        )  # fmt: skip
    log_probs = torch.log_softmax(out.logits.float() / temperature, dim=-1)
    return log_probs.gather(-1, ids[..., None]).squeeze(-1) * mask
