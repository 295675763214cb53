"""One writer per folder: two commands on the same run would write every sample twice."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from alftbench.errors import RunConflict, UsageError

TRIES = 100  # at a lock whose file or folder others remove meanwhile


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold a folder, made if need be, until the block ends; the system lets go of it if the process dies.

    The lock's file is removed while it is still held, and whoever gets a lock looks whether its file is still the
    one in the folder, so that two processes never hold two files of one name. A folder made here that is empty
    at the end is removed too.

    Raises:
        RunConflict: another process holds it.
        UsageError: the folder cannot be made or written.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    path = folder / ".lock"
    with locked(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # not empty, or another process has just begun there
                for created in missing:
                    created.rmdir()


def locked(path: Path) -> IO[str]:
    """The open, locked file at a path; closing it lets go."""
    for tries_left in reversed(range(TRIES)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644), "w")
        except OSError as error:
            if isinstance(error, FileNotFoundError) and tries_left:  # the folder was removed since
                continue
            raise UsageError(
                f"cannot write to {path.parent}: {error.strerror}; choose another --output-dir"
            ) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            break
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()
    raise RunConflict(f"{path.parent} is being written by another process; wait for it to end")
