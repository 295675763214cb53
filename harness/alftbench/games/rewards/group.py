"""What a reward rule sees: the record of a group's rollouts, and what is counted in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.types import NO_ANSWER

BoolArray: TypeAlias = NDArray[np.bool_]
ArrayT = TypeVar("ArrayT", IntArray, FloatArray)


@dataclass(frozen=True, eq=False)
class GroupRecord:
    """The rollouts of one orbit: V phrasings of a problem, G rollouts of each; a single prompt has V = 1.

    The rules of this package also take a batch of orbits at once, as axes before V: they count along the last two.

    Args:
        class_VG: the answer class of every rollout, NO_ANSWER (−1) where it gave none.
        correct_Z: whether an answer class is right.
        tokens_VG: tokens of every rollout, the end token included.
        finish_reason_VG: "stop" or "length".
        text_VG: what was written.
    """

    class_VG: IntArray
    correct_Z: BoolArray
    tokens_VG: IntArray | None = None
    finish_reason_VG: tuple[tuple[str, ...], ...] = ()
    text_VG: tuple[tuple[str, ...], ...] = ()

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
        classes = np.arange(self.correct_Z.size)
        return np.asarray((self.class_VG[..., None] == classes).sum(axis=-2))

    @property
    def correct_VG(self) -> BoolArray:
        """Whether a rollout's answer is right; no answer is not."""
        return np.append(self.correct_Z, False)[self.class_VG]

    @cached_property
    def own_VG(self) -> IntArray:
        """How often a rollout's answer occurs in its own group: n_v(z), itself included; 1 for no answer."""
        return self.at_own_answer(self.counts_VZ, 1)

    @cached_property
    def pooled_VG(self) -> IntArray:
        """How often a rollout's answer occurs in the orbit: Σ_v n_v(z), itself included; 1 for no answer."""
        return self.at_own_answer(self.counts_VZ.sum(axis=-2, keepdims=True), 1)

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


def one_by_one(rule: Rule) -> Rule:
    """A rule of one orbit as one of a batch of orbits."""

    def each(record: GroupRecord) -> FloatArray:
        *batch, V, G = record.class_VG.shape
        rows = record.class_VG.reshape(-1, V, G)
        return np.stack([rule(GroupRecord(row, record.correct_Z)) for row in rows]).reshape(*batch, V, G)

    return each
