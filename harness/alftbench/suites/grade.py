"""From samples to answers to classes: the one place, used by evaluation, training and equilibrium."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from alftbench.answers.find.extract import extract
from alftbench.answers.partition import by_orbit, by_phrasing, partition
from alftbench.suites.base import Grader, Suite
from alftbench.types import AnswerPartition, GradedOrbit, Orbit, Problem, Sample


def grade_orbits(
    suite: Suite, orbits: Sequence[Orbit], samples: Iterable[Sample]
) -> Iterator[tuple[list[list[Sample]], GradedOrbit]]:
    """Extract every sample's answer and group each orbit's answers into classes, problem by problem.

    Args:
        suite: says how answers are read.
        orbits: what was sampled, in any order.
        samples: sorted by problem, phrasing and draw, as a complete run holds them; read as problems are
            graded, so that memory holds one problem's samples.

    Yields:
        The samples of a problem, a list for each phrasing, and their grades; in the order of `samples`.

    Raises:
        BadInput: samples of a problem are missing, unknown or out of order.
    """
    for orbit, samples_VN in by_orbit(orbits, samples):
        yield samples_VN, grade(suite, orbit, samples_VN)


def graded(suite: Suite, orbit: Orbit, samples: Iterable[Sample]) -> AnswerPartition:
    """The classes of one orbit's samples."""
    return grade(suite, orbit, by_phrasing(orbit, samples)).partition


def grade(suite: Suite, orbit: Orbit, samples_VN: Sequence[Sequence[Sample]]) -> GradedOrbit:
    """The answers of one orbit's samples and their classes, by the suite's own rules where it has some."""
    if isinstance(suite, Grader):
        return suite.grade(orbit, samples_VN)
    return grade_by_rules(orbit.problem, samples_VN, suite.info.answer_rules)


def grade_by_rules(problem: Problem, samples_VN: Sequence[Sequence[Sample]], rules: Sequence[str]) -> GradedOrbit:
    """The answers that rules find in the samples of a problem, and their classes.

    Raises:
        BadInput: a reference of the problem cannot be read.
    """
    kind = problem.answer_kind
    answers_VN = tuple(tuple(extract(s.text, kind, rules, s.finish_reason) for s in row) for row in samples_VN)
    return GradedOrbit(partition(problem, answers_VN), answers_VN)
