"""Load a transformers model and tokenizer from a folder or a hub, safetensors only, no code unasked."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from logging import CRITICAL, getLogger
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import logging

from alftbench.backends.base import plain_text
from alftbench.backends.hf.batching import is_shortage
from alftbench.backends.hf.folder import CONVERT, check_model, needs_code, tensor_shapes
from alftbench.backends.rendering import TemplateRefusal, rendered
from alftbench.errors import AlftbenchError, ModelRefused, UsageError, first_line
from alftbench.types import Message, plain_prompt

PANIC = "PanicException"  # of Rust; its class has no place to be imported from
REHEARSED = (*(character * 64 + "!" for character in "a1 \n."), "The answer to 12 + 34 is (46).")
MOST_BUFFERS = 1 << 28  # numbers beside the weights, such as tables of positions

log = getLogger(__name__)
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


def load_tokenizer(model: str, trusted: bool = False) -> Any:
    """The model's tokenizer, with a padding token: padded positions are masked, so any token will do.

    Args:
        model: a folder or hub id.
        trusted: run the code that came with it, where it needs some.

    Raises:
        ModelRefused: it cannot be read, or needs code.
    """
    check_model(model, trusted)
    with reading(f"the tokenizer of {model}", model):
        tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=trusted)
        rehearse(tokenizer)
    if not len(tokenizer):
        raise ModelRefused(f"cannot read the tokenizer of {model}: it has no tokens; is tokenizer.json missing?")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def load_model(model: str, device: str = "auto", dtype: str = "auto", trusted: bool = False) -> Any:
    """The model's weights from safetensors, on the chosen device.

    Args:
        model: a folder or hub id.
        device: where to.
        dtype: in which precision.
        trusted: run the code that came with it, where it needs some.

    Raises:
        ModelRefused: no weights, not a causal language model, weights that do not belong to its config.json, or it
            needs code.
        AlftbenchError: the memory does not hold it.
    """
    where = pick_device(device)
    precision = pick_dtype(dtype, where)
    check_model(model, trusted)
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"  # else a bot of the hub is asked for them
    options: Any = {"trust_remote_code": trusted, "use_safetensors": True}
    with reading(f"the model {model}", model, where):
        config = AutoConfig.from_pretrained(model, trust_remote_code=trusted)
        if not trusted:
            check_numbers(model, config)
        auto: Any = AutoModelForCausalLM
        loaded, info = auto.from_pretrained(model, dtype=precision, output_loading_info=True, **options)
        check_complete(model, info["missing_keys"])
        loaded = loaded.to(where)
    if unused := info["unexpected_keys"]:
        log.warning(
            "warning: %s: %d tensors of the weights are not used, such as %s", model, len(unused), min(unused)
        )
    return loaded


@contextmanager
def reading(what: str, model: str, where: torch.device | None = None) -> Iterator[None]:
    """Turn whatever a library says of a model's files into one line; what it logs beside is left out.

    Raises:
        ModelRefused: the files are wrong, or need code that came with them.
        AlftbenchError: the memory does not hold them.
    """
    before = logging.get_verbosity()
    logging.set_verbosity(CRITICAL)
    try:
        with without_panics():
            yield
    except (AlftbenchError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a folder may be anybody's, and the Rust of tokenizers panics as no Exception
        if isinstance(error, Exception) or type(error).__name__ == PANIC:
            raise refusal(error, what, model, where) from error
        raise
    finally:
        logging.set_verbosity(before)


def refusal(error: BaseException, what: str, model: str, where: torch.device | None) -> AlftbenchError:
    """What a user is told of an error that reading a model's files raised."""
    text = str(error)
    if "trust_remote_code" in text:
        return needs_code(model)
    if "use_safetensors" in text:
        return ModelRefused(f"{model} has no weights as safetensors, and others may run code; {CONVERT}")
    if where is not None and is_shortage(error):
        return AlftbenchError(
            f"memory of the device {where} does not hold {model}; use --dtype bfloat16 or a smaller model"
        )
    return ModelRefused(f"cannot read {what}: {first_line(error):.300}")


@contextmanager
def without_panics() -> Iterator[None]:
    """Leave out what Rust writes to standard error before a panic becomes a Python exception."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def rehearse(tokenizer: Any) -> None:
    """Split texts that a pattern of a tokenizer may try in too many ways: it fails now, not at some prompt."""
    for text in REHEARSED:
        tokenizer.encode(text)


def check_numbers(model: str, config: Any) -> None:
    """The architecture must have about as many numbers as the weights, before memory is taken for them.

    Raises:
        ModelRefused: it has more than twice as many.
    """
    n_weights = sum(weights for weights, _ in tensor_shapes(Path(model)))  # none of a hub id
    if not n_weights or getattr(config, "quantization_config", None) is not None:
        return
    auto: Any = AutoModelForCausalLM
    with torch.device("meta"):
        bare = auto.from_config(config, trust_remote_code=False)
    described = sum(tensor.numel() for tensor in bare.parameters())
    buffers = sum(tensor.numel() for tensor in bare.buffers())
    if described > 2 * n_weights or buffers > 2 * n_weights + MOST_BUFFERS:
        raise ModelRefused(
            f"{model}: config.json describes {described + buffers} numbers, its weights are {n_weights}; "
            f"are they of another model?"
        )


def check_complete(model: str, missing: Collection[str]) -> None:
    """Weights that the architecture has and the files lack would be random numbers."""
    if missing:
        raise ModelRefused(
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

    Raises:
        ModelRefused: the chat template or the tokenizer fails.
    """
    plain = plain_prompt(messages)
    if plain is not None:
        return encoded(tokenizer, plain)
    if template == "none" or not tokenizer.chat_template:
        return encoded(tokenizer, plain_text(messages))
    try:
        return chat_ids(tokenizer, messages)
    except TemplateRefusal:
        if messages[0]["role"] != "system" or len(messages) < 2:
            raise
        first: Message = {**messages[1], "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
        return chat_ids(tokenizer, [first, *messages[2:]])  # some templates know no system prompt


def chat_ids(tokenizer: Any, chat: Sequence[Message]) -> list[int]:
    """Token ids of a chat, up to where the model's turn begins."""
    if type(tokenizer).apply_chat_template is not PreTrainedTokenizerBase.apply_chat_template:  # not Jinja's
        own = [dict(message) for message in chat]
        return list(
            tokenizer.apply_chat_template(own, add_generation_prompt=True, tokenize=True, return_dict=False)
        )
    return encoded(tokenizer, chat_text(tokenizer, chat), add_special_tokens=False)


def chat_text(tokenizer: Any, chat: Sequence[Message], names: Mapping[str, Any] | None = None) -> str:
    """The text of a chat, up to where the model's turn begins; `names` is what else its template is given.

    Raises:
        ModelRefused: there is no template of this chat, or it fails.
    """
    try:
        template = tokenizer.get_chat_template()
    except ValueError as error:
        raise ModelRefused(f"the model's chat template cannot be read: {first_line(error):.300}") from error
    if not isinstance(template, str):
        raise ModelRefused(f"the model's chat template is no text but a {type(template).__name__}")
    return rendered(template, chat, {**tokenizer.special_tokens_map, **(names or {})})


def encoded(tokenizer: Any, text: str, **options: Any) -> list[int]:
    """Token ids of a text.

    Raises:
        ModelRefused: the tokenizer fails at it.
    """
    try:
        return list(tokenizer.encode(text, **options))
    except BaseException as error:
        if type(error).__name__ == PANIC:
            raise ModelRefused(f"the model's tokenizer fails at a prompt: {first_line(error):.300}") from error
        raise


def context_length(model: Any) -> int:
    """Tokens of prompt and completion together at most; without a limit of its own, a very large number."""
    return getattr(model.config.get_text_config(), "max_position_embeddings", None) or 1 << 40


def end_token_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a completion, by the generation config and the tokenizer."""
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in (*ids, tokenizer.eos_token_id) if i is not None)
