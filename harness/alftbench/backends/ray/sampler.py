"""What runs in an actor of a Ray cluster: a backend with its model, asked for one unit of prompts at a time."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from alftbench.backends.base import Backend, BackendOptions, Divisible
from alftbench.backends.load import open_backend
from alftbench.backends.model_files import model_digest
from alftbench.base.provenance import versions
from alftbench.errors import AlftbenchError
from alftbench.launch.crew import Reply, answer
from alftbench.types import Sample, SampleKey, SamplingParams, Variant


@dataclass(frozen=True)
class Engine:
    """What every actor loads, and what must be the same there as here.

    model_sha256: digest of the model's files, None where a name says which it is. environment: variables that
    libraries read when they are imported. versions: of the packages that decide what is drawn.
    """

    backend: str
    model: str
    model_sha256: str | None
    options: BackendOptions
    environment: Mapping[str, str]
    versions: Mapping[str, str]


class Sampler:
    """The actor."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def arrive(self) -> Reply:
        """Say that a node had room."""
        return answer(tuple)

    def load(self) -> Reply:
        """Check that this node is like the one that asks, and load the model."""
        return answer(self._load)

    def units(self, variants: Sequence[Variant], params: SamplingParams) -> Reply:
        """Places in `variants` of the prompts of each unit."""
        return answer(lambda: divide(self.backend, variants, params))

    def sample(self, unit: Sequence[Variant], params: SamplingParams, done: frozenset[SampleKey]) -> Reply:
        """The draws of a unit."""
        return answer(lambda: self._draw(unit, params, done))

    def _load(self) -> Iterable[Any]:
        engine, node = self.engine, platform.node()
        os.environ.update(engine.environment)
        if different := {*engine.versions.items()} ^ {*versions().items()}:
            names = ", ".join(sorted({name for name, _ in different}))
            raise AlftbenchError(f"node {node} has other versions of {names}; install the same everywhere")
        if engine.model_sha256 not in (None, model_digest(engine.model)):
            raise AlftbenchError(
                f"node {node} has no {engine.model}, or other files there; put the model at one path on every node"
            )
        self.backend = open_backend(engine.backend, engine.model, engine.options)
        return ()

    def _draw(
        self, unit: Sequence[Variant], params: SamplingParams, done: frozenset[SampleKey]
    ) -> Iterator[Sample]:
        for portion in self.backend.sample(unit, params, done):
            yield from portion


def divide(backend: Backend, variants: Sequence[Variant], params: SamplingParams) -> list[list[int]]:
    """Places in `variants` of the prompts of each unit; one each where a backend does not say."""
    if not backend.info.divides:
        return [[place] for place in range(len(variants))]
    places = {(v.problem_id, v.name): place for place, v in enumerate(variants)}
    units = cast("Divisible", backend).units(variants, params)
    return [[places[v.problem_id, v.name] for v in unit] for unit in units]
