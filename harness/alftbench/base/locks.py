"""One writer per folder: two commands on the same run would write every sample twice."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alftbench.errors import RunConflict, UsageError


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold a folder, made if need be, until the block ends; the system lets go of it if the process dies.

    Raises:
        RunConflict: another process holds it.
        UsageError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}; choose another --output-dir") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunConflict(f"{folder} is being written by another process; wait for it to end") from None
        yield
