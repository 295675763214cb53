"""The game that a rule declares: its population objective as one of `alftbench.games`, and where it rests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alftbench.base.arrays import BoolArray, FloatArray
from alftbench.games.objectives import Objective
from alftbench.games.rewards.fixed_point import limit
from alftbench.games.rewards.info import RuleInfo

_LEAST = 1e-300
"""A probability that is none, and may be divided by."""


@dataclass(frozen=True, eq=False)
class Declared(Objective):
    """F = −w J − η Σ c p of a rule that ascends J as G → ∞; not convex in general.

    Its equilibrium is the fixed point p ∝ p₀ e^{−u/β} that lies next to the reference, and the Nash gap measures
    how far from stationary a policy is, not how much worse than the best.

    Args:
        info: the rule; its `objective` is J.
        correct_Z: which answers are right; the last class is no answer, as everywhere in `equilibrium`.
        settings: of the rule.
        weight: w.
        correctness: η.
    """

    info: RuleInfo
    correct_Z: BoolArray
    settings: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    correctness: float = 0.0

    @property
    def name(self) -> str:  # type: ignore[override]  # of the rule, not of the class
        """The rule's name."""
        return self.info.name

    @property
    def convex(self) -> bool:
        """Not known of any rule."""
        return False

    @property
    def couples_prompts(self) -> bool:  # type: ignore[override]
        """Whether the rule compares phrasings."""
        return self.info.compares_phrasings

    def value(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> float:
        """−w J(p) − η Σ c p, means over phrasings."""
        p_PZ = np.exp(log_p_PZ)
        right = float((p_PZ @ self.correct_Z).mean())
        return -self.weight * self.info.value(p_PZ, self.correct_Z, **self.settings) - self.correctness * right

    def gradient(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """Minus the reward of every answer as G → ∞."""
        return -self._reward(np.maximum(np.exp(log_p_PZ), _LEAST), self.correct_Z, self.correct_Z.size - 1)

    def closed_form(self, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> FloatArray | None:
        """The fixed point next to the reference, among the answers that it can give; found by iteration."""
        together = [log_p0_PZ] if self.couples_prompts else np.split(log_p0_PZ, len(log_p0_PZ))
        return np.concatenate([self._rest(rows, beta) for rows in together])

    def _rest(self, log_p0_PZ: FloatArray, beta: float) -> FloatArray:
        possible_Z = np.all(log_p0_PZ > -np.inf, axis=0)
        correct_Z = self.correct_Z[possible_Z]
        unanswered = int(possible_Z.sum()) - 1 if possible_Z[-1] else None
        point = limit(lambda p_PZ: self._reward(p_PZ, correct_Z, unanswered), log_p0_PZ[:, possible_Z], beta)
        log_p_PZ = np.full(log_p0_PZ.shape, -np.inf)
        log_p_PZ[:, possible_Z] = point.log_p_PZ if point.settled else np.nan
        return log_p_PZ

    def _reward(self, p_PZ: FloatArray, correct_Z: BoolArray, unanswered: int | None) -> FloatArray:
        limit_PZ = self.info.population(p_PZ, correct_Z, unanswered, **self.settings)
        return self.weight * limit_PZ + self.correctness * correct_Z
