"""Run independent jobs in processes of their own on this machine, and hear from them while they run."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as wait_for_any
from queue import Empty
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from alftbench.types import Listener, Progress

JobT = TypeVar("JobT")
POLL_SECONDS = 0.2
_messages: Any = None  # in a worker: the queue to the launching process


@dataclass(frozen=True)
class Message:
    """What a running job says: its place in the list, and how far it is."""

    job: int
    progress: Progress


@dataclass(frozen=True)
class Finished:
    """The end of a job: its result, or the error and its traceback."""

    job: int
    result: Any = None
    error: Exception | None = None
    trace: str = ""


def run_jobs(
    work: Callable[[JobT, Listener], Any], jobs: Sequence[JobT], workers: int, devices: Sequence[str] = ()
) -> Iterator[Message | Finished]:
    """Run `work(job, listen)` for every job, at most `workers` at a time, each on one thread.

    A job that fails, or whose process is killed, does not stop the others. Yields messages as they come and a
    Finished for every job.

    Args:
        work: what to do with a job.
        jobs: what to do it with.
        workers: processes.
        devices: CUDA devices, as CUDA_VISIBLE_DEVICES names them; the processes take one each, in turn.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # inherited by the workers; shared cores want one thread each
    context = get_context("spawn")
    messages, turns = context.Queue(), context.Queue()
    for device in devices:
        turns.put(device)
    pool = ProcessPool(
        workers, context=context, initializer=_start_worker, initargs=(messages, turns if devices else None)
    )
    try:
        pending: dict[Future[Finished], int] = {
            pool.schedule(_run, (work, place, job)): place for place, job in enumerate(jobs)
        }
        while pending:
            done, _ = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            yield from _drain(messages)
            for future in done:
                yield _finished(pending.pop(future), future)
    finally:
        pool.stop()  # type: ignore[no-untyped-call]  # nothing is running here unless this generator was left early
        pool.join()


def _start_worker(messages: Any, turns: Any) -> None:
    global _messages
    _messages = messages
    if turns is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device = turns.get()  # before torch is imported here
        turns.put(device)  # whoever starts after the others, for more workers or in a killed one's place
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the launching process, which ends the workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed must not go on writing where the next command will."""
    parent = parent_process()
    if parent is not None:
        wait_for_any([parent.sentinel])
        os._exit(1)


def _run(work: Callable[[Any, Listener], Any], place: int, job: Any) -> Finished:
    def listen(progress: Progress) -> None:
        _messages.put(Message(place, progress))

    try:
        return Finished(place, result=work(job, listen))
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a job raises belongs to that job alone
        caught = error if isinstance(error, Exception) else RuntimeError(f"it called sys.exit({error})")
        return Finished(place, error=caught, trace=traceback.format_exc())


def _finished(place: int, future: Future[Finished]) -> Finished:
    try:
        return future.result()
    except ProcessExpired:
        return Finished(place, error=RuntimeError("its process was killed (out of memory?); run it again"))
    except Exception as error:  # noqa: BLE001  e.g. an exception that cannot be sent between processes
        return Finished(place, error=error)


def _drain(messages: Any) -> Iterator[Message]:
    while True:
        try:
            yield messages.get_nowait()
        except Empty:
            return
