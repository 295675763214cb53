"""Rows of the hub that somebody fetched: files in its own columns, for suites that have no file of their own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from alftbench.errors import BadInput, UsageError
from alftbench.suites.tables.fields import FILE, INDEX, SPLIT
from alftbench.suites.tables.sources import ESCAPE, HubSource, check_digest
from alftbench.suites.tables.tabular import read_table

ENDINGS = (".jsonl", ".csv", ".parquet")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Download:
    """A suite's hub rows as files on this machine."""

    suite: str
    hub: HubSource

    def locate(self, split: str, data: str) -> dict[str, Path]:
        """The files that --data names, by their name in the suite: itself, or those of their usual names.

        Raises:
            UsageError: there is no such file.
        """
        path = Path(data)
        if path.is_dir():
            files = self._in_folder(split, path)
        elif len(self.hub.files) > 1:
            raise UsageError(f"--data {data}: suite {self.suite} has several files; name the folder with them")
        else:
            files = {next(iter(self.hub.files), ""): path}
        for file in files.values():
            if not file.is_file():
                raise UsageError(f"--data {file}: no such file; {self.wanted(split)}")
        return files

    def _in_folder(self, split: str, folder: Path) -> dict[str, Path]:
        """Files of the hub by their names there, or a split's rows by the name of the suite."""
        if self.hub.files:
            return {name: folder / Path(file).name for name, file in self.hub.files.items()}
        names = [f"{self.usual_name(split)}{ending}" for ending in ENDINGS]
        return {"": next((folder / name for name in names if (folder / name).is_file()), folder / names[0])}

    def usual_name(self, split: str) -> str:
        """What a split's file is called in a folder, less its ending."""
        return self.suite if split == "test" else f"{self.suite}-{split}"

    def wanted(self, split: str) -> str:
        """What to download from where, and where to put it."""
        hub = self.hub
        place = f"https://huggingface.co/datasets/{hub.id}, revision {hub.revision[:12]}"
        if hub.files:
            return f"download {', '.join(hub.files.values())} of {place} into one folder for --data FOLDER"
        config = f"config {hub.config}, " if hub.config else ""
        recorded = hub.splits[split].get("rows")
        rows = f" and {recorded} rows" if recorded else ""
        return (
            f"download {config}split {hub.splits[split].get('from', split)} of {place}, with the columns "
            f"{hub.rows.columns}{rows}, as {', '.join(ENDINGS)} for --data FILE, or as {self.usual_name(split)}"
            f"{ENDINGS[0]} in a folder for --data FOLDER"
        )

    def read(self, split: str, data: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(where it stands, row) of every row, as the hub would give it."""
        for name, path in self.locate(split, data).items():
            for number, row in enumerate(read_table(path, self.hub.columns)):
                yield f"{path}, row {number}", {INDEX: number, SPLIT: split, FILE: name, **row}

    def check(self, split: str, data: str) -> int:
        """The number of rows, if it and each digest are the recorded ones; what nothing is recorded of is said.

        Raises:
            BadInput: another number of rows or another digest than recorded.
        """
        files = self.locate(split, data)
        rows = sum(len(read_table(path, self.hub.columns)) for path in files.values())
        recorded = self.hub.splits[split].get("rows")
        if recorded not in (None, rows):
            raise BadInput(
                f"{data}: suite {self.suite} has {recorded} rows in its {split} split, this has {rows}; {ESCAPE}"
            )
        for name, path in files.items():
            check_digest(self.suite, path, self.hub.sha256.get(name))
        if not files.keys() <= self.hub.sha256.keys():
            held = "only its number of rows was checked" if recorded else "nothing of it was checked"
            say_once(f"{data}: suite {self.suite} records no sha256 of it, so {held}")
        return rows


@cache
def say_once(text: str) -> None:
    """A line on stderr, however often the same file is read."""
    log.warning("note: %s", text)
