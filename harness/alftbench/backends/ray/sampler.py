"""What runs in an actor of a Ray cluster: a backend with its model, asked for one unit of prompts at a time.

Nothing here raises: an actor answers with what it has and with what went wrong, so that every error reaches the
user as its own line, whatever the two processes can unpickle.
"""

from __future__ import annotations

import logging
import os
import platform
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from alftbench.backends.base import Backend, BackendOptions, Divisible
from alftbench.backends.model_files import model_digest
from alftbench.base import plugins
from alftbench.base.provenance import versions
from alftbench.errors import AlftbenchError
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
        self.backend: Backend = plugins.load("backend", engine.backend)(engine.model, engine.options)
        return ()

    def _draw(
        self, unit: Sequence[Variant], params: SamplingParams, done: frozenset[SampleKey]
    ) -> Iterator[Sample]:
        for portion in self.backend.sample(unit, params, done):
            yield from portion


def divide(backend: Backend, variants: Sequence[Variant], params: SamplingParams) -> list[list[int]]:
    """Places in `variants` of the prompts of each unit; one each where a backend does not say."""
    if not isinstance(backend, Divisible):
        return [[place] for place in range(len(variants))]
    places = {(v.problem_id, v.name): place for place, v in enumerate(variants)}
    return [[places[v.problem_id, v.name] for v in unit] for unit in backend.units(variants, params)]


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
