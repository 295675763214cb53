"""Counting what training spends: tokens, passes, estimated FLOPs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alftbench.types import Cost
from alftbench_trainers.loop.policy import RolloutBatch

BACKWARD_OVER_FORWARD = 2.0  # a backward pass forms two matrix products where a forward pass forms one


def flops_per_token(model: Any, context: float) -> float:
    """Estimated forward FLOPs of one token: 2 N + 4 · layers · attention width · context.

    N counts the weights that enter a matrix product: all but an input embedding that is not also the output
    layer. Normalisation, softmax and activation are left out.
    """
    config = model.config.get_text_config()
    n_weights = sum(parameter.numel() for parameter in model.parameters())
    if not config.tie_word_embeddings:
        n_weights -= model.get_input_embeddings().weight.numel()
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    attention = 4 * config.num_hidden_layers * config.num_attention_heads * width * context
    return float(2 * n_weights + attention)


def spent(cost: Cost, model: Any, batch: RolloutBatch, reference: bool) -> Cost:
    """Add one update: a rollout, a forward and backward pass, and the reference's forward pass if there is one."""
    rows = len(batch.completions)
    prompt_tokens, completion_tokens = sum(map(len, batch.prompts)), sum(map(len, batch.completions))
    context = prompt_tokens / len(batch.prompts) + completion_tokens / rows / 2
    per_pass = flops_per_token(model, context) * (prompt_tokens + completion_tokens)
    passes = 1 + (1 + BACKWARD_OVER_FORWARD) + reference
    return replace(
        cost,
        prompt_tokens=cost.prompt_tokens + prompt_tokens,
        generated_tokens=cost.generated_tokens + completion_tokens,
        trained_tokens=cost.trained_tokens + completion_tokens,
        forward_passes=cost.forward_passes + rows * (2 + reference),
        backward_passes=cost.backward_passes + rows,
        flops=cost.flops + per_pass * passes,
    )
