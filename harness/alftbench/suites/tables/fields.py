"""How a field of a problem is made of the columns of a row: the declared transforms, and nothing else."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alftbench.base.bounds import FIELD

Row = Mapping[str, Any]
SPEC = re.compile(r"(?s:.?[<>^])?0?\d{0,3}(\.\d{1,3})?s?")  # how a text is laid out, in less than 1000 characters
INDEX, SPLIT, FILE = "index", "split", "file"  # what a row knows beside its columns


class FieldError(ValueError):
    """A row lacks what a field is made of; says which column."""


def after_hashes(value: Any) -> list[str]:
    """The text behind the last "####", where GSM8K writes its answer."""
    _, marker, answer = str(value).rpartition("####")
    return [answer.strip()] if marker else []


def whole_number(value: Any) -> list[str]:
    """18.0 as 18: a table that stores whole numbers as floats means the whole number."""
    text = str(value).strip()
    return [re.sub(r"(\d)\.0+$", r"\1", text)]


def every(value: Any) -> list[str]:
    """A list whose entries are all right answers, such as the aliases of a name; repeated ones once."""
    return list(dict.fromkeys(str(item) for item in value)) if isinstance(value, list) else []


def parts(value: Any) -> list[str]:
    """A list whose entries together are one answer, joined by commas."""
    return [", ".join(str(item) for item in value)] if isinstance(value, list) else []


TAKES = {"after-hashes": after_hashes, "whole-number": whole_number, "every": every, "parts": parts}


@dataclass(frozen=True)
class FieldRule:
    """One way to make a field: a column, columns joined by spaces, or a text with columns filled in."""

    column: str | None = None
    join: tuple[str, ...] = ()
    format: str | None = None
    take: str | None = None

    @classmethod
    def read(cls, rule: str | Mapping[str, Any]) -> FieldRule:
        """From its YAML: a column's name, or a table."""
        if isinstance(rule, str):
            return cls(column=rule)
        return cls(rule.get("column"), tuple(rule.get("join", ())), rule.get("format"), rule.get("take"))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it needs."""
        if self.format is not None:
            return tuple(sorted(template_names(self.format) or ()))
        return (self.column,) if self.column else self.join

    @property
    def says(self) -> str:
        """The columns it needs, as messages name them."""
        return ", ".join(self.columns)

    def values(self, row: Row) -> list[str]:
        """The field's values: one, unless `take` makes several.

        Raises:
            FieldError: a column is missing, empty or not of the form that `take` expects.
        """
        if self.format is not None:
            names = template_names(self.format) or set()
            value: Any = self.format.format(**{name: plain(look_up(row, name), name) for name in names})
        elif self.join:
            value = " ".join(plain(look_up(row, name), name) for name in self.join)
        else:
            value = look_up(row, str(self.column))
        texts = [plain(value, self.says)] if self.take is None else TAKES[self.take](value)
        if (size := sum(map(len, texts))) > FIELD:
            raise FieldError(f"the field {self.says!r} has {size:,} characters; at most {FIELD:,} are read")
        if self.take is None:
            return texts
        if not texts or not all(text.strip() for text in texts):
            raise FieldError(f"the field {self.says!r} does not hold what {self.take} takes: {str(value)[:60]!r}")
        return texts

    def value(self, row: Row) -> str:
        """The field's only value."""
        texts = self.values(row)
        if len(texts) != 1:
            raise FieldError(f"the field {self.says!r} holds {len(texts)} values where one is needed")
        return texts[0]


def look_up(row: Row, column: str) -> Any:
    """A column's value; `answer.aliases` is the column aliases inside answer."""
    value: Any = row
    for name in column.split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise FieldError(f"the field {column!r} is missing or empty")
        value = value[name]
    return value


def plain(value: Any, column: str) -> str:
    """A text or number as text."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value == "":
        raise FieldError(f"the field {column!r} is missing or empty")
    return str(value)


def template_names(text: str) -> set[str] | None:
    """The names in braces of a format text, or None if it holds anything but plain names and their width."""
    try:
        holes = [(name, spec or "") for _, name, spec, _ in string.Formatter().parse(text) if name is not None]
    except ValueError:
        return None
    plain = all(name.isidentifier() and SPEC.fullmatch(spec) for name, spec in holes)
    return {name for name, _ in holes} if plain else None
