"""Names that become files or folders, or stand in tables: which are none."""

from __future__ import annotations

import re

from alftbench.base.foreign import HIDDEN

LONGEST = 255  # bytes of a file's name on every usual file system
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # Windows takes these for machines


def unfit_file(name: str) -> str:
    """Why a name cannot be that of a file or folder anywhere; empty if it can."""
    if why := unfit(name):
        return why
    if "/" in name or "\\" in name:
        return "holds a slash"
    if name.startswith("-"):
        return "begins with a dash, as options do"
    if name != name.strip() or name.endswith("."):
        return "begins or ends with a space, or ends with a dot"
    return "is a device of Windows" if DEVICES.fullmatch(name) else ""


def unfit(name: str) -> str:
    """Why a name cannot stand in a table or be made a file's name; empty if it can."""
    if not name.strip():
        return "is empty"
    if name in (".", ".."):
        return "names a folder that is there"
    if found := HIDDEN.search(name):
        return f"holds the character U+{ord(found[0]):04X}, which nobody sees"
    return f"is longer than {LONGEST} bytes" if len(name.encode()) > LONGEST else ""


def unfit_path(name: str) -> str:
    """Why a name such as `organisation/model` cannot be one: each part must be a file's name."""
    return next(filter(None, map(unfit_file, name.split("/"))), "")


def folder_name(name: str) -> str:
    """A suite's name as that of a folder."""
    return re.sub(r"[^\w.=-]+", "_", name)
