"""The inside of a worker process: one JSON request per line on stdin, one JSON reply per line on stdout.

Started by `workers` as `python -m alftbench.launch.serve MODULE SECONDS MEGABYTES`; serves the functions of
MODULE. It ends when its parent does, however that ends: the thread that reads requests meets the end of the pipe,
and where one long operation keeps that thread from running, the limit on processor time ends it.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import resource
import sys
from queue import SimpleQueue
from threading import Thread
from types import ModuleType
from typing import Any, TextIO

TASKS = 1000  # a worker is replaced after this many: caches of symbolic algebra only grow
FORBIDDEN = ("os.", "subprocess.", "socket.", "shutil.", "ctypes.", "webbrowser.", "ftplib.", "urllib.")
HARMLESS = ("os.listdir", "os.scandir", "os.putenv", "os.unsetenv", "os.getxattr", "os.walk")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main(name: str, seconds: float, megabytes: int) -> None:
    """Load the module, accept the limits, say so, then serve until told to stop."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    for descriptor in (1, 2):  # whatever prints must not be taken for a reply
        silence(descriptor)
    try:
        module = load(name)
    except ImportError as error:
        reply(replies, missing=str(error))
        return
    requests: SimpleQueue[dict[str, Any]] = SimpleQueue()
    Thread(target=receive, args=(requests,), daemon=True).start()
    confine(megabytes)
    reply(replies, ready=True)
    for left in reversed(range(TASKS)):
        request = requests.get()
        limit_processor_time(seconds)
        answer = work(module, request, megabytes)
        last = left == 0 or memory("VmPeak") > 0.75 * megabytes  # a worker that was full once is not trusted
        reply(replies, last=last, **answer)
        if last:
            return


def load(name: str) -> ModuleType:
    """The module, with everything that its functions import on first use."""
    module = importlib.import_module(name)
    getattr(module, "warm", lambda: None)()
    return module


def silence(descriptor: int) -> None:
    """Send what is written to a descriptor nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def receive(requests: SimpleQueue[dict[str, Any]]) -> None:
    """Queue requests; the end of the pipe is the end of the parent, and of this process."""
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(0)


def reply(replies: TextIO, **content: Any) -> None:
    """One line to the parent."""
    replies.write(json.dumps(content) + "\n")
    replies.flush()


def work(module: ModuleType, request: dict[str, Any], megabytes: int) -> dict[str, Any]:
    """Call the function that a request names."""
    try:
        value = getattr(module, request["function"])(*request["arguments"])
        json.dumps(value)
    except MemoryError:
        return {"memory": True}
    except Exception as error:  # noqa: BLE001  whatever a library raises, the task failed
        return {"error": type(error).__name__}
    # Libraries catch MemoryError with everything else and go on; their "different" is then no finding.
    if value is not True and memory("VmPeak") > 0.9 * megabytes:
        return {"memory": True}
    return {"value": value}


def memory(field: str) -> float:
    """A size from /proc/self/status in MiB; 0 where there is no such file."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith(field))
    except (OSError, StopIteration):
        return 0.0


def confine(megabytes: int) -> None:
    """Give up memory beyond the limit, files, processes and the network for good."""
    sys.dont_write_bytecode = True
    limit(resource.RLIMIT_AS, megabytes << 20)
    limit(resource.RLIMIT_CORE, 0)
    sys.addaudithook(refuse)


def limit(kind: int, value: int) -> None:
    """Lower a resource limit, never raise it."""
    _, hard = resource.getrlimit(kind)
    allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (allowed, hard))


def limit_processor_time(seconds: float) -> None:
    """The kernel ends a worker whose parent can no longer: well after the parent would have."""
    spent = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    limit(resource.RLIMIT_CPU, math.ceil(spent + 2 * seconds) + 1)


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: nothing that runs here, by whatever way, may write, start or connect to anything."""
    if event == "open":
        flags = arguments[2]
        if isinstance(flags, int) and flags & WRITING:
            raise PermissionError(f"a worker writes no file: {arguments[0]!r}")
    elif event.startswith(FORBIDDEN) and event not in HARMLESS:
        raise PermissionError(f"a worker does not use {event}")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
