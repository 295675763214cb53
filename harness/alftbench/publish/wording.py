"""How numbers look in tables, in the terminal and in published pages alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

from alftbench.types import MetricValue, QualityValue

FIGURE_HEADINGS = {
    "kl": "KL",
    "trace_drift": "trace drift",
    "marginal_error": "marginal error",
    "nash_gap": "Nash gap",
}


def short(value: float) -> str:
    """A value to the precision that an evaluation can resolve: 0.934, 4.62, 118."""
    if math.isnan(value):
        return "–"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"


def problems(metrics: Sequence[MetricValue]) -> str:
    """How many problems stand behind metrics; where that differs, for the first and for the last."""
    first, last = metrics[0].n_problems, metrics[-1].n_problems
    return str(first) if first == last else f"{first}, {last} {metrics[-1].name.rpartition('_')[2]}"


def interval(metric: MetricValue | None) -> str:
    """Value [low, high]; a dash where the metric is undefined."""
    if metric is None or math.isnan(metric.value):
        return "–"
    return f"{short(metric.value)} [{short(metric.low)}, {short(metric.high)}]"


def resolved(figure: QualityValue) -> str:
    """A value that is above its noise floor; never 0 for one that is not."""
    if math.isnan(figure.value):
        return "–"
    return short(figure.value) if figure.resolved else "not resolved"


def claim(figure: QualityValue) -> str:
    """What the samples say at 95%: an interval, "at least" for a bound, the floor where nothing is resolved."""
    if math.isnan(figure.value):
        return ""
    if not figure.resolved:
        return f"floor {floor(figure.floor)}"
    return f"at least {floor(figure.low)}" if figure.bound else f"{short(figure.low)} – {short(figure.high)}"


def floor(value: float) -> str:
    """A positive number, never shown as 0."""
    return short(value) if value >= 0.0005 else "<0.001"


def signed(value: float) -> str:
    """A difference with its sign."""
    return "–" if math.isnan(value) else f"{value:+.3f}"


def quantity(value: float) -> str:
    """A count with a metric prefix: 398k, 0.74T."""
    for size, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{prefix}"
    return f"{value:.3g}"


def p_text(value: float) -> str:
    """A p-value; below a thousandth only that is said."""
    if math.isnan(value):
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"
