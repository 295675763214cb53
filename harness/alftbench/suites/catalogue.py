"""What a list of suites says of each: its meaning, its terms, and where its problems come from."""

from __future__ import annotations

from typing import Any

from alftbench.suites.base import Suite
from alftbench.suites.tables.table import TableSuite


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
