"""Tables as HTML: heading and text outside the box that scrolls, every text escaped."""

from __future__ import annotations

from html import escape

from alftbench.base.foreign import visible
from alftbench.base.markdown import address, explanation
from alftbench.base.tables import Cell, Links, Table
from alftbench.base.wording import lines


def html(table: Table) -> str:
    """A section with the table; numbers to the right, what names a row to the left."""
    heading = f"<h2>{escape(visible(table.title))}</h2>\n" if table.title else ""
    said = explanation(table)
    text = f"<p>{escape(visible(said))}</p>\n" if said else ""
    headings = "".join(
        f'<th scope="col"{left(table, place)}>{escape(visible(column.heading))}</th>'
        for place, column in enumerate(table.columns)
    )
    rows = "\n".join(row_of(table, row) for row in table.rows)
    return (
        f"<section>\n{heading}{text}"
        f'<div class="scroll"><table>\n<thead><tr>{headings}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>\n</section>"
    )


def row_of(table: Table, row: tuple[Cell, ...]) -> str:
    """One row; the last of its keys is its name."""
    cells = (
        f'<th scope="row">{cell_of(cell)}</th>'
        if place == table.keys - 1
        else f"<td{left(table, place)}>{cell_of(cell)}</td>"
        for place, cell in enumerate(row)
    )
    return f"<tr>{''.join(cells)}</tr>"


def left(table: Table, place: int) -> str:
    """The class of a cell that begins at the left."""
    return ' class="left"' if place < table.keys or table.columns[place].prose else ""


def cell_of(cell: Cell) -> str:
    """What a cell says, and small below it what belongs to that."""
    if isinstance(cell, Links):
        links = ((escape(address(target)), escape(visible(name))) for name, target in cell.targets)
        return " ".join(f'<a href="{target}">{name}</a>' for target, name in links)
    first, *below = lines(cell)
    return escape(first) + "".join(f"<small>{escape(line)}</small>" for line in below)
