"""Recompute answers and metrics of a finished run with today's code, from its samples, without a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alftbench.base.jsonio import digest, write_json
from alftbench.base.provenance import provenance
from alftbench.errors import BadInput, UsageError
from alftbench.evaluation.answers import read_answers
from alftbench.evaluation.evaluate import evaluate
from alftbench.evaluation.measure import current_metrics
from alftbench.evaluation.plan import EvalRequest, Plan
from alftbench.evaluation.run_folder import METRICS, read_record, read_sealed
from alftbench.evaluation.verify import verify
from alftbench.metrics.base import REDEFINED
from alftbench.metrics.summary import metric_values, read_metrics
from alftbench.suites.base import Suite
from alftbench.suites.load import Selection, load_suite, read_orbits
from alftbench.suites.orbits import parse_orbit
from alftbench.types import MetricValue, Orbit, RunRecord, SampleKey, SamplingParams

SHOWN = 20  # changed answers that are written out


@dataclass(frozen=True)
class Change:
    """A sample whose answer's class has another key now."""

    key: SampleKey
    before: str | None
    after: str | None
    end_of_text: str


@dataclass(frozen=True)
class Regraded:
    """Both runs' metrics and what changed; `changes` is None where the old run did not record its answers."""

    before: tuple[MetricValue, ...]
    after: tuple[MetricValue, ...]
    n_samples: int
    changes: tuple[Change, ...] | None

    def to_json(self) -> dict[str, Any]:
        """The content of regrade.json."""
        after = {metric.name: metric for metric in self.after}
        before = {metric.name: metric for metric in self.before}
        return {
            "metrics": {
                name: {
                    side: asdict(metrics[name]) if name in metrics else None
                    for side, metrics in (("before", before), ("after", after))
                }
                for name in {**before, **after}
            },
            "n_samples": self.n_samples,
            "n_changed": None if self.changes is None else len(self.changes),
            "changed": [asdict(change) for change in (self.changes or ())[:SHOWN]],
        }


def plan_regrade(run: Path, suite_name: str | None = None, data: str | None = None) -> Plan:
    """The evaluation that replays a run's samples into another folder.

    Args:
        run: the folder of a complete run.
        suite_name: another name of the same problems, such as another filter of a task; the run's own if None.
        data: the file with the suite's problems, where it needs one.

    Raises:
        BadInput: the run was changed or is unfinished, or its problems are not those of the suite now.
    """
    record = verify(run)
    suite = load_suite(suite_name or str(record.config["suite"]))
    orbits = same_problems(run, record, suite, data)
    now = provenance()
    config = {
        **record.config,
        "suite": suite.info.name,
        "suite_version": suite.info.version,
        "regraded": {
            "run": record.id,
            "suite": record.config["suite"],
            "suite_version": record.config["suite_version"],
            "samples_sha256": record.samples_sha256,
            "metrics_sha256": record.metrics_sha256,
            "seconds": record.seconds,
            "provenance": record.provenance,
            "code": {name: now[name] for name in ("alftbench", "commit")},
        },
    }
    request = EvalRequest(str(run), suite.info.name, name=record.name, backend="replay")
    return Plan(request, str(run), suite, orbits, SamplingParams(n=record.config["sampling"]["n"]), config)


def same_problems(run: Path, record: RunRecord, suite: Suite, data: str | None) -> list[Orbit]:
    """The suite's problems, if they are those that the run sampled.

    Raises:
        BadInput: they are not.
    """
    config = record.config
    imported = "imported" in config  # a file of lm-eval may hold any of a task's problems, not only the first ones
    selection = Selection(
        split=str(config["split"]),
        data=data,
        limit=None if imported else int(config["n_problems"]),
        orbit=parse_orbit(config["orbit"]) if "orbit" in config else None,
        data_unchecked=bool(config.get("data_unchecked")),
    )
    orbits = list(read_orbits(suite, selection))
    if imported:
        sampled = {sample.problem_id for sample in read_sealed(run)}
        orbits = [orbit for orbit in orbits if orbit.problem.id in sampled]
    if digest([asdict(orbit) for orbit in orbits]) != config["suite_sha256"]:
        raise BadInput(
            f"{run}: its problems are not those of {suite.info.name} here "
            f"(version {config['suite_version']} there, {suite.info.version} here); "
            f"regrade it with the version and --data it was sampled with"
        )
    return orbits


def regrade(plan: Plan, folder: Path) -> Regraded:
    """Write the regraded run and regrade.json into a folder of its own; the old run is only read.

    Raises:
        UsageError: the folder is that of the old run.
    """
    old = Path(plan.model)
    if folder.resolve() == old.resolve():
        raise UsageError(
            f"--output-dir {folder}: that is the old run, which stays as it is; choose another folder"
        )
    record = evaluate(plan, folder)
    regraded = Regraded(
        tuple(metrics_before(old)),
        tuple(read_metrics(folder / METRICS)),
        record.n_samples,
        changes(old, folder),
    )
    write_json(folder / "regrade.json", {"from": plan.config["regraded"], **regraded.to_json()})
    return regraded


def metrics_before(old: Path) -> list[MetricValue]:
    """The old run's metrics as their names are meant now.

    Where its answers were not recorded they are those of its file, less what meant something else then.
    """
    record = read_record(old)
    if record.answers_sha256 is not None:
        return metric_values(current_metrics(old, record), old / METRICS)
    return [metric for metric in read_metrics(old / METRICS) if metric.name not in REDEFINED]


def changes(old: Path, new: Path) -> tuple[Change, ...] | None:
    """The samples whose answer changed, in order; None where the old run is from before answers were recorded."""
    if read_record(old).answers_sha256 is None:
        return None
    rows = zip(read_answers(old), read_answers(new), read_sealed(new), strict=True)
    return tuple(
        Change(sample.key, before.class_key, after.class_key, sample.text[-80:])
        for before, after, sample in rows
        if before.class_key != after.class_key
    )
