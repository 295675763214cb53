"""The loop of trainers that fit the policy to weighted samples of the reference, by maximum likelihood.

    orbits → samples of the reference (and rollouts, where the target looks at the policy) → answers → classes
    → weights w, of mean 1 in a prompt → one step on −(1/N) Σ w log π(y)

With w(z) ∝ p*(z)/p₀(z) that is the gradient of KL(π*‖π) for π*(y) = π₀(y) p*(E(y))/p₀(E(y)), the equilibrium of an
answer-level game: traces keep the reference's odds, answers get the target's. No reward, no baseline, no KL term.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch

from alftbench.base.arrays import FloatArray
from alftbench.errors import PluginError
from alftbench.games.rewards import GroupRecord, correctness
from alftbench.training.trainer import TrainRequest, TrainResult, Update
from alftbench_trainers.loop.batch import RolloutBatch
from alftbench_trainers.loop.cost import sampled
from alftbench_trainers.loop.loop import as_batch, run_steps
from alftbench_trainers.loop.monitor import accuracy, agreement
from alftbench_trainers.loop.options import LoopOptions
from alftbench_trainers.loop.policy import Policy
from alftbench_trainers.loop.rollouts import Group, OrbitRollouts, collect, sample_orbits
from alftbench_trainers.loop.schedule import OrbitItem, learning_rate, schedule

Weights: TypeAlias = Callable[[GroupRecord, GroupRecord | None], FloatArray]
"""Samples of the reference, and rollouts of the policy over the same answer classes ↦ w ≥ 0, shape (V, N)."""

REFERENCE = 1_000_000  # steps that the random streams of the reference's samples are away from the rollouts'


@dataclass(frozen=True)
class Drawn:
    """A problem's samples of the reference, and the policy's rollouts where they were drawn."""

    samples: OrbitRollouts
    rollouts: OrbitRollouts | None


def train_fitting(
    request: TrainRequest, options: LoopOptions, trainer: str, weights: Weights, on_policy: bool
) -> TrainResult:
    """Fit until the budget of generated tokens is used up.

    Args:
        request: what to train, on what, for how long.
        options: of the loop.
        trainer: its name, for messages.
        weights: how much a sample counts.
        on_policy: does the target look at rollouts of the policy?
    """

    def step(policy: Policy) -> Update:
        return fit_step(request, options, policy, trainer, weights, on_policy)

    return run_steps(request, options, step, referring=True)


def fit_step(
    request: TrainRequest, options: LoopOptions, policy: Policy, trainer: str, weights: Weights, on_policy: bool
) -> Update:
    """One batch of samples and one optimiser step on it."""
    items = schedule(request.suites, options.orbits, request.seed, policy.step)
    rate = learning_rate(options, request.budget, policy.step, policy.cost.generated_tokens)
    drawn = draw(request, options, policy, items, on_policy)
    weight_R = np.concatenate([checked(trainer, weights, orbit).ravel() for orbit in drawn])
    batch, weights_R = samples_of(drawn), torch.from_numpy(weight_R).float()
    ascent = policy.within_memory(batch, lambda: policy.fit(batch, weights_R, rate))
    rollouts = [orbit.rollouts for orbit in drawn if orbit.rollouts is not None]
    right = np.concatenate([correctness(orbit.samples.record).ravel() for orbit in drawn])
    return Update(
        step=policy.step,
        generated_tokens=policy.cost.generated_tokens,
        reward=float(np.average(right, weights=weight_R) if weight_R.any() else right.mean()),
        accuracy=accuracy(rollouts) if rollouts else None,
        kl=None,
        grad_norm=ascent.norm,
        clipped=ascent.norm > options.max_grad_norm,
        informative=float(np.ptp(weight_R.reshape(-1, options.group), axis=1).astype(bool).mean()),
        skipped=ascent.skipped,
        agreement=agreement(rollouts) if rollouts else None,
        effective=effective(weight_R),
        halved=policy.limits.halved,
    )


def draw(
    request: TrainRequest, options: LoopOptions, policy: Policy, items: list[OrbitItem], on_policy: bool
) -> list[Drawn]:
    """Samples of the reference, and rollouts if asked, graded together: both speak of the same answer classes."""
    settings = (policy.tokenizer, items, options.group, options.temperature, request.seed)
    with policy.referring() as reference:
        each = [sample_orbits(reference, *settings, policy.step + REFERENCE)]
    if on_policy:
        each.append(sample_orbits(policy.model, *settings, policy.step))
    orbits = []
    for item, *groups in zip(items, *([groups for _, groups in one] for one in each), strict=True):
        graded = collect(policy.tokenizer, item, side_by_side(groups), request.secret)
        samples, *rest = (part_of(graded, options.group, place) for place in range(len(each)))
        orbits.append(Drawn(samples, rest[0] if rest else None))
    policy.cost = sampled(policy.cost, policy.model, samples_of(orbits))
    if on_policy:
        policy.cost = sampled(policy.cost, policy.model, as_batch([o.rollouts for o in orbits if o.rollouts]))
    return orbits


def side_by_side(groups: list[list[Group]]) -> list[Group]:
    """The completions of several models to the same prompts in one group each."""
    return [(rows[0][0], [done for _, group in rows for done in group]) for rows in zip(*groups, strict=True)]


def part_of(graded: OrbitRollouts, group: int, place: int) -> OrbitRollouts:
    """The rollouts of one model among those that were graded together."""
    rows = slice(place * group, (place + 1) * group)
    record = GroupRecord(graded.record.class_VG[:, rows], graded.record.correct_Z)
    return replace(graded, completions_VG=tuple(row[rows] for row in graded.completions_VG), record=record)


def samples_of(drawn: list[Drawn]) -> RolloutBatch:
    """The samples of the reference in order."""
    return as_batch([orbit.samples for orbit in drawn])


def checked(trainer: str, weights: Weights, orbit: Drawn) -> FloatArray:
    """The weights of one orbit, of mean 1 in each prompt; 0 all through where nothing has any."""
    record = orbit.samples.record
    weight_VN = weights(record, orbit.rollouts.record if orbit.rollouts else None)
    if weight_VN.shape != record.class_VG.shape or not np.isfinite(weight_VN).all() or (weight_VN < 0).any():
        raise PluginError(f"the weights of {trainer} are not numbers from 0 on of the shape (V, N)")
    mean_V1 = weight_VN.mean(axis=1, keepdims=True)
    return np.asarray(np.divide(weight_VN, mean_V1, out=np.zeros_like(weight_VN), where=mean_V1 > 0))


def effective(weight_R: FloatArray) -> float:
    """(Σ w)²/(N Σ w²): which share of the samples, weighed alike, would know as much."""
    return float(weight_R.sum() ** 2 / (weight_R.size * (weight_R**2).sum())) if weight_R.any() else 0.0
