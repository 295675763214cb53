"""What a suite is: a name, a meaning that is versioned, and the orbits of each split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from alftbench.types import Orbit, SamplingParams


@dataclass(frozen=True)
class SuiteInfo:
    """What a suite says of itself; any change of meaning raises `version`."""

    name: str
    version: str
    description: str
    licence: str
    citation: str
    sampling: SamplingParams
    splits: tuple[str, ...]
    answer_rules: tuple[str, ...] = ("marker",)


@runtime_checkable
class Suite(Protocol):
    """A benchmark; registered under the entry point group `alftbench.suites`."""

    @property
    def info(self) -> SuiteInfo:
        """Name, version, meaning and defaults."""
        ...

    def orbits(self, split: str = "test", data: str | None = None) -> Sequence[Orbit]:
        """The problems of a split, read from the file `data` where the suite does not carry its own."""
        ...
