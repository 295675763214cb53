"""States that survive a kill, and the final checkpoint."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from alftbench.backends.model_files import fingerprint
from alftbench.base.jsonio import read_json, reporting, write_json
from alftbench.base.validate import read
from alftbench.errors import BadInput, first_line
from alftbench.training.trainer import TrainRequest, Update
from alftbench.types import Checkpoint, Cost
from alftbench_trainers.loop.options import GroupOptions
from alftbench_trainers.loop.policy import Policy


@dataclass(frozen=True)
class SavedState:
    """The content of state.json: how far training is, and its log so far."""

    step: int
    cost: Cost
    updates: tuple[Update, ...] = ()


def open_policy(request: TrainRequest, options: GroupOptions) -> Policy:
    """The policy of the newest state in the request's folder, or of the request's model at the start.

    Raises:
        BadInput: the state was damaged since it was saved.
    """
    saved = states(request.folder)
    if not saved:
        return Policy(request, options)
    newest = saved[-1]
    state = read(SavedState, read_json(newest / "state.json"), str(newest / "state.json"))
    try:
        policy = Policy(request, options, weights=str(newest))
        restore_optimizer(policy.optimizer, load_file(newest / "optimizer.safetensors"))
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise BadInput(
            f"{newest}: the state that was saved is damaged ({first_line(error)}); remove this folder, and the same "
            f"command trains again"
        ) from error
    policy.step, policy.cost, policy.updates = state.step, state.cost, [*state.updates]
    return policy


def save_state(policy: Policy, folder: Path) -> None:
    """Write a state from which training goes on exactly; older states are removed afterwards."""
    final = folder / f"step-{policy.step:06d}"
    if not final.exists():
        partial = folder / "step.partial"
        shutil.rmtree(partial, ignore_errors=True)
        with reporting(partial):
            policy.model.save_pretrained(partial)
            save_file(flatten_optimizer(policy.optimizer), partial / "optimizer.safetensors")
            write_json(partial / "state.json", asdict(SavedState(policy.step, policy.cost, tuple(policy.updates))))
            partial.rename(final)
    for old in states(folder)[:-1]:
        shutil.rmtree(old)


def save_checkpoint(policy: Policy, path: Path) -> Checkpoint:
    """Write the final model folder in one step and say what it is."""
    partial = path.with_name(path.name + ".partial")
    if not path.exists():
        shutil.rmtree(partial, ignore_errors=True)
        with reporting(path):
            policy.model.save_pretrained(partial)
            policy.tokenizer.save_pretrained(partial)
            for file in partial.iterdir():
                file.chmod(0o644)
            partial.rename(path)
    return Checkpoint(str(path), policy.step, fingerprint(path))


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
