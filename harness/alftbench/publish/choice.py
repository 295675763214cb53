"""Which metrics a table shows and tests: what the runs' own records say, the usual ones first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

USUAL = {
    "shown": (
        "accuracy", "pass@k", "maj@n", "coherence", "agreement", "agreement_within", "distinct_right@m",
    ),
    "compared": ("accuracy", "coherence", "disagreement", "agreement_within", "distinct_right@m"),
}  # fmt: skip
"""The order of the columns."""

SHOWN_AT = {"pass@k": (4, 2), "distinct_right@m": (8, 4, 2), "distinct@m": (8, 4, 2)}
"""How many draws a general name means: the first that a run has."""

Spec = Mapping[str, Any]  # a metric's row in metrics.json


def stands_for(name: str, names: Collection[str]) -> str | None:
    """The metric that a board means by a name, None where there is none.

    `maj@n` is the one with the runs' own n; `pass@k`, `distinct@m` and `distinct_right@m` are those of
    `SHOWN_AT`; a board from before there was an m calls the last `distinct_right`.
    """
    if name == "maj@n":
        return next((known for known in names if known.startswith("maj@")), None)
    name = "distinct_right@m" if name == "distinct_right" else name
    if name in SHOWN_AT:
        stem = name.partition("@")[0]
        return next((known for k in SHOWN_AT[name] if (known := f"{stem}@{k}") in names), None)
    return name if name in names else None


def chosen(specs: Sequence[Spec], field: str) -> list[str]:
    """The names of the metrics whose records say yes to `shown` or `compared`: the usual ones, then the others."""
    names = [spec["name"] for spec in specs]
    usual = [known for name in USUAL[field] if (known := stands_for(name, names))]
    marked = {spec["name"] for spec in specs if spec[field]}
    return [name for name in dict.fromkeys([*usual, *names]) if name in marked]


def general(names: Iterable[str]) -> list[str]:
    """Names that hold for any number of samples: pass@4 is `pass@k`, maj@8 is `maj@n`."""
    any_number = {name.partition("@")[0]: name for name in ("maj@n", *SHOWN_AT)}
    stems = {name: name.partition("@")[0] if "@" in name else "" for name in names}
    return list(dict.fromkeys(any_number.get(stem, name) for name, stem in stems.items()))


def in_all(specs: Sequence[Sequence[Spec]]) -> list[Spec]:
    """The metrics of the first run that all have: a plugin may have failed in one."""
    common = set.intersection(*({spec["name"] for spec in of_run} for of_run in specs))
    return [spec for spec in specs[0] if spec["name"] in common]
