"""From samples to answers to classes: the one place, used by evaluation, training and equilibrium."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial

from alftbench.answers.find.extract import extract
from alftbench.answers.partition import by_orbit, by_phrasing, partition
from alftbench.errors import AlftbenchError, PluginError
from alftbench.suites.base import Grader, Suite
from alftbench.types import NO_ANSWER, AnswerPartition, GradedOrbit, Orbit, Problem, Sample


def grade_orbits(
    suite: Suite, orbits: Sequence[Orbit], samples: Iterable[Sample], secret: str | None = None
) -> Iterator[tuple[list[list[Sample]], GradedOrbit]]:
    """Extract every sample's answer and group each orbit's answers into classes, problem by problem.

    Args:
        suite: says how answers are read.
        orbits: what was sampled, in any order.
        samples: sorted by problem, phrasing and draw, as a complete run holds them; read as problems are
            graded, so that memory holds one problem's samples.
        secret: of the run, says where verdicts are confirmed; the process's own if None.

    Yields:
        The samples of a problem, a list for each phrasing, and their grades; in the order of `samples`.

    Raises:
        BadInput: samples of a problem are missing, unknown or out of order.
    """
    for orbit, samples_VN in by_orbit(orbits, samples):
        yield samples_VN, grade(suite, orbit, samples_VN, secret)


def graded(suite: Suite, orbit: Orbit, samples: Iterable[Sample], secret: str | None = None) -> AnswerPartition:
    """The classes of one orbit's samples."""
    return grade(suite, orbit, by_phrasing(orbit, samples), secret).partition


def grade(
    suite: Suite, orbit: Orbit, samples_VN: Sequence[Sequence[Sample]], secret: str | None = None
) -> GradedOrbit:
    """The answers of one orbit's samples and their classes, by the suite's own rules where it has some."""
    if isinstance(suite, Grader):
        return own_grades(suite.info.name, suite, orbit, samples_VN)
    return grade_by_rules(orbit.problem, samples_VN, suite.info.answer_rules, secret)


def own_grades(name: str, grader: Grader, orbit: Orbit, samples_VN: Sequence[Sequence[Sample]]) -> GradedOrbit:
    """What a suite's own rules say, checked: a table must not be made of half of it.

    Raises:
        PluginError: they raise, or do not give every sample of the problem an answer and a class.
    """
    place = f"suite {name!r}, problem {orbit.problem.id}: grade()"
    try:
        graded = grader.grade(orbit, samples_VN)
    except AlftbenchError:
        raise
    except Exception as error:
        raise PluginError(f"{place} failed: {type(error).__name__}: {error}") from error
    if not isinstance(graded, GradedOrbit):
        raise PluginError(f"{place} gave {type(graded).__name__}, not a GradedOrbit")
    partition, sizes = graded.partition, [len(row) for row in samples_VN]
    if any([len(row) for row in rows] != sizes for rows in (partition.class_VN, graded.answers_VN)):
        raise PluginError(f"{place} does not give every sample an answer and a class")
    n_classes = len(partition.classes_Z)
    if len(set(partition.classes_Z)) < n_classes or len(partition.correct_Z) != n_classes:
        raise PluginError(f"{place} names a class twice, or does not say of each whether it is right")
    if not all(NO_ANSWER <= z < n_classes for row in partition.class_VN for z in row):
        raise PluginError(f"{place} gives a sample a class that it does not name")
    return graded


def grade_by_rules(
    problem: Problem, samples_VN: Sequence[Sequence[Sample]], rules: Sequence[str], secret: str | None = None
) -> GradedOrbit:
    """The answers that rules find in the samples of a problem, and their classes.

    Raises:
        BadInput: a reference of the problem cannot be read.
    """
    once = cache(partial(extract, kind=problem.answer_kind, rules=rules))  # many samples of a problem are alike
    answers_VN = tuple(
        tuple(once(sample.text, finish_reason=sample.finish_reason) for sample in row) for row in samples_VN
    )
    return GradedOrbit(partition(problem, answers_VN, secret=secret), answers_VN)
