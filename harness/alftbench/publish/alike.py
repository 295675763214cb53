"""Which runs may be compared, and in what two of them differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from alftbench.base.arrays import FloatArray
from alftbench.base.jsonio import digest
from alftbench.errors import BadInput
from alftbench.publish.evidence import BASE, Evidence
from alftbench.publish.tempered import share_of


def conditions(run: Evidence) -> dict[str, Any]:
    """What two runs of a suite must share: problems, sampling but for the seed, grading, engine and precision.

    The tempered base must have its share of the others' temperature.
    """
    config = run.record.config
    sampling = {name: value for name, value in config["sampling"].items() if name != "seed"}
    if share := share_of(run.method):
        sampling["temperature"] = round(sampling["temperature"] / share, 9)
    return {
        "suite version": config["suite_version"],
        "split": config["split"],
        "problems": f"{len(run.problems)}, digest {digest([config['suite_sha256'], run.problems])[:8]}",
        **sampling,
        "grading": grading(config),
        "backend": config["backend"],
        "dtype": config["dtype"],
    }


def grading(config: Mapping[str, Any]) -> str:
    """Whose rules graded the samples: those of the evaluation, or of the code that regraded it."""
    regraded = config.get("regraded")
    return "as sampled" if regraded is None else f"regraded by {' '.join(map(str, regraded['code'].values()))}"


def training(run: Evidence) -> dict[str, Any]:
    """What trained methods must share: the budget and the training problems."""
    config = run.training.config if run.training else {}
    return {
        "training budget": config.get("budget"),
        "training problems": {name: str(sha256)[:8] for name, sha256 in (config.get("suites") or {}).items()},
    }


def starting_model(run: Evidence) -> dict[str, Any]:
    """The untrained model: what the base's rows measured, what the others started from; empty where unknown."""
    if run.training:
        return {"starting model": str(run.training.config.get("model_sha256"))[:8]}
    is_base = run.method == BASE or share_of(run.method) is not None
    return {"starting model": str(run.record.config.get("model_sha256"))[:8]} if is_base else {}


def other_method(run: Evidence, other: Evidence) -> str:
    """In what two trainings of one name differ that makes two methods of them: options, or the trainer's code."""
    if run.training is None or other.training is None:
        return ""
    mine, theirs = run.training.config, other.training.config
    return ", ".join(what for what in ("options", "code", "dtype") if mine.get(what) != theirs.get(what))


def unlike(run: Evidence, other: Evidence) -> list[str]:
    """In what two runs of one suite differ that must not: each with both values."""
    mine, theirs = conditions(run), conditions(other)
    if run.training and other.training:
        mine, theirs = mine | training(run), theirs | training(other)
    if starting_model(run) and starting_model(other):
        mine, theirs = mine | starting_model(run), theirs | starting_model(other)
    return [
        f"{name} ({mine.get(name)} and {theirs.get(name)})"
        for name in {**mine, **theirs}
        if mine.get(name) != theirs.get(name)
    ]


def unlike_runs(runs: Iterable[Evidence]) -> list[str]:
    """Every run that is unlike the first of its suite or the first trained one, in a sentence each."""
    first: dict[str, Evidence] = {}
    trained: dict[str, Evidence] = {}
    said = []
    for run in runs:
        beside = {first.setdefault(run.suite, run).folder: first[run.suite]}
        if run.training:
            other = trained.setdefault(run.suite, run)
            beside[other.folder] = other
        faults = dict.fromkeys(fault for other in beside.values() for fault in unlike(run, other))
        if faults:
            said.append(f"{run.folder} and {next(reversed(beside))} differ in {', '.join(faults)}")
    return said


def on_shared_problems(runs: Sequence[Evidence]) -> list[Evidence]:
    """Runs of one suite, each cut to the problems that all have, in the order of the first.

    Raises:
        BadInput: they share none.
    """
    shared = [name for name in runs[0].problems if all(name in run.problems for run in runs)]
    if not shared:
        raise BadInput(f"{runs[0].folder} and {runs[-1].folder} share no problem")
    return [run if list(run.problems) == shared else cut(run, shared) for run in runs]


def cut(run: Evidence, problems: Sequence[str]) -> Evidence:
    """A run on some of its problems; its equilibrium quality, which is of all, is left out."""
    places = [run.problems.index(name) for name in problems]

    def of(values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        return {name: values_P[places] for name, values_P in values.items()}

    n_samples = round(run.record.n_samples * len(problems) / len(run.problems))
    return replace(
        run,
        record=replace(run.record, n_samples=n_samples),
        problems=tuple(problems),
        per_problem=of(run.per_problem),
        phrasings={name: of(values) for name, values in run.phrasings.items()},
        quality=None,
    )
