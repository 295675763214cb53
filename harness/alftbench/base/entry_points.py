"""Load plugins by entry point; built-ins come through the same doors, which `alftbench.plugins` describes."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from alftbench.errors import PluginError, UnknownName

GROUPS = {
    "trainer": "alftbench.trainers",
    "suite": "alftbench.suites",
    "suite family": "alftbench.suite_families",
    "suite folder": "alftbench.suite_folders",
    "backend": "alftbench.backends",
    "metric": "alftbench.metrics",
}


HARNESS = Path(__file__).parents[1]
REWARDING = [HARNESS / room for room in ("games", "answers", "suites")]
"""Rooms whose code decides what a rollout is worth, whoever trains."""
CODE = {".py", ".json", ".yaml"}


def available(kind: str) -> dict[str, list[EntryPoint]]:
    """Entry points of a kind by name, sorted; several under a name that several packages took. Imports nothing."""
    entries: dict[str, list[EntryPoint]] = {}
    for entry in sorted(metadata.entry_points(group=GROUPS[kind]), key=lambda entry: entry.name):
        entries.setdefault(entry.name, []).append(entry)
    return entries


def load(kind: str, name: str) -> Any:
    """Import one plugin.

    Raises:
        UnknownName: nobody registered that name.
        PluginError: two packages did, or its module fails to import; chained to the cause.
    """
    return imported(kind, find(kind, name))


def imported(kind: str, entry: EntryPoint) -> Any:
    """What an entry point names.

    Raises:
        PluginError: its module fails to import; chained to the cause.
    """
    try:
        return entry.load()
    except Exception as error:
        raise PluginError(
            f"{kind} plugin {entry.name!r} ({entry.value}) cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def find(kind: str, name: str) -> EntryPoint:
    """The entry point of a name, without importing it.

    Raises:
        UnknownName: nobody registered that name.
        PluginError: two packages did, so that it says of neither which is meant.
    """
    entries = available(kind)
    if name not in entries:
        raise UnknownName(kind, name, entries)
    if len(entries[name]) > 1:
        raise PluginError(taken_twice(kind, name, map(package_of, entries[name])))
    return entries[name][0]


def taken_twice(kind: str, name: str, packages: Iterable[str]) -> str:
    """What is wrong where several packages register one name."""
    both = " and ".join(sorted(packages))
    return f"{kind} {name!r} is registered by the packages {both}; uninstall one, or ask for another name there"


def package_of(entry: EntryPoint) -> str:
    """The distribution that registered an entry point, as pip names it."""
    return entry.dist.name if entry.dist else entry.module


def code_of(entry: EntryPoint) -> dict[str, str]:
    """What tells whether a plugin's code changed: distribution, version, and the digest of its packages.

    The packages are the outermost that the entry point names, and those rooms of the harness that rewards and
    verdicts come from. Nothing is imported.
    """
    name, version = (entry.dist.name, entry.dist.version) if entry.dist else (entry.module, "")
    return {"distribution": name, "version": version, "sha256": code_digest(entry.module.partition(".")[0])}


@cache
def code_digest(name: str) -> str:
    """SHA-256 over the names and contents of the code and tables of a package, or of a module's one file."""
    spec = importlib.util.find_spec(name)
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []
    single = [Path(spec.origin)] if spec and spec.origin and not folders else []
    files = [*single, *(path for folder in [*folders, *REWARDING] for path in folder.rglob("*"))]
    digest = hashlib.sha256()
    for path in sorted(path for path in files if path.suffix in CODE):
        digest.update("/".join(path.parts[-3:]).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def load_all(kind: str) -> tuple[dict[str, Any], dict[str, PluginError]]:
    """Every plugin of a kind that loads, and the error of every one that does not."""
    loaded, broken = {}, {}
    for name in available(kind):
        try:
            loaded[name] = load(kind, name)
        except PluginError as error:
            broken[name] = error
    return loaded, broken


def describe(plugin: Any) -> str:
    """What a plugin says of itself in one line: the first of its docstring."""
    return (plugin.__doc__ or "").strip().split("\n")[0]
