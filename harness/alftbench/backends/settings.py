"""Read the settings of one backend, given as text by `--backend-args`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from alftbench.backends.base import known_args
from alftbench.errors import UsageError

Reader = Callable[[str], Any]  # raises ValueError, which says what the text must be


def read_args(backend: str, args: Mapping[str, str], readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The value of every setting given.

    Raises:
        UsageError: the backend has no such setting, or its value is of another kind.
    """
    known_args(backend, args, readers)
    values = {}
    for name, text in args.items():
        try:
            values[name] = readers[name](text)
        except ValueError as error:
            raise UsageError(f"--backend-args {name}={text}: {error}") from None
    return values


def whole(text: str) -> int:
    """A whole number, at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("must be a whole number, at least 1")
    return int(text)


def positive(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError("must be a number above 0")
    return value


def truth(text: str) -> bool:
    """True or false, in those words."""
    if text.lower() not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text.lower() == "true"


def one_of(*names: str) -> Reader:
    """A reader of one of a few words."""

    def read(text: str) -> str:
        if text not in names:
            raise ValueError(f"must be {' or '.join(names)}")
        return text

    return read
