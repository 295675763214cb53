"""How cells of tables read, in the terminal and in published pages alike."""

from __future__ import annotations

import math

from alftbench.base.foreign import SCREEN, cut, visible
from alftbench.base.tables import Cell, Interval, Lines, Links, Number, Quantity
from alftbench.types import Comparison, MetricValue, QualityValue

NOTHING = "–"


def lines(cell: Cell) -> tuple[str, ...]:
    """A cell as plain text that can be shown anywhere: what it says, then what belongs below it."""
    return tuple(visible(cut(line, SCREEN)) for line in _lines(cell))


def _lines(cell: Cell) -> tuple[str, ...]:
    match cell:
        case MetricValue():
            return (NOTHING,) if math.isnan(cell.value) else (short(cell.value), ends(cell.low, cell.high))
        case QualityValue():
            return figure_lines(cell)
        case Comparison() if math.isnan(cell.p_value):  # undefined, or a single problem, which shows no spread
            return (signed(cell.difference),)
        case Comparison():
            between = f"{signed(cell.low)} to {signed(cell.high)}"
            return (signed(cell.difference), between, f"p {p_text(cell.p_value)}, Holm {p_text(cell.p_adjusted)}")
        case Lines():
            return (cell.text, *cell.below)
    return (one_line(cell),)


def one_line(cell: str | int | Number | Quantity | Interval | Links | None) -> str:
    """A cell that is a text or a number and nothing more."""
    match cell:
        case Links():
            return " ".join(name for name, _ in cell.targets)
        case Interval():
            return ends(cell.low, cell.high)
        case Number():
            return NOTHING if math.isnan(cell.value) else format(cell.value, cell.spec)
        case Quantity():
            return quantity(cell.value)
    return NOTHING if cell is None else str(cell)


def ends(low: float, high: float) -> str:
    """An interval: 0.912 – 0.956."""
    return NOTHING if math.isnan(low) else f"{short(low)} – {short(high)}"


def short(value: float) -> str:
    """A value to the precision that an evaluation can resolve: 0.934, 4.62, 118."""
    if math.isnan(value):
        return NOTHING
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"


def interval(metric: MetricValue | None) -> str:
    """Value [low, high]; a dash where the metric is undefined."""
    if metric is None or math.isnan(metric.value):
        return NOTHING
    return f"{short(metric.value)} [{short(metric.low)}, {short(metric.high)}]"


def figure_lines(figure: QualityValue) -> tuple[str, ...]:
    """A value and what is known of it at 95%: an interval, "at least" for a bound; else why nothing is."""
    if figure.no_power:
        return ("no power", figure.no_power)
    if math.isnan(figure.value):
        return (NOTHING,)
    if figure.bound:
        return (f"at least {positive(figure.low)}",)
    return (short(figure.value), ends(figure.low, figure.high))


def positive(value: float) -> str:
    """A positive number, never shown as 0."""
    return short(value) if value >= 0.0005 else "<0.001"


def signed(value: float) -> str:
    """A difference with its sign."""
    return NOTHING if math.isnan(value) else f"{value:+.3f}"


def quantity(value: float) -> str:
    """A count with a metric prefix: 398k, 0.74T."""
    for size, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{prefix}"
    return f"{value:.3g}"


def p_text(value: float) -> str:
    """A p-value; below a thousandth only that is said."""
    if math.isnan(value):
        return NOTHING
    return "<0.001" if value < 0.001 else f"{value:.3f}"
