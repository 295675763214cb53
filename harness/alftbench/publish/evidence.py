"""Read a board's evidence: runs and training records on disk → one table of methods, suites and seeds.

results/<board>/<trial>/train.json          how the checkpoint came about; absent for a model as it is
results/<board>/<trial>/<suite>/run.json    one verified evaluation
                        equilibrium.json    its equilibrium quality per problem; absent for a model as it is
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.base.jsonio import with_nan
from alftbench.base.provenance import Origin
from alftbench.base.ratios import linearised
from alftbench.base.validate import Text, Together, read
from alftbench.equilibrium.quality import QUALITY, Quality, read_quality
from alftbench.errors import BadInput
from alftbench.evaluation.measure import current_metrics
from alftbench.evaluation.run_folder import METRICS
from alftbench.evaluation.verify import verify
from alftbench.suites.base import titled
from alftbench.training.train import TrainRecord, read_train_record
from alftbench.types import RunRecord

BASE = "base"


Values = tuple[float | None, ...]


@dataclass(frozen=True)
class MetricRow:
    """What a table needs of a metric's row in metrics.json."""

    name: Text
    unit: str
    higher_is_better: bool | None
    shown: bool
    compared: bool
    ratio_of: tuple[Text, ...] | None = None


@dataclass(frozen=True)
class PhrasingValues:
    """Metrics per phrasing and problem."""

    names: tuple[str, ...]
    per_problem: Mapping[str, tuple[Values, ...]]


@dataclass(frozen=True)
class MetricsFile(Together):
    """The content of metrics.json."""

    metrics: tuple[MetricRow, ...]
    bounds: Mapping[str, Values]
    problems: tuple[str, ...]
    per_problem: Mapping[str, Values]
    phrasings: PhrasingValues | None = None

    @classmethod
    def together(cls, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Every metric has two bounds, and a value per problem, in every phrasing too, or is a ratio of two."""
        if any(given.get(name) is None for name in ("metrics", "bounds", "problems", "per_problem")):
            return
        names, P = [row.name for row in given["metrics"]], len(given["problems"])
        if any(len(given["bounds"].get(name, ())) != 2 for name in names):
            yield "bounds", "must be the smallest and the largest value of every metric"
        ratios = {row.name: row.ratio_of for row in given["metrics"] if row.ratio_of is not None}
        if any(len(parts) != 2 for parts in ratios.values()):
            yield "metrics", "must name two metrics in every ratio_of"
        measured = [part for name in names for part in ratios.get(name, (name,))]
        if any(len(given["per_problem"].get(name, ())) != P for name in measured):
            yield "per_problem", f"must be {P} values of every metric"
        apart = given.get("phrasings")
        if apart and any(
            len(table) != len(apart.names) or any(len(row) != P for row in table)
            for table in apart.per_problem.values()
        ):
            yield "phrasings.per_problem", f"must be {P} values of every metric for every name"


@dataclass(frozen=True)
class Evidence:
    """One verified run: who, on what, which seed, and the value of every metric for every problem.

    phrasings: for each phrasing that problems share its own metrics' values; empty where they share none.
    """

    folder: Path
    record: RunRecord
    problems: tuple[str, ...]
    metrics: tuple[Mapping[str, Any], ...]
    per_problem: Mapping[str, FloatArray]
    bounds: Mapping[str, tuple[float, float]]
    training: TrainRecord | None
    quality: Quality | None = None
    phrasings: Mapping[str, Mapping[str, FloatArray]] = field(default_factory=dict)

    @property
    def ratios(self) -> Mapping[str, tuple[str, str]]:
        """The metrics that are ratios of the means of two others."""
        return {spec["name"]: tuple(spec["ratio_of"]) for spec in self.metrics if spec.get("ratio_of")}

    @property
    def method(self) -> str:
        """What the table calls this model."""
        return self.record.name

    @property
    def suite(self) -> str:
        """The suite's name, and of which problems where they are not those of the test."""
        return titled(str(self.record.config["suite"]), str(self.record.config.get("split", "test")))

    @property
    def seed(self) -> int:
        """The seed of sampling, and of training where there was any."""
        seed = self.record.config["sampling"]["seed"]
        if seed is None:
            raise BadInput(f"{self.folder}: the seed of an imported run is unknown; import it with --results")
        return int(seed)


def read_evidence(folder: Path) -> Evidence:
    """A run folder's verified record and metrics.

    Raises:
        BadInput: the run is unfinished, was changed, or one of its files is malformed.
    """
    record = verify(folder)
    read(Origin, record.provenance, f"{folder / 'run.json'}: provenance", closed=False)
    content = current_metrics(folder, record)
    metrics = read(MetricsFile, content, str(folder / METRICS), closed=False)
    quality = read_quality(folder, record)
    if quality and tuple(quality.problems) != metrics.problems:
        raise BadInput(f"{folder / QUALITY}: is of other problems than metrics.json; remove it")
    return Evidence(
        folder=folder,
        record=record,
        problems=metrics.problems,
        metrics=tuple(content["metrics"]),
        per_problem={name: np.array(with_nan(values)) for name, values in metrics.per_problem.items()},
        bounds={name: as_bounds(ends) for name, ends in metrics.bounds.items()},
        training=read_training(folder.parent, record),
        quality=quality,
        phrasings=as_phrasings(metrics.phrasings) if metrics.phrasings else {},
    )


def as_phrasings(content: PhrasingValues) -> dict[str, dict[str, FloatArray]]:
    """Every phrasing's metrics per problem."""
    return {
        name: {metric: np.array(with_nan(values[v])) for metric, values in content.per_problem.items()}
        for v, name in enumerate(content.names)
    }


def as_bounds(ends: Sequence[float | None]) -> tuple[float, float]:
    """A metric's smallest and largest value; null stands for infinity."""
    low, high = ends
    return (-np.inf if low is None else low, np.inf if high is None else high)


def read_training(trial: Path, run: RunRecord) -> TrainRecord | None:
    """How the evaluated checkpoint came about; None for a model as it is.

    Raises:
        BadInput: training is unfinished, or the run evaluated another model than was trained.
    """
    if not (trial / "train.json").exists():
        return None
    training = read_train_record(trial)
    if training.status != "complete" or training.checkpoint_sha256 != run.config.get("model_sha256"):
        raise BadInput(f"{trial}: the evaluated model is not the checkpoint of train.json")
    if training.method != run.name or training.config.get("seed") != run.config["sampling"]["seed"]:
        raise BadInput(f"{trial}: run.json and train.json name different methods or seeds")
    return training


def collect(trials: Sequence[Path]) -> list[Evidence]:
    """Every run of the given trial folders, in order of name.

    Raises:
        BadInput: a run is unfinished or was changed.
    """
    return [read_evidence(path.parent) for trial in trials for path in sorted(trial.glob("*/run.json"))]


def table_of(runs: Sequence[Evidence], metric: str) -> FloatArray:
    """A metric's values, shape (S, P); those of a ratio of means linearised, with the ratio as their mean."""
    if parts := runs[0].ratios.get(metric):
        numerator_SP, denominator_SP = (table_of(runs, part) for part in parts)
        return linearised(numerator_SP, denominator_SP)
    return np.array([run.per_problem[metric] for run in runs])
