"""Processes that may be killed: a function with hostile input runs within limits of time and memory.

A worker is a plain subprocess that talks JSON over pipes (`alftbench.launch.serve`). It is not a child of
`multiprocessing`: those re-run the caller's main module, are refused inside daemonic processes such as a data
loader's, inherit gigabytes when forked from a training process, and send pickles. See docs/design/judge.md.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
import weakref
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Any, Literal

from alftbench.errors import AlftbenchError, MissingPackage

START_SECONDS = 120.0  # for imports on a busy machine; not counted as time of a task
DEFAULT_SECONDS, DEFAULT_MEGABYTES = 2.0, 512
MOST_WORKERS = 4  # by default: each holds about 60 MiB, and every process of a training run may have its own


class WorkerStatus(StrEnum):
    """How a task ended."""

    DONE = "done"
    FAILED = "failed"
    TIMEOUT = "timeout"
    MEMORY = "memory"


@dataclass(frozen=True)
class Result:
    """The end of a task; `value` is what the function returned, or the name of what it raised."""

    status: WorkerStatus
    value: Any = None


# A worker that ends without a word, twice, was ended by its task: a stack or a heap that overflowed.
VANISHED = Result(WorkerStatus.MEMORY, "the process ended")


@dataclass(frozen=True)
class Limits:
    """What one task may use: seconds of wall time in its worker, and the worker's address space in MiB."""

    seconds: float = DEFAULT_SECONDS
    megabytes: int = DEFAULT_MEGABYTES


@dataclass(frozen=True)
class Needs:
    """The package without which a module's functions cannot run, and how it is asked of pip."""

    package: str
    requirement: str


def default_size() -> int:
    """Workers where nobody says how many: one per core this process may use, a few at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)


class Workers:
    """At most `size` workers, started when a task needs one and replaced when killed or worn out.

    Any thread may submit. A forked child starts workers of its own; its parent's are forgotten there.
    """

    def __init__(
        self, module: str, size: int | None = None, limits: Limits | None = None, needs: Needs | None = None
    ) -> None:
        self.module, self.size, self.limits = module, size or default_size(), limits or Limits()
        self.needs = needs
        self._forget()
        _POOLS.add(self)

    def _forget(self) -> None:
        """Start afresh, without locks that another thread held when this process was forked off."""
        for worker in getattr(self, "_workers", ()):
            worker.disown()
        self._lock = Lock()
        self._workers: set[Worker] = set()
        self._idle: list[Worker] = []
        self._executor: ThreadPoolExecutor | None = None

    def submit(self, function: str, *arguments: Any) -> Future[Result]:
        """Run a function of the module on arguments that JSON can hold; time in the queue does not count."""
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self.size, thread_name_prefix="worker")
            return self._executor.submit(self._run, function, arguments)

    def close(self) -> None:
        """End every worker now; tasks that wait are cancelled. A later task starts workers anew."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
            self._end_all()
            executor.shutdown(wait=True)
        self._end_all()  # one may have been starting

    def _end_all(self) -> None:
        """Kill every worker; the thread that a busy one works for cleans up after it."""
        with self._lock:
            workers, idle, self._workers, self._idle = self._workers, self._idle, set(), []
        for worker in workers:
            worker.kill()
        for worker in idle:
            worker.end()

    def _run(self, function: str, arguments: tuple[Any, ...]) -> Result:
        """One task; where its worker vanished, once more: something else may have killed that one."""
        result = self._try(function, arguments)
        return self._try(function, arguments) if result == VANISHED else result

    def _try(self, function: str, arguments: tuple[Any, ...]) -> Result:
        worker = self._take()
        result = worker.call(function, arguments)
        with self._lock:
            closed = worker not in self._workers
            if worker.alive and not closed:
                self._idle.append(worker)
                return result
            self._workers.discard(worker)
        worker.end()
        if closed:
            raise CancelledError("the workers were closed")
        return result

    def _take(self) -> Worker:
        """An idle worker, or a new one that has said it is ready."""
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.running:
                    return worker
                self._workers.remove(worker)
                worker.end()
            worker = Worker(self.module, self.limits, self.needs)
            self._workers.add(worker)
        worker.wait_until_ready()
        return worker


class Worker:
    """One subprocess and the two pipes to it; used by one thread at a time."""

    def __init__(self, module: str, limits: Limits, needs: Needs | None = None) -> None:
        self._module, self._limits, self._needs = module, limits, needs
        self._buffer, self.alive = b"", True
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "alftbench.launch.serve", module, str(limits.seconds),
             str(limits.megabytes)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment(),
            start_new_session=True,  # Ctrl-C reaches the parent alone, which ends its workers
        )  # fmt: skip

    @property
    def running(self) -> bool:
        """Is the process there? Not if something else killed it while it was idle."""
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Meet the worker's first message.

        Raises:
            MissingPackage: what the module needs is not installed.
            AlftbenchError: it did not start.
        """
        hello = self._receive(time.monotonic() + START_SECONDS)
        if isinstance(hello, dict) and "missing" in hello:
            self.end()
            needs = self._needs or Needs(self._module, "alftbench")
            raise MissingPackage(needs.package, needs.requirement, str(hello["missing"]))
        if not isinstance(hello, dict):
            self.end()
            why = "it took too long" if hello is WorkerStatus.TIMEOUT else "it ended"
            raise AlftbenchError(f"a worker process did not start ({why}); try: python -c 'import {self._module}'")

    def call(self, function: str, arguments: tuple[Any, ...]) -> Result:
        """Run one task; afterwards `alive` says whether the worker can take another."""
        try:
            self._send({"function": function, "arguments": arguments})
            reply = self._receive(time.monotonic() + self._limits.seconds)
        except OSError:  # it died with the request in the pipe
            reply = None
        if reply is None or reply is WorkerStatus.TIMEOUT:
            self.alive = False
            return VANISHED if reply is None else Result(WorkerStatus.TIMEOUT)
        self.alive = not reply["last"]
        if "value" in reply:
            return Result(WorkerStatus.DONE, reply["value"])
        return Result(WorkerStatus.MEMORY) if "memory" in reply else Result(WorkerStatus.FAILED, reply["error"])

    def _send(self, request: Any) -> None:
        content = memoryview(json.dumps(request).encode() + b"\n")  # ASCII: lone surrogates pass as escapes
        assert self._process.stdin is not None
        while content:
            content = content[self._process.stdin.write(content) :]

    def _receive(self, deadline: float) -> dict[str, Any] | Literal[WorkerStatus.TIMEOUT] | None:
        """The next reply; TIMEOUT at the deadline, None where the process is gone."""
        assert self._process.stdout is not None
        readable = select.poll()
        readable.register(self._process.stdout, select.POLLIN)
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not readable.poll(left * 1000):
                return WorkerStatus.TIMEOUT
            chunk = os.read(self._process.stdout.fileno(), 65536)
            if not chunk:
                return None
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def kill(self) -> None:
        """Kill the process; a thread that waits for its reply meets the end of the pipe."""
        self._process.kill()

    def end(self) -> None:
        """Kill the process; returns when it is gone."""
        self.alive = False
        self._process.kill()
        self._process.wait()
        self._close_pipes()

    def disown(self) -> None:
        """In a forked child: let go of a process that belongs to the parent."""
        self.alive = False
        self._process.returncode = 0  # it is not this process's to wait for
        self._close_pipes()

    def _close_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def environment() -> dict[str, str]:
    """The parent's environment, import path included; one thread and one heap, for address space is limited."""
    single = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX")
    return {**os.environ, **dict.fromkeys(single, "1"), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _forget_all() -> None:
    for pool in list(_POOLS):
        pool._forget()


_POOLS: weakref.WeakSet[Workers] = weakref.WeakSet()
os.register_at_fork(after_in_child=_forget_all)
