"""Which way the weights moved, beside the gradient that the rollouts give by definition.

The first step of whatever optimiser works weight by weight (SGD, Adam without decay, …) moves each weight in the
direction of its gradient; the second in that of g₂ + μ g₁, μ its momentum. So a step is compared sign by sign with

    g = Σ_r A_r ∇ Σ_t log π(y_rt),   A = (r − b) − (c − c̄),   c = β Σ_t log π(y_rt)/π₀(y_rt)

and with the same for mistaken advantages: the rightful ones must explain more signs than each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alftbench.backends.hf.loading import end_token_ids, load_model, load_tokenizer, prompt_ids
from alftbench.backends.hf.scoring import completion_ids, token_log_probs
from alftbench.base.arrays import FloatArray
from alftbench.training.conformance.probe import Graded

LEGIBLE = 0.01  # weights whose gradient is below this share of the largest say nothing
MOMENTA = (0.0, 0.9)


class Scored:
    """A model that rollouts were drawn from: log-probabilities of their tokens, and gradients."""

    def __init__(self, folder: str | Path) -> None:
        self.model: Any = load_model(str(folder), "cpu", "float32").eval()
        self.tokenizer = load_tokenizer(str(folder))
        self.end = min(end_token_ids(self.model, self.tokenizer))

    def log_probs(self, graded: Graded) -> list[Tensor]:
        """Log-probabilities of every token, shape (G, T), phrasing by phrasing."""
        pairs = zip(graded.orbit.variants, graded.samples_VG, strict=True)
        return [
            token_log_probs(
                self.model,
                [prompt_ids(self.tokenizer, variant.messages)],
                [completion_ids(self.tokenizer, s.text, s.finish_reason, self.end) for s in row],
                self.tokenizer.pad_token_id,
            )
            for variant, row in pairs
        ]

    def totals(self, graded: Graded) -> FloatArray:
        """Σ_t log π of every rollout, shape (V, G)."""
        with torch.no_grad():
            return np.array([log_probs_GT.double().sum(-1).numpy() for log_probs_GT in self.log_probs(graded)])

    def gradient(self, graded: Sequence[Graded], advantages: Sequence[FloatArray]) -> Tensor:
        """Σ_r A_r ∇ log π(y_r) over all weights in a row."""
        self.model.zero_grad()
        for orbit, advantages_VG in zip(graded, advantages, strict=True):
            for log_probs_GT, advantages_G in zip(self.log_probs(orbit), advantages_VG, strict=True):
                total = (torch.from_numpy(advantages_G.copy()).float() * log_probs_GT.sum(-1)).sum()
                total.backward()  # type: ignore[no-untyped-call]
        return torch.cat([weight.grad.flatten() for weight in self.model.parameters()])

    @property
    def weights(self) -> Tensor:
        """All weights in a row."""
        return torch.cat([weight.detach().flatten() for weight in self.model.parameters()])


class Step:
    """One step of a run: the model before and after it, and the rollouts that it learned from.

    before: the gradient of the step before, which momentum carries on.
    """

    def __init__(self, models: Sequence[Scored], graded: Graded, before: Tensor | None = None) -> None:
        self._start, end = models
        self._graded, self._before = graded, before
        self._moved = end.weights - self._start.weights

    def share(self, advantages_VG: FloatArray) -> float:
        """Share of the legible weights that moved as advantages say, with the momentum that suits best."""
        gradient = self._start.gradient([self._graded], [advantages_VG])
        return explained(self._moved, gradient, self._before)


def explained(moved: Tensor, gradient: Tensor, before: Tensor | None = None) -> float:
    """Share of the legible weights that moved as a gradient says, with the momentum that suits best."""
    return max(agreement(moved, gradient + (0 if before is None else mu * before)) for mu in MOMENTA)


def agreement(moved: Tensor, direction: Tensor) -> float:
    """Share of the weights of a legible direction that moved that way."""
    legible = direction.abs() > LEGIBLE * direction.abs().max()
    if not bool(legible.any()):
        return 0.0
    return float((torch.sign(moved[legible]) == torch.sign(direction[legible])).float().mean())


def mistaken_order(advantages_VG: FloatArray) -> FloatArray:
    """Advantages handed out draw by draw where rollouts lie phrasing by phrasing."""
    return np.asarray(advantages_VG.T.reshape(advantages_VG.shape))


def mistaken_halves(rewards_VG: FloatArray) -> FloatArray:
    """Advantages over the mean of each half of a group, as on two devices that do not share it."""
    half = rewards_VG.shape[1] // 2
    parts = (rewards_VG[:, :half], rewards_VG[:, half:])
    return np.hstack([part - part.mean(axis=1, keepdims=True) for part in parts])


def away_from_mean(penalties_VG: FloatArray, config: Mapping[str, Any]) -> FloatArray:
    """C − c̄, the mean with the rollout itself where the baseline holds it, else without."""
    group = penalties_VG.shape[1]
    away = penalties_VG - penalties_VG.mean(axis=1, keepdims=True)
    return np.asarray(away if config.get("baseline", "mean") == "mean" else away * group / (group - 1))
