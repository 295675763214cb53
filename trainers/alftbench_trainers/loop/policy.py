"""The policy in training: model, frozen reference, optimiser, and states that survive a kill."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from alftbench.backends.hf.loading import load_model, load_tokenizer
from alftbench.backends.hf.scoring import token_log_probs
from alftbench.backends.model_files import fingerprint
from alftbench.base.jsonio import read_json, write_json
from alftbench.errors import Diverged
from alftbench.training.trainer import TrainRequest
from alftbench.types import Checkpoint, Cost
from alftbench_trainers.loop.losses import group_advantages, policy_gradient_loss


@dataclass(frozen=True)
class Batch:
    """Rollouts of one update: P prompts and R = P × G completions, G in a row for each prompt."""

    prompts: tuple[tuple[int, ...], ...]
    completions: tuple[tuple[int, ...], ...]

    @property
    def group(self) -> int:
        """G, completions per prompt."""
        return len(self.completions) // len(self.prompts)

    def chunks(self, max_rows: int) -> list[tuple[slice, slice]]:
        """(prompts, completions) slices of at most `max_rows` completions, whole groups at a time."""
        per_chunk = max(1, max_rows // self.group)
        starts = range(0, len(self.prompts), per_chunk)
        return [(slice(s, s + per_chunk), slice(s * self.group, (s + per_chunk) * self.group)) for s in starts]


class Policy:
    """A model under training with everything that a resumed run needs."""

    def __init__(
        self,
        request: TrainRequest,
        with_reference: bool,
        max_rows: int,
        max_grad_norm: float,
        temperature: float,
    ) -> None:
        model, device = request.model, request.device
        dtype = "float32" if request.dtype == "auto" else request.dtype  # small steps vanish in half precision
        self.folder, self.checkpoint = request.folder, request.checkpoint
        self.max_rows, self.max_grad_norm, self.temperature = max_rows, max_grad_norm, temperature
        saved = latest_state(self.folder)
        self.tokenizer = load_tokenizer(model)
        self.model = load_model(str(saved or model), device, dtype).eval()
        self.reference = load_model(model, device, dtype).eval() if with_reference else None
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.0, betas=(0.9, 0.95), weight_decay=0.0)
        self.step, self.cost = 0, Cost()
        if saved:
            self._restore(saved)

    def update(
        self, batch: Batch, rewards_R: Tensor, beta: float, scale: str, learning_rate: float
    ) -> tuple[float, float]:
        """One optimiser step on reward − β log(π/π₀); gradients add up over chunks of whole groups.

        Returns:
            The sampled KL to the reference (0 without one) and the gradient's norm before clipping.

        Raises:
            Diverged: the gradient is not finite; the weights are left as they were.
        """
        self.optimizer.zero_grad()
        log_ratios = []
        for prompts, rows in batch.chunks(self.max_rows):
            pad_id = self.tokenizer.pad_token_id
            part = (batch.prompts[prompts], batch.completions[rows], pad_id, self.temperature)
            log_probs_RT = token_log_probs(self.model, *part)
            log_ratio_R = self._log_ratio(log_probs_RT, *part)
            objective_R = rewards_R[rows].to(log_probs_RT) - beta * log_ratio_R
            advantages_R = group_advantages(objective_R.reshape(-1, batch.group), scale).flatten()
            loss = policy_gradient_loss(log_probs_RT, advantages_R, len(batch.completions))
            loss.backward()  # type: ignore[no-untyped-call]
            log_ratios.append(log_ratio_R)
        return float(torch.cat(log_ratios).mean()), self._step(learning_rate)

    def _log_ratio(self, log_probs_RT: Tensor, *part: Any) -> Tensor:
        """Log π(y) − log π₀(y) per completion, without gradient; 0 where there is no reference."""
        if self.reference is None:
            return torch.zeros(len(log_probs_RT), device=log_probs_RT.device)
        with torch.no_grad():
            return (log_probs_RT.detach() - token_log_probs(self.reference, *part)).sum(-1)

    def _step(self, learning_rate: float) -> float:
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.max_grad_norm)
        if not torch.isfinite(norm):
            raise Diverged(f"step {self.step}: the gradient is not finite; lower the learning rate")
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.step += 1
        return float(norm)

    def save_state(self) -> None:
        """Write a state from which training goes on exactly; older states are removed afterwards."""
        final = self.folder / f"step-{self.step:06d}"
        if final.exists():
            return
        partial = self.folder / "step.partial"
        shutil.rmtree(partial, ignore_errors=True)
        self.model.save_pretrained(partial)
        save_file(flatten_optimizer(self.optimizer), partial / "optimizer.safetensors")
        write_json(partial / "state.json", {"step": self.step, "cost": asdict(self.cost)})
        partial.rename(final)
        for old in states(self.folder)[:-1]:
            shutil.rmtree(old)

    def save_checkpoint(self) -> Checkpoint:
        """Write the final model folder in one step and say what it is."""
        partial = self.checkpoint.with_name(self.checkpoint.name + ".partial")
        if not self.checkpoint.exists():
            shutil.rmtree(partial, ignore_errors=True)
            self.model.save_pretrained(partial)
            self.tokenizer.save_pretrained(partial)
            for path in partial.iterdir():
                path.chmod(0o644)
            partial.rename(self.checkpoint)
        return Checkpoint(str(self.checkpoint), self.step, fingerprint(self.checkpoint))

    def _restore(self, saved: Path) -> None:
        state = read_json(saved / "state.json")
        self.step, self.cost = state["step"], Cost(**state["cost"])
        restore_optimizer(self.optimizer, load_file(saved / "optimizer.safetensors"))


def states(folder: Path) -> list[Path]:
    """Complete training states, oldest first."""
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def latest_state(folder: Path) -> Path | None:
    """The newest complete training state, or None at the start."""
    found = states(folder)
    return found[-1] if found else None


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


def batch_of(prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]) -> Batch:
    """A batch of tuples from any sequences."""
    return Batch(tuple(map(tuple, prompts)), tuple(map(tuple, completions)))
