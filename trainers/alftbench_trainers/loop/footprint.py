"""How much memory training needs, estimated and said before it starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from alftbench.backends.hf.loading import prompt_ids
from alftbench.training.trainer import TrainSuite
from alftbench_trainers.loop.options import LoopOptions
from alftbench_trainers.loop.policy import Policy

MOMENTS = 2  # numbers that AdamW keeps of every weight it steps on
HIDDEN_KEPT = 10  # of the width: two norms in float32 with their copies, two sums, what enters products
MLP_KEPT = 4  # of the inner width: gate, its activation, up, and their product
LOGITS_KEPT = 2  # in float32: their log-softmax, and its gradient
PROMPTS_LOOKED_AT = 64


@dataclass(frozen=True)
class Footprint:
    """Bytes by what they are for. activations: of the largest pass, if all its completions run to the limit."""

    weights: int
    reference: int
    gradients: int
    optimiser: int
    activations: int

    def __str__(self) -> str:
        """One line."""
        each = asdict(self)
        listed = ", ".join(f"{name} {in_words(size)}" for name, size in each.items())
        return f"memory: about {in_words(sum(each.values()))} ({listed} at most)"


def in_words(size: float) -> str:
    """Bytes to three digits."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def footprint(policy: Policy, suites: Sequence[TrainSuite]) -> Footprint:
    """What a policy's steps on these suites need.

    Args:
        policy: with its model loaded.
        suites: whose first prompts say how long prompts are.
    """
    weights = nbytes(policy.model.parameters())
    stepped = nbytes(policy.masters.stepped)
    copies = stepped if policy.masters.copies else 0
    prompts = max(len(ids) for ids in islice(all_prompts(policy, suites), PROMPTS_LOOKED_AT))
    longest = max(suite.max_tokens for suite in suites)
    rows = rows_of(policy.options, suites, prompts, longest)
    return Footprint(
        weights=weights,
        reference=nbytes(policy.reference.parameters()) if policy.reference is not None else 0,
        gradients=stepped,
        optimiser=MOMENTS * stepped + copies,
        activations=activations(policy.model, policy.options, rows, prompts, longest),
    )


def nbytes(tensors: Any) -> int:
    """Bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def all_prompts(policy: Policy, suites: Sequence[TrainSuite]) -> Iterator[Sequence[int]]:
    """The prompts of all suites, in turn."""
    for orbits in zip(*(suite.orbits for suite in suites), strict=False):
        for variant in (variant for orbit in orbits for variant in orbit.variants):
            yield prompt_ids(policy.tokenizer, variant.messages)


def rows_of(options: LoopOptions, suites: Sequence[TrainSuite], prompt: int, completion: int) -> int:
    """Completions of the largest pass."""
    phrasings = max(len(orbit.variants) for suite in suites for orbit in suite.orbits)
    rows = min(max(options.rows, options.group), options.orbits * phrasings * options.group)
    return max(1, min(rows, options.micro_tokens // (prompt + completion))) if options.micro_tokens else rows


def activations(model: Any, options: LoopOptions, rows: int, prompt: int, completion: int) -> int:
    """Bytes that a pass keeps for its backward pass: per token and layer some widths, and logits of completions.

    Args:
        model: a decoder of transformers.
        options: says whether a layer's activations are kept, or only what enters it and one layer's at a time.
        rows: completions of the pass.
        prompt: tokens of a prompt, run once for its completions.
        completion: tokens of a completion.
    """
    config = model.config.get_text_config()
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    heads = 2 * config.num_attention_heads + 2 * (config.num_key_value_heads or config.num_attention_heads)
    layer = HIDDEN_KEPT * config.hidden_size + MLP_KEPT * config.intermediate_size + heads * width
    size, layers = model.dtype.itemsize, config.num_hidden_layers
    both, said = rows * (prompt + completion), logits(config, rows * completion)
    if options.checkpointing:
        return int(both * (layers * config.hidden_size + layer) * size + said)
    cached = 2 * layers * (config.num_key_value_heads or config.num_attention_heads) * width
    once = rows * completion + -(-rows // options.group) * prompt
    return int((once * layers * layer + both * cached) * size + said)


def logits(config: Any, tokens: int) -> int:
    """Bytes of the logits of completions, in float32."""
    return int(LOGITS_KEPT * 4 * config.vocab_size * tokens)
