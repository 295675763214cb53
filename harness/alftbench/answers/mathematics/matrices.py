"""Sums, products, multiples and determinants of matrices: cells as trees, worked out as values."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from alftbench.answers.mathematics.brackets import Unreadable
from alftbench.answers.mathematics.budget import spend
from alftbench.answers.mathematics.cursor import Node
from alftbench.answers.mathematics.values import EVALUATORS, Points, Value, children, evaluate, plus, times

MAX_SIDE = 6  # of a matrix in a product
MAX_DETERMINANT = 5  # rows
Rows = tuple[tuple[Value, ...], ...]


def matrix_of(node: Node) -> tuple[tuple[Node, ...], ...] | None:
    """The cells of a matrix, a scaled matrix, or a sum or product of matrices; None where there is none."""
    if node[0] == "matrix":
        return node[1]  # type: ignore[no-any-return]
    if not _holds_matrix(node):
        return None
    height, width = shape(node)
    return tuple(tuple(("cell", node, i, j) for j in range(width)) for i in range(height))


def _holds_matrix(node: Node) -> bool:
    return node[0] == "matrix" or (node[0] in ("+", "*") and any(_holds_matrix(child) for child in children(node)))


def shape(node: Node) -> tuple[int, int]:
    """Height and width of a sum or product of matrices.

    Raises:
        Unreadable: the matrices do not fit, or a number is added to one.
    """
    if node[0] == "matrix":
        return len(node[1]), len(node[1][0])
    shapes = [shape(child) for child in node[1:] if _holds_matrix(child)]
    if node[0] == "+":
        if len(set(shapes)) > 1 or len(shapes) < len(node) - 1:
            raise Unreadable
        return shapes[0]
    fits = all(a[1] == b[0] for a, b in pairwise(shapes))
    if not fits or (len(shapes) > 1 and max(map(max, shapes)) > MAX_SIDE):
        raise Unreadable
    return shapes[0][0], shapes[-1][1]


def matrix_value(node: Node, points: Points) -> Rows:
    """The values of all cells."""
    if node[0] == "matrix":
        return tuple(tuple(evaluate(cell, points) for cell in row) for row in node[1])
    matrices = [matrix_value(child, points) for child in node[1:] if _holds_matrix(child)]
    total = matrices[0]
    for rows in matrices[1:]:
        total = added(total, rows, points) if node[0] == "+" else multiplied(total, rows, points)
    scalars = [evaluate(child, points) for child in node[1:] if not _holds_matrix(child)]
    return tuple(tuple(times([*scalars, cell], points) for cell in row) for row in total) if scalars else total


def added(a: Rows, b: Rows, points: Points) -> Rows:
    """The sum of matrices of one shape."""
    return tuple(tuple(plus(pair, points) for pair in zip(r, s, strict=True)) for r, s in zip(a, b, strict=True))


def multiplied(a: Rows, b: Rows, points: Points) -> Rows:
    """The product of matrices."""
    return tuple(
        tuple(plus([times([x, b[k][j]], points) for k, x in enumerate(row)], points) for j in range(len(b[0])))
        for row in a
    )


def determinant(rows: Sequence[Sequence[Value]], points: Points) -> Value:
    """The determinant of a small matrix of values, along its first row."""
    if len(rows) == 1:
        return rows[0][0]
    spend(len(rows))
    terms = []
    for j, cell in enumerate(rows[0]):
        minor = determinant([[*row[:j], *row[j + 1 :]] for row in rows[1:]], points)
        terms.append(times([Fraction((-1) ** j), cell, minor], points))
    return plus(terms, points)


def _determinant(node: Node, points: Points) -> Value:
    rows = node[1][1]
    if len(rows) > MAX_DETERMINANT or any(len(row) != len(rows) for row in rows):
        raise Unreadable
    return determinant([[evaluate(cell, points) for cell in row] for row in rows], points)


def _cell(node: Node, points: Points) -> Value:
    _, matrix, i, j = node
    return matrix_value(matrix, points)[i][j]


EVALUATORS.update({"cell": _cell, "det": _determinant})
