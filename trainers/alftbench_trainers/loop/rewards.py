"""A recipe's rule applied to a batch, with what comes back checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from alftbench.base.arrays import FloatArray
from alftbench.errors import AlftbenchError, Diverged, PluginError
from alftbench.games.rewards import Rule
from alftbench_trainers.loop.rollouts import OrbitRollouts


def rewards_of(trainer: str, rule: Rule, rollouts: Sequence[OrbitRollouts]) -> Tensor:
    """The rewards of all rollouts of a step in order, shape (R,).

    Raises:
        PluginError: the rule failed, or its rewards are not numbers of the shape (V, G).
        Diverged: a reward is NaN or infinite.
    """
    rewards = [checked(trainer, rule, orbit).ravel() for orbit in rollouts]
    return torch.from_numpy(np.concatenate(rewards)).float()


def checked(trainer: str, rule: Rule, orbit: OrbitRollouts) -> FloatArray:
    """The rewards of one orbit, shape (V, G)."""
    try:
        rewards_VG = np.asarray(rule(orbit.record), dtype=float)
    except AlftbenchError:
        raise
    except Exception as error:
        raise PluginError(f"the reward of {trainer} failed: {type(error).__name__}: {error}") from error
    wanted = orbit.record.class_VG.shape
    if rewards_VG.shape != wanted:
        raise PluginError(f"the reward of {trainer} has the shape {rewards_VG.shape}, not (V, G) = {wanted}")
    if not np.isfinite(rewards_VG).all():
        what = "NaN" if np.isnan(rewards_VG).any() else "infinite"
        raise Diverged(f"the reward of {trainer} is {what} for a rollout of problem {orbit.problem_id}")
    return rewards_VG
