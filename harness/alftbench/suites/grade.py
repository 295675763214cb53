"""From samples to answers to classes: the one place, used by evaluation, training and equilibrium."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from alftbench.answers.find.extract import extract
from alftbench.answers.judge.judge import Judge
from alftbench.answers.partition import by_phrasing, partition
from alftbench.errors import BadInput
from alftbench.suites.base import Grader, Suite
from alftbench.types import (
    AnswerPartition,
    Orbit,
    Sample,
)


def partitions(
    suite: Suite, orbits: Sequence[Orbit], samples: Iterable[Sample], judge: Judge | None = None
) -> Iterator[AnswerPartition]:
    """Extract every sample's answer and group each orbit's answers into classes, problem by problem.

    Args:
        suite: says how answers are read.
        orbits: what was sampled, in any order.
        samples: sorted by problem, phrasing and draw, as a complete run holds them; read as partitions are
            taken, so that memory holds one problem's samples.
        judge: compares answers that need more than their text; the process's own if not given.

    Yields:
        A partition for every problem, in the order of `samples`.

    Raises:
        BadInput: samples of a problem are missing, unknown or out of order.
    """
    open_orbits = {orbit.problem.id: orbit for orbit in orbits}
    for problem_id, group in groupby(samples, key=lambda sample: sample.problem_id):
        orbit = open_orbits.pop(problem_id, None)
        if orbit is None:
            raise BadInput(f"samples of problem {problem_id!r}, which is unknown here or came before")
        yield graded(suite, orbit, group, judge)
    if open_orbits:
        raise BadInput(f"no samples of problem {next(iter(open_orbits))!r}; run the evaluation again")


def graded(suite: Suite, orbit: Orbit, samples: Iterable[Sample], judge: Judge | None) -> AnswerPartition:
    """The classes of one orbit's samples, by the suite's own rules where it has some."""
    samples_VN = by_phrasing(orbit, samples)
    if isinstance(suite, Grader):
        return suite.partition(orbit, samples_VN)
    kind, rules = orbit.problem.answer_kind, suite.info.answer_rules
    answers_VN = [[extract(s.text, kind, rules, s.finish_reason) for s in row] for row in samples_VN]
    return partition(orbit.problem, answers_VN, judge)
