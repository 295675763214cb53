"""The policy in training: model, frozen reference, optimiser, and one update."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor

from alftbench.backends.hf.batching import is_shortage
from alftbench.backends.hf.loading import load_model, load_tokenizer
from alftbench.backends.hf.scoring import token_log_probs
from alftbench.errors import AlftbenchError, Diverged, UsageError
from alftbench.training.trainer import TrainRequest, Update
from alftbench.types import Cost
from alftbench_trainers.loop.adapter import adapted, switched_off
from alftbench_trainers.loop.batch import RolloutBatch
from alftbench_trainers.loop.checkpointing import prepare, recomputed_log_probs
from alftbench_trainers.loop.cost import scored, trained
from alftbench_trainers.loop.limits import Limits, parts
from alftbench_trainers.loop.losses import group_advantages, policy_gradient_loss
from alftbench_trainers.loop.masters import Masters
from alftbench_trainers.loop.memory import AnswerMemory
from alftbench_trainers.loop.options import GroupOptions, LoopOptions

T = TypeVar("T")
Advantages: TypeAlias = Callable[[Tensor, slice], Tensor]
"""Log π/π₀ of the rollouts of some whole groups, and which these are ↦ their advantages, shape (R,)."""
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
class Ascent:
    """What one update was.

    kl: sampled KL to the reference in nats, 0 where β is, None where nothing was sampled from the policy. norm: of
    the gradient before it was shortened. skipped: rollouts whose advantage is exactly 0, which no pass was made
    for.
    """

    kl: float | None
    norm: float
    skipped: int = 0


class Policy:
    """A model under training, how far it is, and what it has cost.

    Args:
        request: says which model the reference is, and on what device.
        options: of the update.
        weights: folder of the weights to start from; the request's model if None.
        referring: does the rule ask for the reference, whatever β is?
    """

    def __init__(
        self, request: TrainRequest, options: LoopOptions, weights: str | None = None, referring: bool = False
    ) -> None:
        model, device, trusted = request.model, request.device, request.trust_remote_code
        dtype = "float32" if request.dtype == "auto" else request.dtype  # small steps vanish in half precision
        self.options = options
        self.tokenizer = load_tokenizer(model, trusted)
        whole = not options.lora_rank  # else what was trained is not in a model's folder
        self.model = load_model((whole and weights) or model, device, dtype, trusted).eval()
        self.adapter = None if whole else adapted(self.model, options, request.seed)
        self.masters = Masters(self.model, options.master)
        if weights is None and whole and not options.master:
            check_learns(self.model, options.learning_rate)
        if options.checkpointing:
            prepare(self.model)
        refers = referring or options.beta > 0
        self.reference = load_model(model, device, dtype, trusted).eval() if refers and whole else None
        self.optimizer = torch.optim.AdamW(self.masters.stepped, lr=0.0, betas=(0.9, 0.95), weight_decay=0.0)
        self.memory = AnswerMemory(options.remembers)
        self.limits = Limits(options.rows, options.micro_tokens)
        self.step, self.cost = 0, Cost()
        self.updates: list[Update] = []

    def update(
        self,
        options: GroupOptions,
        batch: RolloutBatch,
        rewards_R: Tensor,
        baselines_R: Tensor,
        learning_rate: float,
        reference: Sequence[Tensor] | None = None,
    ) -> Ascent:
        """One optimiser step on reward − β log(π/π₀); gradients add up over chunks of whole groups.

        Args:
            options: what the advantages are.
            batch: G completions of each prompt.
            rewards_R: of the completions.
            baselines_R: what is subtracted.
            learning_rate: of this step.
            reference: log π₀ of every token, chunk by chunk, where it is known already.

        Raises:
            Diverged: the gradient is not finite; the weights are left as they were.
        """
        self.optimizer.zero_grad()
        group = batch.counts_P[0]

        def advantages(log_ratio_R: Tensor, rows: slice) -> Tensor:
            terms_R = (rewards_R[rows], baselines_R[rows], options.beta * log_ratio_R)
            return group_advantages_of(options, *terms_R, group)

        if options.beta > 0:
            kl = self._ascend_with_penalty(batch, advantages, reference)
            return Ascent(kl, self._step(learning_rate))
        advantages_R = advantages(torch.zeros_like(rewards_R), slice(None))
        return Ascent(0.0, *self._ascend(batch, advantages_R, learning_rate))

    def fit(self, batch: RolloutBatch, weights_R: Tensor, learning_rate: float) -> Ascent:
        """One optimiser step of maximum likelihood on weighted completions, −(1/R) Σ_r w_r log π(y_r).

        Args:
            batch: completions, of whatever model.
            weights_R: how much each counts; those of weight 0 cost no pass.
            learning_rate: of this step.

        Raises:
            Diverged: the gradient is not finite; the weights are left as they were.
        """
        self.optimizer.zero_grad()
        return Ascent(None, *self._ascend(batch, weights_R, learning_rate))

    def _ascend_with_penalty(
        self, batch: RolloutBatch, advantages: Advantages, reference: Sequence[Tensor] | None
    ) -> float:
        """Gradients where β > 0: an advantage waits for its rollout's own pass, so that pass is made for all.

        Returns:
            The sampled KL.
        """
        passes, group = parts(batch, self.limits), batch.counts_P[0]
        if any(count != group for part, _ in passes for count in part.counts_P):
            return self._ascend_apart(batch, advantages, reference)
        log_ratios = []
        for place, (part, rows) in enumerate(passes):
            log_probs_RT = self.log_probs(self.model, part)
            [reference_RT] = [reference[place]] if reference else self.score_reference(part)
            log_ratio_R = (log_probs_RT.detach() - reference_RT).sum(-1)
            self._backward(part, log_probs_RT, advantages(log_ratio_R, rows), len(batch.completions))
            log_ratios.append(log_ratio_R)
        return float(torch.cat(log_ratios).mean())

    def _ascend_apart(
        self, batch: RolloutBatch, advantages: Advantages, reference: Sequence[Tensor] | None
    ) -> float:
        """The same where a group does not fit into a pass: one more, without gradient, says what each has to pay.

        Returns:
            The sampled KL.
        """
        own = self.score(self.model, batch)
        pairs = zip(own, reference or self.score_reference(batch), strict=True)
        log_ratio_R = torch.cat([(own_RT - reference_RT).sum(-1) for own_RT, reference_RT in pairs])
        advantages_R = advantages(log_ratio_R, slice(None))
        for part, rows in parts(batch, self.limits):
            self._backward(part, self.log_probs(self.model, part), advantages_R[rows], len(batch.completions))
        return float(log_ratio_R.mean())

    def _ascend(self, batch: RolloutBatch, advantages_R: Tensor, learning_rate: float) -> tuple[float, int]:
        """A step where advantages are known before any pass, and those of 0 need none.

        Returns:
            The gradient's norm, and the rollouts that no pass was made for.
        """
        kept_R = advantages_R != 0
        kept, advantages_R = batch.only(kept_R.tolist()), advantages_R[kept_R]
        for part, rows in parts(kept, self.limits):
            self._backward(part, self.log_probs(self.model, part), advantages_R[rows], len(batch.completions))
        if not kept.completions:  # the optimiser steps on what it remembers of earlier gradients, as ever
            for parameter in self.masters.stepped:
                parameter.grad = torch.zeros_like(parameter)
        return self._step(learning_rate), len(batch.completions) - len(kept.completions)

    def _backward(self, part: RolloutBatch, log_probs_RT: Tensor, advantages_R: Tensor, n_rollouts: int) -> None:
        loss = policy_gradient_loss(log_probs_RT, advantages_R.to(log_probs_RT), n_rollouts)
        loss.backward()  # type: ignore[no-untyped-call]
        self.masters.collect()
        self.cost = trained(self.cost, self.model, part, self.options.checkpointing)

    def score(self, model: Any, batch: RolloutBatch) -> list[Tensor]:
        """Log-probabilities of every token without gradient, chunk by chunk, shape (R, T) each; counted."""
        passes = [part for part, _ in parts(batch, self.limits)]
        with torch.no_grad():
            log_probs = [self.log_probs(model, part) for part in passes]
        for part in passes:
            self.cost = scored(self.cost, self.model, part)
        return log_probs

    def score_reference(self, batch: RolloutBatch) -> list[Tensor]:
        """The same under the reference."""
        with self.referring() as reference:
            return self.score(reference, batch)

    @contextmanager
    def referring(self) -> Iterator[Any]:
        """The reference: a model of its own, or this one while its adapter is switched off."""
        if self.adapter is None:
            yield self.reference
        else:
            with switched_off(self.adapter):
                yield self.model

    def log_probs(self, model: Any, part: RolloutBatch) -> Tensor:
        """Log-probabilities of every token, shape (R, T); completions that are the same share one pass."""
        distinct, places = part.distinct
        pad_id, temperature = self.tokenizer.pad_token_id, self.options.temperature
        if self.options.checkpointing and torch.is_grad_enabled():
            log_probs_DT = recomputed_log_probs(model, distinct, pad_id, temperature)
        else:
            completions, counts = distinct.completions, distinct.counts
            log_probs_DT = token_log_probs(model, distinct.prompts, completions, pad_id, temperature, counts)
        return log_probs_DT[torch.tensor(places, device=log_probs_DT.device)]

    def within_memory(self, batch: RolloutBatch, work: Callable[[], T]) -> T:
        """Do what passes over a batch do; where memory runs out, do it again in passes of half the size.

        What the failed attempt cost is not counted, and its gradients are dropped.

        Raises:
            RuntimeError: of the device, where one completion is too much.
        """
        while True:
            cost = self.cost
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                halved = self.limits.halve(batch) if is_shortage(error) else self.limits
                if halved == self.limits:
                    raise
            self.cost, self.limits = cost, halved
            self.optimizer.zero_grad()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _step(self, learning_rate: float) -> float:
        norm = torch.nn.utils.clip_grad_norm_(self.masters.stepped, self.options.max_grad_norm)
        if not torch.isfinite(norm):
            raise Diverged(f"step {self.step}: the gradient is not finite; lower the learning rate")
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        try:
            self.optimizer.step()
        except (RuntimeError, MemoryError) as error:
            if not is_shortage(error):
                raise
            raise AlftbenchError(f"step {self.step}: AdamW's step does not fit into memory: {error}") from error
        self.masters.show()
        self.step += 1
        return float(norm)


def group_advantages_of(
    options: GroupOptions, rewards_R: Tensor, baselines_R: Tensor, penalties_R: Tensor, group: int
) -> Tensor:
    """The advantages of rollouts in a row, by the options of a recipe, shape (R,)."""
    r, b, c = (term_R.to(penalties_R).reshape(-1, group) for term_R in (rewards_R, baselines_R, penalties_R))
    return group_advantages(r, b, c, options.scale, options.baseline == "mean").flatten()
