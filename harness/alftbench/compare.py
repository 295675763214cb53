"""Methods × seeds at equal budget: train, evaluate with the training clock stopped, compare, publish."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alftbench.backends.base import BackendOptions
from alftbench.comparison import Table, build_table
from alftbench.errors import UsageError
from alftbench.evaluate import EvalRequest, evaluate, plan
from alftbench.launch.local import Finished, Message, Report, run_jobs
from alftbench.publish.board import Board, publish
from alftbench.records import BASE, collect
from alftbench.training import TrainerSpec
from alftbench.trials import TrainJob, checkpoint_path, plan_training, run_training
from alftbench.types import Budget


@dataclass(frozen=True)
class CompareRequest:
    """What to compare. Everything is written below `output`: results/<board>/ and leaderboards/<board>/."""

    trainers: tuple[TrainerSpec, ...]
    model: str
    suites: tuple[str, ...]
    seeds: int
    budget: Budget
    output: Path
    board: str
    data: str | None = None
    limit: int | None = None
    samples: int | None = None
    workers: int = 2
    options: BackendOptions = BackendOptions()

    @property
    def results(self) -> Path:
        """Where the runs go."""
        return self.output / "results" / self.board


@dataclass(frozen=True)
class Trial:
    """One method at one seed: train (unless it is the base), then evaluate on every suite."""

    method: str
    seed: int
    job: TrainJob | None
    folder: Path
    evaluations: tuple[EvalRequest, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of a comparison: the table of what finished, and the error of every trial that did not."""

    table: Table
    failed: dict[str, Exception]
    board: Path | None


def trials(request: CompareRequest) -> list[Trial]:
    """Every trial of a comparison, checked; nothing is written.

    Raises:
        UsageError: an option, a trainer or a suite is wrong.
    """
    if request.seeds < 1:
        raise UsageError(f"--seeds {request.seeds}: must be at least 1")
    if request.workers < 1:
        raise UsageError(f"--workers {request.workers}: must be at least 1")
    if not re.fullmatch(r"[\w.-]+", request.board):
        raise UsageError(f"--board {request.board!r}: use letters, digits, dots, dashes and underscores")
    names = [str(spec) for spec in request.trainers]
    if len(set(names)) < len(names) or BASE in names:
        raise UsageError("a trainer is named twice, or is named 'base', which is the untrained model's row")
    made = [make_trial(request, None, seed) for seed in range(request.seeds)]
    made += [make_trial(request, spec, seed) for seed in range(request.seeds) for spec in request.trainers]
    for trial in made[:1] + made[request.seeds : request.seeds + len(names)]:
        check(trial, request)
    return made


def make_trial(request: CompareRequest, spec: TrainerSpec | None, seed: int) -> Trial:
    """One method at one seed; `spec` None is the model as it is."""
    method = BASE if spec is None else str(spec)
    folder = request.results / f"{re.sub(r'[^A-Za-z0-9.=-]+', '_', method)}-seed{seed}"
    job = spec and TrainJob(
        spec, request.model, request.suites, request.budget, seed, request.data, request.limit,
        request.options.device, request.options.dtype,
    )  # fmt: skip
    model = request.model if job is None else str(checkpoint_path(folder))
    evaluations = tuple(
        EvalRequest(
            model, suite, name=method, data=request.data, limit=request.limit, samples=request.samples,
            seed=seed, options=request.options,
        )
        for suite in request.suites
    )  # fmt: skip
    return Trial(method, seed, job, folder, evaluations)


def check(trial: Trial, request: CompareRequest) -> None:
    """Find what is wrong with a trial before anything is run."""
    if trial.job is None:
        for evaluation in trial.evaluations:
            plan(evaluation)
    else:
        plan_training(trial.job)


def run_trial(trial: Trial, report: Report) -> None:
    """Train and evaluate one trial, or continue it; runs in a worker process."""
    if trial.job is not None:
        report("training", 0.0)
        run_training(
            plan_training(trial.job), trial.folder, lambda update, share: report("training", share)
        )
    for evaluation in trial.evaluations:
        doing = f"evaluating on {evaluation.suite}"
        evaluate(
            plan(evaluation),
            trial.folder / evaluation.suite,
            lambda done, total, tokens, doing=doing: report(doing, done / total),  # type: ignore[misc]
        )


Watch = Callable[[Trial, Message | Finished], None]


def run_trials(made: Sequence[Trial], workers: int, watch: Watch) -> Iterator[tuple[Trial, Exception]]:
    """Run all trials, telling `watch` what happens; yields the trials that failed."""
    for event in run_jobs(run_trial, made, min(workers, len(made))):
        watch(made[event.job], event)
        if isinstance(event, Finished) and event.error is not None:
            event.error.add_note(event.trace)
            yield made[event.job], event.error


def compare(request: CompareRequest, watch: Watch = lambda *_: None) -> Outcome:
    """Run or continue a comparison and publish its board; finished trials are not run again."""
    made = trials(request)
    failed = {
        f"{trial.method}, seed {trial.seed}": error
        for trial, error in run_trials(made, request.workers, watch)
    }
    order = [str(spec) for spec in request.trainers]
    done = [t for t in made if f"{t.method}, seed {t.seed}" not in failed]
    table = build_table(collect([t.folder for t in done]), order)
    if failed:
        return Outcome(table, failed, None)
    board = Board.ensure(request.output / "leaderboards" / request.board, request.suites, order)
    publish(board, request.results)
    return Outcome(table, failed, board.folder)
