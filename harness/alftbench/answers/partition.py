"""Group an orbit's answers into classes: the one place, used by evaluation and by rewards.

`classes` says how keys become classes; here they are given to samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Protocol, TypeVar

from alftbench.answers.canonical import canonical
from alftbench.answers.classes import classify
from alftbench.answers.confirm import Confirmation, as_bytes, confirmed, read_text
from alftbench.answers.find.extract import GUESSES
from alftbench.answers.judge.judge import Judge, shared_judge
from alftbench.answers.verifiers import VERIFIER, any_right
from alftbench.errors import BadInput
from alftbench.types import NO_ANSWER, Answer, AnswerPartition, Orbit, Outcome, Problem


class OfPhrasing(Protocol):
    """A sample, or what is recorded of one."""

    @property
    def problem_id(self) -> str:
        """The problem."""
        ...

    @property
    def variant(self) -> str:
        """The phrasing's name."""
        ...


RowT = TypeVar("RowT", bound=OfPhrasing)


def reference_keys(problem: Problem) -> frozenset[str]:
    """The canonical keys of the right answers; a reference that its own kind cannot read is an error."""
    keys = {raw: canonical(problem.answer_kind, raw) for raw in problem.reference}
    for raw, key in keys.items():
        if key is None:
            raise BadInput(
                f"problem {problem.id}: reference {raw!r} is no answer of kind {problem.answer_kind!r}; "
                f"correct the data file"
            )
    return frozenset(key for key in keys.values() if key is not None)


def by_orbit(orbits: Iterable[Orbit], samples: Iterable[RowT]) -> Iterator[tuple[Orbit, list[list[RowT]]]]:
    """Every orbit with its samples, a list for every phrasing.

    Args:
        orbits: what was sampled, in any order.
        samples: sorted by problem, phrasing and draw, as a complete run holds them; read as orbits are taken, so
            that memory holds one orbit's samples.

    Yields:
        Orbits in the order of `samples`.

    Raises:
        BadInput: samples of a problem are missing, unknown or out of order.
    """
    open_orbits = {orbit.problem.id: orbit for orbit in orbits}
    for problem_id, group in groupby(samples, key=lambda sample: sample.problem_id):
        orbit = open_orbits.pop(problem_id, None)
        if orbit is None:
            raise BadInput(f"samples of problem {problem_id!r}, which is unknown here or came before")
        yield orbit, by_phrasing(orbit, group)
    if open_orbits:
        raise BadInput(f"no samples of problem {next(iter(open_orbits))!r}; run the evaluation again")


def by_phrasing(orbit: Orbit, samples: Iterable[RowT]) -> list[list[RowT]]:
    """One orbit's samples, a list for every phrasing.

    Raises:
        BadInput: a phrasing is unknown or has no samples.
    """
    rows: dict[str, list[RowT]] = {variant.name: [] for variant in orbit.variants}
    for sample in samples:
        if sample.variant not in rows:
            raise BadInput(f"problem {orbit.problem.id!r} has no phrasing {sample.variant!r}, but samples of it")
        rows[sample.variant].append(sample)
    for name, row in rows.items():
        if not row:
            raise BadInput(f"problem {orbit.problem.id!r}: no samples of phrasing {name!r}")
    return list(rows.values())


def verified_keys(problem: Problem, answers: Sequence[Answer]) -> frozenset[str] | None:
    """The keys that the problem's verifier accepts; None for a problem whose references say what is right."""
    if VERIFIER not in problem.metadata:
        return None
    spellings: dict[str, list[str]] = {}
    for answer in answers:
        if answer.canonical is not None:
            spellings.setdefault(answer.canonical, []).append(read_text(answer))
    return frozenset(key for key, written in spellings.items() if any_right(problem, written))


def partition(
    problem: Problem,
    answers_VN: Sequence[Sequence[Answer]],
    judge: Judge | None = None,
    secret: str | None = None,
) -> AnswerPartition:
    """The classes of an orbit's answers, with the class of every sample.

    Args:
        problem: its references say which classes are right.
        answers_VN: N answers of each of V phrasings.
        judge: compares keys that do not decide alone; the process's own if not given, started when needed.
        secret: of the run, says where verdicts are confirmed; the process's own if not given.

    Raises:
        BadInput: a reference cannot be read.
        MissingPackage: a pair needs math-verify, which is not installed.
    """
    confirmation = Confirmation(problem.answer_kind, judge or shared_judge(), as_bytes(secret))
    golds = () if VERIFIER in problem.metadata else problem.reference
    gold = reference_keys(problem) if golds else frozenset()
    answers_VN, text_of = confirmed(answers_VN, golds, confirmation)
    answers = [answer for row in answers_VN for answer in row]
    verified = verified_keys(problem, answers)
    classes = classify(distinct_keys(answers), gold, confirmation.of_keys(text_of))
    right = classes.right if verified is None else {classes.of[key] for key in verified if key in classes.of}
    assigned = assembled(problem.id, answers_VN, classes.of, right)
    return replace(assigned, conflicts=classes.conflicts, unresolved=classes.unresolved)


def grouped(problem_id: str, answers_VN: Sequence[Sequence[Answer]], right: Container[str]) -> AnswerPartition:
    """The classes of answers whose keys decide alone; those whose key is in `right` are right."""
    keys = distinct_keys(answer for row in answers_VN for answer in row)
    return assembled(problem_id, answers_VN, {key: key for key in keys}, right)


def distinct_keys(answers: Iterable[Answer]) -> frozenset[str]:
    """The keys that occur."""
    return frozenset(answer.canonical for answer in answers if answer.canonical is not None)


def assembled(
    problem_id: str, answers_VN: Sequence[Sequence[Answer]], class_of: Mapping[str, str], right: Container[str]
) -> AnswerPartition:
    """The partition of answers whose keys have classes; a key without one has none."""
    classes = sorted(set(class_of.values()))
    index = {name: z for z, name in enumerate(classes)}
    place = {key: index[name] for key, name in class_of.items()}
    class_VN = tuple(
        tuple(NO_ANSWER if a.canonical is None else place.get(a.canonical, NO_ANSWER) for a in row)
        for row in answers_VN
    )
    pairs = (pair for rows in zip(answers_VN, class_VN, strict=True) for pair in zip(*rows, strict=True))
    return AnswerPartition(
        problem_id=problem_id,
        classes_Z=tuple(classes),
        correct_Z=tuple(name in right for name in classes),
        class_VN=class_VN,
        outcomes=Counter(str(outcome(answer, z)) for answer, z in pairs),
        guessed_VN=tuple(tuple(answer.rule in GUESSES for answer in row) for row in answers_VN),
    )


def outcome(answer: Answer, z: int) -> Outcome:
    """The outcome of an answer once its class is known: TIMEOUT where nothing could be compared with it."""
    return Outcome.TIMEOUT if z == NO_ANSWER and answer.canonical is not None else answer.outcome
