"""An evaluation over a Ray cluster: actors draw units of prompts, and what an actor loses goes to another.

What is drawn depends on units alone, and a backend says which prompts make one, so samples are those of a single
process however many actors there are, and a run may go on with or without Ray.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from alftbench.backends.ray.sampler import Engine, Failure, Reply, Sampler
from alftbench.base.provenance import installed
from alftbench.errors import AlftbenchError, PluginError, UsageError
from alftbench.launch.cluster import RayCluster, actors_for, connect, nodes, room, share
from alftbench.types import Sample, SampleKey, SamplingParams, Variant

TRIES = 3  # actors that may end over the same work before it is given up
LOOK_SECONDS = 10.0  # without news: is there a node left?
STARTING = ("arrive", "load")  # an actor's first jobs, which are its own
INHERITED = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
log = logging.getLogger(__name__)


class RayBackend:
    """Samples with any registered backend, a copy of it in every actor."""

    def __init__(self, engine: Engine, cluster: RayCluster) -> None:
        """Connect, and wait until one actor has its model.

        Raises:
            AlftbenchError: the cluster cannot be reached or has no room, or the model does not load there.
        """
        self.ray = connect(cluster)
        wanted = share(self.ray, engine.options.device, cluster.threads)
        self.crew = Crew(self.ray, for_actors(engine, "GPU" in wanted, cluster.threads), wanted)
        self.n_actors = actors_for(self.ray, cluster, wanted)
        launcher = {
            "name": "ray",
            "version": installed("ray"),
            "nodes": len(nodes(self.ray)),
            "actors": self.n_actors,
            "each": dict(wanted),
        }
        self.about = {"launcher": launcher}
        self.crew.start(self.n_actors)

    def sample(
        self, variants: Sequence[Variant], params: SamplingParams, done: Container[SampleKey] = ()
    ) -> Iterator[Sequence[Sample]]:
        """Unit after unit as actors finish them; then, or when the caller stops, the actors end."""
        if self.crew.is_gone:
            self.crew.start(self.n_actors)
        try:
            for job, reply in self.crew.run(self._jobs(variants, params, done)):
                yield reply.items
                if reply.failure:
                    raise as_error(reply.failure, job.name)
        finally:
            self.crew.dismiss()

    def _jobs(
        self, variants: Sequence[Variant], params: SamplingParams, done: Container[SampleKey]
    ) -> Iterator[Job]:
        """The units of which anything is missing."""
        for unit in self._units(variants, params):
            keys = [(v.problem_id, v.name, draw) for v in unit for draw in range(params.n)]
            drawn = frozenset(key for key in keys if key in done)
            if len(drawn) < len(keys):
                yield Job("sample", (unit, params, drawn), in_words(unit))

    def _units(self, variants: Sequence[Variant], params: SamplingParams) -> list[list[Variant]]:
        """Prompts that have to stay together, asked of one actor, because the model decides it.

        Raises:
            PluginError: the units leave a prompt out or hold one twice.
        """
        ((job, reply),) = self.crew.run([Job("units", (list(variants), params), "the division of the prompts")])
        if reply.failure:
            raise as_error(reply.failure, job.name)
        if sorted(chain.from_iterable(reply.items)) != list(range(len(variants))):
            raise PluginError("the backend's units do not hold every prompt once; nothing was drawn")
        return [[variants[place] for place in unit] for unit in reply.items]


@dataclass(frozen=True)
class Job:
    """A call of an actor's method: what to call, with what, its name for people, how many actors it has ended."""

    method: str
    arguments: tuple[Any, ...]
    name: str
    lost: int = 0


class Crew:
    """Actors and what each of them is doing; a lost actor is replaced as soon as a node has room."""

    def __init__(self, ray: Any, engine: Engine, wanted: Any) -> None:
        self.ray, self.engine, self.wanted = ray, engine, wanted
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
        """Start an actor in place of one that was `lost` while it loaded its model, as others before it."""
        options = {"num_cpus": self.wanted["CPU"], "num_gpus": self.wanted.get("GPU", 0)}
        made = self.ray.remote(Sampler).options(**options, max_restarts=0, scheduling_strategy="SPREAD")
        self._give(made.remote(self.engine), Job("arrive", (), "the start of an actor", lost))

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
                self._give(actor, Job("load", (), "the loading of the model", job.lost))
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
                f"{job.name} ended {TRIES} actors, the last with: {reason(error)} "
                f"(out of memory?); what was drawn is kept, the same command goes on"
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
            raise AlftbenchError(
                "no node is left that has room for an actor; what was drawn is kept, the same command goes on"
            )
        log.warning("warning: the cluster's nodes are taken; waiting for room for an actor")


def for_actors(engine: Engine, on_gpu: bool, threads: int) -> Engine:
    """The engine with the environment that its libraries read in an actor."""
    hidden = {} if on_gpu else {"CUDA_VISIBLE_DEVICES": ""}  # an actor without a share in GPUs must not take one
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return replace(engine, environment={"OMP_NUM_THREADS": str(threads), **hidden, **inherited})


def in_words(unit: Sequence[Variant]) -> str:
    """A unit's name: its first prompt and how many more there are."""
    more = f" and {len(unit) - 1} more" if len(unit) > 1 else ""
    return f"problem {unit[0].problem_id}, phrasing {unit[0].name}{more}"


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
