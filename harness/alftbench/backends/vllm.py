"""The `vllm` backend: vLLM's engine in this process, one request per draw, prefixes shared by its cache."""

from __future__ import annotations

import os
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alftbench.backends.base import ARGS, BackendInfo, BackendOptions
from alftbench.backends.hf.batching import prompt_groups
from alftbench.backends.hf.folder import check_model, needs_code
from alftbench.backends.hf.loading import (
    engine_in_words,
    load_tokenizer,
    pick_device,
    pick_dtype,
    prompt_ids,
)
from alftbench.backends.stops import until
from alftbench.base.seeds import integer_seed
from alftbench.base.settings import read_settings
from alftbench.base.validate import Positive, Whole
from alftbench.errors import AlftbenchError, MissingExtra, UsageError, first_line
from alftbench.types import Sample, SampleKey, SamplingParams, Variant

PORTION_SECONDS = 1.0  # finished draws are handed over about this often
UNIT_REQUESTS = 512  # draws that an actor of a cluster is given at a time
SETTINGS = {
    # One process: it starts sooner, schedules the same way each time, and a kill leaves nothing behind.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # --threads decides, and neighbours keep their cores
    "VLLM_LOGGING_LEVEL": "CRITICAL",  # its errors arrive here as exceptions; its log adds pages of state
    "VLLM_NO_USAGE_STATS": "1",
}


@dataclass(frozen=True)
class EngineSettings:
    """Settings of vLLM's engine that --backend-args may give, as vLLM names them; None leaves one to vLLM."""

    cpu_offload_gb: Positive | None = None
    enable_chunked_prefill: bool | None = None
    enable_prefix_caching: bool | None = None
    enforce_eager: bool | None = None
    gpu_memory_utilization: Positive | None = None
    kv_cache_dtype: str | None = None
    kv_cache_memory_bytes: Whole | None = None
    max_model_len: Whole | None = None
    max_num_batched_tokens: Whole | None = None
    pipeline_parallel_size: Whole | None = None
    quantization: str | None = None
    revision: str | None = None
    tensor_parallel_size: Whole | None = None


class VllmBackend:
    """Samples with vLLM; prompts are the token ids that the `hf` backend gives its model."""

    info = BackendInfo(check=check_model, divides=True)

    def __init__(self, model: str, options: BackendOptions) -> None:
        settings = engine_settings(options)
        self.llm = load_engine(model, settings)
        self.engine = self.llm.llm_engine
        self.about = {"engine": engine_in_words(pick_device(options.device), self.engine.model_config.dtype)}
        self.tokenizer = load_tokenizer(model, options.trust_remote_code)
        self.logprobs = options.logprobs

    def sample(
        self, variants: Sequence[Variant], params: SamplingParams, done: Container[SampleKey] = ()
    ) -> Iterator[list[Sample]]:
        """One request per missing draw, all waiting in the engine at once; a portion about every second."""
        prompts = self._prompts(variants, params)
        waiting: dict[str, SampleKey] = {}
        try:
            for variant, prompt in zip(variants, prompts, strict=True):
                for draw in range(params.n):
                    key = (variant.problem_id, variant.name, draw)
                    if key not in done:
                        waiting[str(len(waiting))] = key
                        self._request(str(len(waiting) - 1), prompt, params, key)
            yield from self._portions(waiting, params)
        finally:
            self.engine.abort_request(list(waiting))

    def units(self, variants: Sequence[Variant], params: SamplingParams) -> list[tuple[Variant, ...]]:
        """Prompts whose draws keep the engine busy; which go together is of no account here."""
        return prompt_groups(variants, params.n, UNIT_REQUESTS)

    def _prompts(self, variants: Sequence[Variant], params: SamplingParams) -> list[list[int]]:
        """Token ids of every prompt, each with room for its completion.

        Raises:
            UsageError: a prompt and its completion do not fit into the engine's context.
        """
        prompts = [prompt_ids(self.tokenizer, variant.messages) for variant in variants]
        room = self.engine.model_config.max_model_len
        for variant, prompt in zip(variants, prompts, strict=True):
            if len(prompt) + params.max_tokens > room:
                raise UsageError(
                    f"problem {variant.problem_id}, phrasing {variant.name}: {len(prompt)} prompt tokens and "
                    f"--max-tokens {params.max_tokens} do not fit into the engine's {room}; "
                    f"lower --max-tokens or raise --backend-args max_model_len"
                )
        return prompts

    def _request(self, name: str, prompt: Sequence[int], params: SamplingParams, key: SampleKey) -> None:
        from vllm import SamplingParams as EngineParams

        chosen = EngineParams(
            temperature=params.temperature,
            top_p=params.top_p,
            max_tokens=params.max_tokens,
            seed=integer_seed(params.seed, *key) if params.temperature > 0 else None,
            stop=list(params.stop),
            detokenize=bool(params.stop),
            logprobs=0 if self.logprobs else None,
        )
        self.engine.add_request(name, {"prompt_token_ids": prompt}, chosen)

    def _portions(self, waiting: dict[str, SampleKey], params: SamplingParams) -> Iterator[list[Sample]]:
        """Run the engine until nothing waits.

        Raises:
            AlftbenchError: the engine failed; what had finished was handed over before.
        """
        portion: list[Sample] = []
        handed = time.monotonic()
        while waiting:
            try:
                finished = [output for output in self.engine.step() if output.finished]
            except (RuntimeError, MemoryError) as error:
                if portion:
                    yield portion
                raise AlftbenchError(f"vLLM stopped: {first_line(error)}; the same command goes on") from error
            portion += [self._sample(waiting.pop(o.request_id), o.outputs[0], params.stop) for o in finished]
            if portion and (not waiting or time.monotonic() - handed > PORTION_SECONDS):
                yield portion
                portion, handed = [], time.monotonic()

    def _sample(self, key: SampleKey, output: Any, stop: Sequence[str]) -> Sample:
        if output.finish_reason not in {"stop", "length"}:
            raise AlftbenchError(f"vLLM gave up on {key}: {output.finish_reason}; the same command goes on")
        text = self.tokenizer.decode(output.token_ids, skip_special_tokens=True)
        return Sample(
            *key,
            text=until(text, stop),
            finish_reason=output.finish_reason,
            n_tokens=len(output.token_ids),
            logprob=output.cumulative_logprob if self.logprobs else None,
        )


def engine_settings(options: BackendOptions) -> dict[str, Any]:
    """What --backend-args and the common options mean to vLLM.

    Raises:
        UsageError: vLLM's engine has no such setting here, or its value is of another kind.
    """
    chosen = read_settings(EngineSettings, options.args, ARGS)
    given = {name: value for name, value in vars(chosen).items() if value is not None}
    device = pick_device(options.device)
    settings: dict[str, Any] = {
        "dtype": str(pick_dtype(options.dtype, device)).removeprefix("torch."),
        "trust_remote_code": options.trust_remote_code,
        "load_format": "safetensors",
    }
    if device.type == "cpu":
        # Where a prompt is prefilled in parts, vLLM rewinds its seeded generator, which torch's CPU ones refuse.
        settings["enable_chunked_prefill"] = False
    if options.batch_size:
        settings["max_num_seqs"] = options.batch_size
    if options.logprobs:
        settings["logprobs_mode"] = "raw_logprobs"  # of the model at temperature 1
    return settings | given


def load_engine(model: str, settings: Mapping[str, Any]) -> Any:
    """A `vllm.LLM` with the model loaded.

    Raises:
        MissingExtra: vLLM is not installed.
        UsageError: vLLM refuses the model or a setting.
        ModelRefused: the model needs code that came with it.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        from vllm import LLM
    except ImportError as error:
        raise MissingExtra("vllm", "vllm") from error
    try:
        return LLM(model, disable_log_stats=True, use_tqdm_on_load=False, **settings)
    except (OSError, ValueError, RuntimeError, AssertionError) as error:
        if "trust_remote_code" in str(error):
            raise needs_code(model) from error
        raise UsageError(f"vLLM cannot load {model}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """What an error says in one line; pydantic's own first line only counts."""
    errors = getattr(error, "errors", None)
    return str(errors()[0]["msg"]) if callable(errors) else first_line(error)
