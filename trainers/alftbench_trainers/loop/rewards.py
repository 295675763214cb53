"""A recipe's rule applied to a batch, with what comes back checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from alftbench.base.arrays import FloatArray
from alftbench.errors import AlftbenchError, Diverged, PluginError
from alftbench.games.rewards import GroupRecord, Rule
from alftbench_trainers.loop.rollouts import OrbitRollouts

Baseline: TypeAlias = Callable[[GroupRecord, FloatArray], FloatArray]
"""A record and its rewards ↦ what is subtracted from each, shape (V, G)."""

Figures: TypeAlias = Callable[[GroupRecord], Mapping[str, float]]
"""A record ↦ figures to log, by name."""


def rewards_of(
    trainer: str, rule: Rule, baseline: Baseline, rollouts: Sequence[OrbitRollouts]
) -> tuple[Tensor, Tensor]:
    """The rewards of all rollouts of a step in order and their baselines, shape (R,) each.

    Raises:
        PluginError: the rule failed, or its rewards are not numbers of the shape (V, G).
        Diverged: a reward is NaN or infinite.
    """
    rewards = [checked(trainer, "reward", orbit, rule) for orbit in rollouts]
    pairs = zip(rollouts, rewards, strict=True)
    baselines = [checked(trainer, "baseline", orbit, baseline, rewards_VG) for orbit, rewards_VG in pairs]
    return in_order(rewards), in_order(baselines)


def in_order(values: Sequence[FloatArray]) -> Tensor:
    """The values of all orbits in a row, in float32."""
    return torch.from_numpy(np.concatenate([values_VG.ravel() for values_VG in values])).float()


def checked(
    trainer: str, what: str, orbit: OrbitRollouts, function: Callable[..., FloatArray], *given: FloatArray
) -> FloatArray:
    """What a function says of one orbit's rollouts, shape (V, G)."""
    try:
        values_VG = np.asarray(function(orbit.record, *given), dtype=float)
    except AlftbenchError:
        raise
    except Exception as error:
        raise PluginError(f"the {what} of {trainer} failed: {type(error).__name__}: {error}") from error
    wanted = orbit.record.class_VG.shape
    if values_VG.shape != wanted:
        raise PluginError(f"the {what} of {trainer} has the shape {values_VG.shape}, not (V, G) = {wanted}")
    if not np.isfinite(values_VG).all():
        value = "NaN" if np.isnan(values_VG).any() else "infinite"
        raise Diverged(f"the {what} of {trainer} is {value} for a rollout of problem {orbit.problem_id}")
    return values_VG


def figures_of(trainer: str, figures: Figures | None, rollouts: Sequence[OrbitRollouts]) -> dict[str, float]:
    """The mean over a step's orbits of every figure that a trainer logs of its own.

    Raises:
        PluginError: it failed, or a figure is no finite number with a name.
    """
    said: dict[str, list[float]] = {}
    if figures is None:
        return {}
    for orbit in rollouts:
        try:
            given = {name: float(value) for name, value in figures(orbit.record).items()}
        except AlftbenchError:
            raise
        except Exception as error:
            raise PluginError(f"the figures of {trainer} failed: {type(error).__name__}: {error}") from error
        for name, value in given.items():
            if not isinstance(name, str) or not name or not np.isfinite(value):
                raise PluginError(f"the figure {name!r} of {trainer} is {value}; it must be finite, with a name")
            said.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in said.items()}
