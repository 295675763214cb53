"""What is read from files is bounded: bytes of a file, characters of a line, growth of what is compressed."""

from __future__ import annotations

import gzip
import io
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from alftbench.errors import BadInput

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MIB = 1 << 20
JSON_BYTES = 64 * MIB  # of a JSON file
TOML_BYTES = MIB // 4
TOML_DOTS = 1000  # of a line: the memory for a name a.b.c… is quadratic in its dots
YAML_BYTES = MIB // 2
LINE = 8_000_000  # characters of a line of JSONL; lines of lm-eval hold every response to a prompt
PEER_LINE = 64_000_000
FIELD = 1_000_000  # characters of a question, an answer, a completion
FREE_GROWTH = 2 * MIB  # bytes that any compressed file may grow to
GROWTH = 300  # and how many times its size; records of runs grow 5 to 45 times, a bomb a thousand times


def read_text(path: Path, most: int) -> str:
    """The text of a file of at most `most` bytes, see `read_bytes`.

    Raises:
        UnicodeDecodeError: it is no UTF-8.
    """
    return read_bytes(path, most).decode("utf-8")


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a file of at most `most` bytes; where it is not there, of the same one packed, `<name>.gz`.

    Raises:
        BadInput: it is larger.
        OSError, EOFError, zlib.error: it cannot be read.
    """
    packed = packed_name(path)
    is_packed = packed.exists() and not path.exists()
    with Unpacked(packed) if is_packed else path.open("rb") as file:
        content = bytes(io.BufferedReader(file).read(most + 1)) if is_packed else file.read(most + 1)
    if len(content) > most:
        raise BadInput(f"{path}: larger than {most / MIB:g} MiB, the most that is read")
    return content


def is_there(path: Path) -> bool:
    """Is a file there, as it is or packed?"""
    return path.exists() or packed_name(path).exists()


def packed_name(path: Path) -> Path:
    """What a file is called once it is packed."""
    return path.with_name(f"{path.name}.gz")


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        BadInput: it is too large, or is not TOML.
        OSError: it cannot be read.
    """
    try:
        text = read_text(path, TOML_BYTES)
        if max(line.count(".") for line in text.split("\n")) > TOML_DOTS:
            raise ValueError(f"a line has more than {TOML_DOTS} dots")
        return tomllib.loads(text)
    except BadInput:
        raise
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not TOML: {error}") from None


def lines(file: TextIO, name: str, most: int = LINE) -> Iterator[str]:
    """The lines of a file, each of at most `most` characters.

    Raises:
        BadInput: a line is longer; names it.
    """
    number = 0
    while line := file.readline(most + 1):
        number += 1
        if len(line) > most:
            raise BadInput(f"{name}, line {number}: longer than {most:,} characters, the most that is read")
        yield line


class Unpacked(io.RawIOBase):
    """The content of a .gz file that does not grow beyond measure: what a bomb does is noticed as it unfolds."""

    def __init__(self, path: Path) -> None:
        self._path, self._size = path, 0
        self._file = path.open("rb")
        self._packed = gzip.GzipFile(fileobj=self._file)

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """The next bytes.

        Raises:
            BadInput: there are too many for so small a file.
        """
        count = self._packed.readinto(buffer)
        self._size += count
        if self._size > FREE_GROWTH + GROWTH * self._file.tell():
            raise BadInput(f"{self._path}: grows to more than {GROWTH} times its size; no record of a run does")
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A file of text, decompressed where its name ends in .gz."""
    raw: Any = io.BufferedReader(Unpacked(path), MIB // 8) if path.suffix == ".gz" else path.open("rb")
    with io.TextIOWrapper(raw, encoding="utf-8") as file:
        yield file
