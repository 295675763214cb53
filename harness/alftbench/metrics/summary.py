"""From partitions to metric values: per problem, then the mean with its interval."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alftbench.base import entry_points
from alftbench.base.jsonio import read_json
from alftbench.base.stats import LEVEL, mean_interval
from alftbench.errors import BadInput, PluginError
from alftbench.metrics.base import FloatArray, Metric, MetricFactory
from alftbench.types import AnswerPartition, MetricValue


def metrics_for(n: int) -> list[Metric]:
    """Every registered metric for n samples per prompt; a plugin that does not load is named in a warning.

    Raises:
        PluginError: two plugins give a metric the same name.
    """
    loaded, broken = entry_points.load_all("metric")
    for error in broken.values():
        logging.getLogger(__name__).warning("warning: %s; its metrics are missing", error)
    found: dict[str, Metric] = {}
    for plugin, factory in loaded.items():
        for metric in made_by(plugin, factory, n):
            if metric.name in found:
                raise PluginError(f"metric plugin {plugin!r}: the metric {metric.name!r} exists already")
            found[metric.name] = metric
    return list(found.values())


def made_by(plugin: str, factory: MetricFactory, n: int) -> Sequence[Metric]:
    """The metrics of one plugin.

    Raises:
        PluginError: its factory raised; named and chained.
    """
    try:
        return factory(n)
    except Exception as error:
        raise PluginError(f"metric plugin {plugin!r} failed: {type(error).__name__}: {error}") from error


def per_problem(
    partitions: Iterable[AnswerPartition], metrics: Sequence[Metric], ids: Sequence[str]
) -> dict[str, FloatArray]:
    """The value of every metric for every problem in the order of `ids`, NaN where undefined.

    Partitions come in any order and are not kept.
    """
    rows = {p.problem_id: [metric.per_problem(p) for metric in metrics] for p in partitions}
    table = np.array([rows[name] for name in ids], dtype=float)
    return {metric.name: column for metric, column in zip(metrics, table.T, strict=True)}


def summarise(values_SP: Mapping[str, FloatArray], metrics: Sequence[Metric], n_samples: int) -> list[MetricValue]:
    """The mean of every metric over seeds and problems, with its interval.

    Args:
        values_SP: per metric, shape (S, P).
        metrics: which to summarise, in order.
        n_samples: samples per run behind the values.
    """
    return [
        metric_value(m.name, values_SP[m.name], m.bounds, m.unit, n_samples, m.higher_is_better) for m in metrics
    ]


def metric_value(
    name: str,
    values_SP: FloatArray,
    bounds: tuple[float, float],
    unit: str,
    n_samples: int,
    higher_is_better: bool | None = None,
) -> MetricValue:
    """The mean of one metric over seeds and problems, with its interval."""
    estimate = mean_interval(values_SP, bounds)
    return MetricValue(
        name=name,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        level=LEVEL,
        n_problems=estimate.n_problems,
        n_samples=n_samples,
        unit=unit,
        higher_is_better=higher_is_better,
    )


def read_metrics(path: Path) -> list[MetricValue]:
    """The metrics of a metrics.json; null, JSON's word for an undefined value, becomes NaN."""
    try:
        return [revived(row) for row in read_json(path)["metrics"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path}: not a metrics file ({error!r})") from None


def revived(row: Mapping[str, Any]) -> MetricValue:
    """A metric as JSON holds it, with NaN for the null of a numeric field."""
    undefined: dict[str, Any] = {name: float("nan") for name in ("value", "low", "high") if row[name] is None}
    return MetricValue(**{**row, **undefined})
