"""Get a suite by name, family or file, and the problems of one of its splits, checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alftbench.answers.partition import reference_keys
from alftbench.base import entry_points
from alftbench.base.names import folder_name, unfit, unfit_file
from alftbench.errors import BadInput, PluginError, UsageError
from alftbench.suites.base import Grader, Recorded, Suite
from alftbench.suites.catalogue import load_registered
from alftbench.suites.orbits import OrbitSpec, expand
from alftbench.suites.tables.table import read_suite_file
from alftbench.types import Orbit

FILE_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Selection:
    """Which problems of a suite: the split, the file with its rows, how many, and in which more phrasings.

    data_unchecked: read a file whose rows or digest are not the recorded ones.
    """

    split: str = "test"
    data: str | None = None
    limit: int | None = None
    orbit: OrbitSpec | None = None
    data_unchecked: bool = False

    @property
    def stated(self) -> dict[str, Any]:
        """What a run's configuration says beside the digest of its problems; nothing where nothing is special."""
        orbit = {"orbit": str(self.orbit)} if self.orbit else {}
        return orbit | ({"data_unchecked": True} if self.data_unchecked else {})


TEST, TRAIN = Selection(), Selection("train")


@dataclass(frozen=True)
class Problems:
    """A suite and those of its problems that were selected."""

    suite: Suite
    orbits: Sequence[Orbit]


Reader = Callable[[str, Selection], Problems]


def read_problems(name: str, selection: Selection) -> Problems:
    """The selected problems of a suite by its name.

    Raises:
        UsageError, BadInput: as `load_suite` and `read_orbits`.
    """
    suite = load_suite(name)
    return Problems(suite, read_orbits(suite, selection))


def load_suite(name: str) -> Suite:
    """A registered suite by name, one of a family as family:what, or one of a YAML file by its path."""
    family, colon, what = name.partition(":")
    if not colon and name.endswith(FILE_ENDINGS):
        return read_suite_file(Path(name))
    if not colon:
        return load_registered(name)
    suite = entry_points.load("suite family", family)(what)
    if not isinstance(suite, Suite):
        raise PluginError(f"suite family {family!r} gives no suite: it lacks info or orbits()")
    if why := unfit(suite.info.name) or unfit_file(folder_name(suite.info.name)):
        raise UsageError(f"--suite {name!r}: as a name it {why}")
    return suite


def read_orbits(suite: Suite, selection: Selection) -> Sequence[Orbit]:
    """The selected problems of a suite, each with references that can be read.

    Raises:
        UsageError: the split does not exist, or the limit is not positive.
        BadInput: there is no problem, two have the same id, or the source is not the recorded one.
    """
    split, limit = selection.split, selection.limit
    if split not in suite.info.splits:
        raise UsageError(no_split(suite, split))
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: must be at least 1")
    orbits = list(suite.orbits(split, selection.data))
    check_ids(suite, split, orbits)
    if isinstance(suite, Recorded) and not selection.data_unchecked:
        suite.check_source(split, selection.data)
    chosen = orbits[:limit]
    if not isinstance(suite, Grader):
        for orbit in chosen:
            reference_keys(orbit.problem)
    return (
        [expand(orbit, selection.orbit, suite.info.answer_rules) for orbit in chosen]
        if selection.orbit
        else chosen
    )


def no_split(suite: Suite, split: str) -> str:
    """What to do about a split that a suite does not have."""
    there = f"suite {suite.info.name} has no split {split!r}; it has: {', '.join(suite.info.splits)}"
    own = "; to train on it, describe training problems in a YAML of your own (docs/suites.md)"
    return there + (own if split == "train" else "")


def check_ids(suite: Suite, split: str, orbits: Sequence[Orbit]) -> None:
    """Every problem has an id of its own."""
    ids = [orbit.problem.id for orbit in orbits]
    if not ids:
        raise BadInput(f"suite {suite.info.name}: the {split} split has no problems")
    if len(set(ids)) < len(ids):
        twice = next(name for i, name in enumerate(ids) if name in ids[:i])
        raise BadInput(f"suite {suite.info.name}: problem id {twice!r} occurs twice")
