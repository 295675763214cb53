"""Load a transformers model and tokenizer from a folder or a hub, safetensors only, no remote code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from alftbench.errors import UsageError
from alftbench.types import Message

logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # the harness shows its own


def pick_device(device: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no CUDA device; use --device cpu or auto")
    try:
        return torch.device(device)
    except RuntimeError:
        raise UsageError(f"--device {device}: use auto, cpu, cuda or cuda:N") from None


def pick_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on CUDA and float32 on a CPU, where it is exact and not slower for small models."""
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    names = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype not in names:
        raise UsageError(f"--dtype {dtype}: use auto, {', '.join(names)}")
    return names[dtype]


def load_tokenizer(model: str) -> Any:
    """The model's tokenizer, with a padding token."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the tokenizer of {model}: {first_line(error)}") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(model: str, device: str = "auto", dtype: str = "auto") -> Any:
    """The model's weights from safetensors, on the chosen device."""
    where = pick_device(device)
    precision = pick_dtype(dtype, where)
    try:
        loaded = AutoModelForCausalLM.from_pretrained(model, dtype=precision, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UsageError(f"cannot read the model {model}: {first_line(error)}") from error
    return loaded.to(where)  # type: ignore[arg-type]  # transformers annotates its own wrapper wrongly


def first_line(error: BaseException) -> str:
    """The first line of an error's message: a library's many lines of advice are not ours."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def prompt_ids(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Token ids of a prompt: by the chat template where the model has one, else the messages' text."""
    if tokenizer.chat_template:
        chat = [dict(message) for message in messages]
        return list(
            tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=False)
        )
    return list(tokenizer.encode("\n\n".join(message["content"] for message in messages) + "\n"))


def end_token_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a completion, by the generation config and the tokenizer."""
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in (*ids, tokenizer.eos_token_id) if i is not None)
