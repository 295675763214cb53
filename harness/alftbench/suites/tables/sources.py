"""Where a suite's rows come from: a local JSONL file or the datasets hub, checked against what is recorded."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alftbench.base.jsonio import read_jsonl
from alftbench.errors import BadInput, UsageError
from alftbench.suites.tables.fields import FILE, INDEX, SPLIT, FieldRule
from alftbench.suites.tables.tabular import Table, read_table

ESCAPE = "give the recorded file, or --data-unchecked to use this one under the same name"


@dataclass(frozen=True)
class Rows:
    """What a source's rows mean: which to keep, which names to change, and how fields are made of columns."""

    fields: Mapping[str, FieldRule]
    questions: Mapping[str, FieldRule]  # by variant where one row holds several phrasings
    keep: Mapping[str, Any] = field(default_factory=dict)
    drop: Mapping[str, Any] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, source: Mapping[str, Any]) -> Rows:
        """From the YAML of a source."""
        rules = dict(source["fields"])
        question = rules["question"]
        variants = question.get("variants", {}) if isinstance(question, dict) else {}
        if variants:
            del rules["question"]
        return cls(
            fields={role: FieldRule.read(rule) for role, rule in rules.items()},
            questions={name: FieldRule.read(rule) for name, rule in variants.items()},
            keep=source.get("keep", {}),
            drop=source.get("drop", {}),
            rename=source.get("rename", {}),
        )

    def wants(self, row: Mapping[str, Any]) -> bool:
        """Is this row a problem of the suite?"""
        kept = all(among(row.get(column), value) for column, value in self.keep.items())
        return kept and not any(among(row.get(column), value) for column, value in self.drop.items())

    @property
    def columns(self) -> str:
        """The columns that are needed, as messages name them."""
        rules = [*self.fields.values(), *self.questions.values()]
        read = [column for rule in rules for column in rule.columns if column not in (INDEX, SPLIT, FILE)]
        return ", ".join(dict.fromkeys([*read, *self.keep, *self.drop]))


def among(value: Any, wanted: Any) -> bool:
    """Is a value the wanted one, or one of a wanted list?"""
    return value in wanted if isinstance(wanted, list) else bool(value == wanted)


@dataclass(frozen=True)
class FileSource:
    """A local JSONL file per split: its usual name, and how many rows and which digest the recorded one has."""

    rows: Rows
    splits: Mapping[str, Mapping[str, Any]]

    def locate(self, split: str, data: str) -> Path:
        """The file that --data names: itself, or the split's usual name in that folder.

        Raises:
            UsageError: there is no such file.
        """
        path = Path(data)
        name = self.splits.get(split, {}).get("name")
        if path.is_dir():
            if name is None:
                raise UsageError(
                    f"--data {data}: is a folder, and the {split} split has no usual file name; name it"
                )
            path /= name
        if not path.is_file():
            raise UsageError(f"--data {path}: no such file")
        return path

    def read(self, split: str, data: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(where it stands, row) of every row."""
        path = self.locate(split, data)
        for number, row in read_jsonl(path):
            yield f"{path}, line {number}", {INDEX: number - 1, SPLIT: split, **row}

    def check(self, suite: str, split: str, data: str) -> int:
        """The number of rows of the file, if it is the recorded one.

        Raises:
            BadInput: another number of rows or another digest than recorded.
        """
        path = self.locate(split, data)
        recorded = self.splits.get(split, {})
        rows = sum(1 for _ in read_jsonl(path))
        if recorded.get("rows") not in (None, rows):
            raise BadInput(
                f"{path}: suite {suite} has {recorded['rows']} rows in its {split} split, "
                f"this file has {rows}; {ESCAPE}"
            )
        check_digest(suite, path, recorded.get("sha256"))
        return rows


def check_digest(suite: str, path: Path, recorded: str | None) -> None:
    """A file is the recorded one, where one is recorded.

    Raises:
        BadInput: its digest is another.
    """
    if recorded is None:
        return
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != recorded:
        raise BadInput(
            f"{path}: suite {suite} has recorded sha256 {recorded[:12]}… for it, this file has {digest[:12]}…; "
            f"{ESCAPE}"
        )


@dataclass(frozen=True)
class HubSource:
    """A dataset of the hub at one revision: splits of a config, or files of the repository by name."""

    id: str
    revision: str
    config: str | None
    files: Mapping[str, str]
    sha256: Mapping[str, str]  # of these files, by the same names, as far as recorded
    columns: tuple[str, ...]
    splits: Mapping[str, Mapping[str, Any]]
    rows: Rows

    def name(self, split: str) -> str:
        """What messages call it."""
        inside = self.config or "default"
        return f"{self.id} ({inside}, {self.splits[split].get('from', split)}) at revision {self.revision[:12]}"

    def read(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(where it stands, row) of every row; fetched once, then read from the hub's cache.

        Raises:
            UsageError: the extra is missing, or the hub or its cache does not give the data.
        """
        if importlib.util.find_spec("datasets") is None:
            raise UsageError("datasets is not installed; run: pip install 'alftbench[hub]'")
        try:
            tables: Mapping[str, Iterable[dict[str, Any]]] = (
                self.tables() if self.files else {"": self.fetch_split(split)}
            )
        except Exception as error:
            reason = str(error).strip().split("\n")[0]
            raise UsageError(f"{self.name(split)} did not come ({type(error).__name__}: {reason})") from error
        for file, rows in tables.items():
            for number, row in enumerate(rows):
                yield f"{self.id} {file}, row {number}", {INDEX: number, SPLIT: split, FILE: file, **row}

    def fetch_split(self, split: str) -> Iterable[dict[str, Any]]:
        """The rows of a split, by the datasets library."""
        import datasets

        name = self.splits[split].get("from", split)
        return datasets.load_dataset(self.id, self.config, split=name, revision=self.revision)  # type: ignore[no-any-return]

    def tables(self) -> dict[str, Table]:
        """The rows of every file that the suite names."""
        return {name: read_table(path, self.columns) for name, path in self.fetch_files().items()}

    def fetch_files(self) -> dict[str, Path]:
        """Where the hub's cache holds every file that the suite names."""
        from huggingface_hub import hf_hub_download

        def fetched(path: str) -> Path:
            return Path(hf_hub_download(self.id, path, repo_type="dataset", revision=self.revision))

        return {name: fetched(path) for name, path in self.files.items()}

    def check(self, suite: str, split: str) -> int:
        """The number of rows that the hub gives, if it and each digest are the recorded ones.

        Raises:
            BadInput: another number of rows or another digest than recorded.
        """
        rows = sum(1 for _ in self.read(split))
        recorded = self.splits[split].get("rows")
        if recorded not in (None, rows):
            raise BadInput(f"{self.name(split)}: suite {suite} has recorded {recorded} rows, the hub gave {rows}")
        for name, path in self.fetch_files().items() if self.sha256 else ():
            check_digest(suite, path, self.sha256.get(name))
        return rows
