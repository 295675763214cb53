"""Counting what training spends, pass by pass: tokens, passes, estimated FLOPs.

Every drawn token is counted. Completions of a prompt that are the same are scored and trained on in one pass, and
counted once there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alftbench.types import Cost
from alftbench_trainers.loop.batch import RolloutBatch


def backward_over_forward(model: Any) -> float:
    """FLOPs of a backward pass over those of a forward pass.

    A matrix product has one for the gradient of what goes in, and one for that of its weights where those are
    trained: 2 where all are, 1 + their share of the numbers where only adapters are.
    """
    trained, everything = 0, 0
    for parameter in model.parameters():
        everything += parameter.numel()
        trained += parameter.numel() * parameter.requires_grad
    return 1.0 + trained / everything


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


def pass_flops(model: Any, batch: RolloutBatch) -> float:
    """Estimated FLOPs of one forward pass over prompts, each read once, and completions."""
    prompt_tokens = sum(map(len, batch.prompts))
    context = prompt_tokens / len(batch.prompts) + batch.tokens / len(batch.completions) / 2
    return flops_per_token(model, context) * (prompt_tokens + batch.tokens)


def sampled(cost: Cost, model: Any, batch: RolloutBatch) -> Cost:
    """Add the drawing of a batch."""
    return replace(
        cost,
        prompt_tokens=cost.prompt_tokens + sum(map(len, batch.prompts)),
        generated_tokens=cost.generated_tokens + batch.tokens,
        forward_passes=cost.forward_passes + len(batch.completions),
        flops=cost.flops + pass_flops(model, batch),
    )


def scored(cost: Cost, model: Any, batch: RolloutBatch) -> Cost:
    """Add a pass that takes log-probabilities without gradient, of the policy or of its reference."""
    batch, _ = batch.distinct
    return replace(
        cost,
        scored_tokens=cost.scored_tokens + batch.tokens,
        forward_passes=cost.forward_passes + len(batch.completions),
        flops=cost.flops + pass_flops(model, batch),
    )


def trained(cost: Cost, model: Any, batch: RolloutBatch, recomputed: bool = False) -> Cost:
    """Add a forward and a backward pass, and the forward pass that checkpointing makes again."""
    batch, _ = batch.distinct
    return replace(
        cost,
        trained_tokens=cost.trained_tokens + batch.tokens,
        forward_passes=cost.forward_passes + len(batch.completions),
        backward_passes=cost.backward_passes + len(batch.completions),
        flops=cost.flops + pass_flops(model, batch) * (1 + recomputed + backward_over_forward(model)),
    )
