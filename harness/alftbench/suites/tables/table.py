"""Suites that are tables of problems; a YAML beside this module, or anyone's, says what their rows mean."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alftbench.base.bounds import YAML_BYTES, read_text
from alftbench.base.yaml_files import parse_yaml
from alftbench.errors import BadInput, UsageError
from alftbench.suites.base import Flaw, Suite, SuiteInfo
from alftbench.suites.tables.downloads import Download
from alftbench.suites.tables.fields import FieldError
from alftbench.suites.tables.schema import mistakes
from alftbench.suites.tables.sources import FileSource, HubSource, Rows
from alftbench.types import Message, Orbit, Problem, SamplingParams, Variant

ORIGINAL = "original"  # the name of the only phrasing
QUESTIONS = "questions"  # metadata: the question of each phrasing, where they differ
PlacedRow = tuple[str, dict[str, Any]]  # where a row stands, and the row


@dataclass(frozen=True)
class TableSuite:
    """Rows of a file or of the hub, grouped into orbits by their id."""

    info: SuiteInfo
    answer_kind: str
    prompt: Mapping[str, string.Template]
    system: str
    examples: tuple[tuple[str, str], ...]
    file: FileSource | None
    hub: HubSource | None
    homepage: str

    def orbits(self, split: str = "test", data: str | None = None) -> Sequence[Orbit]:
        """The problems of a split, from the file `data` or else from the hub.

        Raises:
            UsageError: no file was given and the hub does not give the data, or the file does not exist.
            BadInput: a row is not JSON, lacks a field, or differs from its orbit in the answer; names the line.
        """
        phrasings: dict[str, dict[str, str]] = {}
        problems: dict[str, Problem] = {}
        seen: set[str] = set()
        source, rows = self._rows(split, data)
        for place, row in rows:
            seen |= row.keys()
            if not source.wants(row):
                continue
            try:
                problem, questions = self._read(source, row)
            except FieldError as error:
                raise BadInput(f"{place}: {error}") from None
            self._join(place, problem, questions, problems, phrasings)
        if not problems:
            self._say_why_none(source, seen)
        return [self._orbit(problem, phrasings[name]) for name, problem in problems.items()]

    def check_source(self, split: str, data: str | None) -> int:
        """The number of rows, if file or hub give those that are recorded."""
        if data is None:
            assert self.hub is not None
            return self.hub.check(self.info.name, split)
        if self.file is None:
            return self._download().check(split, data)
        return self.file.check(self.info.name, split, data)

    def is_recorded(self, split: str, path: Path) -> bool:
        """Is this file, whatever its name, the one whose digest is recorded for a split?"""
        recorded = self.file.splits.get(split, {}).get("sha256") if self.file else None
        return recorded is not None and hashlib.sha256(path.read_bytes()).hexdigest() == recorded

    def _rows(self, split: str, data: str | None) -> tuple[Rows, Iterable[PlacedRow]]:
        if data is not None and self.file is not None:
            return self.file.rows, self.file.read(split, data)
        if data is not None:
            return self._download().hub.rows, self._download().read(split, data)
        if self.hub is None or split not in self.hub.splits:
            raise UsageError(f"{self._needs(split)}; {self.homepage}")
        try:
            return self.hub.rows, list(self.hub.read(split))
        except UsageError as error:
            raise UsageError(f"{self._needs(split)}, or the hub: {error}; its home is {self.homepage}") from error

    def _needs(self, split: str) -> str:
        """Which file a split could be read from."""
        if self.file is None:
            return f"suite {self.info.name} needs --data: {self._download().wanted(split)}"
        return f"suite {self.info.name} needs --data FILE.jsonl with the fields {self.file.rows.columns}"

    def _download(self) -> Download:
        """The hub's rows as somebody fetched them."""
        assert self.hub is not None
        return Download(self.info.name, self.hub)

    def _say_why_none(self, source: Rows, seen: set[str]) -> None:
        """No row is wanted because none has a column that must have a value, if that is why.

        Raises:
            BadInput: it is.
        """
        for column in source.keep:
            if column not in seen:
                raise BadInput(f"suite {self.info.name}: 'keep' wants the column {column!r}, which no row has")

    def _read(self, source: Rows, row: Mapping[str, Any]) -> tuple[Problem, dict[str, str]]:
        """The problem that a row states, and its question by phrasing."""
        fields = source.fields
        if source.questions:
            questions = {name: rule.value(row) for name, rule in source.questions.items()}
        else:
            name = fields["variant"].value(row) if "variant" in fields else ORIGINAL
            questions = {source.rename.get(name, name): fields["question"].value(row)}
        identity, references = fields["id"].value(row), tuple(fields["reference"].values(row))
        return Problem(identity, next(iter(questions.values())), references, self.answer_kind), questions

    def _join(
        self,
        place: str,
        problem: Problem,
        questions: dict[str, str],
        problems: dict[str, Problem],
        phrasings: dict[str, dict[str, str]],
    ) -> None:
        """Add a row to its orbit."""
        first = problems.setdefault(problem.id, problem)
        asked = phrasings.setdefault(problem.id, {})
        twice = asked.keys() & questions.keys()
        if twice and not self.info.variants:
            raise BadInput(f"{place}: problem id {problem.id!r} occurs twice")
        if twice:
            raise BadInput(f"{place}: problem {problem.id!r} has the phrasing {min(twice)!r} twice")
        if first.reference != problem.reference:
            raise BadInput(
                f"{place}: the phrasings of {problem.id!r} have the answers {first.reference[0]!r} and "
                f"{problem.reference[0]!r}; an orbit has one answer"
            )
        asked.update(questions)

    def _orbit(self, problem: Problem, questions: Mapping[str, str]) -> Orbit:
        if tuple(questions) != (ORIGINAL,):
            problem = replace(problem, metadata={QUESTIONS: dict(questions)})
        variants = tuple(Variant(problem.id, name, self._messages(name, text)) for name, text in questions.items())
        return Orbit(problem, variants)

    def _messages(self, variant: str, question: str) -> tuple[Message, ...]:
        template = self.prompt.get(variant) or self.prompt.get("", string.Template("$question"))
        system = [{"role": "system", "content": self.system}] if self.system else []
        shown = [
            message
            for asked, answer in self.examples
            for message in (
                {"role": "user", "content": template.substitute(question=asked)},
                {"role": "assistant", "content": answer},
            )
        ]
        return (*system, *shown, {"role": "user", "content": template.substitute(question=question)})


def read_suite(text: str, name: str) -> Suite:
    """A suite from the text of its YAML; `name` is what messages call the file.

    Raises:
        BadInput: it is not YAML, or not a suite's; one line for each mistake.
    """
    spec = parse_yaml(text, name)
    if lines := mistakes(spec):
        raise BadInput("\n".join(f"{name}: {line}" for line in lines))
    return build_suite(spec)


def build_suite(spec: Mapping[str, Any]) -> TableSuite:
    """A suite from checked content."""
    prompt = spec["prompt"] if isinstance(spec["prompt"], dict) else {"": spec["prompt"]}
    return TableSuite(
        info=read_info(spec),
        answer_kind=spec["answer_kind"],
        prompt={variant: string.Template(text) for variant, text in prompt.items()},
        system=spec.get("system", ""),
        examples=tuple((entry["question"], entry["answer"]) for entry in spec.get("examples", [])),
        file=read_file_source(spec["file"]) if "file" in spec else None,
        hub=read_hub_source(spec["hub"]) if "hub" in spec else None,
        homepage=spec.get("homepage", "see its YAML"),
    )


def read_info(spec: Mapping[str, Any]) -> SuiteInfo:
    """What the suite says of itself."""
    splits = [*spec.get("file", {}).get("splits", {}), *spec.get("hub", {}).get("splits", {})]
    return SuiteInfo(
        name=spec["name"],
        version=str(spec["version"]),
        description=spec["description"],
        licence=spec["licence"],
        citation=spec["citation"],
        sampling=SamplingParams(**spec["sampling"], stop=tuple(spec.get("stop", ()))),
        splits=tuple(dict.fromkeys(splits)),
        answer_rules=tuple(spec["answer_rules"]),
        variants=tuple(spec.get("variants", ())),
        answer_form=spec.get("answer_form", ""),
        flaws=tuple(Flaw(**entry) for entry in spec.get("known", [])),
    )


def read_file_source(source: Mapping[str, Any]) -> FileSource:
    """A local file's layout."""
    return FileSource(Rows.read(source), {name: split or {} for name, split in source["splits"].items()})


def read_hub_source(source: Mapping[str, Any]) -> HubSource:
    """A hub dataset's layout."""
    return HubSource(
        id=source["id"],
        revision=source["revision"],
        config=source.get("config"),
        files=source.get("files", {}),
        sha256=source.get("sha256", {}),
        columns=tuple(source.get("columns", ())),
        splits={name: split or {} for name, split in source["splits"].items()},
        rows=Rows.read(source),
    )


def read_suite_file(path: Path) -> Suite:
    """A suite from anyone's YAML file."""
    if not path.is_file():
        raise UsageError(f"--suite {path}: no such file")
    try:
        return read_suite(read_text(path, YAML_BYTES), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from None
