"""Records that say when they are changed: run.json, train.json and equilibrium.json carry a digest of themselves.

`record_sha256` is the digest of all else in the record. It tells an accident and an edit by hand; whoever sets out
to forge a record can compute the digest anew, which no digest beside its content prevents.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from alftbench.base.jsonio import digest, read_json, without_nan, write_json
from alftbench.base.validate import read
from alftbench.errors import BadInput

T = TypeVar("T")
DIGEST = "record_sha256"


def save_record(path: Path, content: Mapping[str, Any]) -> str:
    """Replace a record's file by this content with its digest, which is returned.

    Raises:
        NotWritten: the disk is full or refuses; the old record is still there.
    """
    plain = json.loads(json.dumps(without_nan(content)))
    sha256 = own_digest(plain)
    write_json(path, {**plain, DIGEST: sha256})
    return sha256


def own_digest(content: Mapping[str, Any]) -> str:
    """The digest of all in a record but the digest itself."""
    return digest({key: value for key, value in content.items() if key != DIGEST})


def load_record(
    path: Path, kind: type[T], version: int, undigested: Collection[int] = (), earlier: Collection[int] = ()
) -> T:
    """A record from its file.

    Args:
        path: the file.
        kind: a dataclass with the fields `schema_version` and `record_sha256`.
        version: the schema version that is written now.
        undigested: earlier versions that are read too, from before records had a digest.
        earlier: those that have one.

    Raises:
        BadInput: the file is missing, is not JSON, is of another version, was changed since it was written, or its
            fields are not the record's.
    """
    data = read_json(path)
    stated = data.get("schema_version") if isinstance(data, dict) else None
    if type(stated) is not int or stated not in (version, *undigested, *earlier):
        raise BadInput(f"{path}: not a {kind.__name__} of schema version {version}")
    if stated not in undigested or data.get(DIGEST) is not None:
        check_digest(path, data)
    return read(kind, data, str(path))


def check_digest(path: Path, data: Mapping[str, Any]) -> None:
    """A record is what it was when it was written.

    Raises:
        BadInput: it is not.
    """
    try:
        changed = own_digest(data) != data.get(DIGEST)
    except (RecursionError, UnicodeEncodeError):  # no record that was written here is like that
        changed = True
    if changed:
        raise BadInput(f"{path}: {DIGEST} is not that of its content; the record was changed, so undo the change")
