"""The policy in training: model, frozen reference, optimiser, and one update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from alftbench.backends.hf.loading import load_model, load_tokenizer
from alftbench.backends.hf.scoring import token_log_probs
from alftbench.errors import Diverged, UsageError
from alftbench.training.trainer import TrainRequest, Update
from alftbench.types import Cost
from alftbench_trainers.loop.losses import group_advantages, policy_gradient_loss
from alftbench_trainers.loop.memory import AnswerMemory
from alftbench_trainers.loop.options import GroupOptions

MOST_LOST = 0.5  # of the weights may stay as they are in a step at half the learning rate


def check_learns(model: Any, learning_rate: float) -> None:
    """Refuse weights so coarse that a step of AdamW, about the learning rate, leaves most of them as they are.

    Asked of half the learning rate, for it falls as the budget is used up.

    Raises:
        UsageError: it does; float32 has no such limit.
    """
    if model.dtype == torch.float32:
        return
    weights = torch.cat([part.detach().abs().flatten() for part in model.parameters()])
    lost = float((weights + learning_rate / 2 == weights).float().mean())
    if lost > MOST_LOST:
        raise UsageError(
            f"option learning_rate={learning_rate:g}: half such a step rounds away in {lost:.0%} of weights "
            f"in {str(model.dtype).removeprefix('torch.')}; train with --dtype float32"
        )


@dataclass(frozen=True)
class RolloutBatch:
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
    """A model under training, how far it is, and what it has cost.

    Args:
        request: says which model the reference is, and on what device.
        options: of the update.
        weights: folder of the weights to start from; the request's model if None.
    """

    def __init__(self, request: TrainRequest, options: GroupOptions, weights: str | None = None) -> None:
        model, device, trusted = request.model, request.device, request.trust_remote_code
        dtype = "float32" if request.dtype == "auto" else request.dtype  # small steps vanish in half precision
        self.options = options
        self.tokenizer = load_tokenizer(model, trusted)
        self.model = load_model(weights or model, device, dtype, trusted).eval()
        if weights is None:
            check_learns(self.model, options.learning_rate)
        self.reference = load_model(model, device, dtype, trusted).eval() if options.beta > 0 else None
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.0, betas=(0.9, 0.95), weight_decay=0.0)
        self.memory = AnswerMemory(options.remembers)
        self.step, self.cost = 0, Cost()
        self.updates: list[Update] = []

    def update(
        self, batch: RolloutBatch, rewards_R: Tensor, baselines_R: Tensor, learning_rate: float
    ) -> tuple[float, float]:
        """One optimiser step on reward − β log(π/π₀); gradients add up over chunks of whole groups.

        Returns:
            The sampled KL to the reference (0 without one) and the gradient's norm before clipping.

        Raises:
            Diverged: the gradient is not finite; the weights are left as they were.
        """
        options = self.options
        self.optimizer.zero_grad()
        log_ratios = []
        for prompts, rows in batch.chunks(options.rows):
            pad_id = self.tokenizer.pad_token_id
            part = (batch.prompts[prompts], batch.completions[rows], pad_id, options.temperature)
            log_probs_RT = token_log_probs(self.model, *part)
            log_ratio_R = self._log_ratio(log_probs_RT, *part)
            terms_R = (rewards_R[rows], baselines_R[rows], options.beta * log_ratio_R)
            r, b, c = (term_R.to(log_probs_RT).reshape(-1, batch.group) for term_R in terms_R)
            advantages_R = group_advantages(r, b, c, options.scale, options.baseline == "mean").flatten()
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
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.options.max_grad_norm)
        if not torch.isfinite(norm):
            raise Diverged(f"step {self.step}: the gradient is not finite; lower the learning rate")
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.step += 1
        return float(norm)
