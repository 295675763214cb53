"""Suites whose problems come from a JSONL file; a YAML beside this module says what the fields mean."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from alftbench.errors import BadInput, UsageError
from alftbench.jsonio import read_jsonl
from alftbench.suites.base import Suite, SuiteInfo
from alftbench.types import Orbit, Problem, SamplingParams, Variant


@dataclass(frozen=True)
class TableSuite:
    """One phrasing per problem; `fields` names the columns that hold id, question and reference."""

    info: SuiteInfo
    answer_kind: str
    fields: Mapping[str, str]
    prompt: string.Template
    source: str

    def orbits(self, split: str = "test", data: str | None = None) -> Sequence[Orbit]:
        """Every row of the JSONL file `data`.

        Raises:
            UsageError: no file was given, or it does not exist.
            BadInput: a row is not JSON or lacks a field; names the line.
        """
        if data is None:
            raise UsageError(
                f"suite {self.info.name} needs --data FILE.jsonl with the fields "
                f"{', '.join(self.fields.values())}; its source is {self.source}"
            )
        path = Path(data)
        if not path.is_file():
            raise UsageError(f"--data {data}: no such file")
        return [self._orbit(path, number, row) for number, row in read_jsonl(path)]

    def _orbit(self, path: Path, number: int, row: Mapping[str, Any]) -> Orbit:
        values = {}
        for role, column in self.fields.items():
            if not isinstance(row.get(column), (str, int, float)) or row[column] == "":
                raise BadInput(f"{path}, line {number}: the field {column!r} is missing or empty")
            values[role] = str(row[column])
        problem = Problem(values["id"], values["question"], (values["reference"],), self.answer_kind)
        content = self.prompt.substitute(question=values["question"])
        return Orbit(problem, (Variant(problem.id, "original", ({"role": "user", "content": content},)),))


def read_suite(text: str) -> Suite:
    """A suite from the text of its YAML."""
    spec = yaml.safe_load(text)
    info = SuiteInfo(
        name=spec["name"],
        version=str(spec["version"]),
        description=spec["description"],
        licence=spec["licence"],
        citation=spec["citation"],
        sampling=SamplingParams(**spec["sampling"]),
        splits=tuple(spec["splits"]),
        answer_rules=tuple(spec["answer_rules"]),
    )
    return TableSuite(info, spec["answer_kind"], spec["fields"], string.Template(spec["prompt"]), spec["source"])


GSM8K = read_suite(files(__package__).joinpath("gsm8k.yaml").read_text(encoding="utf-8"))
