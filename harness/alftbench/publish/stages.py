"""Declared, predicted and reached answers of a method on a suite, from its runs' equilibrium.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.base.ratios import linearised
from alftbench.equilibrium.stages import DRAWS, STAGES, distance_name, value_name
from alftbench.metrics.summary import metric_value
from alftbench.publish.evidence import Evidence
from alftbench.types import MetricValue

TARGET = "declared"
FROM_TARGET = f"TV to {TARGET}"
MAX_TV = 1.0
DISTINCT = f"distinct_right@{DRAWS}"


@dataclass(frozen=True)
class StageRow:
    """One stage of a method: features of its answers, and how far they are from the declared equilibrium."""

    stage: str
    features: tuple[MetricValue | None, ...]


def stage_rows(runs: Sequence[Evidence]) -> tuple[StageRow, ...]:
    """The stages of a method over the problems that were listed for every seed; empty where they are not known."""
    tables = [run.quality.stages for run in runs if run.quality and run.quality.stages]
    if len(tables) < len(runs) or not tables:
        return ()
    values = {name: np.array([table[name] for table in tables]) for name in tables[0]}
    counted = runs[0].bounds.get(DISTINCT, (0.0, float(DRAWS)))
    rows = [StageRow(stage, tuple(features_of(stage, values, counted))) for stage in STAGES]
    return tuple(row for row in rows if any(f is not None and not np.isnan(f.value) for f in row.features))


def features_of(
    stage: str, values: dict[str, FloatArray], counted: tuple[float, float]
) -> list[MetricValue | None]:
    """What a table shows of a stage; the declared equilibrium's distance from itself is left open.

    `counted` are the bounds of the number of different right answers.
    """

    def table(feature: str) -> FloatArray:
        return values[value_name(stage, feature)]

    def share(name: str, values_SP: FloatArray) -> MetricValue:
        return metric_value(name, values_SP, (0.0, 1.0), "probability", 0)

    accuracy = table("accuracy")
    away = values.get(distance_name(stage, TARGET))
    return [
        share("accuracy", accuracy),
        share("coherence", linearised(table("agreement"), table("agreement_within"))),
        share("agreement_within", table("agreement_within")),
        metric_value(DISTINCT, table("distinct_right"), counted, "answers", 0),
        None if away is None else metric_value(FROM_TARGET, away, (0.0, MAX_TV), "total variation", 0),
    ]
