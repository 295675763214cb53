"""The answers of a run: recorded once when it is graded, and read by everything that asks for them later.

answers.jsonl.gz has a line per sample, in the order of samples.jsonl.gz. A run from before there was such a file
is graded again when it is read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from alftbench.answers.find.extract import GUESSES
from alftbench.answers.partition import by_orbit, outcome
from alftbench.base.jsonio import read_jsonl
from alftbench.errors import BadInput, UnknownName
from alftbench.evaluation.run_folder import ANSWERS, SAMPLE_ORDER, RunFolder, read_record, read_sealed
from alftbench.suites.base import Suite
from alftbench.suites.grade import grade_orbits
from alftbench.types import NO_ANSWER, Answer, AnswerPartition, GradedOrbit, Orbit, Sample


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """What was found in a sample: a line of answers.jsonl.gz, in which `class_key` is called class.

    answer: as written, text[start:end] of the sample's text; without a place where a suite's own rules name none.
    key: the answer's own. class_key: that of its class, None for an answer that nothing could be compared with.
    conflicts, unresolved: of its problem's partition; written where they are not 0.
    """

    problem_id: str
    variant: str
    draw: int
    outcome: str
    answer: str | None
    start: int | None
    end: int | None
    key: str | None
    class_key: str | None
    right: bool
    guess: bool
    conflicts: int = 0
    unresolved: int = 0


def record_answers(run: RunFolder, suite: Suite, orbits: Sequence[Orbit]) -> None:
    """Grade a complete run, problem by problem, and write answers.jsonl.gz."""
    graded = grade_orbits(suite, orbits, run.samples(), run.record.secret)
    run.save_answers(line for samples_VN, orbit in graded for line in answer_lines(samples_VN, orbit))


def answer_lines(samples_VN: Sequence[Sequence[Sample]], graded: GradedOrbit) -> list[str]:
    """The lines of one problem, in the order of its samples in a complete run."""
    rows = [
        (sample, as_row(sample, answer, z, graded.partition))
        for samples, answers, classes in zip(samples_VN, graded.answers_VN, graded.partition.class_VN, strict=True)
        for sample, answer, z in zip(samples, answers, classes, strict=True)
    ]
    rows.sort(key=lambda row: SAMPLE_ORDER(row[0]))
    return [json.dumps(row, ensure_ascii=False) + "\n" for _, row in rows]


def as_row(sample: Sample, answer: Answer, z: int, partition: AnswerPartition) -> dict[str, Any]:
    """A line as plain data, from an answer and the index of its class."""
    start, end = answer.span or (None, None)
    counts = {"conflicts": partition.conflicts, "unresolved": partition.unresolved}
    return {
        "problem_id": sample.problem_id,
        "variant": sample.variant,
        "draw": sample.draw,
        "outcome": str(outcome(answer, z)),
        "answer": answer.raw,
        "start": start,
        "end": end,
        "key": answer.canonical,
        "class": None if z == NO_ANSWER else partition.classes_Z[z],
        "right": z != NO_ANSWER and partition.correct_Z[z],
        "guess": answer.rule in GUESSES,
        **(counts if any(counts.values()) else {}),
    }


def read_answers(folder: Path) -> Iterator[RecordedAnswer]:
    """The lines of a run's answers.jsonl.gz.

    Raises:
        BadInput: it cannot be read, or a line is none of an answer; names the line.
    """
    path = folder / ANSWERS
    for number, row in read_jsonl(path, by_model=True):
        try:
            yield as_recorded(row)
        except (KeyError, TypeError) as error:
            raise BadInput(f"{path}, line {number}: not an answer ({error}); evaluate again") from None


def as_recorded(row: Mapping[str, Any]) -> RecordedAnswer:
    """A line as a record."""
    return RecordedAnswer(class_key=row["class"], **{name: row[name] for name in row if name != "class"})


def read_partitions(folder: Path, suite: Suite, orbits: Sequence[Orbit]) -> Iterator[AnswerPartition]:
    """The classes of every problem's answers in a complete run, problem by problem, in the order of its samples.

    Raises:
        BadInput: the run is not of these orbits, or a file cannot be read.
    """
    record = read_record(folder)
    if record.answers_sha256 is None:
        for _, graded in grade_orbits(suite, orbits, read_sealed(folder), record.secret):
            yield graded.partition
    else:
        for orbit, recorded_VN in by_orbit(orbits, read_answers(folder)):
            yield as_partition(orbit, recorded_VN)


def recorded_partition(folder: Path, problem_id: str) -> AnswerPartition:
    """The classes of one problem's answers in a complete run, from its answers.jsonl.gz alone.

    Raises:
        BadInput: the run is not complete, has no such file, or a file cannot be read.
        UnknownName: the run has no such problem.
    """
    if read_record(folder).status != "complete":
        raise BadInput(f"{folder}: the run is not complete; give its command again, and it goes on")
    if not (folder / ANSWERS).exists():
        raise BadInput(f"{folder}: has no {ANSWERS}; evaluate again, and it gets one")
    problems, asked = [], []
    for name, rows in groupby(read_answers(folder), attrgetter("problem_id")):
        problems.append(name)
        if name == problem_id:
            asked = list(rows)
    if not asked:
        raise UnknownName("problem", problem_id, problems)
    return _partition(problem_id, [list(rows) for _, rows in groupby(asked, attrgetter("variant"))])


def as_partition(orbit: Orbit, recorded_VN: Sequence[Sequence[RecordedAnswer]]) -> AnswerPartition:
    """The partition of which an orbit's answers were recorded."""
    return _partition(orbit.problem.id, recorded_VN)


def _partition(problem_id: str, recorded_VN: Sequence[Sequence[RecordedAnswer]]) -> AnswerPartition:
    recorded = [row for rows in recorded_VN for row in rows]
    right = {row.class_key: row.right for row in recorded if row.class_key is not None}
    classes = sorted(right)
    place: dict[str | None, int] = {None: NO_ANSWER, **{name: z for z, name in enumerate(classes)}}
    return AnswerPartition(
        problem_id=problem_id,
        classes_Z=tuple(classes),
        correct_Z=tuple(right[name] for name in classes),
        class_VN=tuple(tuple(place[row.class_key] for row in rows) for rows in recorded_VN),
        outcomes=Counter(row.outcome for row in recorded),
        conflicts=recorded[0].conflicts,
        unresolved=recorded[0].unresolved,
        guessed_VN=tuple(tuple(row.guess for row in rows) for rows in recorded_VN),
    )
