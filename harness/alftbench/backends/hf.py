"""The `hf` backend: a transformers model in this process."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alftbench.backends.base import BackendOptions, known_args
from alftbench.backends.generation import Decoding, generate
from alftbench.backends.loading import end_token_ids, load_model, load_tokenizer, prompt_ids
from alftbench.backends.scoring import sequence_log_probs
from alftbench.seeds import stream
from alftbench.types import Sample, SampleKey, SamplingParams, Variant

CACHE_BYTES = 1 << 30  # keys and values of one batch; decides the automatic batch size
MAX_ROWS = 512


class HfBackend:
    """Samples from a transformers causal language model, greedy or at a temperature."""

    def __init__(self, model: str, options: BackendOptions) -> None:
        known_args("hf", options.args, ())
        self.tokenizer = load_tokenizer(model)
        self.model = load_model(model, options.device, options.dtype).eval()
        self.batch_size = options.batch_size

    def sample(
        self, variants: Sequence[Variant], params: SamplingParams, done: Container[SampleKey] = ()
    ) -> Iterator[list[Sample]]:
        """Batch after batch; one of which anything is missing is drawn whole, so its numerics stay the same."""
        for batch in self._batches(variants, params):
            if any((v.problem_id, v.name, draw) not in done for v in batch for draw in range(params.n)):
                yield self._sample_batch(batch, params)

    def _batches(self, variants: Sequence[Variant], params: SamplingParams) -> Sequence[Sequence[Variant]]:
        """Prompts of similar length together, longest first, so that padding stays small."""
        rows = self.batch_size or self._rows_that_fit(params.max_tokens)
        per_batch = max(1, rows // params.n)
        lengths = {id(v): len(prompt_ids(self.tokenizer, v.messages)) for v in variants}
        ordered = sorted(variants, key=lambda v: -lengths[id(v)])
        return [ordered[i : i + per_batch] for i in range(0, len(ordered), per_batch)]

    def _sample_batch(self, batch: Sequence[Variant], params: SamplingParams) -> list[Sample]:
        """All draws for the prompts of a batch; each draw has a random stream of its own."""
        prompts = [prompt_ids(self.tokenizer, variant.messages) for variant in batch]
        uniforms = np.array([self._uniforms(variant, params) for variant in batch])
        decoding = Decoding(
            params.max_tokens,
            params.temperature,
            params.top_p,
            end_token_ids(self.model, self.tokenizer),
            self.tokenizer.pad_token_id,
        )
        groups = generate(self.model, prompts, uniforms, decoding)
        return [
            Sample(
                problem_id=variant.problem_id,
                variant=variant.name,
                draw=draw,
                text=self.tokenizer.decode(completion.token_ids, skip_special_tokens=True),
                finish_reason=completion.finish_reason,
                n_tokens=len(completion.token_ids),
            )
            for variant, group in zip(batch, groups, strict=True)
            for draw, completion in enumerate(group)
        ]

    def log_probs(self, variants: Sequence[Variant], samples: Sequence[Sample]) -> NDArray[np.float64]:
        """Log π(y|x) of every sample, shape (R,); see `sequence_log_probs`."""
        ends = end_token_ids(self.model, self.tokenizer)
        end_id = self.tokenizer.eos_token_id if self.tokenizer.eos_token_id in ends else min(ends)
        return sequence_log_probs(self.model, self.tokenizer, variants, samples, end_id)

    def _uniforms(self, variant: Variant, params: SamplingParams) -> Any:
        keys = (variant.problem_id, variant.name)
        return [stream(params.seed, *keys, draw).random(params.max_tokens) for draw in range(params.n)]

    def _rows_that_fit(self, max_tokens: int) -> int:
        """Rows whose keys and values fill about CACHE_BYTES, a power of two so that it rarely changes."""
        config = self.model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        per_token = 2 * config.num_hidden_layers * heads * width * torch.finfo(self.model.dtype).bits // 8
        rows = CACHE_BYTES // (per_token * (max_tokens + 256))
        return int(min(MAX_ROWS, 2 ** max(0, rows.bit_length() - 1)))
