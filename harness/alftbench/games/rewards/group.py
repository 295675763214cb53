"""What a reward rule sees: the record of a group's rollouts, and what is counted in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.errors import UsageError
from alftbench.types import NO_ANSWER

BoolArray: TypeAlias = NDArray[np.bool_]
ArrayT = TypeVar("ArrayT", IntArray, FloatArray)
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Remembered:
    """The answers that an orbit's earlier groups gave: a running mean that forgets.

    After a step with the shares n/G of the answers the mean is m ← ρ m + (1 − ρ) n/G; it starts at 0, so p̂ is m
    divided by its total weight 1 − ρ^t.

    Args:
        mean_VZ: m before this step.
        steps: t − 1, how often the problem was met before.
        decay: ρ, in 0 … 1.
    """

    mean_VZ: FloatArray
    steps: int
    decay: float

    def shares(self, counts_VZ: IntArray, group: int) -> FloatArray:
        """The estimate p̂ with this step's counts among it, so that an answer just drawn is never impossible."""
        weight = 1 - self.decay ** (self.steps + 1)
        return np.asarray((self.decay * self.mean_VZ + (1 - self.decay) * counts_VZ / group) / weight)


@dataclass(frozen=True, eq=False)
class GroupRecord:
    """The rollouts of one orbit: V phrasings of a problem, G rollouts of each; a single prompt has V = 1.

    The rules of this package also take a batch of orbits at once, as axes before V: they count along the last two.

    Args:
        class_VG: the answer class of every rollout, NO_ANSWER (−1) where it gave none.
        correct_Z: whether an answer class is right.
        log_prob_VG: log π(y|x) of every rollout under the policy that drew it, nats; None where not at hand.
        reference_log_prob_VG: the same under the reference policy.
        cross_log_prob_VGV: log-probability of every rollout's text under every phrasing of the orbit, nats.
        uniform_VG: one uniform number in [0, 1) per rollout, for rules that reward at random.
        tokens_VG: tokens of every rollout, the end token included.
        finish_reason_VG: "stop" or "length".
        text_VG: what was written.
        remembered: what earlier steps drew for the same problem; None where nothing is kept.
    """

    class_VG: IntArray
    correct_Z: BoolArray
    log_prob_VG: FloatArray | None = None
    reference_log_prob_VG: FloatArray | None = None
    cross_log_prob_VGV: FloatArray | None = None
    uniform_VG: FloatArray | None = None
    tokens_VG: IntArray | None = None
    finish_reason_VG: tuple[tuple[str, ...], ...] = ()
    text_VG: tuple[tuple[str, ...], ...] = ()
    remembered: Remembered | None = None

    @property
    def group(self) -> int:
        """G, rollouts per phrasing."""
        return int(self.class_VG.shape[-1])

    @property
    def phrasings(self) -> int:
        """V, phrasings in the orbit."""
        return int(self.class_VG.shape[-2])

    @property
    def answered_VG(self) -> BoolArray:
        """Whether a rollout gave an answer."""
        return np.asarray(self.class_VG != NO_ANSWER)

    @cached_property
    def counts_VZ(self) -> IntArray:
        """How often a phrasing's group gave each answer: n_v(z)."""
        *rows, group = self.class_VG.shape
        columns = self.correct_Z.size + 1  # the last is no answer, −1
        place = np.arange(prod(rows))[:, None] * columns + self.class_VG.reshape(-1, group) % columns
        counts = np.bincount(place.ravel(), minlength=prod(rows) * columns)
        return np.asarray(counts.reshape(*rows, columns)[..., :-1])

    @property
    def correct_VG(self) -> BoolArray:
        """Whether a rollout's answer is right; no answer is not."""
        return np.append(self.correct_Z, False)[self.class_VG]

    @property
    def right_V1(self) -> FloatArray:
        """How many rollouts of a phrasing's group are right: C, with an axis for the rollouts."""
        return np.asarray((self.counts_VZ * self.correct_Z).sum(axis=-1, keepdims=True), dtype=float)

    @cached_property
    def own_VG(self) -> IntArray:
        """How often a rollout's answer occurs in its own group: n_v(z), itself included; 1 for no answer."""
        return self.at_own_answer(self.counts_VZ, 1)

    @cached_property
    def pooled_VG(self) -> IntArray:
        """How often a rollout's answer occurs in the orbit: Σ_v n_v(z), itself included; 1 for no answer."""
        return self.at_own_answer(self.counts_VZ.sum(axis=-2, keepdims=True), 1)

    def without(self, rollout: int) -> GroupRecord:
        """The record of the same orbit whose every phrasing lacks this one of its G rollouts."""

        def fewer(values_VG: ArrayT | None, axis: int = -1) -> ArrayT | None:
            return None if values_VG is None else np.delete(values_VG, rollout, axis=axis)

        def fewer_words(words_VG: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
            return tuple((*row[:rollout], *row[rollout + 1 :]) for row in words_VG)

        return replace(
            self,
            class_VG=np.delete(self.class_VG, rollout, axis=-1),
            log_prob_VG=fewer(self.log_prob_VG),
            reference_log_prob_VG=fewer(self.reference_log_prob_VG),
            cross_log_prob_VGV=fewer(self.cross_log_prob_VGV, axis=-2),
            uniform_VG=fewer(self.uniform_VG),
            tokens_VG=fewer(self.tokens_VG),
            finish_reason_VG=fewer_words(self.finish_reason_VG),
            text_VG=fewer_words(self.text_VG),
        )

    def at_own_answer(self, value_VZ: ArrayT, unanswered: float) -> ArrayT:
        """A figure of every answer, read at each rollout's own; `unanswered` where it gave none.

        `value_VZ` may have one row, or none, for all phrasings.
        """
        *rows, _ = self.class_VG.shape
        of_all = np.broadcast_to(value_VZ, (*rows, value_VZ.shape[-1]))
        column = np.full((*rows, 1), unanswered, dtype=value_VZ.dtype)
        read: ArrayT = np.take_along_axis(np.concatenate([of_all, column], axis=-1), self.class_VG, axis=-1)
        return read


Rule = Callable[[GroupRecord], FloatArray]
"""A reward rule: the reward of every rollout, shape (V, G); a pure function of the record."""


def needed(value: T | None, field: str) -> T:
    """A field that a rule cannot do without.

    Raises:
        UsageError: the record has none.
    """
    if value is None:
        raise UsageError(f"the rule needs {field}, which this record does not have")
    return value


def at_least_two(record: GroupRecord) -> None:
    """Refuse a single prompt.

    Raises:
        UsageError: it is one.
    """
    if record.phrasings < 2:
        raise UsageError("the rule compares phrasings; it needs an orbit of at least two")


def one_by_one(rule: Rule) -> Rule:
    """A rule of one orbit as one of a batch of orbits."""

    def each(record: GroupRecord) -> FloatArray:
        *batch, V, G = record.class_VG.shape
        rows = record.class_VG.reshape(-1, V, G)
        return np.stack([rule(GroupRecord(row, record.correct_Z)) for row in rows]).reshape(*batch, V, G)

    return each
