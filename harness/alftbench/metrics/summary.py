"""From partitions to metric values: per problem, then the mean with its interval."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from alftbench.base import entry_points
from alftbench.base.arrays import FloatArray
from alftbench.base.jsonio import read_json
from alftbench.base.ratios import linearised
from alftbench.base.stats import LEVEL, mean_interval
from alftbench.errors import BadInput, PluginError
from alftbench.metrics.base import Metric, MetricFactory
from alftbench.types import AnswerPartition, MetricValue

SLACK = 1e-9  # of rounding, before a value counts as outside a metric's bounds
FIELDS = [field.name for field in fields(MetricValue)]


def metrics_for(n: int) -> list[Metric]:
    """Every registered metric for n samples per prompt; a plugin that fails is named in a warning and left out.

    Raises:
        PluginError: two packages register one family, or two plugins give a metric the same name.
    """
    for family in entry_points.available("metric"):
        entry_points.find("metric", family)  # a family that two packages take is not left out, but refused
    loaded, broken = entry_points.load_all("metric")
    for error in broken.values():
        leave_out(str(error))
    metrics: dict[str, Metric] = {}
    for plugin, factory in loaded.items():
        for metric in metrics_of(plugin, factory, n):
            other = metrics.setdefault(metric.name, metric)
            if other is not metric:
                raise PluginError(
                    f"the metric {metric.name!r} is given by two plugins, {origin(other.plugin)} and "
                    f"{origin(plugin)}; rename one or uninstall its package"
                )
    return list(metrics.values())


def metrics_of(plugin: str, factory: MetricFactory, n: int) -> list[Metric]:
    """The metrics of one plugin, marked as its own; none, with a warning, where its factory fails."""
    try:
        return [replace(metric, plugin=plugin) for metric in factory(n)]
    except Exception as error:  # noqa: BLE001  whatever a stranger's code raises, the other metrics are measured
        leave_out(failure(plugin, "failed", error))
        return []


def failure(plugin: str, what: str, error: Exception) -> str:
    """What went wrong with a plugin, in one line."""
    first = str(error).strip().partition("\n")[0]
    return f"metric plugin {origin(plugin)} {what}: {type(error).__name__}: {first}"


def origin(plugin: str) -> str:
    """A plugin's name with the package that brought it."""
    return f"{plugin!r} of {entry_points.package_of(entry_points.find('metric', plugin))}"


@cache
def leave_out(reason: str) -> None:
    """Say once that a plugin's metrics are missing, and why."""
    logging.getLogger(__name__).warning("warning: %s; its metrics are left out", reason)


def per_problem(
    partitions: Iterable[AnswerPartition], metrics: Sequence[Metric], ids: Sequence[str]
) -> dict[str, FloatArray]:
    """The value of every metric for every problem in the order of `ids`, NaN where undefined; none of ratios.

    Partitions come in any order and are not kept. A plugin with a metric that fails is named in a warning, and
    none of its metrics is among the values.
    """
    measured = [(metric, metric.per_problem) for metric in metrics if metric.per_problem]
    values: dict[str, dict[str, float]] = {metric.name: {} for metric, _ in measured}
    broken: set[str] = set()
    for partition in partitions:
        for metric, score in measured:
            if metric.plugin in broken:
                continue
            try:
                values[metric.name][partition.problem_id] = checked(metric, score(partition), partition.problem_id)
            except Exception as error:  # noqa: BLE001  as above
                leave_out(failure(metric.plugin, f"failed at {metric.name!r}", error))
                broken.add(metric.plugin)
    whole = [metric.name for metric, _ in measured if metric.plugin not in broken]
    return {name: np.array([values[name][problem] for problem in ids]) for name in whole}


def checked(metric: Metric, value: float, problem: str) -> float:
    """A metric's value for one problem.

    Raises:
        ValueError: it is none that the metric can take by its own bounds.
    """
    value, (low, high) = float(value), metric.bounds
    if metric.unbiased:
        low, high = -np.inf, np.inf
    if np.isinf(value) or not (np.isnan(value) or low - SLACK <= value <= high + SLACK):
        raise ValueError(f"{value} for problem {problem!r} is outside its bounds {low:g} to {high:g}")
    return value


def recorded(values: Mapping[str, FloatArray], metrics: Sequence[Metric], n_samples: int) -> list[dict[str, Any]]:
    """The rows of metrics.json: each metric's mean with its interval over problems, and where it is to be shown.

    Args:
        values: per metric, shape (P,).
        metrics: all that were to be measured; those without values are left out.
        n_samples: samples behind the values.
    """
    return [
        {
            **asdict(metric_value(m.name, table[None], m.bounds, m.unit, n_samples, m.higher_is_better)),
            "shown": m.shown,
            "compared": m.compared,
            **({"ratio_of": list(m.ratio_of)} if m.ratio_of else {}),
        }
        for m in metrics
        if (table := values_of(m.name, m.ratio_of, values)) is not None
    ]


def values_of(name: str, ratio_of: Sequence[str] | None, values: Mapping[str, FloatArray]) -> FloatArray | None:
    """A metric's values per problem, those of a ratio linearised; None where there are none."""
    if ratio_of is None:
        return values.get(name)
    if any(part not in values for part in ratio_of):
        return None
    numerator, denominator = (values[part][None] for part in ratio_of)
    per_problem: FloatArray = linearised(numerator, denominator)[0]
    return per_problem


def metric_value(
    name: str,
    values_SP: FloatArray,
    bounds: tuple[float, float],
    unit: str,
    n_samples: int,
    higher_is_better: bool | None = None,
) -> MetricValue:
    """The mean of one metric over seeds and problems, with its interval.

    An unbiased estimate may pass a bound and is told as it is; no end of its interval does.
    """
    estimate = mean_interval(values_SP, bounds)
    low, high = np.clip((estimate.low, estimate.high), *bounds)
    return MetricValue(
        name=name,
        value=estimate.value,
        low=float(low),
        high=float(high),
        level=LEVEL,
        n_problems=estimate.n_problems,
        n_samples=n_samples,
        unit=unit,
        higher_is_better=higher_is_better,
    )


def read_metrics(path: Path) -> list[MetricValue]:
    """The metrics of a metrics.json."""
    return metric_values(read_json(path), path)


def metric_values(content: Any, path: Path) -> list[MetricValue]:
    """The metrics in the content of a metrics.json; null, JSON's word for an undefined value, becomes NaN."""
    try:
        return [revived(row) for row in content["metrics"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path}: not a metrics file ({error!r})") from None


def revived(row: Mapping[str, Any]) -> MetricValue:
    """A metric as JSON holds it, with NaN for the null of a numeric field."""
    undefined: dict[str, Any] = {name: float("nan") for name in ("value", "low", "high") if row[name] is None}
    return MetricValue(**{name: {**row, **undefined}[name] for name in FIELDS})
