"""What the harness adds to vLLM's own time, on the same work in one run.

    make test-vllm                                                     makes the environment
    OMP_NUM_THREADS=1 .venv-vllm/bin/python benchmarks/engines_vllm.py MODEL_FOLDER gsm8k.jsonl [DTYPE [REPEATS]]

Both draw 8 samples of at most 128 tokens for each of 16 GSM8K prompts on one engine. Raw is `LLM.generate` on
token ids, with the seeds that alftbench derives, so that both write the same tokens; alftbench is everything from
prompts to metrics.json, without loading the model. The last line is `LLM.generate` with n=8 and no seeds.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from alftbench.backends.base import BackendOptions
from alftbench.backends.hf.loading import prompt_ids
from alftbench.backends.vllm import VllmBackend
from alftbench.base.seeds import integer_seed
from alftbench.evaluation.evaluate import draw_samples, measure
from alftbench.evaluation.plan import EvalRequest, Plan, plan
from alftbench.evaluation.run_folder import RunFolder
from alftbench.suites.load import Selection

PROMPTS, SAMPLES, TOKENS = 16, 8, 128
ENGINE = {"max_model_len": "1024", "gpu_memory_utilization": "0.3", "enforce_eager": "true"}


def raw(backend: VllmBackend, run_plan: Plan, seeded: bool = True) -> int:
    """Tokens that `LLM.generate` wrote."""
    from vllm import SamplingParams

    prompts, params = [], []
    for variant in run_plan.variants:
        ids = prompt_ids(backend.tokenizer, variant.messages)
        for draw in range(SAMPLES if seeded else 1):
            prompts.append({"prompt_token_ids": ids})
            params.append(
                SamplingParams(
                    n=1 if seeded else SAMPLES,
                    temperature=1.0,
                    max_tokens=TOKENS,
                    seed=integer_seed(0, variant.problem_id, variant.name, draw) if seeded else None,
                )
            )
    outputs = backend.llm.generate(prompts, params, use_tqdm=False)
    return sum(len(completion.token_ids) for output in outputs for completion in output.outputs)


def whole(backend: VllmBackend, run_plan: Plan) -> int:
    """Tokens of an evaluation with its files and metrics."""
    with tempfile.TemporaryDirectory() as scratch:
        run = RunFolder.open(Path(scratch), run_plan.name, run_plan.config)
        draw_samples(run_plan, run, backend, lambda *_: None)
        run.seal()
        measure(run_plan, run)
        return run.record.generated_tokens


def main(model: str, data: str, dtype: str = "bfloat16", repeats: str = "3") -> None:
    """Time them in turn, after a small warm-up, each with an empty prefix cache."""
    request = EvalRequest(
        model, "gsm8k", selection=Selection(data=data, limit=PROMPTS), samples=SAMPLES, max_tokens=TOKENS
    )
    run_plan = plan(request)
    backend = VllmBackend(run_plan.model, BackendOptions(dtype=dtype, args=ENGINE))
    works = {"raw": raw, "alftbench": whole, "raw, n=8, no seeds": lambda b, m: raw(b, m, seeded=False)}
    wall: dict[str, list[float]] = {name: [] for name in works}
    cpu: dict[str, list[float]] = {name: [] for name in works}
    tokens = {}
    whole(backend, plan(replace(request, limit=2, max_tokens=16)))
    for _ in range(int(repeats)):
        for name, work in works.items():
            backend.engine.reset_prefix_cache()
            started, busy = time.perf_counter(), time.process_time()
            tokens[name] = work(backend, run_plan)
            wall[name].append(time.perf_counter() - started)
            cpu[name].append(time.process_time() - busy)
    for name in works:
        seconds, busy = float(np.median(wall[name])), float(np.median(cpu[name]))
        speed = f"{tokens[name]} tokens, {tokens[name] / seconds:.0f} a second"
        ratio = f"{seconds / np.median(wall['raw']):.3f} wall, {busy / np.median(cpu['raw']):.3f} CPU"
        print(f"{name:20}{seconds:7.1f} s wall {busy:7.1f} s CPU   {speed}   {ratio} of raw", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
