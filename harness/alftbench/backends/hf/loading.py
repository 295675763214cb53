"""Load a transformers model and tokenizer from a folder or a hub, safetensors only, no remote code."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from alftbench.backends.base import plain_text
from alftbench.backends.hf.batching import is_shortage
from alftbench.errors import AlftbenchError, UsageError, first_line
from alftbench.types import Message, plain_prompt

logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # the harness shows its own


def pick_device(device: str) -> torch.device:
    """`auto` is CUDA where there is one, else Apple's MPS, else the CPU."""
    devices = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        device = next(name for name, available in devices.items() if available)
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise UsageError(f"--device {device}: use auto, cpu, mps, cuda or cuda:N") from None
    if not devices.get(chosen.type, True):
        raise UsageError(f"--device {device}: torch sees no such device; use --device cpu or auto")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"--device {device}: torch sees {torch.cuda.device_count()} CUDA devices, counted from 0")
    return chosen


def pick_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on CUDA and float32 on a CPU, where it is exact and not slower for small models."""
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    names = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype not in names:
        raise UsageError(f"--dtype {dtype}: use auto, {', '.join(names)}")
    return names[dtype]


def engine_in_words(device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """What provenance says of an engine in this process."""
    gpu = {"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}
    return {
        "device": device.type,
        **gpu,
        "dtype": str(dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
    }


def load_tokenizer(model: str) -> Any:
    """The model's tokenizer, with a padding token: padded positions are masked, so any token will do."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise UsageError(f"cannot read the tokenizer of {model}: {first_line(error)}") from error
    if not len(tokenizer):
        raise UsageError(f"cannot read the tokenizer of {model}: it has no tokens; is tokenizer.json missing?")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def load_model(model: str, device: str = "auto", dtype: str = "auto") -> Any:
    """The model's weights from safetensors, on the chosen device.

    Raises:
        UsageError: no weights, not a causal language model, or weights that do not belong to its config.json.
        AlftbenchError: the memory does not hold it.
    """
    where = pick_device(device)
    precision = pick_dtype(dtype, where)
    check_weights(model)
    try:
        auto: Any = AutoModelForCausalLM
        loaded, info = auto.from_pretrained(model, dtype=precision, use_safetensors=True, output_loading_info=True)
        check_complete(model, info["missing_keys"])
        return loaded.to(where)
    except UsageError:
        raise
    except (OSError, ValueError, RuntimeError, MemoryError, SafetensorError) as error:
        if is_shortage(error):
            message = (
                f"memory of the device {where} does not hold {model}; use --dtype bfloat16 or a smaller model"
            )
            raise AlftbenchError(message) from error
        raise UsageError(f"cannot read the model {model}: {first_line(error)}") from error


def check_weights(model: str) -> None:
    """A folder must hold safetensors: transformers' own message names files, not the way out."""
    folder = Path(model)
    if not folder.is_dir() or any(folder.glob("*.safetensors")):
        return
    if any(folder.glob("*.bin")):
        raise UsageError(f"{model} holds weights as .bin, which may run code; save it again as safetensors")
    raise UsageError(f"{model} has a config.json but no weights (*.safetensors); is the download complete?")


def check_complete(model: str, missing: Collection[str]) -> None:
    """Weights that the architecture has and the files lack would be random numbers."""
    if missing:
        raise UsageError(
            f"cannot read the model {model}: the weights lack {len(missing)} tensors of the architecture in its "
            f"config.json, the first is {min(missing)}"
        )


def check_template(tokenizer: Any, template: str) -> str:
    """A value of the setting `template` that this tokenizer can serve.

    Raises:
        UsageError: chat is asked of a tokenizer without a chat template.
    """
    if template == "chat" and not tokenizer.chat_template:
        raise UsageError("--backend-args template=chat: the model has no chat template; use template=none")
    return template


def prompt_ids(tokenizer: Any, messages: Sequence[Message], template: str = "auto") -> list[int]:
    """Token ids of a prompt.

    A plain prompt as it is; messages by the model's chat template (`chat`; `auto` where there is one), else their
    text joined by empty lines, with the special tokens that the tokenizer puts before any text.
    """
    plain = plain_prompt(messages)
    if plain is not None:
        return list(tokenizer.encode(plain))
    if template == "none" or not tokenizer.chat_template:
        return list(tokenizer.encode(plain_text(messages)))
    chat = [dict(message) for message in messages]
    try:
        return chat_ids(tokenizer, chat)
    except TemplateError:
        if chat[0]["role"] != "system" or len(chat) < 2:
            raise
        first = {**chat[1], "content": f"{chat[0]['content']}\n\n{chat[1]['content']}"}
        return chat_ids(tokenizer, [first, *chat[2:]])  # some templates know no system prompt


def chat_ids(tokenizer: Any, chat: Sequence[Message]) -> list[int]:
    """Token ids of a chat, up to where the model's turn begins."""
    return list(tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=False))


def context_length(model: Any) -> int:
    """Tokens of prompt and completion together at most; without a limit of its own, a very large number."""
    return getattr(model.config.get_text_config(), "max_position_embeddings", None) or 1 << 40


def end_token_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a completion, by the generation config and the tokenizer."""
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in (*ids, tokenizer.eos_token_id) if i is not None)
