"""A samples file of lm-eval as a suite: `imported:<task>[:key=value,...]`; its problems are in the file `--data`.

Answers are graded by the first of these that there is:

like=S        the answer rules and kind of our suite S
              what this harness wrote into the file: rules, or answers where the rules were a task's own
              lm-eval's filtered response and its metric, where every prompt has one response
              as numbers, where every target ends in one

filter=NAME, metric=NAME    which lines of the file, and which of their metrics; the first, and exact_match
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from alftbench.answers.canonical import KINDS, canonical
from alftbench.answers.find.extract import RULES as RULES_BY_NAME
from alftbench.answers.partition import grouped, reference_keys
from alftbench.base.settings import parse_pairs, read_settings
from alftbench.errors import BadInput, UsageError
from alftbench.lm_eval.rows import INVALID, SampleRow, read_rows
from alftbench.suites.base import Grader, SuiteInfo
from alftbench.suites.grade import grade_by_rules
from alftbench.suites.load import load_suite
from alftbench.suites.tables.table import TableSuite
from alftbench.types import Answer, GradedOrbit, Orbit, Outcome, Problem, Sample, SamplingParams, Variant

FAMILY = "imported"
NUMBER = "number"
NUMBER_RULES = ("boxed", "hashes", "marker", "last-number")
RULES, RECORDED = "answer_rules", "recorded"  # keys of a problem's metadata: how to grade it, or the verdicts
JUDGED = "judged"  # the answer kind of answers whose verdict is in the file
Verdicts = Sequence[tuple[str | None, bool]]  # per draw: the answer, and whether it is right


@dataclass(frozen=True)
class ImportSettings:
    """Which lines of a samples file to take, and how to grade them."""

    filter: Annotated[str | None, "which of the file's filters; its first"] = None
    metric: Annotated[str, "which of lm-eval's metrics says right or wrong"] = "exact_match"
    like: Annotated[str | None, "the suite of ours whose answer rules and kind to use; the last setting"] = None


@dataclass(frozen=True)
class ImportedSuite:
    """Problems, prompts and grading of a samples file."""

    info: SuiteInfo
    settings: ImportSettings

    def orbits(self, split: str = "test", data: str | None = None) -> Sequence[Orbit]:
        """The problems of the samples file `data`, each with its prompts and how it is graded.

        Raises:
            UsageError: no file was given, or it does not say how to grade its answers.
            BadInput: a line is not a sample, or two are the same prompt.
        """
        if data is None:
            raise UsageError(f"suite {self.info.name} needs --data SAMPLES.jsonl, the file that was imported")
        rows = read_rows(Path(data), self.settings.filter)
        if bare := next((row for row in rows if not row.messages), None):
            raise BadInput(
                f"{data}, line {bare.number}: holds no prompt; only --suite lm-eval:TASK, which makes its own, "
                f"can do without"
            )
        make = self._maker(data, rows)
        return [make(variants) for variants in by_problem(Path(data), rows)]

    def _maker(self, data: str, rows: Sequence[SampleRow]) -> Any:
        """The way from a problem's lines to its orbit: how answers are graded is settled for a whole file."""
        if self.settings.like is not None:
            return self._like(self.settings.like)
        if all(row.extra for row in rows):
            return written_here
        if all(len(row.texts) == 1 for row in rows):
            return lambda lines: judged(
                lines, {row.variant: [lm_eval_verdict(data, row, self.settings.metric)] for row in lines}
            )
        if all(number_target(row) is not None for row in rows):
            return lambda lines: by_rules(lines, NUMBER, NUMBER_RULES)
        raise UsageError(
            f"{data}: several responses a prompt, and targets that are no numbers; say with --suite whose answer "
            f"rules to use"
        )

    def _like(self, name: str) -> Any:
        """Grade by the rules of one of our suites; all of its problems are of one kind."""
        suite = load_suite(name)
        if isinstance(suite, Grader) or not suite.info.answer_rules:
            raise UsageError(f"--suite {name}: it has no answer rules that other problems could be graded by")
        of_table = suite.answer_kind if isinstance(suite, TableSuite) else None  # its problems may need a file
        kind = of_table or suite.orbits(suite.info.splits[0])[0].problem.answer_kind
        return lambda lines: by_rules(lines, kind, suite.info.answer_rules)

    def grade(self, orbit: Orbit, samples_VN: Sequence[Sequence[Sample]]) -> GradedOrbit:
        """The answers of an orbit's samples and their classes, by rules or as the file says."""
        problem = orbit.problem
        if RECORDED not in problem.metadata:
            return grade_by_rules(problem, samples_VN, problem.metadata[RULES])
        known = problem.metadata[RECORDED]
        verdicts_VN = [[known[s.variant][s.draw] for s in row] for row in samples_VN]
        right = {key for row in verdicts_VN for key, fine in row if fine}
        answers_VN = tuple(tuple(as_answer(key) for key, _ in row) for row in verdicts_VN)
        return GradedOrbit(grouped(problem.id, answers_VN, right), answers_VN)


def written_here(lines: Sequence[SampleRow]) -> Orbit:
    """A problem that this harness wrote: by its rules, or by its answers where the rules were a task's own."""
    said = lines[0].extra
    kind, rules = said["problem"]["answer_kind"], said["problem"]["metadata"].get(RULES) or said[RULES]
    if kind in KINDS and rules:
        return by_rules(lines, kind, rules)
    verdicts = {row.variant: list(zip(row.extra["answers"], row.extra["right"], strict=True)) for row in lines}
    return judged(lines, verdicts)


def by_rules(lines: Sequence[SampleRow], kind: str, rules: Sequence[str]) -> Orbit:
    """A problem whose answers are found in the responses by rules.

    Raises:
        BadInput: its target is no answer of that kind, or there is no such rule.
    """
    if unknown := sorted(set(rules) - RULES_BY_NAME.keys()):
        raise BadInput(f"problem {lines[0].problem_id!r}: there is no answer rule {unknown[0]!r}")
    orbit = orbit_of(lines, kind, {RULES: list(rules)})
    reference_keys(orbit.problem)
    return orbit


def judged(lines: Sequence[SampleRow], verdicts: Mapping[str, Verdicts]) -> Orbit:
    """A problem whose answers and verdicts are known, by phrasing."""
    by_draw = {name: [list(verdict) for verdict in of_phrasing] for name, of_phrasing in verdicts.items()}
    return orbit_of(lines, JUDGED, {RECORDED: by_draw})


def orbit_of(lines: Sequence[SampleRow], kind: str, grading: Mapping[str, Any]) -> Orbit:
    """A problem with one phrasing per line."""
    variants = tuple(Variant(row.problem_id, row.variant, row.messages) for row in lines)
    first = lines[0]
    if first.extra:
        said = first.extra["problem"]
        known = Problem(said["id"], said["question"], tuple(said["reference"]), kind, said["metadata"])
    else:
        reference = number_target(first) if kind == NUMBER else None
        question = first.messages[-1]["content"]
        known = Problem(first.problem_id, question, (reference or first.target,), kind, {"doc": first.doc})
    return Orbit(replace(known, metadata={**known.metadata, **grading}), variants)


def number_target(row: SampleRow) -> str | None:
    """The number that a target is, or that a written-out solution ends in after ####."""
    written = row.target.rpartition("####")[2].strip()
    return written if canonical(NUMBER, written) is not None else None


def lm_eval_verdict(data: str, row: SampleRow, metric: str) -> tuple[str | None, bool]:
    """The answer that lm-eval's filter left of the only response, and whether its metric is 1."""
    if row.metrics.get(metric) not in (0, 1):
        raise BadInput(
            f"{data}, line {row.number}: the metric {metric!r} is not 0 or 1; choose another with --metric: "
            f"{', '.join(row.metrics) or 'none there'}"
        )
    left = row.filtered
    while isinstance(left, list) and len(left) == 1:
        left = left[0]
    right = bool(row.metrics[metric])
    return (None if str(left) in ("", INVALID) and not right else str(left)), right


def as_answer(key: str | None) -> Answer:
    """A recorded answer."""
    return Answer(Outcome.UNPARSED) if key is None else Answer(Outcome.ANSWERED, key, key)


def by_problem(path: Path, rows: Sequence[SampleRow]) -> list[list[SampleRow]]:
    """The lines of each problem, in the file's order.

    Raises:
        BadInput: two lines are the same prompt.
    """
    problems: dict[str, dict[str, SampleRow]] = {}
    for row in rows:
        variants = problems.setdefault(row.problem_id, {})
        if row.variant in variants:
            raise BadInput(
                f"{path}, line {row.number}: problem {row.problem_id} stands on line "
                f"{variants[row.variant].number} already; a file holds the samples of one evaluation"
            )
        variants[row.variant] = row
    return [list(variants.values()) for variants in problems.values()]


def family(text: str) -> ImportedSuite:
    """The suite of `<task>[:key=value,...]`."""
    task, _, options = text.partition(":")
    options, like, named = options.partition("like=")  # the name of a suite may hold any sign: it comes last
    owner = f"suite {FAMILY}:{text}:"
    settings = read_settings(ImportSettings, parse_pairs(owner, options), owner)
    if like:
        settings = replace(settings, like=named)
    info = SuiteInfo(
        name=f"{FAMILY}:{text}",
        version="1",
        description=f"samples of lm-eval's task {task}",
        licence="see the task's source",
        citation="see the task's README in lm-eval",
        sampling=SamplingParams(),
        splits=("test",),
        answer_rules=(),
    )
    return ImportedSuite(info, settings)
