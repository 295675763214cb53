"""Speed of sampling beside transformers' own generate, in one run on one thread, as ratios.

    python benchmarks/sampling.py                 the embedded model
    python benchmarks/sampling.py MODEL_FOLDER    any other
    python benchmarks/sampling.py --quick         the embedded model, 2 repeats

Both draw 8 samples of 64 tokens for each of 48 prompts; end tokens are ignored, so both do the same work. The last
line is what the harness adds (streams, decoding, extraction, files, metrics) to sampling alone.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from alftbench.backends.hf.generation import Decoding, generate, left_pad
from alftbench.backends.hf.loading import load_model, load_tokenizer, prompt_ids
from alftbench.backends.model_files import locate
from alftbench.evaluation.evaluate import evaluate
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.suites.arithmetic import SUMS
from alftbench.suites.load import Selection

SAMPLES, TOKENS, PROMPTS, REPEATS = 8, 64, 48, 5


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    """Median over repeats after one warm-up."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def main(folder: str, repeats: int) -> None:
    """Time both on the same prompts and print the ratio."""
    torch.set_num_threads(1)
    model, tokenizer = load_model(folder, "cpu").eval(), load_tokenizer(folder)
    variants = [variant for orbit in SUMS.orbits() for variant in orbit.variants][:PROMPTS]
    prompts = [prompt_ids(tokenizer, variant.messages) for variant in variants]
    uniforms = np.random.default_rng(0).random((PROMPTS, SAMPLES, TOKENS))
    ids, mask = left_pad(prompts, tokenizer.pad_token_id, "cpu")

    def ours() -> object:
        return generate(model, prompts, uniforms, Decoding(TOKENS, 1.0, 1.0, frozenset(), tokenizer.pad_token_id))

    def theirs() -> object:
        return model.generate(
            ids, attention_mask=mask, do_sample=True, num_return_sequences=SAMPLES, top_k=0, eos_token_id=None,
            min_new_tokens=TOKENS, max_new_tokens=TOKENS, pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip

    a, b = median_seconds(ours, repeats), median_seconds(theirs, repeats)
    tokens = PROMPTS * SAMPLES * TOKENS
    print(f"generate(num_return_sequences={SAMPLES})  {tokens / b:8.0f} tokens/s")
    print(f"alftbench                         {tokens / a:8.0f} tokens/s   {b / a:.2f} times as fast")
    overhead(folder)


def overhead(folder: str) -> None:
    """Wall time of a whole evaluation over the time spent in its backend."""
    run_plan = plan(EvalRequest(folder, "sums", selection=Selection(limit=50)))
    with tempfile.TemporaryDirectory() as scratch:
        evaluate(run_plan, Path(scratch) / "warm")
        started = time.perf_counter()
        record = evaluate(run_plan, Path(scratch) / "run")
        whole = time.perf_counter() - started
    share = whole / record.seconds
    print(f"whole evaluation {whole:.2f} s, its sampling {record.seconds:.2f} s: {share:.2f} times as long")


if __name__ == "__main__":
    folders = [argument for argument in sys.argv[1:] if argument != "--quick"]
    main(locate(folders[0] if folders else "tiny-sums"), 2 if "--quick" in sys.argv else REPEATS)
