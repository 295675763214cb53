"""Find trainers, suites, backends and metrics by entry point; built-ins come through the same door."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from alftbench.errors import PluginError, UnknownName

KINDS = {
    "trainer": "trainers",
    "suite": "suites",
    "suite family": "suite_families",
    "backend": "backends",
    "metric": "metrics",
}


def available(kind: str) -> dict[str, EntryPoint]:
    """Entry points of a kind by name, sorted; nothing is imported."""
    found = entry_points(group=f"alftbench.{KINDS[kind]}")
    return {entry.name: entry for entry in sorted(found, key=lambda entry: entry.name)}


def load(kind: str, name: str) -> Any:
    """Import one plugin.

    Raises:
        UnknownName: nobody registered that name.
        PluginError: its module fails to import; chained to the cause.
    """
    entry = find(kind, name)
    try:
        return entry.load()
    except Exception as error:
        raise PluginError(
            f"{kind} plugin {name!r} ({entry.value}) cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def find(kind: str, name: str) -> EntryPoint:
    """The entry point of a name, without importing it.

    Raises:
        UnknownName: nobody registered that name.
    """
    entries = available(kind)
    if name not in entries:
        raise UnknownName(kind, name, entries)
    return entries[name]


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
    """What a plugin says of itself in one line: a suite's description, else the first line of its docstring."""
    info = getattr(plugin, "info", None)
    text = getattr(info, "description", None) or (getattr(plugin, "__doc__", None) or "").strip()
    return str(text).split("\n")[0]
