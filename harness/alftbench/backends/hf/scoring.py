"""Log-probabilities of given completions: for the trainers' losses, and of samples under two models.

Logits are formed on completion positions alone, and a prompt is run once for all its completions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alftbench.backends.hf.generation import prefill
from alftbench.types import Sample

LOGIT_BYTES = 1 << 28  # float32 logits of one batch; decides how many completions are scored at a time
MAX_ROWS = 128
PromptKey = tuple[str, str]


def right_pad(rows: Sequence[Sequence[int]], pad_id: int, device: Any) -> tuple[Tensor, Tensor]:
    """Token ids and mask, shape (R, T), padded on the right."""
    length = max(map(len, rows))
    ids = torch.full((len(rows), length), pad_id)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids.to(device), mask.to(device)


def token_log_probs(
    model: Any,
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]],
    pad_id: int,
    temperature: float = 1.0,
    counts: Sequence[int] | None = None,
) -> Tensor:
    """Log π(y_t | prompt, y_<t) of every completion token, 0 on padding.

    Each prompt is run once and its keys and values serve all its completions, with gradient; logits are
    formed on completion positions alone.

    Args:
        model: a transformers causal language model.
        prompts: token ids of P prompts.
        completions: token ids of R completions, those of a prompt in a row.
        pad_id: any token id; padded positions are masked.
        temperature: the policy is softmax(logits / temperature), as it was sampled.
        counts: how many completions each prompt has; None: R/P each.

    Returns:
        Shape (R, T).
    """
    first_logits, prompt_mask, cache = prefill(model, prompts, pad_id)
    repeats: Any = len(completions) // len(prompts)
    if counts is not None and len(set(counts)) > 1:
        repeats = torch.tensor(counts, device=first_logits.device)
    cache.batch_repeat_interleave(repeats)
    ids, mask = right_pad(completions, pad_id, model.device)
    full_mask = torch.cat([prompt_mask.repeat_interleave(repeats, 0), mask[:, :-1]], dim=1)
    logits = first_logits.repeat_interleave(repeats, 0)[:, None]
    if ids.shape[1] > 1:
        positions = (full_mask.cumsum(-1) - 1)[:, prompt_mask.shape[1] :]
        out = model(input_ids=ids[:, :-1], attention_mask=full_mask, position_ids=positions, past_key_values=cache)
        logits = torch.cat([logits, out.logits.float()], dim=1)
    return torch.log_softmax(logits / temperature, dim=-1).gather(-1, ids[..., None]).squeeze(-1) * mask


@torch.inference_mode()
def sequence_log_probs(
    model: Any, tokenizer: Any, prompts: Mapping[PromptKey, Sequence[int]], samples: Sequence[Sample], end_id: int
) -> NDArray[np.float64]:
    """Log π(y|x) = Σ_t log π(y_t|x, y_<t) of every sample, in nats, at temperature 1.

    A sample is re-encoded from its text, with the end token where it stopped by itself. A tokenizer that
    merges pieces may split a text in other ways than the model wrote it, and special tokens are not in the
    text; the value is then that of the canonical encoding. Two models that share a tokenizer are scored on the
    same tokens, so their ratio is that of the re-encoded text. A text that was cut at a stop string is scored as
    if the model had ended it there.

    Args:
        model: a transformers causal language model in evaluation mode.
        tokenizer: its tokenizer, with a padding token.
        prompts: token ids by problem and phrasing; those without samples are ignored.
        samples: completions of these prompts.
        end_id: the token that ends a completion.

    Returns:
        Shape (R,), in the order of `samples`.
    """
    distinct: dict[tuple[PromptKey, str, str], int] = {}
    places_R = [distinct.setdefault(content(sample), len(distinct)) for sample in samples]
    completions = [completion_ids(tokenizer, text, reason, end_id) for _, text, reason in distinct]
    keys = [key for key, _, _ in distinct]
    log_probs_D = np.empty(len(distinct))
    for batch in batches(prompts, keys, completions, model.config.get_text_config().vocab_size):
        rows = [row for group in batch for row in group]
        log_probs_RT = token_log_probs(
            model,
            [prompts[keys[group[0]]] for group in batch],
            [completions[row] for row in rows],
            tokenizer.pad_token_id,
        )
        log_probs_D[rows] = log_probs_RT.double().sum(-1).cpu().numpy()
    return log_probs_D[places_R]


def content(sample: Sample) -> tuple[PromptKey, str, str]:
    """What a sample's log-probability depends on; draws that are the same are scored once."""
    return (sample.problem_id, sample.variant), sample.text, sample.finish_reason


def completion_ids(tokenizer: Any, text: str, finish_reason: str, end_id: int) -> list[int]:
    """The tokens of a text, then the end token where the model stopped by itself; never none at all."""
    ids = list(tokenizer.encode(text, add_special_tokens=False))
    return [*ids, end_id] if finish_reason == "stop" or not ids else ids


def batches(
    prompts: Mapping[PromptKey, Sequence[int]],
    keys: Sequence[PromptKey],
    completions: Sequence[Sequence[int]],
    vocab: int,
) -> Iterator[list[list[int]]]:
    """Completions of equally many draws of prompts of similar length, as lists of places, a list per prompt."""
    draws: dict[PromptKey, list[int]] = {}
    for row, key in enumerate(keys):
        draws.setdefault(key, []).append(row)
    longest = max(map(len, completions), default=1)
    limit = max(1, min(MAX_ROWS, LOGIT_BYTES // (4 * vocab * longest)))
    slices = [rows[i : i + limit] for rows in draws.values() for i in range(0, len(rows), limit)]
    slices.sort(key=lambda rows: (len(rows), -len(prompts[keys[rows[0]]])))
    for size, alike in groupby(slices, key=len):
        rows = list(alike)
        per_batch = max(1, limit // size)
        yield from (rows[i : i + per_batch] for i in range(0, len(rows), per_batch))
