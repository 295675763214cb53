"""What a rule asks of rollouts beyond what was drawn: log-probabilities, which cost passes, and a coin of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from alftbench.base.arrays import FloatArray
from alftbench.base.seeds import stream
from alftbench_trainers.loop.batch import RolloutBatch
from alftbench_trainers.loop.policy import Policy
from alftbench_trainers.loop.rollouts import OrbitRollouts

Fields: TypeAlias = dict[str, Any]
"""Fields of a `GroupRecord` by name."""


@dataclass(frozen=True)
class Filled:
    """Rollouts with the fields of their records that a rule needs.

    reference: log-probabilities of every token under the reference, chunk by chunk, where they were taken: the KL
    takes them from here.
    """

    rollouts: list[OrbitRollouts]
    reference: list[Tensor] | None = None


def filled(
    policy: Policy, rollouts: Sequence[OrbitRollouts], batch: RolloutBatch, needs: frozenset[str], seed: int
) -> Filled:
    """The fields of every orbit's record that a rule needs.

    Args:
        policy: that drew the rollouts and has not moved since.
        rollouts: of a step, by orbit.
        batch: the same in one row.
        needs: of `alftbench_trainers.recipe.NEEDS`.
        seed: of the run; coins are a function of it, the step and the rollout's place.
    """
    if not needs:
        return Filled([*rollouts])
    fields: list[Fields] = [{} for _ in rollouts]
    reference = None
    if "cross_log_prob" in needs:
        fields = [under_every_phrasing(policy, orbit, "log_prob" in needs) for orbit in rollouts]
    elif "log_prob" in needs:
        add(fields, rollouts, "log_prob_VG", totals(policy.score(policy.model, batch)))
    if "reference_log_prob" in needs:
        reference = policy.score_reference(batch)
        add(fields, rollouts, "reference_log_prob_VG", totals(reference))
    if "uniform" in needs:
        coins = [stream(seed, "uniform", policy.step, *place).random() for place in places(batch)]
        add(fields, rollouts, "uniform_VG", np.array(coins))
    pairs = zip(rollouts, fields, strict=True)
    return Filled([replace(orbit, record=replace(orbit.record, **more)) for orbit, more in pairs], reference)


def totals(log_probs: Sequence[Tensor]) -> FloatArray:
    """Log π(y) of every completion, shape (R,), from the log-probabilities of tokens, chunk by chunk."""
    values: FloatArray = torch.cat([part_RT.double().sum(-1) for part_RT in log_probs]).cpu().numpy()
    return values


def places(batch: RolloutBatch) -> list[tuple[int, int]]:
    """Prompt and draw of every completion."""
    return [(place, g) for place, count in enumerate(batch.counts_P) for g in range(count)]


def add(fields: Sequence[Fields], rollouts: Sequence[OrbitRollouts], name: str, values_R: FloatArray) -> None:
    """Give every orbit its part of what is known of all rollouts in a row."""
    start = 0
    for of_orbit, orbit in zip(fields, rollouts, strict=True):
        shape = orbit.record.class_VG.shape
        end = start + orbit.record.class_VG.size
        of_orbit[name] = values_R[start:end].reshape(shape)
        start = end


def under_every_phrasing(policy: Policy, orbit: OrbitRollouts, own: bool) -> Fields:
    """Log π(y_vg | x_w) of an orbit's rollouts under each of its phrasings w: V passes over V · G completions.

    Those that are the same, of whatever phrasing, are one.

    Args:
        policy: that drew them.
        orbit: the rollouts.
        own: is each one's log-probability under its own phrasing a field, too?
    """
    V, G = orbit.record.class_VG.shape
    whole = RolloutBatch((orbit.prompts_V[0],), tuple(t for group in orbit.completions_VG for t in group))
    texts, places = whole.distinct
    completions, rows = texts.completions, policy.limits.rows
    starts = range(0, len(completions), rows)
    pieces = [(w, completions[start : start + rows]) for w in orbit.prompts_V for start in starts]
    batch = RolloutBatch(
        tuple(prompt for prompt, _ in pieces),
        tuple(tokens for _, piece in pieces for tokens in piece),
        tuple(len(piece) for _, piece in pieces),
    )
    log_probs_VT = totals(policy.score(policy.model, batch)).reshape(V, len(completions))
    cross_VGV = log_probs_VT[:, places].reshape(V, V, G).transpose(1, 2, 0)
    fields: Fields = {"cross_log_prob_VGV": cross_VGV}
    if own:
        every = np.arange(V)
        fields["log_prob_VG"] = cross_VGV[every, :, every]
    return fields
