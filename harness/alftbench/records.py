"""Read a board's evidence: runs and training records on disk → one table of methods, suites and seeds.

results/<board>/<trial>/train.json          how the checkpoint came about; absent for a model as it is
results/<board>/<trial>/<suite>/run.json    one verified evaluation
                        equilibrium.json    its equilibrium quality per problem; absent for a model as it is
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alftbench.errors import BadInput
from alftbench.jsonio import read_json
from alftbench.metrics.base import FloatArray
from alftbench.quality import Quality, read_quality
from alftbench.runs import verify
from alftbench.trials import read_train_record
from alftbench.types import RunRecord

BASE = "base"


@dataclass(frozen=True)
class Evidence:
    """One verified run: who, on what, which seed, and the value of every metric for every problem."""

    folder: Path
    record: RunRecord
    problems: tuple[str, ...]
    metrics: tuple[Mapping[str, Any], ...]
    per_problem: Mapping[str, FloatArray]
    cost: Mapping[str, Any] | None
    quality: Quality | None = None

    @property
    def method(self) -> str:
        """What the table calls this model."""
        return self.record.name

    @property
    def suite(self) -> str:
        """The suite's name."""
        return str(self.record.config["suite"])

    @property
    def seed(self) -> int:
        """The seed of sampling, and of training where there was any."""
        return int(self.record.config["sampling"]["seed"])


def read_evidence(folder: Path) -> Evidence:
    """A run folder's verified record and metrics."""
    record = verify(folder)
    content = read_json(folder / "metrics.json")
    trial = folder.parent
    cost = read_train_record(trial).cost if (trial / "train.json").exists() else None
    try:
        return Evidence(
            folder=folder,
            record=record,
            problems=tuple(content["problems"]),
            metrics=tuple(content["metrics"]),
            per_problem={
                name: np.array([np.nan if v is None else v for v in values])
                for name, values in content["per_problem"].items()
            },
            cost=cost,
            quality=read_quality(folder, record),
        )
    except (KeyError, TypeError) as error:
        raise BadInput(f"{folder / 'metrics.json'}: not a metrics file ({error!r})") from None


def collect(trials: Sequence[Path]) -> list[Evidence]:
    """Every run of the given trial folders, in order of name.

    Raises:
        BadInput: a run is unfinished or was changed.
    """
    return [read_evidence(path.parent) for trial in trials for path in sorted(trial.glob("*/run.json"))]
