"""Verdicts on pairs of keys: in process where keys decide, else by a worker that may be killed.

Nothing is started before the first pair that needs it. Every verdict is kept, by pair.
"""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from enum import StrEnum
from threading import Lock
from types import TracebackType
from typing import Any

from alftbench.answers import equivalence, symbolic
from alftbench.errors import UsageError
from alftbench.launch.workers import (
    DEFAULT_MEGABYTES,
    DEFAULT_SECONDS,
    Limits,
    Needs,
    Result,
    Workers,
    WorkerStatus,
)

Pair = tuple[str, str]
Texts = Mapping[str, str]
REMEMBERED = 1 << 15  # verdicts kept; the oldest goes first
MATH_VERIFY = Needs("math-verify", "math-verify==0.9.0")
LEAST_MEGABYTES = 256  # a worker that has loaded symbolic algebra takes about 80


class Verdict(StrEnum):
    """What a comparison found; only SAME ever counts as equal."""

    SAME = "same"
    DIFFERENT = "different"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    UNPARSED = "unparsed"

    @property
    def decided(self) -> bool:
        """Was there a finding, or did the comparison end at a limit or an error?"""
        return self in (Verdict.SAME, Verdict.DIFFERENT)


class Judge:
    """Compares keys; a context manager that ends its workers, and usable again afterwards.

    Args:
        workers: processes at most; one per core, four at most, if not given.
        seconds: wall time of one comparison in its worker; waiting for a free worker does not count.
        megabytes: address space of a worker in MiB, of which about 80 are taken before it compares anything.
    """

    def __init__(
        self, workers: int | None = None, seconds: float = DEFAULT_SECONDS, megabytes: int = DEFAULT_MEGABYTES
    ) -> None:
        _check(workers, seconds, megabytes)
        self._settings = (workers, seconds, megabytes)
        self._workers = Workers(symbolic.__name__, workers, Limits(seconds, megabytes), MATH_VERIFY)
        self._forget()
        _JUDGES.add(self)

    def _forget(self) -> None:
        self._lock = Lock()
        self._known: dict[Pair, Verdict | Future[Result]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """A judge sent to another process is a new one with the same limits."""
        return (Judge, self._settings)

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers now."""
        self._workers.close()

    def same(self, pairs: Sequence[Pair], text_of: Texts | None = None) -> list[Verdict]:
        """Is each pair of keys one answer? Symmetric in the pair.

        Args:
            pairs: of keys.
            text_of: answers as written, by key, for pairs that keys do not decide; of a key without one the key.

        Raises:
            MissingPackage: a pair needs math-verify, which is not installed.
        """
        return _settle([self.ask_same(a, b, text_of) for a, b in pairs])

    def accepts(self, pairs: Sequence[Pair], text_of: Texts | None = None) -> list[Verdict]:
        """Is each prediction right by its gold answer? Pairs are (gold, prediction), else as for `same`.

        Raises:
            MissingPackage: a pair needs math-verify, which is not installed.
        """
        return _settle([self.ask_accepts(gold, prediction, text_of) for gold, prediction in pairs])

    def verify(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """Does symbolic algebra find each pair of texts the same?

        Raises:
            MissingPackage: math-verify is not installed.
        """
        return _settle([self._slow(a, b) for a, b in pairs])

    def ask_same(self, a: str, b: str, text_of: Texts | None = None) -> Verdict | Future[Result]:
        """A verdict, or where a worker has to find it, its future."""
        same = equivalence.decide(a, b)
        return self._slow(a, b, text_of) if same is None else _verdict(same)

    def ask_accepts(self, gold: str, prediction: str, text_of: Texts | None = None) -> Verdict | Future[Result]:
        """As `ask_same`, for a gold answer and a prediction."""
        accepted = equivalence.accepts(gold, prediction)
        return self._slow(gold, prediction, text_of) if accepted is None else _verdict(accepted)

    def _slow(self, a: str, b: str, text_of: Texts | None = None) -> Verdict | Future[Result]:
        """The verdict of `verify`, which is symmetric."""
        a, b = (text_of.get(key, key) for key in (a, b)) if text_of else (a, b)
        question = (min(a, b), max(a, b))
        with self._lock:
            if question in self._known:
                return self._known[question]
            while len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[question] = future = self._workers.submit(symbolic.verify.__name__, *question)
        future.add_done_callback(lambda done: self._keep(question, done))
        return future

    def _keep(self, question: Pair, done: Future[Result]) -> None:
        """Replace a future by its verdict; one that failed is asked again next time."""
        with self._lock:
            if self._known.get(question) is not done:
                return
            if done.cancelled() or done.exception() is not None:
                del self._known[question]
            else:
                self._known[question] = settled(done)


def settled(asked: Verdict | Future[Result]) -> Verdict:
    """The verdict, waited for where it has to be."""
    if isinstance(asked, Verdict):
        return asked
    result = asked.result()
    if result.status is WorkerStatus.DONE:
        return _verdict(result.value is True)
    return {WorkerStatus.TIMEOUT: Verdict.TIMEOUT, WorkerStatus.MEMORY: Verdict.MEMORY}.get(
        result.status, Verdict.UNPARSED
    )


def _settle(asked: Sequence[Verdict | Future[Result]]) -> list[Verdict]:
    try:
        return [settled(item) for item in asked]
    except KeyboardInterrupt:  # it must not wait for all that is queued
        for item in asked:
            if isinstance(item, Future):
                item.cancel()
        raise


def _verdict(same: bool) -> Verdict:
    return Verdict.SAME if same else Verdict.DIFFERENT


def _check(workers: int | None, seconds: float, megabytes: int) -> None:
    checks = [
        (workers is None or workers >= 1, f"--workers {workers}: must be at least 1"),
        (0 < seconds < float("inf"), f"--time-limit {seconds:g}: must be a number of seconds above 0"),
        (megabytes >= LEAST_MEGABYTES, f"--memory-limit {megabytes}: must be at least {LEAST_MEGABYTES} MB"),
    ]
    for fine, message in checks:
        if not fine:
            raise UsageError(message)


def shared_judge() -> Judge:
    """The judge of this process with default limits, for whoever was given none."""
    return _SHARED


def _forget_all() -> None:
    for judge in list(_JUDGES):
        judge._forget()


_JUDGES: weakref.WeakSet[Judge] = weakref.WeakSet()
os.register_at_fork(after_in_child=_forget_all)
_SHARED = Judge()
atexit.register(_SHARED.close)
