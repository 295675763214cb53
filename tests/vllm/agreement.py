"""Do two engines choose the same tokens, and how near was the choice where they do not?

    python tests/vllm/agreement.py MODEL_FOLDER DTYPE gsm8k.jsonl PROMPTS

compares greedy completions of the `hf` and the `vllm` backend, and a broken run of `vllm` with an unbroken one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from alftbench.backends.base import BackendOptions
from alftbench.backends.hf.backend import HfBackend
from alftbench.backends.hf.loading import end_token_ids, prompt_ids
from alftbench.backends.hf.scoring import completion_ids
from alftbench.backends.vllm import VllmBackend
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.suites.load import Selection
from alftbench.types import Sample, SamplingParams, Variant

ENGINE = {"gpu_memory_utilization": "0.3", "enforce_eager": "true"}


@dataclass(frozen=True)
class Parting:
    """Where two completions part: at which token, and how far apart the logits of the two choices are.

    rank: the lower of the two tokens among all, 1 for the likeliest. spacing: of numbers that large in the dtype.
    """

    at: int
    gap: float
    rank: int
    spacing: float


@torch.inference_mode()
def parting(hf: HfBackend, variant: Variant, ours: Sample, theirs: Sample) -> Parting:
    """By the logits of the `hf` model after what the two completions share."""
    end = min(end_token_ids(hf.model, hf.tokenizer))
    a, b = (completion_ids(hf.tokenizer, s.text, s.finish_reason, end) for s in (ours, theirs))
    at = next(i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    prompt = prompt_ids(hf.tokenizer, variant.messages)
    raw = hf.model(input_ids=torch.tensor([[*prompt, *a[:at]]], device=hf.model.device)).logits[0, -1]
    logits, lower = raw.float(), min(float(raw[a[at]]), float(raw[b[at]]))
    spacing = torch.finfo(raw.dtype).eps * 2.0 ** int(torch.floor(torch.log2(logits.abs().max())))
    return Parting(at, abs(float(logits[a[at]] - logits[b[at]])), int((logits > lower).sum()) + 1, spacing)


def partings(
    hf: HfBackend, vllm: VllmBackend, variants: Sequence[Variant], max_tokens: int
) -> tuple[int, list[Parting]]:
    """Prompts whose greedy completions agree, and where the others part."""
    params = SamplingParams(n=1, temperature=0.0, max_tokens=max_tokens)
    ours, theirs = samples(hf, variants, params), samples(vllm, variants, params)
    differing = [v for v in variants if ours[v.problem_id, v.name, 0].text != theirs[v.problem_id, v.name, 0].text]
    found = [parting(hf, v, ours[v.problem_id, v.name, 0], theirs[v.problem_id, v.name, 0]) for v in differing]
    return len(variants) - len(differing), found


def samples(
    backend: Any, variants: Sequence[Variant], params: SamplingParams, done: Any = ()
) -> dict[Any, Sample]:
    """Every sample by its key."""
    return {s.key: s for portion in backend.sample(variants, params, done) for s in portion}


def main(model: str, dtype: str, data: str, prompts: int) -> None:
    """Print both comparisons."""
    made = plan(EvalRequest(model, "gsm8k", selection=Selection(data=data, limit=prompts)))
    vllm = VllmBackend(made.model, BackendOptions(dtype=dtype, args={**ENGINE, "max_model_len": "1024"}))
    hf = HfBackend(made.model, BackendOptions(device="cpu", dtype=dtype))
    same, parted = partings(hf, vllm, made.variants, max_tokens=64)
    print(f"{dtype}, greedy, 64 tokens: {same} of {prompts} prompts agree", flush=True)
    for p in parted:
        print(f"  part at token {p.at}: gap {p.gap:.4f}, rank {p.rank}, spacing {p.spacing:.4g}", flush=True)
    params = SamplingParams(n=4, max_tokens=64)
    whole = samples(vllm, made.variants, params)
    vllm.engine.reset_prefix_cache()
    rest = samples(vllm, made.variants, params, done=[key for i, key in enumerate(sorted(whole)) if i % 3])
    print(
        f"{dtype}, temperature 1: {sum(whole[k] == s for k, s in rest.items())} of {len(rest)} draws as unbroken"
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
