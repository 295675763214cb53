"""The order of a board's rows, and which of them share a rank."""

from __future__ import annotations

from collections.abc import Sequence

from alftbench.publish.comparison import MethodRow


def ranked(rows: Sequence[MethodRow], metric: str) -> list[tuple[int, MethodRow]]:
    """Rows of one suite, best first; rows whose interval reaches the best of a rank's share that rank."""
    rows = sorted(rows, key=lambda row: -score(row, metric))
    places: list[tuple[int, MethodRow]] = []
    for i, row in enumerate(rows):
        leader = places[-1][0] - 1 if places else 0
        tied = i > 0 and reaches(row, rows[leader], metric)
        places.append((places[-1][0] if tied else i + 1, row))
    return places


def score(row: MethodRow, metric: str) -> float:
    """The value that a row is ranked by; a row without it comes last."""
    value = row.metric(metric)
    return value.value if value else float("-inf")


def reaches(row: MethodRow, leader: MethodRow, metric: str) -> bool:
    """Do the intervals of two rows overlap?"""
    mine, best = row.metric(metric), leader.metric(metric)
    return mine is not None and best is not None and mine.high >= best.low
