"""The order of a board's rows: which are significantly better than which, and what differences that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

from alftbench.base.stats import LEVEL, resolvable
from alftbench.publish.comparison import MethodRow
from alftbench.types import Comparison


def ranked(
    rows: Sequence[MethodRow], comparisons: Sequence[Comparison], metric: str
) -> list[tuple[int, MethodRow]]:
    """Rows of one suite, best first, each with its rank: 1 + the number of rows that are significantly better.

    Args:
        rows: the methods of one suite.
        comparisons: their paired differences, of any suite and metric.
        metric: what the ranks go by, as a board names it.
    """
    losers = [loser(comparison, rows[0]) for comparison in of_metric(rows, comparisons, metric)]
    places = [(1 + losers.count(row.method), row) for row in rows]
    return sorted(places, key=lambda place: (place[0], -score(place[1], metric)))


def of_metric(rows: Sequence[MethodRow], comparisons: Sequence[Comparison], metric: str) -> list[Comparison]:
    """The differences of a suite's rows in the metric that a board names."""
    names = {(row.suite, value.name) for row in rows if (value := row.metric(metric))}
    return [comparison for comparison in comparisons if (comparison.suite, comparison.metric) in names]


def loser(comparison: Comparison, row: MethodRow) -> str | None:
    """The method that is significantly worse, None where neither is.

    Args:
        comparison: a paired difference.
        row: any of the suite, which knows whether more of the metric is better.
    """
    if not comparison.p_adjusted < 1 - LEVEL:
        return None
    up = sign(row, comparison.metric) * comparison.difference > 0
    return comparison.baseline if up else comparison.candidate


def sign(row: MethodRow, metric: str) -> int:
    """−1 for a metric of which less is better."""
    value = row.metric(metric)
    return -1 if value and value.higher_is_better is False else 1


def score(row: MethodRow, metric: str) -> float:
    """The value that rows of one rank are ordered by; a row without it comes last."""
    value = row.metric(metric)
    return sign(row, metric) * value.value if value else float("-inf")


@dataclass(frozen=True)
class Resolution:
    """The least true difference of a metric that is found with 80% power: in half of the pairs, and in all."""

    metric: str
    unit: str
    half: float
    all: float

    def __str__(self) -> str:
        points = self.unit == "probability"
        half, whole = (f"{100 * x:.1f}" if points else f"{x:.2g}" for x in (self.half, self.all))
        unit = f"points of {self.metric}" if points else f"{self.unit} of {self.metric}"
        return f"at least {half} {unit}" + (f" in half of the pairs, {whole} in all" if whole != half else "")


def resolution(rows: Sequence[MethodRow], comparisons: Sequence[Comparison], metric: str) -> Resolution | None:
    """What the pairs of a suite resolve in a metric, from their own variances; None where no pair can tell."""
    pairs = of_metric(rows, comparisons, metric)
    least = [resolvable(pair.error, pair.freedom) for pair in pairs if pair.error > 0]
    value = rows[0].metric(metric)
    return Resolution(value.name, value.unit, median_low(least), max(least)) if least and value else None
