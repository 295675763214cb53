"""Commands of the real command line in forks of one process that has everything imported: 0.2 s each, not 3.

As a program it reads a list of `Command` from every line of stdin, starts them all at once, and answers with a
list of `Done`. A command may be killed before its n-th operation on files, or find the disk full. Named modules
are imported in the place of everything, for commands that must do with little memory.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

KILLED = 137
SECONDS = 300  # that a command may take
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
OPERATIONS = {
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "os.link", "os.symlink",
    "shutil.rmtree", "fcntl.flock",
}  # fmt: skip


@dataclass(frozen=True)
class Command:
    """A command line, in a folder.

    kill_before: the operation on files before which it is killed, counted from 1. largest_file: bytes that a file
    may have; to write more fails, as on a full disk. environment: variables beside those of all; PYTHONPATH is
    put on the path of imports. typed: what stands on its stdin. megabytes: of memory that it may have, with what
    is imported.
    """

    folder: str
    arguments: tuple[str, ...]
    kill_before: int | None = None
    largest_file: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    typed: str = ""
    megabytes: int | None = None


@dataclass(frozen=True)
class Done:
    """How a command ended, how many operations on files it took, and seconds of the processor and of the clock."""

    code: int
    out: str
    err: str
    operations: int = 0
    worked: float = 0.0
    waited: float = 0.0

    @property
    def line(self) -> str:
        """The one line that it ended with; warnings, memory and what is said of failed trials are others."""
        others = ("warning: ", "failed: ", "memory: ")
        [line] = [line for line in self.err.splitlines() if not line.startswith(others)]
        return line


class Forks:
    """The process with everything imported."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *commands: Command) -> list[Done]:
        """Start commands together and wait for all of them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([asdict(command) for command in commands]) + "\n")
        self._process.stdin.flush()
        return [Done(**done) for done in json.loads(self._process.stdout.readline())]

    def __call__(self, folder: Path, *arguments: str, **more: Any) -> Done:
        """Run one command."""
        [done] = self.run(Command(str(folder), arguments, **more))
        return done


@contextmanager
def forks(cache: Path, *modules: str) -> Iterator[Forks]:
    """A process for commands, ended with the block; `cache` is its folder of what comes from the hub: nothing."""
    environment = {
        **os.environ, "COLUMNS": "100", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1", "HF_HOME": str(cache),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forks", *modules], cwd=Path(__file__).parents[1], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        yield Forks(process)


def in_turn(work: Any, jobs: Sequence[Any], workers: int, devices: Sequence[str] = ()) -> Iterator[Any]:
    """`run_jobs` without processes: a comparison that is killed is killed as a whole."""
    from alftbench.launch.local import Finished
    from alftbench.types import nobody

    for place, job in enumerate(jobs):
        try:
            yield Finished(place, result=work(job, nobody))
        except Exception as error:  # noqa: BLE001  as `run_jobs` does
            yield Finished(place, error=error)


def warm_up() -> None:
    """Import everything, by a command that needs most of it."""
    import alftbench.compare.compare as comparing

    comparing.run_jobs = in_turn
    with tempfile.TemporaryDirectory() as folder:
        compare = ("compare", "vanilla-grpo", "--seeds", "1", "--budget-tokens", "6000", "--limit", "2")
        call(Command(folder, (*compare, "--suite", "sums", "--samples", "2", "--output-dir", f"{folder}/out")))


def serve(modules: Sequence[str]) -> None:
    """Answer every line of stdin."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what the command that warms up says is no reply
    for module in modules:
        importlib.import_module(module)
    if not modules:
        warm_up()
    for line in sys.stdin:
        commands = [Command(**{**given, "arguments": tuple(given["arguments"])}) for given in json.loads(line)]
        replies.write(json.dumps([asdict(done) for done in run_together(commands)]) + "\n")
        replies.flush()


def run_together(commands: Sequence[Command]) -> list[Done]:
    """Fork a process for each command; all begin when all are there."""
    gate, opener = os.pipe()
    children = []
    for command in commands:
        pipes = [os.pipe() for _ in range(3)]  # out, err, the number of operations
        typed = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(opener)
            for fd, end in enumerate((typed[0], pipes[0][1], pipes[1][1])):
                os.dup2(end, fd)
            os.close(typed[1])
            os.read(gate, 1)
            begin(command, pipes[2][1])
        os.close(typed[0])
        os.write(typed[1], command.typed.encode())  # short: a pipe holds it
        os.close(typed[1])
        for _, end in pipes:
            os.close(end)
        children.append((pid, [end for end, _ in pipes]))
    started = time.perf_counter()
    os.close(opener)
    os.close(gate)
    return [ended(pid, ends, started) for pid, ends in children]


def ended(pid: int, ends: Sequence[int], started: float) -> Done:
    """What a child said, once it is gone."""
    texts = []
    for end in ends:
        with os.fdopen(end) as pipe:
            texts.append(pipe.read())
    _, status, used = os.wait4(pid, 0)
    return Done(
        os.waitstatus_to_exitcode(status), texts[0], texts[1], len(texts[2]), used.ru_utime + used.ru_stime,
        time.perf_counter() - started,
    )  # fmt: skip


def begin(command: Command, counter: int) -> None:
    """Be the command, with its faults, and end this process."""
    done = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal done
        if event in OPERATIONS or (event == "open" and arguments[2] & WRITES):
            done += 1
            os.write(counter, b".")
            if done == command.kill_before:
                os._exit(KILLED)

    signal.alarm(SECONDS)
    sys.stdin = os.fdopen(0)  # the one there has read ahead in what the process above was asked
    os.environ.update(command.environment)
    if "PYTHONPATH" in command.environment:
        sys.path[:0] = command.environment["PYTHONPATH"].split(os.pathsep)
        importlib.invalidate_caches()
    if command.megabytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (command.megabytes << 20,) * 2)
    sys.addaudithook(count)
    if command.largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (command.largest_file, resource.RLIM_INFINITY))
    code = call(command)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def call(command: Command) -> int:
    """The exit code of a command line, run here."""
    from alftbench.cli import main

    os.chdir(command.folder)
    sys.argv = ["alftbench", *command.arguments]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    serve(sys.argv[1:])
