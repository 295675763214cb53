"""The suites that packages register, by entry point or as YAML in a folder, and what a list says of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from alftbench.base import entry_points
from alftbench.base.names import unfit_file
from alftbench.errors import BadInput, PluginError, UnknownName
from alftbench.suites.base import Suite
from alftbench.suites.tables.table import TableSuite, read_suite

KIND, FOLDER = "suite", "suite folder"


@dataclass(frozen=True)
class Registered:
    """A suite that a package registers; nothing of it is read before it is opened."""

    package: str
    open: Callable[[], Suite]


def registered() -> tuple[dict[str, list[Registered]], dict[str, PluginError]]:
    """Suites by name, several under one that several packages took; and folders that cannot be listed."""
    suites: dict[str, list[Registered]] = {}
    broken = {}
    for name, entries in entry_points.available(KIND).items():
        suites[name] = [Registered(entry_points.package_of(e), partial(from_entry_point, e)) for e in entries]
    for name, entries in entry_points.available(FOLDER).items():
        for entry in entries:
            package = entry_points.package_of(entry)
            try:
                texts = yaml_files(entry)
            except PluginError as error:
                broken[f"{package}: {name}"] = error
                continue
            for stem, file in texts.items():
                suites.setdefault(stem, []).append(Registered(package, partial(from_yaml, stem, file, package)))
    return dict(sorted(suites.items())), broken


def load_registered(name: str) -> Suite:
    """The registered suite of a name; no other is read.

    Raises:
        UnknownName: nobody registered that name.
        PluginError: two packages did, or it cannot be loaded.
    """
    suites, _ = registered()
    if name not in suites:
        raise UnknownName(KIND, name, suites)
    return the_only(name, suites[name])


def load_every() -> tuple[dict[str, Suite], dict[str, PluginError]]:
    """Every registered suite that loads, and the error of every suite or folder that does not."""
    suites, broken = registered()
    loaded = {}
    for name, candidates in suites.items():
        try:
            loaded[name] = the_only(name, candidates)
        except PluginError as error:
            broken[name] = error
    return loaded, broken


def the_only(name: str, candidates: list[Registered]) -> Suite:
    """The suite of a name that one package took.

    Raises:
        PluginError: several took it, or the suite cannot be loaded.
    """
    if len(candidates) > 1:
        raise PluginError(entry_points.taken_twice(KIND, name, (one.package for one in candidates)))
    return candidates[0].open()


def from_entry_point(entry: EntryPoint) -> Suite:
    """A suite that is an object of a module.

    Raises:
        PluginError: it cannot be imported, or is no suite.
    """
    suite = entry_points.imported(KIND, entry)
    if not isinstance(suite, Suite):
        raise PluginError(f"suite plugin {entry.name!r} lacks info or orbits()")
    if why := unfit_file(suite.info.name):
        raise PluginError(f"suite plugin {entry.name!r}: its name {suite.info.name!r} {why}")
    return suite


def yaml_files(entry: EntryPoint) -> dict[str, Traversable]:
    """The YAML files of a package by their stems, none of them read.

    Raises:
        PluginError: there is no such package.
    """
    try:
        folder = files(entry.value)
        return {file.name.removesuffix(".yaml"): file for file in folder.iterdir() if file.name.endswith(".yaml")}
    except Exception as error:
        raise PluginError(
            f"{FOLDER} {entry.name!r} ({entry.value}) cannot be listed: {type(error).__name__}: {error}"
        ) from error


def from_yaml(name: str, file: Traversable, package: str) -> Suite:
    """A suite of a folder.

    Raises:
        PluginError: the file is no suite, or the suite in it has another name than the file.
    """
    try:
        suite = read_suite(file.read_text(encoding="utf-8"), file.name)
    except (BadInput, OSError, UnicodeDecodeError) as error:
        raise PluginError(f"suite {name!r} of the package {package} cannot be read: {error}") from error
    if suite.info.name != name:
        raise PluginError(
            f"suite {name!r} of the package {package}: {file.name} names it {suite.info.name!r}; "
            f"a file in a folder of suites is called as its suite"
        )
    return suite


def about(suite: Suite) -> dict[str, Any]:
    """One suite as a row of plain values."""
    info = suite.info
    return {
        "name": info.name,
        "version": info.version,
        "description": info.description,
        "licence": info.licence,
        "citation": info.citation,
        "splits": list(info.splits),
        "source": source(suite),
    }


def source(suite: Suite) -> dict[str, Any]:
    """Where the problems come from: files and hub with what is recorded of each, or the suite itself."""
    if not isinstance(suite, TableSuite):
        return {"file": None, "hub": None, "homepage": None}
    hub = suite.hub
    return {
        "file": {name: dict(split) for name, split in suite.file.splits.items()} if suite.file else None,
        "hub": {
            "id": hub.id,
            "revision": hub.revision,
            "config": hub.config,
            "files": dict(hub.files),
            "sha256": dict(hub.sha256),
            "splits": {name: dict(split) for name, split in hub.splits.items()},
        }
        if hub
        else None,
        "homepage": suite.homepage,
    }
