"""JSON and JSONL on disk: atomic where replaced, flushed to the disk where appended, named lines where wrong.

A lone surrogate (JSON can spell one, UTF-8 cannot) is no character: what a user wrote is refused with its line,
what a model wrote has U+FFFD in its place.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from alftbench.base.bounds import JSON_BYTES, LINE, lines, open_text, read_text
from alftbench.errors import BadInput, NotWritten

BLOCK = 1 << 20  # bytes read or written at a time
SURROGATE = re.compile("[\ud800-\udfff]")  # of a str, where a pair is one character: each of these is alone
SPELLED_SURROGATE = re.compile(r"\\u[dD][89A-Fa-f]")  # how JSON spells them, alone or in pairs
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
VALUES = 2_000_000  # of one JSON text


class JsonObject(dict[str, Any]):
    """An object that remembers a key that was given twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        twice = (key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        self.repeated = next(twice) if len(self) < len(pairs) else None


def parse_json(text: str, by_model: bool = False, **hooks: Any) -> Any:
    """The value that a text spells, `well_formed` where a model wrote it; `hooks` are those of `json.loads`.

    Raises:
        ValueError: it is not JSON, nested deeper than Python follows, or of too many values; says where.
    """
    if len(text) > VALUES and sum(map(text.count, "[{,")) > VALUES:
        raise ValueError(f"more than {VALUES:,} values, the most that are read")
    try:
        value = json.loads(text, **hooks)
        return well_formed(value) if by_model else value
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()):
            raise ValueError("it ends too early") from None
        line = f"line {error.lineno}, " if "\n" in text.rstrip() else ""
        raise ValueError(f"{error.msg.removesuffix(' at')} at {line}column {error.colno}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError:  # the only other that json raises is Python's own about whole numbers
        raise ValueError("a whole number has more digits than are read") from None


def well_formed(value: Any) -> Any:
    """The same value with U+FFFD for every lone surrogate in its texts, which UTF-8 could not hold."""
    return map_texts(partial(SURROGATE.sub, REPLACEMENT), value)


def map_texts(change: Callable[[str], str], value: Any) -> Any:
    """The same value with every text in it changed, keys too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {map_texts(change, key): map_texts(change, item) for key, item in value.items()}
    if isinstance(value, list):
        return [map_texts(change, item) for item in value]
    return value


def digest(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, one spelling per value: sorted keys, no spaces."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step: readers see the old content or the new, never a part.

    Raises:
        NotWritten: the disk is full or refuses; the old content is still there.
    """
    write_bytes(path, text.encode())


def write_gzip(path: Path, content: bytes) -> None:
    """Replace a compressed file in one step; equal content gives equal bytes."""
    write_bytes(path, gzip.compress(content, mtime=0))


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file in one step, as `write_text` does."""
    with writing(path) as file:
        file.write(content)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Replace a file in one step when all of it has been written; makes its folder.

    Raises:
        NotWritten: the disk is full or refuses; the old content is still there.
    """
    partial = path.with_name(path.name + ".partial")
    with reporting(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def writing_gzip(path: Path) -> Iterator[BinaryIO]:
    """`writing` of a compressed file; equal content gives equal bytes."""
    with (
        writing(path) as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed,
        io.BufferedWriter(packed, BLOCK) as buffered,
    ):
        yield buffered


@contextmanager
def reporting(path: Path) -> Iterator[None]:
    """What the operating system says about a write, as one error that tells what to do.

    Raises:
        NotWritten: the disk is full or refuses.
    """
    try:
        yield
    except OSError as error:
        raise NotWritten(
            f"{path} cannot be written: {error.strerror or error}; what is there is kept: once it can be written, "
            f"the same command goes on"
        ) from error


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


def with_nan(values: Iterable[float | None]) -> list[float]:
    """Numbers as `without_nan` wrote them, with NaN for every None."""
    return [float("nan") if value is None else value for value in values]


def read_json(path: Path) -> Any:
    """A JSON file's value; also where it is packed, `<name>.gz`.

    Raises:
        BadInput: the file is missing, too large, or is not JSON.
    """
    try:
        return parse_json(read_text(path, JSON_BYTES))
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except BadInput:
        raise
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: not readable as JSON: {error}") from error


def read_jsonl(path: Path, by_model: bool = False, longest: int = LINE) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of every line of a JSONL file; a `.gz` is decompressed.

    Args:
        path: the file.
        by_model: it holds what a model wrote, so lone surrogates are replaced and not refused.
        longest: characters of a line at most.

    Raises:
        BadInput: the file cannot be read, or a line is too long or not a JSON object of well-formed texts; names
            the line.
    """
    number = 0
    try:
        with open_text(path) as file:
            for number, line in enumerate(lines(file, str(path), longest), 1):
                if line.strip():
                    yield number, _object(path, number, line, by_model)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise BadInput(f"{path}, after line {number}: cannot be read: {error}") from error


def _object(path: Path, number: int, line: str, by_model: bool) -> dict[str, Any]:
    try:
        value = parse_json(line)
    except ValueError as error:
        raise BadInput(f"{path}, line {number}: not JSON ({error}); correct or remove the line") from None
    if not isinstance(value, dict):
        raise BadInput(f"{path}, line {number}: expected an object, found {type(value).__name__}")
    if not SPELLED_SURROGATE.search(line):
        return value
    if by_model:
        replaced: dict[str, Any] = well_formed(value)
        return replaced
    if alone := SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise BadInput(
            f"{path}, line {number}: holds \\u{ord(alone[0]):04x}, half of a pair of surrogates, which is no "
            f"character; correct or remove the line"
        )
    return value


def append_jsonl(path: Path, rows: Iterable[Any], wait: bool = True) -> None:
    """Append one line per row, and wait until the disk has them unless what a power failure takes is made again.

    Raises:
        NotWritten: the disk is full or refuses; no part of these rows is left, as far as the disk lets go of it.
    """
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    with reporting(path), path.open("ab", buffering=0) as file:
        start = file.tell()
        try:
            rest = memoryview(content)
            while rest:  # however little the system takes at a time
                rest = rest[file.write(rest) :]
            if wait:
                os.fsync(file.fileno())
        except OSError:
            file.truncate(start)
            raise


def drop_torn_line(path: Path) -> None:
    """Cut a JSONL file back to its last newline: what a killed writer left half-written.

    Raises:
        NotWritten: the file cannot be written.
    """
    if not path.exists():
        return
    with reporting(path), path.open("rb+") as file:
        end, size = file.seek(0, os.SEEK_END), 1  # a whole line ends with the last byte
        while end > 0:
            start = max(0, end - size)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                file.truncate(start + newline + 1)
                return
            end, size = start, BLOCK
        file.truncate(0)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The settings in which two configurations differ, in words."""
    changed = [k for k in sorted({*old, *new}) if old.get(k) != new.get(k)]
    return "; ".join(f"{k}: {old.get(k)!r} there, {new.get(k)!r} asked for" for k in changed)
