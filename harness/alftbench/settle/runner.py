"""Arms that are played once each, one line on disk per finished arm: a kill loses one arm at most."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from alftbench.base.jsonio import append_jsonl, drop_torn_line, read_jsonl, without_nan
from alftbench.errors import RunConflict
from alftbench.types import Listener, Progress, nobody

Row = dict[str, Any]
"""What is known of a finished arm, as plain data."""


class Named(Protocol):
    """An arm: its name tells it from every other arm of the same settings."""

    @property
    def name(self) -> str:
        """The arm's unique name."""
        ...


A = TypeVar("A", bound=Named)


def play_all(
    path: Path, arms: Sequence[A], identity: str, play: Callable[[A], Row], listen: Listener = nobody
) -> list[Row]:
    """The rows of all arms, of which those that the file lacks are played and appended.

    Every arm has its own random streams, so neither order nor interruption matters.

    Args:
        path: the file with one line per finished arm.
        arms: what is wanted; others in the file are kept and not returned.
        identity: digest of all that an arm's figures depend on besides its name.
        play: an arm's figures.
        listen: hears how many arms are done, and the next one's name.

    Raises:
        RunConflict: the file holds arms of another identity.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = _finished(path, identity)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # these matrices are too small to share among threads
    try:
        for done, arm in enumerate(arms):
            listen(Progress(arm.name, done, len(arms)))
            if arm.name not in rows:
                rows[arm.name] = without_nan(_timed(arm, identity, play))
                append_jsonl(path, [rows[arm.name]])
    finally:
        torch.set_num_threads(threads)
    listen(Progress("summing up", len(arms), len(arms)))
    return [rows[arm.name] for arm in arms]


def _finished(path: Path, identity: str) -> dict[str, Row]:
    """The arms that are on disk; a line that a kill left half-written is dropped."""
    drop_torn_line(path)
    if not path.exists():
        return {}
    rows = {str(row.get("name")): row for _, row in read_jsonl(path)}
    if any(row.get("settings") != identity for row in rows.values()):
        raise RunConflict(f"{path} holds arms of other settings; choose another --output-dir or remove it")
    return rows


def _timed(arm: A, identity: str, play: Callable[[A], Row]) -> Row:
    """One arm as one line."""
    started = time.perf_counter()
    figures = play(arm)
    seconds = round(time.perf_counter() - started, 2)
    return {"name": arm.name, **figures, "settings": identity, "seconds": seconds}
