"""Options of every group-relative trainer."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Annotated

from alftbench.errors import UsageError
from alftbench.games import ESTIMATORS

LearningRate = Annotated[float, "at the start; it falls linearly to a tenth as the budget is used up"]
Estimator = Annotated[str, f"of log p from counts: {', '.join(ESTIMATORS)}"]


def check_choice(name: str, value: str, *choices: str) -> None:
    """Refuse an option that has none of its values."""
    if value not in choices:
        raise UsageError(f"option {name}={value}: use {' or '.join(choices)}")


def check_estimator(name: str) -> None:
    """Refuse an estimator of log p that does not exist."""
    if name not in ESTIMATORS:
        raise UsageError(f"option estimator={name}: use one of {', '.join(ESTIMATORS)}")


@dataclass(frozen=True)
class GroupOptions:
    """Options that all recipes have; a recipe with more of them adds fields to a subclass.

    The default learning rate suits the embedded model of 0.15M parameters; for a billion start near 1e-6.
    """

    learning_rate: LearningRate = 7e-4
    beta: Annotated[float, "β, strength of the KL to the reference model, in reward units per nat"] = 0.02
    group: Annotated[int, "G, rollouts per phrasing"] = 4
    orbits: Annotated[int, "problems per step, over all suites together"] = 6
    temperature: Annotated[float, "of the policy that is trained, in sampling and log-probabilities alike"] = 1.0
    scale: Annotated[str, "none, or std to divide advantages by their group's standard deviation"] = "none"
    max_grad_norm: Annotated[float, "longer gradients are shortened to this norm"] = 1.0
    rows: Annotated[int, "completions per forward and backward pass; lower it if memory runs out"] = 512
    save_every: Annotated[int, "steps between resumable states"] = 10
    warmup: Annotated[int, "steps over which the learning rate rises, while AdamW's moments are rough"] = 10

    def __post_init__(self) -> None:
        """Refuse values that cannot train."""
        check_choice("scale", self.scale, "none", "std")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"option {field.name}={value}: must be a finite number")
        for name in ("learning_rate", "temperature", "max_grad_norm", "orbits", "rows", "save_every"):
            if not getattr(self, name) > 0:
                raise UsageError(f"option {name}={getattr(self, name)}: must be above 0")
        for name in ("beta", "warmup"):
            if getattr(self, name) < 0:
                raise UsageError(f"option {name}={getattr(self, name)}: must not be negative")
        if self.group < 2:
            raise UsageError(f"option group={self.group}: a group needs at least 2 rollouts")

    @property
    def closed(self) -> bool:
        """Is the update that of a game with a known equilibrium? Scaling and tempering change the game."""
        return self.beta > 0 and self.scale == "none" and self.temperature == 1
