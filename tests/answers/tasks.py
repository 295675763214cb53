"""What the workers are given in tests: functions that hang, eat memory, crash, or reach outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def echo(value: object) -> object:
    return value


def pid() -> int:
    return os.getpid()


def hang() -> None:
    time.sleep(3600)


def hold_the_interpreter() -> int:
    return len(str(7 ** (10**8)))  # one C call that lasts minutes


def eat(megabytes: int) -> int:
    return len(b"x" * (megabytes << 20))


def eat_and_hide_it(megabytes: int) -> bool:
    """As a library does that catches everything and answers False."""
    kept = []
    try:
        while True:
            kept.append(b"x" * (8 << 20))
    except MemoryError:
        return False


def crash() -> None:
    signal.raise_signal(signal.SIGSEGV)


def fail() -> None:
    raise ValueError("no")


def unserialisable() -> object:
    return object()


def write(path: str) -> None:
    Path(path).write_text("x", encoding="utf-8")


def start(path: str) -> None:
    subprocess.run(["touch", path], check=False)


def system(path: str) -> None:
    os.system(f"touch {path}")


def chatter() -> str:
    print("not a reply")
    sys.stderr.write("nor this\n")
    return "reply"


def size() -> int:
    """Resident maximum of this worker in MiB."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) // 1024 for line in file if line.startswith("VmHWM"))
