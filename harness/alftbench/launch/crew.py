"""A crew of Ray actors that do jobs: whose actor is lost goes to another, and the lost one is replaced.

An actor's class is made with one argument and has a method for every kind of job, beside `arrive` and `load`, with
which it begins. Its methods never raise: they give what `answer` makes of their work, so that every error reaches
the user as its own line, whatever the two processes can unpickle.
"""

from __future__ import annotations

import logging
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from alftbench.errors import AlftbenchError, UsageError
from alftbench.launch.cluster import Share, room

TRIES = 3  # actors that may end over the same work before it is given up
LOOK_SECONDS = 10.0  # without news: is there a node left?
STARTING = ("arrive", "load")  # an actor's first jobs, which are its own
KEPT = "what is done is kept, the same command goes on"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """An error as it crosses processes; `expected` says that its message was written for users."""

    message: str
    exit_code: int
    expected: bool
    trace: str


@dataclass(frozen=True)
class Reply:
    """What a call gave until it ended, what it warned of, and the error that ended it, if one did."""

    items: Sequence[Any]
    warnings: Sequence[str]
    failure: Failure | None


@dataclass(frozen=True)
class Job:
    """A call of an actor's method: what to call, with what, its name for people, how many actors it has ended."""

    method: str
    arguments: tuple[Any, ...]
    name: str
    lost: int = 0


class Crew:
    """Actors and what each of them is doing; a lost actor is replaced as soon as a node has room."""

    def __init__(self, ray: Any, actor: type, argument: Any, wanted: Share, loads: str) -> None:
        """Of actors `actor(argument)`, each with a share of a node; `loads` names what they load first."""
        self.ray, self.actor, self.argument, self.wanted, self.loads = ray, actor, argument, wanted, loads
        self.idle: deque[Any] = deque()
        self.busy: dict[Any, tuple[Any, Job]] = {}  # by the reference to the reply

    @property
    def is_gone(self) -> bool:
        """Is there no actor?"""
        return not self.idle and not self.busy

    def start(self, n: int) -> None:
        """Start actors and wait for the first; the others join when they are ready."""
        for _ in range(n):
            self._hire()
        try:
            while not self.idle:
                list(self._finished())
        except BaseException:
            self.dismiss()
            raise

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Reply]]:
        """The reply to every job, as they come; a job whose actor ended goes to another first of all."""
        queue = deque(jobs)
        open_jobs = len(queue)
        while open_jobs:
            while queue and self.idle:
                self._give(self.idle.popleft(), queue.popleft())
            for job, reply in self._finished():
                if reply is None:
                    queue.appendleft(job)
                    continue
                open_jobs -= 1
                yield job, reply

    def dismiss(self) -> None:
        """End every actor."""
        for actor in (*self.idle, *(actor for actor, _ in self.busy.values())):
            self.ray.kill(actor)
        self.idle.clear()
        self.busy.clear()

    def _hire(self, lost: int = 0) -> None:
        """Start an actor in place of one that was `lost` while it loaded, as others before it."""
        options = {"num_cpus": self.wanted["CPU"], "num_gpus": self.wanted.get("GPU", 0)}
        remote = self.ray.remote(self.actor).options(**options, max_restarts=0, scheduling_strategy="SPREAD")
        self._give(remote.remote(self.argument), Job("arrive", (), "the start of an actor", lost))

    def _give(self, actor: Any, job: Job) -> None:
        self.busy[getattr(actor, job.method).remote(*job.arguments)] = (actor, job)

    def _finished(self) -> Iterator[tuple[Job, Reply | None]]:
        """Wait for a reply; a job comes without one where its actor ended over it. Loading is seen to here."""
        ready, _ = self.ray.wait(list(self.busy), timeout=LOOK_SECONDS)
        if not ready:
            self._look()
        for reference in ready:
            actor, job = self.busy.pop(reference)
            try:
                reply: Reply = self.ray.get(reference)
            except self.ray.exceptions.RayError as error:
                yield from self._replace(actor, job, error)
                continue
            for warning in reply.warnings:
                log.warning(warning)
            if job.method == "arrive":
                self._give(actor, Job("load", (), f"the loading of {self.loads}", job.lost))
                continue
            if job.method == "load" and reply.failure:
                raise as_error(reply.failure, job.name)
            self.idle.append(actor)
            if job.method != "load":
                yield job, reply

    def _replace(self, actor: Any, job: Job, error: Exception) -> Iterator[tuple[Job, None]]:
        """Another actor for a lost one, and its work back.

        Raises:
            AlftbenchError: the same work has ended TRIES actors.
        """
        self.ray.kill(actor)  # it may only be out of reach
        lost = replace(job, lost=job.lost + 1)
        if lost.lost >= TRIES:
            raise AlftbenchError(
                f"{job.name} ended {TRIES} actors, the last with: {reason(error)} (out of memory?); {KEPT}"
            )
        log.warning("warning: a Ray actor was lost; %s goes to another", job.name)
        if job.method in STARTING:
            self._hire(lost.lost)
            return
        self._hire()
        yield lost, None

    def _look(self) -> None:
        """Nothing came for a while: fine while somebody works, or waits until others make room.

        Raises:
            AlftbenchError: no node is left that could hold an actor.
        """
        if any(job.method != "arrive" for _, job in self.busy.values()):
            return
        if room(self.ray, self.wanted) == 0:
            raise AlftbenchError(f"no node is left that has room for an actor; {KEPT}")
        log.warning("warning: the cluster's nodes are taken; waiting for room for an actor")


def as_error(failure: Failure, name: str) -> AlftbenchError:
    """What an actor failed with, to be raised here; its traceback shows with --debug."""
    message = failure.message if failure.expected else f"{name}: the backend failed with {failure.message}"
    error = UsageError(message) if failure.exit_code == 2 else AlftbenchError(message)
    error.add_note(failure.trace)
    return error


def reason(error: Exception) -> str:
    """The line of Ray's many that says why."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    cause = lines[-1]
    return cause if cause.partition(":")[0].endswith("Error") else lines[0].rstrip(".")


def answer(work: Callable[[], Iterable[Any]]) -> Reply:
    """Do some work and keep what it gave, also where it fails."""
    items: list[Any] = []
    failure = None
    with warnings_heard() as heard:
        try:
            items.extend(work())  # a list keeps what came before an error
        except AlftbenchError as error:
            failure = Failure(str(error), error.exit_code, True, traceback.format_exc())
        except Exception as error:  # noqa: BLE001  whatever a backend raises becomes one line at home
            failure = Failure(f"{type(error).__name__}: {error}", 1, False, traceback.format_exc())
    return Reply(items, heard, failure)


@contextmanager
def warnings_heard() -> Iterator[list[str]]:
    """The harness's own warnings while something runs; on a node nobody would read them."""
    heard: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("alftbench")
    logger.addHandler(handler)
    try:
        yield heard
    finally:
        logger.removeHandler(handler)
