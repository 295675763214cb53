"""updates.jsonl, the log of a training run: a line per optimiser step, in order, each step once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alftbench.base.jsonio import append_jsonl, drop_torn_line, read_jsonl, write_text
from alftbench.base.validate import read
from alftbench.errors import BadInput
from alftbench.training.trainer import Update

UPDATES = "updates.jsonl"


class UpdateLog:
    """updates.jsonl: one line per step; a step that is logged again after a kill replaces what followed it.

    Attributes:
        last: the last step in it.
    """

    def __init__(self, path: Path) -> None:
        drop_torn_line(path)
        self._path = path
        self.last = max((step_of(path, row) for _, row in read_jsonl(path)), default=0) if path.exists() else 0

    def append(self, update: Update) -> None:
        """Log a step; what a power failure takes from the disk is in the trainer's state, or trained again."""
        if update.step <= self.last and self._path.exists():
            kept = [row for _, row in read_jsonl(self._path) if row["step"] < update.step]
            write_text(self._path, "".join(json.dumps(row) + "\n" for row in kept))
        append_jsonl(self._path, [asdict(update)], wait=False)
        self.last = update.step


def step_of(path: Path, row: Mapping[str, Any]) -> int:
    """The step that a line of updates.jsonl logs.

    Raises:
        BadInput: it logs none.
    """
    step = row.get("step")
    if type(step) is not int:
        raise BadInput(f"{path}: a line without the number of its step; remove the file, and the log starts anew")
    return step


def logged(log: Path) -> list[Update]:
    """The steps of a log; fields that an earlier version did not write have their defaults.

    Raises:
        BadInput: a line is no step.
    """
    return [read(Update, row, str(log)) for _, row in read_jsonl(log)] if log.exists() else []


def clipped_and_silent(log: Path) -> tuple[int, int]:
    """How many of the logged steps were shortened, and how many had nothing to learn from."""
    updates = [row for _, row in read_jsonl(log)] if log.exists() else []
    return sum(bool(row.get("clipped")) for row in updates), sum(row.get("informative") == 0 for row in updates)
