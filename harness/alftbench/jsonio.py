"""JSON and JSONL on disk: atomic where replaced, flushed to the disk where appended, named lines where wrong."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from alftbench.errors import BadInput

RecordT = TypeVar("RecordT")
BLOCK = 1 << 20  # bytes read or written at a time


def canonical_json(value: Any) -> str:
    """One spelling per value: sorted keys, no spaces; what digests are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step: readers see the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_gzip(path: Path, content: bytes) -> None:
    """Replace a compressed file in one step; equal content gives equal bytes."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(gzip.compress(content, mtime=0))
    partial.replace(path)


@contextmanager
def writing(path: Path) -> Iterator[Callable[[bytes], object]]:
    """Replace a file in one step when all of it has been written; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        yield file.write
    partial.replace(path)


@contextmanager
def writing_gzip(path: Path) -> Iterator[Callable[[bytes], object]]:
    """Replace a compressed file in one step when all of it has been written; equal content gives equal bytes."""
    partial = path.with_name(path.name + ".partial")
    with (
        partial.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed,
        io.BufferedWriter(packed, BLOCK) as buffered,
    ):
        yield buffered.write
    partial.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file in one step. NaN is written as null: JSON has no other word for it."""
    write_text(path, json.dumps(without_nan(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def without_nan(value: Any) -> Any:
    """The same value with None for every float that is not finite."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def read_json(path: Path) -> Any:
    """A JSON file's value.

    Raises:
        BadInput: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except (ValueError, OSError) as error:
        raise BadInput(f"{path}: not readable as JSON: {error}") from error


def read_dataclass(path: Path, kind: type[RecordT], schema_version: int) -> RecordT:
    """A record of a schema version from its JSON file.

    Raises:
        BadInput: the file is missing, is not JSON, is of another version, or its fields are not the record's.
    """
    data = read_json(path)
    if not isinstance(data, dict) or data.get("schema_version") != schema_version:
        raise BadInput(f"{path}: not a {kind.__name__} of schema version {schema_version}")
    try:
        return kind(**data)
    except TypeError as error:
        raise BadInput(f"{path}: {error}") from None


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of every line of a JSONL file; a `.gz` is decompressed.

    Raises:
        BadInput: the file cannot be read, or a line is not a JSON object; names the line.
    """
    number = 0
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8") as file
        ):
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _object(path, number, line)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}, after line {number}: cannot be read: {error}") from error


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise BadInput(f"{path}, line {number}: not JSON ({error}); correct or remove the line") from None
    if not isinstance(value, dict):
        raise BadInput(f"{path}, line {number}: expected an object, found {type(value).__name__}")
    return value


def append_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Append one line per row and wait until the disk has them."""
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        file.flush()
        os.fsync(file.fileno())


def drop_torn_line(path: Path) -> None:
    """Cut a JSONL file back to its last newline: what a killed writer left half-written."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - BLOCK)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                file.truncate(start + newline + 1)
                return
            end = start
        file.truncate(0)
