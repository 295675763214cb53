"""A table before anybody renders it: headings, and cells that still know what they are."""

from __future__ import annotations

from dataclasses import dataclass

from alftbench.types import Comparison, MetricValue, QualityValue


@dataclass(frozen=True)
class Number:
    """A number in a format of its own, such as .1f or .2g."""

    value: float
    spec: str


@dataclass(frozen=True)
class Quantity:
    """A large count that three digits and a metric prefix say well enough: 398k."""

    value: float


@dataclass(frozen=True)
class Interval:
    """The ends of an interval whose value stands in a column of its own."""

    low: float
    high: float


@dataclass(frozen=True)
class Lines:
    """A text and what belongs below it; below it in a page of text means behind it."""

    text: str
    below: tuple[str, ...] = ()


@dataclass(frozen=True)
class Links:
    """Short names and where each leads."""

    targets: tuple[tuple[str, str], ...]


Cell = None | str | int | Number | Quantity | Interval | Lines | Links | MetricValue | QualityValue | Comparison
"""None is a cell that has nothing to say. Metrics, figures and differences are cells as they are."""


@dataclass(frozen=True)
class Column:
    """A heading. prose: text that may be wrapped anywhere and starts at the left."""

    heading: str
    prose: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of typed cells under headings.

    Args:
        title: its heading; empty for none.
        columns: headings, as text where a column holds numbers or names.
        rows: as many cells each as there are columns.
        caption: what is said with the title wherever the table is shown.
        note: how to read it; for pages, a terminal leaves it out.
        keys: leading columns that name a row; a part of a table that was split has them again.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    note: str = ""
    keys: int = 1


def columns(*headings: str) -> tuple[Column, ...]:
    """Columns of numbers and names."""
    return tuple(map(Column, headings))
