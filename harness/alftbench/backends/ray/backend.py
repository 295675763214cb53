"""An evaluation over a Ray cluster: actors draw units of prompts, and what an actor loses goes to another.

What is drawn depends on units alone, and a backend says which prompts make one, so samples are those of a single
process however many actors there are, and a run may go on with or without Ray.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from alftbench.backends.base import BackendInfo
from alftbench.backends.ray.sampler import Engine, Sampler
from alftbench.base.provenance import installed
from alftbench.errors import PluginError
from alftbench.launch.cluster import RayCluster, actors_for, connect, nodes, share
from alftbench.launch.crew import Crew, Job, as_error
from alftbench.types import Sample, SampleKey, SamplingParams, Variant

INHERITED = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


class RayBackend:
    """Samples with any registered backend, a copy of it in every actor."""

    info = BackendInfo()  # of this way to sample; where the model lies and what is pace, the engine's backend says

    def __init__(self, engine: Engine, cluster: RayCluster) -> None:
        """Connect, and wait until one actor has its model.

        Raises:
            AlftbenchError: the cluster cannot be reached or has no room, or the model does not load there.
        """
        self.ray = connect(cluster)
        wanted = share(self.ray, engine.options.device, cluster.threads)
        argument = for_actors(engine, "GPU" in wanted, cluster.threads)
        self.crew = Crew(self.ray, Sampler, argument, wanted, loads="the model")
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


def for_actors(engine: Engine, on_gpu: bool, threads: int) -> Engine:
    """The engine with the environment that its libraries read in an actor."""
    hidden = {} if on_gpu else {"CUDA_VISIBLE_DEVICES": ""}  # an actor without a share in GPUs must not take one
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return replace(engine, environment={"OMP_NUM_THREADS": str(threads), **hidden, **inherited})


def in_words(unit: Sequence[Variant]) -> str:
    """A unit's name: its first prompt and how many more there are."""
    more = f" and {len(unit) - 1} more" if len(unit) > 1 else ""
    return f"problem {unit[0].problem_id}, phrasing {unit[0].name}{more}"
