"""What the terminal shows: tables on stdout, progress and errors on stderr.

A name is broken at commas, colons and slashes, a number never. What is wider than the terminal is set as several
tables of the same rows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from alftbench.base.foreign import visible
from alftbench.base.tables import Cell, Column, Table
from alftbench.base.wording import lines, one_seed, p_text, short, signed
from alftbench.types import Comparison, MetricValue

ROOMY = 100  # columns of terminal from which tables are set with more space
SYLLABLES = {"coherence": ("cohe-", "rence"), "agreement": ("agree-", "ment")}  # what keeps a comparison in 80
LEAST_PROSE = 18  # columns that running text gets before a table is split
LEAST_NAME = 8
BREAKS = re.compile(r"(?<=[,:/])(?!\d)")  # where a name is broken best
DASHES = re.compile(r"(?<=[,:/=_-])(?!\d)")
ANYWHERE = re.compile(r"(?<=.)(?=.)")
WORDS = re.compile(r"(?<=[ _])")


def show(*tables: Table) -> None:
    """Print tables on stdout, every text as it is."""
    console = stdout()
    for table in tables:
        for part in parts(table, console.width):
            if part.title:
                console.print(Text(part.title, style="italic"))
            console.print(rich_table(part))


def compact(value: float) -> str:
    """A value without a leading zero, to fit an interval into a narrow column."""
    text = f"{value:.2f}"
    if text == "1.00":
        return "1.0"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def terminal_lines(cell: Cell) -> tuple[str, ...]:
    """A cell as lines: intervals are shorter than on a page, and of p-values only the adjusted one is there."""
    match cell:
        case MetricValue() if not math.isnan(cell.value):
            return (short(cell.value), f"{compact(cell.low)}–{compact(cell.high)}")
        case Comparison() if not math.isnan(cell.p_value):
            between = f"{cell.low:+.2f} {cell.high:+.2f}"
            return (signed(cell.difference), between, f"p {p_text(cell.p_adjusted)}{one_seed(cell)}")
    return lines(cell)


@dataclass(frozen=True)
class Laid:
    """A column as lines of text: its heading, and every cell."""

    column: Column
    heading: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]

    @property
    def width(self) -> int:
        """Columns of the terminal that it needs; running text makes do with a few."""
        widest = max(cell_len(line) for cell in (self.heading, *self.cells) for line in cell)
        return min(widest, LEAST_PROSE) if self.column.prose else widest


@dataclass(frozen=True)
class Part:
    """Columns of a table that fit side by side; `space` is left at the right of each."""

    title: str
    columns: tuple[Laid, ...]
    keys: int
    space: int


def parts(table: Table, width: int) -> Iterator[Part]:
    """A table as parts that fit: one if it can be, else the columns that name a row are there again in each."""
    table = replace(table, columns=tuple(replace(c, heading=visible(c.heading)) for c in table.columns))
    cells = [tuple(terminal_lines(row[place]) for row in table.rows) for place in range(len(table.columns))]
    laid = [lay(column, lines_of) for column, lines_of in zip(table.columns, cells, strict=True)]
    space = 1 if width >= ROOMY and taken(laid, 1) <= width else 0
    names, others = laid[: table.keys], laid[table.keys :]
    names = narrowed(names, others, width) if taken(laid, space) > width else names
    name = visible(table.title)
    title = ": ".join(filter(None, (name, visible(table.caption))))
    for place, group in enumerate(groups(others, width - taken(names, space), space)):
        again = f"{name}, continued" if name else ""
        yield Part(again if place else title, (*names, *group), table.keys, space)


def lay(column: Column, cells: tuple[tuple[str, ...], ...]) -> Laid:
    """A column whose heading is broken between words where the cells are narrower."""
    room = max((cell_len(line) for cell in cells for line in cell), default=0)
    if cell_len(column.heading) <= room or column.prose:
        return Laid(column, (column.heading,), cells)
    if column.heading in SYLLABLES:
        return Laid(column, SYLLABLES[column.heading], cells)
    words = WORDS.split(column.heading)
    room = max(room, cell_len(column.heading) // 2 + 1, *(cell_len(word.rstrip(" _")) for word in words))
    heading = (line.rstrip(" _") for line in joined(words, room))
    return Laid(column, tuple(heading), cells)


def taken(columns: Sequence[Laid], space: int) -> int:
    """The width of columns side by side with what is between them and before the first."""
    return 1 + sum(column.width + 1 + space for column in columns)


def groups(columns: Sequence[Laid], room: int, space: int) -> list[list[Laid]]:
    """As many neighbours together as there is room for, one at least."""
    together: list[list[Laid]] = [[]]
    for column in columns:
        if together[-1] and taken([*together[-1], column], space) > room + 1:
            together.append([])
        together[-1].append(column)
    return together


def narrowed(names: Sequence[Laid], others: Sequence[Laid], width: int) -> list[Laid]:
    """The columns that name a row with the widest broken: so that all fits, else to a third of the width.

    A name is broken inside a word only where the widest of the other columns would not fit beside it.
    """
    place = max(range(len(names)), key=lambda i: names[i].width)
    name, rest = names[place], [column for i, column in enumerate(names) if i != place]
    whole = max(cell_len(piece) for cell in name.cells for line in cell for piece in BREAKS.split(line))
    limit = width - taken([*rest, *others], 0) - 1
    if limit < whole:
        widest = max((column.width for column in others), default=0)
        limit = min(max(whole, width // 3), width - taken(rest, 0) - widest - 2)
    limit = max(limit, LEAST_NAME)
    cells = tuple(tuple(part for line in cell for part in broken(line, limit)) for cell in name.cells)
    return [Laid(name.column, name.heading, cells) if i == place else names[i] for i in range(len(names))]


def broken(text: str, room: int) -> tuple[str, ...]:
    """A name in lines of at most `room` columns, by the first way of breaking it that does."""
    for ends in (BREAKS, DASHES, ANYWHERE):
        narrow = tuple(line.strip() for line in joined(ends.split(text), room))
        if all(cell_len(line) <= room for line in narrow):
            return narrow
    return (text,)


def joined(pieces: Sequence[str], room: int) -> tuple[str, ...]:
    """Pieces of a text in lines of at most `room` columns; a longer piece has a line of its own."""
    filled = [""]
    for piece in pieces:
        if filled[-1] and cell_len((filled[-1] + piece).rstrip(" _")) > room:
            filled.append("")
        filled[-1] += piece
    return tuple(filled)


def rich_table(part: Part) -> RichTable:
    """A part as rich prints it: what names a row and prose to the left, numbers to the right."""
    table = RichTable(box=box.SIMPLE_HEAD, padding=(0, part.space, 0, 0))
    for place, laid in enumerate(part.columns):
        left = place < part.keys or laid.column.prose
        table.add_column(
            Text("\n".join(laid.heading)),
            justify="left" if left else "right",
            no_wrap=not laid.column.prose,
            overflow="fold",
        )
    for cells in zip(*(laid.cells for laid in part.columns), strict=True):
        table.add_row(*(text_of(cell, place < part.keys) for place, cell in enumerate(cells)))
    return table


def text_of(cell: tuple[str, ...], is_name: bool) -> Text:
    """A cell's lines; what belongs below a number is dimmed."""
    first, *below = cell
    return Text.assemble(first, *((f"\n{line}", "" if is_name else "dim") for line in below))


def stdout() -> Console:
    """Where results go."""
    return Console()


def stderr() -> Console:
    """Where progress and errors go."""
    return Console(stderr=True)
