"""Options of every group-relative trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from alftbench.base.settings import Usual
from alftbench.base.validate import Positive, above, at_least, one_of
from alftbench.games import ESTIMATORS

LearningRate = Annotated[
    float, above(0), Usual(1e-7, 1e-2), "at the start; it falls linearly to a tenth as the budget is used up"
]
Estimator = Annotated[str, one_of(ESTIMATORS), "how log p is estimated from counts"]


@dataclass(frozen=True)
class GroupOptions:
    """Options that all recipes have; a recipe with more of them adds fields to a subclass.

    The default learning rate suits the embedded model of 0.15M parameters; for a billion start near 1e-6.
    """

    learning_rate: LearningRate = 7e-4
    beta: Annotated[
        float, at_least(0), "β, strength of the KL to the reference model, in reward units per nat"
    ] = 0.02
    group: Annotated[int, at_least(2), "G, rollouts per phrasing"] = 4
    orbits: Annotated[int, at_least(1), "problems per step, over all suites together"] = 6
    temperature: Annotated[Positive, "of the policy that is trained, in sampling and log-probabilities alike"] = (
        1.0
    )
    scale: Annotated[Literal["none", "std"], "std divides advantages by their group's standard deviation"] = "none"
    max_grad_norm: Annotated[Positive, "longer gradients are shortened to this norm"] = 1.0
    rows: Annotated[int, at_least(1), "completions per forward and backward pass; lower it if memory runs out"] = (
        512
    )
    save_every: Annotated[int, at_least(1), "steps between resumable states"] = 10
    warmup: Annotated[
        int, at_least(0), "steps over which the learning rate rises, while AdamW's moments are rough"
    ] = 10

    @property
    def closed(self) -> bool:
        """Is the update that of a game with a known equilibrium? Scaling and tempering change the game."""
        return self.beta > 0 and self.scale == "none" and self.temperature == 1
