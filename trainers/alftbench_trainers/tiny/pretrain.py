"""Make the embedded model: `python -m alftbench_trainers.tiny.pretrain FOLDER`, two to three minutes on one core.

A Llama of 0.15 million parameters learns `sums` and `splits` from demonstrators that err, never from a
test problem. Same seed, same torch, same processor: same weights to the byte.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from alftbench.backends.hf.loading import prompt_ids
from alftbench.backends.hf.scoring import right_pad
from alftbench.backends.model_files import fingerprint
from alftbench.suites.arithmetic import SPLIT_PHRASINGS, SUM_PHRASINGS, split_totals, sum_pairs
from alftbench_trainers.tiny.demonstrators import SHARE_IN_COMMON, solve_split, solve_sum
from alftbench_trainers.tiny.tokenizer import build_tokenizer

IGNORED = -100  # the label that cross-entropy leaves out


@dataclass(frozen=True)
class PretrainConfig:
    """Sizes and schedule of the embedded model."""

    seed: int = 0
    steps: int = 1600
    batch: int = 64
    learning_rate: float = 6e-3
    warmup: int = 50
    share_of_sums: float = 0.55
    share_in_common: float = SHARE_IN_COMMON
    hidden_size: int = 64
    intermediate_size: int = 160
    num_hidden_layers: int = 3
    num_attention_heads: int = 4


def demonstrations(config: PretrainConfig) -> Iterator[tuple[str, str]]:
    """An endless stream of (prompt, worked solution) over everything but the test problems."""
    rng = np.random.default_rng(np.random.SeedSequence(config.seed))
    held_out = {frozenset(pair) for pair in sum_pairs("test")}
    pairs = [(a, b) for a in range(10, 100) for b in range(10, 100) if frozenset((a, b)) not in held_out]
    totals = [n for n in range(40, 179) if n not in set(split_totals("test"))]
    while True:
        if rng.random() < config.share_of_sums:
            (a, b), phrasing = pairs[rng.integers(len(pairs))], str(rng.choice(list(SUM_PHRASINGS)))
            worked = solve_sum(a, b, phrasing, rng, config.share_in_common)
            yield SUM_PHRASINGS[phrasing].format(a=a, b=b), worked
        else:
            n, phrasing = totals[rng.integers(len(totals))], str(rng.choice(list(SPLIT_PHRASINGS)))
            yield SPLIT_PHRASINGS[phrasing].format(n=n), solve_split(n, phrasing, rng)


def batches(config: PretrainConfig, tokenizer: PreTrainedTokenizerFast) -> Iterator[tuple[Tensor, Tensor]]:
    """Token ids and labels, right-padded, shape (batch, T); only solutions are learned."""
    stream = demonstrations(config)
    while True:
        rows: list[tuple[list[int], list[int]]] = []
        for _ in range(config.batch):
            question, worked = next(stream)
            prompt = prompt_ids(tokenizer, [{"role": "user", "content": question}])
            rows.append((prompt, [*tokenizer.encode(worked), tokenizer.eos_token_id]))
        ids, _ = right_pad([prompt + solution for prompt, solution in rows], tokenizer.pad_token_id, "cpu")
        labels, _ = right_pad([[IGNORED] * len(prompt) + solution for prompt, solution in rows], IGNORED, "cpu")
        yield ids, labels


def build_model(config: PretrainConfig, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A freshly initialised Llama of the configured size."""
    torch.manual_seed(config.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.num_hidden_layers,
            num_attention_heads=config.num_attention_heads,
            max_position_embeddings=256,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )


def learning_rate(config: PretrainConfig, step: int) -> float:
    """Linear warm-up, then a cosine down to a twentieth."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / config.steps))
    return config.learning_rate * min(1.0, (step + 1) / config.warmup) * (0.05 + 0.95 * cosine)


def pretrain(config: PretrainConfig, folder: Path) -> None:
    """Train and save the model, with MADE.json saying how it was made."""
    tokenizer = build_tokenizer()
    model = build_model(config, tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    start = time.process_time()
    for step, (ids, labels) in zip(range(config.steps), batches(config, tokenizer), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 99:
            print(f"step {step + 1}/{config.steps}  loss {loss.item():.4f}  {time.process_time() - start:.0f} s")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_origin(config, folder, time.process_time() - start)


def write_origin(config: PretrainConfig, folder: Path, seconds: float) -> None:
    """MADE.json: the command, the configuration and the digest of the weights."""
    origin = {
        "command": "python -m alftbench_trainers.tiny.pretrain FOLDER",
        "config": asdict(config),
        "sha256": fingerprint(folder),
        "torch": torch.__version__,
        "seconds_on_one_core": round(seconds),
    }
    (folder / "MADE.json").write_text(json.dumps(origin, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m alftbench_trainers.tiny.pretrain FOLDER")
    torch.set_num_threads(1)
    pretrain(PretrainConfig(), Path(sys.argv[1]))
