"""Sums, products and multiples of matrices, as matrices of trees."""

from __future__ import annotations

from collections.abc import Sequence

from alftbench.answers.brackets import Unreadable
from alftbench.answers.cursor import Node
from alftbench.answers.values import children


def matrix_of(node: Node) -> tuple[tuple[Node, ...], ...] | None:
    """The cells of a matrix, a scaled matrix, or a sum or product of matrices; None where there is none."""
    if node[0] == "matrix":
        return node[1]  # type: ignore[no-any-return]
    if node[0] not in ("+", "*") or not any(_holds_matrix(child) for child in children(node)):
        return None
    total: tuple[tuple[Node, ...], ...] | None = None
    scalars: list[Node] = []
    for child in node[1:]:
        rows = matrix_of(child)
        if rows is None:
            scalars.append(child)
        elif total is None:
            total = rows
        else:
            total = added(total, rows) if node[0] == "+" else multiplied(total, rows)
    if total is None or (scalars and node[0] == "+"):
        raise Unreadable
    return tuple(tuple(("*", *scalars, cell) for cell in row) for row in total) if scalars else total


def _holds_matrix(node: Node) -> bool:
    return node[0] == "matrix" or (node[0] in ("+", "*") and any(_holds_matrix(child) for child in children(node)))


def added(a: Sequence[Sequence[Node]], b: Sequence[Sequence[Node]]) -> tuple[tuple[Node, ...], ...]:
    """The sum of matrices of one shape."""
    if [len(row) for row in a] != [len(row) for row in b]:
        raise Unreadable
    return tuple(tuple(("+", x, y) for x, y in zip(r, s, strict=True)) for r, s in zip(a, b, strict=True))


def multiplied(a: Sequence[Sequence[Node]], b: Sequence[Sequence[Node]]) -> tuple[tuple[Node, ...], ...]:
    """The product of matrices."""
    if len(a[0]) != len(b) or max(len(a), len(b), len(b[0])) > 6:
        raise Unreadable
    return tuple(
        tuple(("+", *(("*", row[k], b[k][j]) for k in range(len(b)))) for j in range(len(b[0]))) for row in a
    )
