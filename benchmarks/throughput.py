"""The hf backend beside lm-eval's hf model and transformers' own generate, on the same work in one process.

    python benchmarks/throughput.py --data test.jsonl            16 GSM8K prompts x 8 samples x 128 tokens, float32
    python benchmarks/throughput.py --data test.jsonl --quick    4 prompts, 32 tokens, one round
    python benchmarks/throughput.py --data test.jsonl --natural  completions end where the model ends them

All sample at temperature 1 from the whole vocabulary, all samples in one batch, on one thread. They take turns;
what counts is the processor time of this process, which others disturb less than the clock on the wall. Without
--natural every completion has all its tokens, so the work is equal. The last line is what the harness adds to its
engine: the part of an evaluation (streams, texts, extraction, files, metrics) spent outside `generate`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from alftbench.backends.base import BackendOptions
from alftbench.backends.hf import backend as hf
from alftbench.backends.hf.generation import left_pad
from alftbench.backends.hf.loading import prompt_ids
from alftbench.evaluation import evaluate as flow
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.suites.load import Selection
from alftbench.types import SamplingParams, Variant

MODEL = Path.home() / ".cache" / "alftbench-models" / "smollm2-135m"
SAMPLES = 8
END = "<|end|>"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", type=Path, default=MODEL, help="a model folder; random weights where it is absent"
    )
    parser.add_argument("--data", type=Path, required=True, help="GSM8K's test.jsonl")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--natural", action="store_true", help="let the model end its completions")
    parser.add_argument("--quick", action="store_true", help="4 prompts, 32 tokens, one round")
    options = parser.parse_args()
    if options.quick:
        options.prompts, options.tokens, options.repeats = 4, 32, 1
    return options


def stand_in(folder: Path, questions: list[str]) -> Path:
    """Random weights in the shape of SmolLM2-135M, with a tokenizer trained on the questions."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    bpe.train_from_iterator(
        questions, trainers.BpeTrainer(vocab_size=4000, special_tokens=[END], show_progress=False)
    )
    PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=END, pad_token=END).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, max_position_embeddings=8192, tie_word_embeddings=True, eos_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


class Work:
    """The prompts, and one method per competitor that samples for all of them and returns the tokens drawn."""

    def __init__(self, backend: hf.HfBackend, questions: list[str], tokens: int, natural: bool) -> None:
        self.backend, self.natural = backend, natural
        self.params = SamplingParams(n=SAMPLES, max_tokens=tokens)
        self.variants = [Variant(str(i), "", ({"role": "user", "content": q},)) for i, q in enumerate(questions)]
        self.model, self.tokenizer = backend.model, backend.tokenizer
        self.prompts = [prompt_ids(self.tokenizer, variant.messages) for variant in self.variants]
        self.lm_eval = HFLM(
            pretrained=self.model, tokenizer=self.tokenizer, batch_size=len(questions) * SAMPLES, device="cpu"
        )

    def alftbench(self) -> int:
        """The backend, as an evaluation calls it."""
        return sum(s.n_tokens for portion in self.backend.sample(self.variants, self.params) for s in portion)

    def transformers(self) -> int:
        """One plain call of `generate`."""
        ids, mask = left_pad(self.prompts, self.tokenizer.pad_token_id, "cpu")
        tokens = self.params.max_tokens
        out = self.model.generate(
            ids, attention_mask=mask, do_sample=True, num_return_sequences=SAMPLES, temperature=1.0, top_k=0,
            top_p=1.0, max_new_tokens=tokens, pad_token_id=self.tokenizer.pad_token_id,
            **({} if self.natural else {"min_new_tokens": tokens}),
        )  # fmt: skip
        return sum(map(self.useful, out[:, ids.shape[1] :].tolist()))

    def lm_eval_hf(self) -> int:
        """Every sample a request, as lm-eval repeats a task."""
        texts = [self.tokenizer.decode(ids) for ids in self.prompts]
        tokens = self.params.max_tokens
        settings = {
            "until": [],
            "max_gen_toks": tokens,
            "do_sample": True,
            "temperature": 1.0,
            "top_k": 0,
            "top_p": 1.0,
        }
        if not self.natural:
            settings["min_new_tokens"] = tokens
        requests = [
            Instance(request_type="generate_until", doc={}, arguments=(text, settings), idx=i)
            for i, text in enumerate(texts)
            for _ in range(SAMPLES)
        ]
        drawn = self.lm_eval.generate_until(requests, disable_tqdm=True)
        return sum(len(self.tokenizer.encode(text)) + 1 for text in drawn) if self.natural else len(drawn) * tokens

    def useful(self, row: list[int]) -> int:
        """Tokens up to the first end token."""
        ends = [i for i, token in enumerate(row) if self.natural and token == self.tokenizer.eos_token_id]
        return ends[0] + 1 if ends else len(row)


def seconds(work: Callable[[], int]) -> tuple[float, int]:
    """Processor time of one call, and the tokens that it drew."""
    started = time.process_time()
    tokens = work()
    return time.process_time() - started, tokens


def overhead(folder: Path, data: Path, options: argparse.Namespace) -> float:
    """Processor time of an evaluation outside its engine and the loading of the model, over the engine's own."""
    spent: dict[str, float] = {"engine": 0.0, "loading": 0.0}

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            started = time.process_time()
            result = function(*given)
            spent[name] += time.process_time() - started
            return result

        return call

    hf.generate, flow.make_backend = timed("engine", hf.generate), timed("loading", flow.make_backend)
    request = EvalRequest(
        str(folder), "gsm8k", selection=Selection(data=str(data), limit=options.prompts), samples=SAMPLES,
        max_tokens=options.tokens,
        options=BackendOptions(device="cpu", dtype=options.dtype),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        started = time.process_time()
        flow.evaluate(plan(request), Path(scratch) / "run")
        whole = time.process_time() - started
    return (whole - spent["loading"]) / spent["engine"] - 1


def report(name: str, ours: list[float], theirs: list[float]) -> None:
    """A competitor's rate, and how many times as fast we are: median and range over the rounds."""
    ratios = np.array(ours) / np.array(theirs)
    spread = f"{ratios.min():.2f} to {ratios.max():.2f} in {len(ratios)} rounds"
    print(f"{name:36s}{np.median(theirs):8.0f} tokens/s   {np.median(ratios):.2f} times slower ({spread})")


def main(options: argparse.Namespace) -> None:
    """Let all take turns and print rates and ratios."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with options.data.open(encoding="utf-8") as lines:
        questions = [json.loads(line)["question"] for line in lines]
    with tempfile.TemporaryDirectory() as scratch:
        known = (options.model / "config.json").is_file()
        folder = options.model if known else stand_in(Path(scratch), questions)
        name, most = (folder.name if known else "random weights"), (" at most" if options.natural else "")
        size = f"{options.prompts} prompts x {SAMPLES} samples x {options.tokens} tokens{most}"
        print(f"{name}, {options.dtype}, {size}", flush=True)
        backend = hf.HfBackend(str(folder), BackendOptions(device="cpu", dtype=options.dtype))
        work = Work(backend, questions[: options.prompts], options.tokens, options.natural)
        race(work, options)
        added = overhead(folder, options.data, options)
        print(f"the harness adds {100 * added:.1f}% to its engine")


def race(work: Work, options: argparse.Namespace) -> None:
    """Every competitor once per round."""
    if not options.natural:
        hf.end_token_ids = lambda *_: frozenset()
    entries = {"alftbench": work.alftbench, "generate": work.transformers, "lm-eval": work.lm_eval_hf}
    rates: dict[str, list[float]] = {name: [] for name in entries}
    for _ in range(options.repeats):
        for name, entry in entries.items():
            spent, tokens = seconds(entry)
            rates[name].append(tokens / spent)
            print(f"  {name}: {tokens} tokens in {spent:.1f} s", file=sys.stderr, flush=True)
    print(f"{'alftbench hf backend':36s}{np.median(rates['alftbench']):8.0f} tokens/s")
    report(f"generate(num_return_sequences={SAMPLES})", rates["alftbench"], rates["generate"])
    report("lm-eval hf model", rates["alftbench"], rates["lm-eval"])


if __name__ == "__main__":
    main(arguments())
