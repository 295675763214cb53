"""What a suite is: a name, a meaning that is versioned, and the orbits of each split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from alftbench.types import GradedOrbit, Orbit, Sample, SamplingParams

# What `validate` checks, as known flaws name it.
CHECKS = ("source", "references", "near misses", "prompts", "orbits", "train/test")


@dataclass(frozen=True)
class Flaw:
    """A known flaw of the data, kept as it is upstream; `check` names the check that finds it, if any."""

    problem: str
    note: str
    check: str = ""


@dataclass(frozen=True)
class SuiteInfo:
    r"""What a suite says of itself; any change of meaning raises `version`.

    variants: the phrasings that every orbit must have; empty where a suite does not say.
    answer_form: how an answer is written as the prompt asks for it, with `$answer` in its place, by phrasing or
        for all; empty takes the form of the first rule, such as \boxed{$answer}.
    enumerable: of so many problems, the first, a small model's completions can be listed in seconds each, so
        `compare` does with an embedded model; 0 where they are too open. unlisted: the mass that may be left out.
    right_answers: how many different right answers a problem has at most; None where that is not known.
    """

    name: str
    version: str
    description: str
    licence: str
    citation: str
    sampling: SamplingParams
    splits: tuple[str, ...]
    answer_rules: tuple[str, ...] = ("marker",)
    variants: tuple[str, ...] = ()
    answer_form: str | Mapping[str, str] = ""
    flaws: tuple[Flaw, ...] = ()
    enumerable: int = 0
    unlisted: float = 0.01
    right_answers: int | None = None

    def title(self, split: str) -> str:
        """What tables call the problems of a split: the suite's name for those of the test."""
        return titled(self.name, split)


def titled(suite: str, split: str) -> str:
    """The same for a suite's name alone."""
    return suite if split == "test" else f"{suite}, {'training' if split == 'train' else split} problems"


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


@runtime_checkable
class Recorded(Protocol):
    """A suite that knows how many rows its source has, and the digest of its file."""

    def check_source(self, split: str, data: str | None) -> int:
        """The number of rows, if they are the recorded ones.

        Raises:
            BadInput: they are not; says what was expected and found.
        """
        ...


@runtime_checkable
class Grader(Protocol):
    """What a suite may offer besides: answer classes by rules of its own, in place of kind and answer rules."""

    def grade(self, orbit: Orbit, samples_VN: Sequence[Sequence[Sample]]) -> GradedOrbit:
        """The answer of every sample of an orbit, and their classes."""
        ...


@runtime_checkable
class ReferenceGrader(Grader, Protocol):
    """What a grader may offer besides: how it grades, in words, and the same for a reference alone."""

    @property
    def grading(self) -> str:
        """How an answer is found and judged, in a few words."""
        ...

    def accepts(self, orbit: Orbit, reference: str) -> bool:
        """Is a reference right, by the code that grades models?"""
        ...
