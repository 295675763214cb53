"""Tables as Markdown."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from urllib.parse import quote

from alftbench.base.foreign import visible
from alftbench.base.tables import Cell, Links, Table
from alftbench.base.wording import interval, lines, signed
from alftbench.types import Comparison, MetricValue

MEANT = re.compile(r"[\\`*_\[\]<>|#~$&]|:(?=//)|(?<=www)\.", re.IGNORECASE)  # what means something to Markdown
MARK = "\N{MODIFIER LETTER GRAVE ACCENT}"  # for a backtick where a backtick would end


def markdown(table: Table) -> str:
    """A table under its heading, every text as it is."""
    return "\n".join(markdown_lines(table)) + "\n"


def markdown_lines(table: Table) -> Iterator[str]:
    """Heading, caption and note, then the table, a line for every row."""
    if table.title:
        yield from (f"## {literal(table.title)}", "")
    if said := explanation(table):
        yield from (literal(said), "")
    yield row_of([literal(column.heading) for column in table.columns])
    yield row_of(["---"] * len(table.columns))
    for row in table.rows:
        yield row_of([markdown_cell(cell) for cell in row])


def row_of(cells: list[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


def markdown_cell(cell: Cell) -> str:
    """A cell in one line; an interval in brackets behind its value."""
    match cell:
        case Links():
            return " ".join(f"[{literal(name)}]({address(target)})" for name, target in cell.targets)
        case MetricValue():
            return interval(cell)
        case Comparison() if not math.isnan(cell.p_value):
            *_, tested = lines(cell)
            return f"{signed(cell.difference)} [{signed(cell.low)}, {signed(cell.high)}], {literal(tested)}"
    return literal(", ".join(lines(cell)))


def explanation(table: Table) -> str:
    """A table's caption as a sentence, and its note."""
    caption = table.caption
    sentence = f"{caption[:1].upper()}{caption[1:].rstrip('.')}." if caption else ""
    return " ".join(filter(None, (sentence, table.note)))


def literal(text: str) -> str:
    """A text as Markdown shows it literally inside a table: no line of its own, no markup, no link, no formula."""
    return MEANT.sub(r"\\\g<0>", visible(text))


def code(text: str) -> str:
    """A text between backticks."""
    return f"`{visible(text).replace('`', MARK)}`"


def address(path: str) -> str:
    """A path as the target of a link, on a page of any kind; never of another scheme than the page's own."""
    return quote(path.encode("utf-8", "surrogatepass"), safe="/.,=+@~-_")
