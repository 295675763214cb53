"""What training a method cost, and how its steps went: means over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from alftbench.training.train import TrainRecord
from alftbench.types import Cost


@dataclass(frozen=True)
class Steps:
    """Optimiser steps, those whose gradient was shortened, and those without a reward to learn from."""

    all: float
    clipped: float
    silent: float


def mean_steps(records: Sequence[TrainRecord]) -> Steps | None:
    """The mean over seeds of what is counted in train.json; None where it is not."""
    rows = [(record.steps, record.clipped_steps, record.silent_steps) for record in records]
    if not rows or any(count is None for row in rows for count in row):
        return None
    return Steps(*np.mean(np.array(rows, dtype=float), axis=0).tolist())


def mean_cost(costs: Sequence[Mapping[str, Any]]) -> Cost | None:
    """The mean cost over seeds, None for a model as it is."""
    if not costs:
        return None
    nothing = asdict(Cost())
    means = {name: np.mean([cost.get(name, 0) for cost in costs]) for name in nothing}
    return Cost(**{name: type(nothing[name])(mean) for name, mean in means.items()})
