"""Run a command for as long as whoever started this holds on: `python guard.py COMMAND…`, standard input a pipe.

Started by path and made of the standard library alone. The command gets a process group of its own; when the pipe
closes, even because its writer was killed with SIGKILL, the whole group is killed: nothing goes on writing where
the next attempt will. The guard ends as its command did, by the same code or signal.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress


def kill_group(leader: int) -> None:
    """Kill what is left of a process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def main() -> None:
    """Run the command of the arguments and end like it."""
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)

    def end_with_writer() -> None:
        sys.stdin.buffer.read()
        kill_group(command.pid)

    threading.Thread(target=end_with_writer, daemon=True).start()
    code = command.wait()
    kill_group(command.pid)  # what it left running in the background
    if code < 0:
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
