"""Files that hold a table: JSON, JSONL, CSV, parquet, and tab-separated ones without a header."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from alftbench.base.bounds import JSON_BYTES, lines, read_text
from alftbench.base.jsonio import parse_json, read_jsonl
from alftbench.errors import BadInput, MissingExtra

Table = list[dict[str, Any]]
MOST_ROWS = 5_000_000  # of a parquet file, which may say a row a million times in a few bytes
ROWS_AT_ONCE = 64
TABLE = 128_000_000  # characters


def read_table(path: Path, columns: tuple[str, ...] = ()) -> Table:
    """A file's rows; what its name ends in says what it is, and JSONL where nothing else fits.

    Args:
        path: the file.
        columns: the names of a .tsv file's columns, which it does not state.

    Raises:
        BadInput: the file cannot be read as what its name says.
        MissingExtra: it needs a library that is not installed.
    """
    readers: dict[str, Callable[[Path], Table]] = {
        ".tsv": partial(read_tsv, columns=columns),
        ".csv": read_csv,
        ".json": read_json_list,
        ".parquet": read_parquet,
    }
    try:
        return readers.get(path.suffix, read_lines)(path)
    except BadInput:
        raise
    except (OSError, ValueError, csv.Error) as error:
        reason = str(error).strip().split("\n")[0]
        raise BadInput(f"{path}: cannot be read as {path.suffix.removeprefix('.')}: {reason}") from error


def read_lines(path: Path) -> Table:
    """A JSON object per line."""
    return [row for _, row in read_jsonl(path)]


def read_tsv(path: Path, columns: tuple[str, ...]) -> Table:
    """Tab-separated rows with the given columns; a quotation mark is a quotation mark."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(lines(file, str(path)), delimiter="\t", quoting=csv.QUOTE_NONE)
        return [dict(zip(columns, row, strict=True)) for row in rows]


def read_csv(path: Path) -> Table:
    """Rows under a header, separated by commas; every value is text."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(lines(file, str(path)), strict=True)
        return [dict(zip(header, row, strict=True)) for row in rows if row]


def read_json_list(path: Path) -> Table:
    """A JSON list of objects."""
    rows = parse_json(read_text(path, JSON_BYTES))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("it is no list of objects")
    return rows


def read_parquet(path: Path) -> Table:
    """Rows of a parquet file."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "hub") from error
    file = pyarrow.parquet.ParquetFile(path)
    if file.metadata.num_rows > MOST_ROWS:
        raise ValueError(f"{file.metadata.num_rows:,} rows, more than the {MOST_ROWS:,} that are read")
    rows, size = [], 0
    for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
        rows += batch.to_pylist()
        size += sum(len(str(value)) for row in rows[-len(batch) :] for value in row.values())
        if size > TABLE:
            raise ValueError(f"more than {TABLE:,} characters when unpacked, the most that are read")
    return rows
