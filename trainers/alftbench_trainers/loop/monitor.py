"""Figures of a step that are logged and never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from alftbench.games.rewards import Rule, correctness
from alftbench.metrics.coherence import agreements, within_across
from alftbench_trainers.loop.rollouts import OrbitRollouts


def informative_share(rewards_R: Tensor, group: int) -> float:
    """Share of the groups whose rollouts differ in reward: from the others nothing is learned but the KL."""
    rewards_PG = rewards_R.reshape(-1, group)
    return float((rewards_PG.amax(-1) > rewards_PG.amin(-1)).float().mean())


def accuracy(rollouts: Sequence[OrbitRollouts]) -> float:
    """Share of the rollouts that are right."""
    return float(np.mean(np.concatenate([correctness(orbit.record).ravel() for orbit in rollouts])))


def agreement(rollouts: Sequence[OrbitRollouts]) -> float:
    """Chance that two rollouts of a prompt give the same answer, the mean over problems; no answer is none."""
    records = [orbit.record for orbit in rollouts]
    within = [
        within_across(agreements(record.counts_VZ.astype(float), np.full(record.phrasings, record.group)))[0]
        for record in records
    ]
    return float(np.mean(within))


def reads_labels(rule: Rule, rollouts: Sequence[OrbitRollouts]) -> bool:
    """Does a rule reward otherwise if what is right were wrong and the other way round?"""
    records = [orbit.record for orbit in rollouts]
    turned = [replace(record, correct_Z=~record.correct_Z) for record in records]
    return any(not np.array_equal(rule(one), rule(other)) for one, other in zip(records, turned, strict=True))


def held_out(rule: Rule, rollouts: Sequence[OrbitRollouts], firsts: Sequence[bool]) -> float | None:
    """Accuracy that nothing taught: of all rollouts where the rule reads no labels, else of first meetings.

    A problem that is met for the first time was drawn from a policy that has not been trained on it. Of problems
    that come back it is known what a rule without labels made of them, but not that a label made it.

    Args:
        rule: the reward.
        rollouts: of a step, by orbit.
        firsts: is a problem met for the first time?

    Returns:
        None where no rollout counts.
    """
    if not reads_labels(rule, rollouts):
        return accuracy(rollouts)
    new = [orbit for orbit, first in zip(rollouts, firsts, strict=True) if first]
    return accuracy(new) if new else None


def kl_limit(rewards_R: Tensor, beta: float) -> float | None:
    """The spread of a step's rewards divided by β, nats: a KL beyond it costs more than any reward gives."""
    return float(rewards_R.max() - rewards_R.min()) / beta if beta > 0 else None
