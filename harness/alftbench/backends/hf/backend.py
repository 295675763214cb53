"""The `hf` backend: a transformers model in this process."""

from __future__ import annotations

import gc
import logging
from collections.abc import Container, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from alftbench.backends.base import ARGS, BackendOptions, TraceBounds, Traces
from alftbench.backends.hf.batching import Batch, batches, is_shortage, prompt_groups
from alftbench.backends.hf.generation import Completion, Decoding, generate
from alftbench.backends.hf.info import INFO
from alftbench.backends.hf.listing import Known, joint_list
from alftbench.backends.hf.loading import (
    check_template,
    context_length,
    end_token_ids,
    engine_in_words,
    load_model,
    load_tokenizer,
    prompt_ids,
)
from alftbench.backends.hf.scoring import sequence_log_probs
from alftbench.backends.stops import StopStrings
from alftbench.base.seeds import stream
from alftbench.base.settings import read_settings
from alftbench.errors import AlftbenchError, BadInput
from alftbench.types import Sample, SampleKey, SamplingParams, Variant

CACHE_BYTES = 1 << 30  # keys and values of one batch; decides the automatic batch size
MAX_ROWS = 512
Prompts = dict[tuple[str, str], list[int]]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HfSettings:
    """What --backend-args may say to this backend."""

    template: Annotated[Literal["auto", "chat", "none"], "how messages become a prompt, see `prompt_ids`"] = "auto"


class HfBackend:
    """Samples from a transformers causal language model, greedy or at a temperature."""

    info = INFO

    def __init__(self, model: str, options: BackendOptions) -> None:
        settings = read_settings(HfSettings, options.args, ARGS)
        trusted = options.trust_remote_code
        self.tokenizer = load_tokenizer(model, trusted)
        self.template = check_template(self.tokenizer, settings.template)
        self.model = load_model(model, options.device, options.dtype, trusted).eval()
        self.about = {"engine": engine_in_words(self.model.device, self.model.dtype)}
        self.batch_size, self.logprobs = options.batch_size, options.logprobs
        self._lists: dict[Hashable, Known | None] = {}

    def sample(
        self, variants: Sequence[Variant], params: SamplingParams, done: Container[SampleKey] = ()
    ) -> Iterator[list[Sample]]:
        """Batch after batch, longest prompts first, so that padding stays small and a shortage shows early.

        A batch of which anything is missing is drawn whole, so its numerics stay the same. A prompt that does
        not fit into the model's context is recorded as an error, and the others go on.
        """
        prompts = self._prompts(variants)
        fits, too_long = self._in_order(variants, prompts)
        refused = Batch(too_long, range(params.n))
        if any(key not in done for key in refused.keys):
            yield self._refuse(refused, prompts)
        for batch in batches(fits, params.n, self._rows(params)):
            yield from self._draw(batch, prompts, params, done)

    def units(self, variants: Sequence[Variant], params: SamplingParams) -> list[tuple[Variant, ...]]:
        """The prompts of each batch; those that the model cannot take together."""
        fits, too_long = self._in_order(variants, self._prompts(variants))
        return [unit for unit in (too_long, *prompt_groups(fits, params.n, self._rows(params))) if unit]

    def log_probs(self, variants: Sequence[Variant], samples: Sequence[Sample]) -> NDArray[np.float64]:
        """Log π(y|x) of every sample, shape (R,); see `sequence_log_probs`."""
        ends = end_token_ids(self.model, self.tokenizer) or {self.tokenizer.pad_token_id}
        end_id = self.tokenizer.eos_token_id if self.tokenizer.eos_token_id in ends else min(ends)
        return sequence_log_probs(self.model, self.tokenizer, self._prompts(variants), samples, end_id)

    def traces(
        self, reference: HfBackend, variants: Sequence[Variant], params: SamplingParams, bounds: TraceBounds
    ) -> tuple[Traces, ...] | None:
        """Completions that this model or the reference is likely to give; see `joint_list`.

        None also for a prompt that a model cannot take. A backend remembers what it listed as a reference, so a
        reference that serves many models is walked once.
        """
        prompts = tuple(tuple(ids) for ids in self._prompts(variants).values())
        self._check_shared(reference, prompts, variants)
        context = min(self._context(), reference._context())
        if not all(0 < len(prompt) < context for prompt in prompts):
            return None
        stops = StopStrings(self.tokenizer, params.stop)
        decoding = self._decoding(params, stops)
        rooms = tuple(min(params.max_tokens, context - len(prompt)) for prompt in prompts)
        decodings = tuple(replace(decoding, max_tokens=room) for room in rooms)
        key = (prompts, rooms, params.temperature, params.top_p, params.stop, bounds)
        if key not in reference._lists:
            reference._lists[key] = Known.of(reference.model, prompts, decodings, bounds)
        theirs = reference._lists[key]
        ours = Known.of(self.model, prompts, decodings, bounds) if theirs else None
        if ours is None or theirs is None:
            return None
        joint = zip(variants, decodings, joint_list(ours, theirs, bounds), strict=True)
        return tuple(
            Traces(
                tuple(
                    self._sample((variant.problem_id, variant.name, place), own.completion(tokens), stops)
                    for place, tokens in enumerate(tokens_Y)
                ),
                log_prob_MY,
            )
            for variant, own, (tokens_Y, log_prob_MY) in joint
        )

    def _check_shared(
        self, reference: HfBackend, prompts: tuple[tuple[int, ...], ...], variants: Sequence[Variant]
    ) -> None:
        """Refuse models that write a text in other tokens."""
        theirs = tuple(tuple(ids) for ids in reference._prompts(variants).values())
        ends = [end_token_ids(backend.model, backend.tokenizer) for backend in (self, reference)]
        if prompts != theirs or ends[0] != ends[1] or len(self.tokenizer) != len(reference.tokenizer):
            raise BadInput(
                "the model and its reference differ in tokenizer or end tokens, so their completions cannot be "
                "enumerated together; use --equilibrium sampled"
            )

    def _in_order(
        self, variants: Sequence[Variant], prompts: Prompts
    ) -> tuple[tuple[Variant, ...], tuple[Variant, ...]]:
        """Longest prompts first, and apart from them those that the model cannot take."""
        ordered = sorted(variants, key=lambda v: -len(prompts[v.problem_id, v.name]))
        served = {key for key, ids in prompts.items() if 0 < len(ids) < self._context()}
        fits = tuple(v for v in ordered if (v.problem_id, v.name) in served)
        return fits, tuple(v for v in ordered if (v.problem_id, v.name) not in served)

    def _draw(
        self, batch: Batch, prompts: Prompts, params: SamplingParams, done: Container[SampleKey]
    ) -> Iterator[list[Sample]]:
        """A batch, or its halves one after the other where memory does not hold it.

        Nothing is remembered of a shortage, so what goes together depends on the batch and the memory only.

        Raises:
            AlftbenchError: not even one completion fits.
        """
        if all(key in done for key in batch.keys):
            return
        samples = self._sample_batch(batch, prompts, params)
        if samples is not None:
            yield samples
            return
        longest = max(len(prompts[v.problem_id, v.name]) for v in batch.variants)
        if len(batch.keys) == 1:
            raise AlftbenchError(
                f"memory does not hold one completion of {params.max_tokens} tokens after a prompt of {longest}; "
                f"use --dtype bfloat16, fewer --max-tokens or a larger device; what was drawn is kept"
            )
        log.warning("warning: memory does not hold %d completions at a time; trying half", len(batch.keys))
        for half in batch.halves():
            yield from self._draw(half, prompts, params, done)

    def _sample_batch(self, batch: Batch, prompts: Prompts, params: SamplingParams) -> list[Sample] | None:
        """All draws of a batch, each with a random stream of its own; None where memory ran out."""
        stops = StopStrings(self.tokenizer, params.stop)
        try:
            groups = generate(
                self.model,
                [prompts[v.problem_id, v.name] for v in batch.variants],
                np.array([self._uniforms(v, batch.draws, params) for v in batch.variants]),
                self._decoding(params, stops),
            )
        except (MemoryError, RuntimeError) as error:
            if not is_shortage(error):
                raise
            groups = None
        if groups is None:  # outside the handler, whose exception would hold on to the batch's tensors
            release_memory()
            return None
        completions = (completion for group in groups for completion in group)
        return [self._sample(*pair, stops) for pair in zip(batch.keys, completions, strict=True)]

    def _decoding(self, params: SamplingParams, stops: StopStrings) -> Decoding:
        return Decoding(
            params.max_tokens,
            params.temperature,
            params.top_p,
            end_token_ids(self.model, self.tokenizer),
            self.tokenizer.pad_token_id,
            self.logprobs,
            self._context(),
            stops.reached if params.stop else None,
        )

    def _sample(self, key: SampleKey, completion: Completion, stops: StopStrings) -> Sample:
        """A completion as text, ended before the first stop string."""
        n_tokens, text, stopped = stops.cut(completion.token_ids)
        reason = "stop" if stopped else completion.finish_reason
        log_probs = completion.log_probs
        total = None if log_probs is None else float(np.sum(log_probs[:n_tokens], dtype=np.float64))
        return Sample(*key, text, reason, n_tokens, total)

    def _refuse(self, batch: Batch, prompts: Prompts) -> list[Sample]:
        """Draws of prompts that the model cannot take, as errors."""
        for key in ((v.problem_id, v.name) for v in batch.variants):
            where, size, most = " ".join(key), len(prompts[key]), self._context() - 1
            log.warning("warning: prompt %s has %d tokens, the model takes 1 to %d: an error", where, size, most)
        return [Sample(*key, "", "error", 0) for key in batch.keys]

    def _prompts(self, variants: Sequence[Variant]) -> Prompts:
        return {(v.problem_id, v.name): prompt_ids(self.tokenizer, v.messages, self.template) for v in variants}

    def _context(self) -> int:
        return context_length(self.model)

    def _uniforms(self, variant: Variant, draws: range, params: SamplingParams) -> Any:
        keys = (variant.problem_id, variant.name)
        return [stream(params.seed, *keys, draw).random(params.max_tokens) for draw in draws]

    def _rows(self, params: SamplingParams) -> int:
        return self.batch_size or self._rows_that_fit(params.max_tokens)

    def _rows_that_fit(self, max_tokens: int) -> int:
        """Rows whose keys and values fill about CACHE_BYTES, a power of two so that it rarely changes."""
        config = self.model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        per_token = 2 * config.num_hidden_layers * heads * width * torch.finfo(self.model.dtype).bits // 8
        rows = CACHE_BYTES // (per_token * (max_tokens + 256))
        return int(min(MAX_ROWS, 2 ** max(0, rows.bit_length() - 1)))


def release_memory() -> None:
    """Hand back what a failed batch held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
