"""A suite that decides what is right by place, and remembers everything that it was asked to grade."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from alftbench.base.arrays import IntArray
from alftbench.games.rewards import GroupRecord
from alftbench.suites.arithmetic import SUMS
from alftbench.suites.base import SuiteInfo
from alftbench.types import Answer, AnswerPartition, GradedOrbit, Orbit, Outcome, Sample

ANSWERS = ("a", "b", "c")
RIGHT = (True, False, False)
PROBLEMS = 2


@dataclass(frozen=True)
class Graded:
    """One orbit as a trainer had it graded: the phrasings it has, and the samples of those that came."""

    orbit: Orbit
    samples_VG: tuple[tuple[Sample, ...], ...]

    @property
    def tokens(self) -> int:
        """Tokens of all samples."""
        return sum(sample.n_tokens for row in self.samples_VG for sample in row)

    @property
    def record(self) -> GroupRecord:
        """What a reward rule sees of it."""
        return GroupRecord(
            classes_of(self.samples_VG),
            np.array(RIGHT),
            tokens_VG=np.array([[sample.n_tokens for sample in row] for row in self.samples_VG]),
            finish_reason_VG=tuple(tuple(sample.finish_reason for sample in row) for row in self.samples_VG),
            text_VG=tuple(tuple(sample.text for sample in row) for row in self.samples_VG),
        )


@dataclass
class ProbeSuite:
    """Sums whose answer classes follow from phrasing, text and place: no group is all right, and order matters."""

    info: SuiteInfo = field(default_factory=lambda: replace(SUMS.info, name="probe"))
    graded: list[Graded] = field(default_factory=list)

    def orbits(self, split: str = "train", data: str | None = None) -> Sequence[Orbit]:
        """The first training problems of sums."""
        return SUMS.orbits("train")[:PROBLEMS]

    def grade(self, orbit: Orbit, samples_VN: Sequence[Sequence[Sample]]) -> GradedOrbit:
        """Classes by place, and a note of what was asked."""
        samples = tuple(tuple(row) for row in samples_VN)
        self.graded.append(Graded(orbit, samples))
        classes = tuple(tuple(map(int, row)) for row in classes_of(samples))
        partition = AnswerPartition(orbit.problem.id, ANSWERS, RIGHT, classes, {})
        answers = tuple(
            tuple(Answer(Outcome.ANSWERED, ANSWERS[z], ANSWERS[z], "place") for z in row) for row in classes
        )
        return GradedOrbit(partition, answers)


def classes_of(samples_VG: Sequence[Sequence[Sample]]) -> IntArray:
    """The answer class of every sample, by a digest of what it is and where it stands."""
    return np.array([[class_of(sample) for sample in row] for row in samples_VG], dtype=np.int64)


def class_of(sample: Sample) -> int:
    """The answer class of a sample."""
    word = f"{sample.problem_id} {sample.variant} {sample.draw} {sample.text}".encode()
    return hashlib.sha256(word).digest()[0] % len(ANSWERS)
