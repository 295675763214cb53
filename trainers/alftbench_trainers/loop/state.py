"""States that survive a kill, and the final checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from alftbench.backends.model_files import fingerprint
from alftbench.base.jsonio import read_json, reporting, write_json
from alftbench.base.validate import read
from alftbench.errors import AlftbenchError, BadInput, first_line
from alftbench.training.trainer import TrainRequest, Update
from alftbench.types import Checkpoint, Cost
from alftbench_trainers.loop.adapter import save_merged
from alftbench_trainers.loop.limits import Limits
from alftbench_trainers.loop.memory import AnswerMemory
from alftbench_trainers.loop.options import LoopOptions
from alftbench_trainers.loop.policy import Policy

STEPPED = "stepped.safetensors"  # weights that a model's folder does not hold


@dataclass(frozen=True)
class SavedState:
    """The content of state.json: how far training is, its log so far, and the bytes of every other file.

    A file that is missing is not noticed by everything that reads a model: a default takes its place.
    """

    step: int
    cost: Cost
    updates: tuple[Update, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    limits: Limits | None = None


def open_policy(request: TrainRequest, options: LoopOptions, referring: bool = False) -> Policy:
    """The policy of the newest state in the request's folder, or of the request's model at the start.

    Args:
        request: says which model and folder.
        options: of the loop.
        referring: does the rule ask for the reference model?

    Raises:
        BadInput: the state was damaged since it was saved.
    """
    saved = states(request.folder)
    if not saved:
        return Policy(request, options, referring=referring)
    newest = saved[-1]
    try:
        state = read_state(newest)
        policy = Policy(request, options, str(newest), referring)
        if (newest / STEPPED).exists():
            policy.masters.restore(load_file(newest / STEPPED))
        restore_optimizer(policy.optimizer, load_file(newest / "optimizer.safetensors"))
        policy.memory = AnswerMemory.load(newest, options.remembers)
    except (OSError, ValueError, KeyError, SafetensorError, AlftbenchError) as error:
        raise BadInput(
            f"{newest}: the state that was saved is damaged ({first_line(error)}); remove this folder, and the "
            f"same command trains again"
        ) from error
    policy.step, policy.cost, policy.updates = state.step, state.cost, [*state.updates]
    policy.limits = state.limits or policy.limits
    return policy


def read_state(folder: Path) -> SavedState:
    """What a state's folder says of itself.

    Raises:
        BadInput: one of its files is missing, or not as long as it was.
    """
    state = read(SavedState, read_json(folder / "state.json"), str(folder / "state.json"))
    now = sizes(folder)
    if changed := [name for name, size in state.sizes.items() if now.get(name) != size]:
        raise BadInput(f"{changed[0]} is missing or cut")
    return state


def sizes(folder: Path) -> dict[str, int]:
    """The bytes of every file in a folder."""
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


def save_state(policy: Policy, folder: Path) -> None:
    """Write a state from which training goes on exactly; older states are removed afterwards."""
    final = folder / f"step-{policy.step:06d}"
    if not final.exists():
        partial = folder / "step.partial"
        shutil.rmtree(partial, ignore_errors=True)
        with saving(final):
            save_weights(policy, partial)
            save_file(flatten_optimizer(policy.optimizer), partial / "optimizer.safetensors")
            policy.memory.save(partial)
            state = SavedState(policy.step, policy.cost, tuple(policy.updates), sizes(partial), policy.limits)
            write_json(partial / "state.json", asdict(state))
            partial.rename(final)
    for old in states(folder)[:-1]:
        shutil.rmtree(old)


def save_weights(policy: Policy, folder: Path) -> None:
    """Write what training changes: the model or its adapter, and float32 copies where AdamW has some."""
    if policy.adapter is None:
        policy.model.save_pretrained(folder)
    if policy.adapter is not None or policy.masters.copies:
        folder.mkdir(exist_ok=True)
        save_file(policy.masters.tensors(), folder / STEPPED)


def save_checkpoint(policy: Policy, path: Path) -> Checkpoint:
    """Write the final model folder in one step and say what it is."""
    partial = path.with_name(path.name + ".partial")
    if not path.exists():
        shutil.rmtree(partial, ignore_errors=True)
        with saving(path):
            if policy.adapter is None:
                policy.model.save_pretrained(partial)
            else:
                save_merged(policy.adapter, partial)
            policy.tokenizer.save_pretrained(partial)
            for file in filter(Path.is_file, partial.rglob("*")):
                file.chmod(0o644)
            partial.rename(path)
    return Checkpoint(str(path), policy.step, fingerprint(path))


@contextmanager
def saving(path: Path) -> Iterator[None]:
    """`reporting` that knows the errors of safetensors too."""
    with reporting(path):
        try:
            yield
        except SafetensorError as error:
            raise OSError(first_line(error)) from error


def states(folder: Path) -> list[Path]:
    """Complete training states, oldest first."""
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """AdamW's moments and step counts as named tensors: `<parameter index>.<name>`."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, entry in state.items() for name, value in entry.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The inverse of `flatten_optimizer`."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        index, name = key.split(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
