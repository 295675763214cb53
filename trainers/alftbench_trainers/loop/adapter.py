"""Low-rank adapters by peft (LoRA, arXiv 2106.09685): W + (α/r) B A, of which only A and B are trained.

The base stays as it was, so with the adapter switched off the model is its own reference.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from alftbench.errors import MissingExtra, UsageError, first_line
from alftbench_trainers.loop.options import LoopOptions

FOLDER = "adapter"  # beside the merged model, in a checkpoint
ALL_LINEAR = "all-linear"


def adapted(model: Any, options: LoopOptions, seed: int) -> Any:
    """Give a model an adapter, which begins as no change; peft's handle of it.

    Args:
        model: a transformers model; its layers are replaced in place.
        options: rank, α, and names of the layers joined by +.
        seed: of A, which begins at random; B begins at 0.

    Raises:
        MissingExtra: peft is not installed.
        UsageError: the model has no such layers.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingExtra("peft", "lora") from error
    targets: Any = options.lora_targets
    alpha: Any = options.lora_alpha  # peft says int and takes any number
    if targets != ALL_LINEAR:
        targets = targets.split("+")
    config = LoraConfig(r=options.lora_rank, lora_alpha=alpha, target_modules=targets, task_type="CAUSAL_LM")
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft uses names that transformers is about to drop
        torch.manual_seed(seed)
        try:
            return get_peft_model(model, config).eval()
        except ValueError as error:
            why = f"the model has no such layers ({first_line(error)})"
            raise UsageError(f"option lora_targets={options.lora_targets}: {why}") from error


@contextmanager
def switched_off(adapter: Any) -> Iterator[None]:
    """The model as it was before training, for a while."""
    with adapter.disable_adapter():
        yield


def save_merged(adapter: Any, folder: Path) -> None:
    """Write the adapter into a folder of its own there, and the model with the adapter added to its weights.

    The model has no adapter afterwards.
    """
    adapter.save_pretrained(folder / FOLDER)
    adapter.merge_and_unload().save_pretrained(folder)
