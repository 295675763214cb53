"""Get a suite by name and the problems of one of its splits, checked."""

from __future__ import annotations

from collections.abc import Sequence

from alftbench import plugins
from alftbench.answers.partition import reference_keys
from alftbench.errors import BadInput, PluginError, UsageError
from alftbench.suites.base import Suite
from alftbench.types import Orbit


def load_suite(name: str) -> Suite:
    """A registered suite by name."""
    suite: Suite = plugins.load("suite", name)
    if not isinstance(suite, Suite):
        raise PluginError(f"suite plugin {name!r} lacks info or orbits()")
    return suite


def read_orbits(suite: Suite, split: str, data: str | None, limit: int | None = None) -> Sequence[Orbit]:
    """The first `limit` problems of a suite, each with references that can be read.

    Raises:
        UsageError: the split does not exist, or the limit is not positive.
        BadInput: there is no problem, or two have the same id.
    """
    if split not in suite.info.splits:
        raise UsageError(f"suite {suite.info.name} has no split {split!r}; it has: {', '.join(suite.info.splits)}")
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: must be at least 1")
    orbits = list(suite.orbits(split, data))[:limit]
    ids = [orbit.problem.id for orbit in orbits]
    if not ids:
        raise BadInput(f"suite {suite.info.name}: the {split} split has no problems")
    if len(set(ids)) < len(ids):
        twice = next(name for i, name in enumerate(ids) if name in ids[:i])
        raise BadInput(f"suite {suite.info.name}: problem id {twice!r} occurs twice")
    for orbit in orbits:
        reference_keys(orbit.problem)
    return orbits
