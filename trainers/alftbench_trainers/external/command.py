"""The command: its words, the files it names, and one attempt at it."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from signal import Signals

from alftbench.base.foreign import one_line
from alftbench.errors import PluginError, UsageError
from alftbench_trainers.external import guard

POLL_SECONDS = 0.2
LAST_LINES = 5
SAID = 400  # characters of what it said last that an error repeats
TAIL = 8192  # bytes of its log that are read for it


def words_of(command: str) -> list[str]:
    """A command's words as a shell would split them; no shell runs it.

    Raises:
        UsageError: a quote is not closed.
    """
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UsageError(f"option command={command}: {error}; close or escape the quote") from None


def check_command(words: Sequence[str]) -> None:
    """Refuse a command that cannot be started.

    Raises:
        UsageError: there is none, or no such program.
    """
    if not words:
        raise UsageError("give the command that trains: external:command=python my_trainer.py; it stands last")
    if shutil.which(words[0]) is None:
        raise UsageError(f"option command: there is no program {words[0]!r} that can be run; check its spelling")


def digests_of(words: Sequence[str]) -> dict[str, str]:
    """SHA-256 of every file that a command names, by the word that does; of `--key=FILE` too.

    The program itself counts only where it is a script: interpreters differ between machines that train alike.
    """
    named = {word: Path(word.rpartition("=")[2] if word.startswith("-") else word) for word in words}
    files = {word: path for word, path in named.items() if path.is_file()}
    if words and words[0] in files and files[words[0]].read_bytes()[:2] != b"#!":
        del files[words[0]]
    return {word: hashlib.sha256(path.read_bytes()).hexdigest() for word, path in files.items()}


def run(words: Sequence[str], log: Path, complaints: Path, meanwhile: Callable[[], None]) -> None:
    """Run a command to its end; whatever ends this function or its process ends the command too.

    Args:
        words: program and arguments.
        log: gets what the command writes to standard output, after what earlier attempts wrote.
        complaints: the same of standard error.
        meanwhile: called again and again while it runs, and once after it ended.

    Raises:
        PluginError: it failed or was killed; says what it complained of last.
    """
    with log.open("ab") as out, complaints.open("ab") as err:
        said = err.tell()
        guarded = subprocess.Popen(
            [sys.executable, guard.__file__, *words],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            start_new_session=True,  # Ctrl-C reaches us, and we close the pipe
        )
        try:
            while running(guarded):
                meanwhile()
        finally:
            assert guarded.stdin is not None
            guarded.stdin.close()
            guarded.wait()
    meanwhile()
    if guarded.returncode:
        raise PluginError(f"{ending(guarded.returncode)}{last_lines(complaints, said)}; all of it: {complaints}")


def running(process: subprocess.Popen[bytes]) -> bool:
    """Is a process still at work after a short wait?"""
    try:
        process.wait(POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def ending(code: int) -> str:
    """How a command ended, in words."""
    if code > 0:
        return f"the command of external ended with exit code {code}"
    name = Signals(-code).name if -code in set(Signals) else f"signal {-code}"
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return f"the command of external was killed by {name}{hint}; the same command goes on"


def last_lines(path: Path, start: int) -> str:
    """What a command complained of last, since a place in the file, safe to show on one line."""
    with path.open("rb") as file:
        file.seek(max(start, path.stat().st_size - TAIL))
        lines = file.read().decode(errors="replace").splitlines()
    text = "\n".join([line for line in lines if line.strip()][-LAST_LINES:])
    return f": {one_line(text, SAID)}" if text else ", without a word on standard error"
