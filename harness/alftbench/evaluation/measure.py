"""What a run's answers come to: the content of metrics.json, also of one that an older version measured.

What a metric's name means has a version, which metrics.json says. Where it is older than this code's, the metrics
are measured anew from the run's recorded answers whenever they are read, so that no table mixes two meanings.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from alftbench.answers.partition import by_orbit
from alftbench.base.jsonio import read_json, without_nan
from alftbench.base.locks import sole_writer
from alftbench.errors import AlftbenchError, BadInput
from alftbench.evaluation.answers import as_partition, read_answers
from alftbench.evaluation.run_folder import METRICS, RunFolder
from alftbench.evaluation.verify import verify
from alftbench.metrics.base import METRICS_VERSION, Metric
from alftbench.metrics.phrasings import measure_phrasings
from alftbench.metrics.summary import metrics_for, per_problem, recorded
from alftbench.suites.load import load_suite
from alftbench.types import AnswerPartition, Orbit, Problem, RunRecord, Variant

log = logging.getLogger(__name__)


def metrics_content(
    partitions: Callable[[], Iterator[AnswerPartition]],
    orbits: Sequence[Orbit],
    metrics: Sequence[Metric],
    n: int,
    n_samples: int,
    right_answers: int | None = None,
) -> dict[str, Any]:
    """The content of metrics.json as JSON holds it: every metric, its value per problem, and phrasings apart.

    Args:
        partitions: reads the classes of every problem's answers; called twice, and not kept.
        orbits: the run's problems, in the order that values per problem have.
        metrics: what to measure.
        n: samples per phrasing.
        n_samples: of the run.
        right_answers: how many a problem of the suite has at most, where the suite says so.
    """
    ids = [orbit.problem.id for orbit in orbits]
    metrics = [metric.on(right_answers) for metric in metrics]
    values = per_problem(partitions(), metrics, ids)
    phrasings = measure_phrasings(partitions(), orbits, n)
    rows = recorded(values, metrics, n_samples)
    bounds = {metric.name: metric.bounds for metric in metrics}
    content: dict[str, Any] = without_nan({
        "version": METRICS_VERSION,
        "metrics": rows,
        "bounds": {row["name"]: bounds[row["name"]] for row in rows},
        "problems": ids,
        "per_problem": {name: list(map(float, v)) for name, v in values.items()},
        "phrasings": phrasings.to_json() if phrasings else None,
    })  # fmt: skip
    return content


def current_metrics(folder: Path, record: RunRecord) -> dict[str, Any]:
    """The content of a run's metrics.json; measured anew, and not written, where an older version measured it.

    Raises:
        BadInput: a newer version measured it, or there are no recorded answers to measure.
    """
    content: Any = read_json(folder / METRICS)
    version = content.get("version", 1) if isinstance(content, dict) else None
    if not isinstance(version, int) or not isinstance(content.get("problems"), list) or version == METRICS_VERSION:
        current: dict[str, Any] = content  # what is malformed is for its reader to name
        return current
    if version > METRICS_VERSION:
        raise BadInput(f"{folder / METRICS}: of version {version} of the metrics; use a newer alftbench")
    if record.answers_sha256 is None:
        raise BadInput(
            f"{folder / METRICS}: measured by version {version} of the metrics, this is {METRICS_VERSION}, and "
            f"the run's answers are not recorded: `alftbench regrade {folder}` measures it anew from its samples"
        )
    n = int(record.config["sampling"]["n"])
    orbits = orbits_of(folder, content)

    def partitions() -> Iterator[AnswerPartition]:
        return (as_partition(orbit, rows_VN) for orbit, rows_VN in by_orbit(orbits, read_answers(folder)))

    most = right_answers(str(record.config["suite"]))
    return metrics_content(partitions, orbits, metrics_for(n), n, record.n_samples, most)


def right_answers(suite: str) -> int | None:
    """How many different right answers a problem of a suite has at most; None too where it is not installed."""
    try:
        return load_suite(suite).info.right_answers
    except AlftbenchError:
        return None


def orbits_of(folder: Path, content: Mapping[str, Any]) -> list[Orbit]:
    """A run's problems and phrasings by name, in the order of its metrics.json; nobody needs their texts."""
    order = (content.get("phrasings") or {}).get("names", [])
    place = {name: i for i, name in enumerate(order)}
    variants: dict[str, set[str]] = {problem: set() for problem in content["problems"]}
    for row in read_answers(folder):
        variants.setdefault(row.problem_id, set()).add(row.variant)
    return [
        Orbit(
            Problem(problem, "", (), ""),
            tuple(
                Variant(problem, name, ()) for name in sorted(names, key=lambda x: (place.get(x, len(place)), x))
            ),
        )
        for problem, names in variants.items()
    ]


def renew(folder: Path) -> None:
    """Write a complete run's metrics.json anew if an older version measured it."""
    record = verify(folder)
    content = current_metrics(folder, record)
    if content == read_json(folder / METRICS):
        return
    with sole_writer(folder):
        RunFolder(folder, record).save_metrics(content)
    log.info("%s: measured anew with version %d of the metrics", folder, METRICS_VERSION)
