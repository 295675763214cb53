"""Which metrics a table shows and tests: what the runs' own records say, the usual ones first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

USUAL = {
    "shown": ("accuracy", "pass@k", "maj@n", "entropy", "distinct_right", "coherence", "agreement"),
    "compared": ("accuracy", "entropy", "distinct_right", "coherence", "agreement"),
}
"""The order of the columns; and what to show and to test of runs that were recorded before records said so."""

Spec = Mapping[str, Any]  # a metric's row in metrics.json


def stands_for(name: str, names: Collection[str]) -> str | None:
    """The metric that a board means by a name, None where there is none.

    `maj@n` is the one with the runs' own n, `pass@k` the one with k = 4 or, with fewer samples, the largest.
    """
    if name == "maj@n":
        return next((known for known in names if known.startswith("maj@")), None)
    if name == "pass@k":
        return next((known for known in ("pass@4", "pass@2") if known in names), None)
    return name if name in names else None


def chosen(specs: Sequence[Spec], field: str) -> list[str]:
    """The names of the metrics whose records say yes to `shown` or `compared`: the usual ones, then the others."""
    names = [spec["name"] for spec in specs]
    usual = [known for name in USUAL[field] if (known := stands_for(name, names))]
    marked = {spec["name"] for spec in specs if spec.get(field, spec["name"] in usual)}
    return [name for name in dict.fromkeys([*usual, *names]) if name in marked]


def general(names: Iterable[str]) -> list[str]:
    """Names that hold for any number of samples: pass@4 is `pass@k` and maj@8 is `maj@n`."""
    any_number = {"pass@": "pass@k", "maj@": "maj@n"}
    return list(dict.fromkeys(any_number.get(name[: name.find("@") + 1], name) for name in names))


def in_all(specs: Sequence[Sequence[Spec]]) -> list[Spec]:
    """The metrics of the first run that all have: a plugin may have failed in one."""
    common = set.intersection(*({spec["name"] for spec in of_run} for of_run in specs))
    return [spec for spec in specs[0] if spec["name"] in common]
