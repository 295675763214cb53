"""Compare what is finished: runs and results as they are, models once they are evaluated."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alftbench.backends.base import DEFAULT_OPTIONS, BackendOptions
from alftbench.base import entry_points
from alftbench.base.jsonio import digest
from alftbench.base.names import folder_name
from alftbench.errors import BadInput, UsageError
from alftbench.evaluation.evaluate import evaluate
from alftbench.evaluation.plan import EvalRequest, Plan, plan
from alftbench.publish.alike import on_shared_problems, unlike_runs
from alftbench.publish.comparison import Compared, compare_runs
from alftbench.publish.evidence import Evidence, read_evidence
from alftbench.suites.load import TEST, Selection
from alftbench.training.train import checkpoint_path, read_train_record
from alftbench.types import Listener, nobody


@dataclass(frozen=True)
class FinishedRequest:
    """Folders to compare. Models among them are evaluated on `suites`, a training folder's checkpoint inside it.

    output: where models are evaluated. allow_different: compare unlike runs too, on the problems that they share.
    """

    folders: tuple[Path, ...]
    suites: tuple[str, ...]
    output: Path
    selection: Selection = TEST
    samples: int | None = None
    options: BackendOptions = DEFAULT_OPTIONS
    allow_different: bool = False


@dataclass(frozen=True)
class Source:
    """A folder that was named: its finished runs, or the evaluations that it still needs, each with its folder."""

    folder: Path
    runs: tuple[Path, ...]
    evaluations: tuple[tuple[Plan, Path], ...] = ()


@dataclass(frozen=True)
class FinishedOutcome:
    """The table, and in what its runs differ that was allowed."""

    table: Compared
    different: tuple[str, ...]


def finished_folders(arguments: Sequence[str]) -> tuple[Path, ...]:
    """The folders that arguments of `compare` name; none where all are trainers.

    An argument with a slash is a folder, and so is one without that names a folder here and no trainer.

    Raises:
        UsageError: both kinds, a folder that does not exist, or one alone.
    """
    trainers = entry_points.available("trainer")
    folders = [name for name in arguments if is_folder(name, trainers)]
    if not folders:
        return ()
    if other := next((name for name in arguments if name not in folders), None):
        raise UsageError(
            f"{folders[0]} is a folder of finished work and {other} names a trainer; compare one kind at a time"
        )
    if missing := next((name for name in folders if not Path(name).is_dir()), None):
        raise UsageError(f"{missing}: no such folder of a run, of results or of a model")
    if twice := next((name for name, n in Counter(map(os.path.realpath, folders)).items() if n > 1), None):
        raise UsageError(f"{twice} is named twice; name it once")
    return tuple(map(Path, folders))


def is_folder(argument: str, trainers: Container[str]) -> bool:
    """Does an argument mean a folder? A trainer's options may hold a slash, behind its name and a colon."""
    name = argument.partition(":")[0]
    return "/" in name or (Path(argument).is_dir() and name not in trainers)


def sources(request: FinishedRequest) -> list[Source]:
    """What every folder holds, evaluations planned and checked; nothing is written.

    Raises:
        UsageError: a folder holds neither runs nor a model, or an evaluation cannot be.
    """
    return [source(folder, request) for folder in request.folders]


def source(folder: Path, request: FinishedRequest) -> Source:
    """What one folder holds: a run, runs of a trial or of a results folder, or a model that has none yet."""
    for pattern in ("run.json", "*/run.json", "*/*/run.json"):
        if runs := sorted(path.parent for path in folder.glob(pattern)):
            return Source(folder, tuple(runs))
    if (folder / "train.json").exists():
        return Source(folder, (), tuple(evaluations_of_training(folder, request)))
    if (folder / "config.json").exists():
        asked = [plan(evaluation(str(folder), suite, request)) for suite in request.suites]
        return Source(folder, (), tuple((p, request.output / "evaluated" / place(p)) for p in asked))
    raise UsageError(f"{folder}: holds no run.json, no train.json, no results and no model")


def evaluations_of_training(folder: Path, request: FinishedRequest) -> list[tuple[Plan, Path]]:
    """The evaluations of a training folder's checkpoint, where `compare` would have put them.

    Raises:
        BadInput: the training is unfinished.
    """
    record = read_train_record(folder)
    if record.status != "complete":
        raise BadInput(f"{folder}: the training is unfinished; run the same command again to complete it")
    seed, model = int(record.config["seed"]), str(checkpoint_path(folder))
    asked = [
        plan(replace(evaluation(model, suite, request), name=record.method, seed=seed)) for suite in request.suites
    ]
    return [(run_plan, folder / folder_name(run_plan.suite.info.name)) for run_plan in asked]


def evaluation(model: str, suite: str, request: FinishedRequest) -> EvalRequest:
    """The evaluation of a model on a suite."""
    return EvalRequest(model, suite, request.selection, samples=request.samples, options=request.options)


def place(run_plan: Plan) -> str:
    """The name of a folder that no other evaluation gets."""
    return f"{folder_name(f'{run_plan.name}-{run_plan.suite.info.name}')}-{digest(run_plan.config)[:12]}"


def compare_finished(
    request: FinishedRequest, given: Sequence[Source], listen: Listener = nobody
) -> FinishedOutcome:
    """Evaluate what is not evaluated yet, then compare all, paired on the same problems.

    Raises:
        BadInput: a run is unfinished or was changed, runs are unlike, or no two methods are of one suite.
    """
    for folder in given:
        for run_plan, run in folder.evaluations:
            evaluate(run_plan, run, listen)
    by_folder = {
        source.folder: [read_evidence(run) for run in (*source.runs, *(run for _, run in source.evaluations))]
        for source in given
    }
    runs = named_apart(by_folder)
    suites = list(dict.fromkeys(run.suite for run in runs))
    methods = {suite: {run.method for run in runs if run.suite == suite} for suite in suites}
    if all(len(names) < 2 for names in methods.values()):
        raise BadInput(f"nothing to compare: no two methods are of one suite ({', '.join(suites)})")
    different = unlike_runs(runs)
    if different and not request.allow_different:
        raise BadInput(f"{different[0]}: not comparable; --allow-different compares what they share")
    if different:
        runs = [cut for suite in suites for cut in on_shared_problems([run for run in runs if run.suite == suite])]
    order = list(dict.fromkeys(run.method for run in runs))
    return FinishedOutcome(compare_runs(runs, suites, order, check=False), tuple(different))


def named_apart(by_folder: dict[Path, list[Evidence]]) -> list[Evidence]:
    """All runs; those of one name are a method's seeds, but where that cannot be, the folder stands behind it.

    It cannot be where two folders have the same seed of it on one suite, or where all runs have one name.
    """
    every = [run for runs in by_folder.values() for run in runs]
    seeds = Counter((run.suite, run.method, run.seed) for run in every)
    several = {method for (_, method, _), n in seeds.items() if n > 1}
    if len({run.method for run in every}) == 1:
        several = {every[0].method}
    return [
        replace(run, record=replace(run.record, name=f"{run.method} ({folder})")) if run.method in several else run
        for folder, runs in by_folder.items()
        for run in runs
    ]
