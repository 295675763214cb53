"""Methods × seeds at equal budget: train, evaluate with the training clock stopped, compare, publish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from alftbench.base.locks import sole_writer
from alftbench.compare.plan import CompareRequest, Trial, table_names
from alftbench.compare.trial import Measurement, measure_trial, measurements, run_trial
from alftbench.evaluation.run_folder import read_record
from alftbench.launch.local import Finished, Message, run_jobs
from alftbench.publish.board import Board, publish, trial_folders
from alftbench.publish.comparison import Compared, compare_runs
from alftbench.publish.evidence import collect
from alftbench.types import Listener


@dataclass(frozen=True)
class CompareOutcome:
    """What came of a comparison: the table of what finished, and the error of every trial that did not."""

    table: Compared
    failed: dict[str, Exception]
    board: Path


Watch = Callable[[Sequence[str], Message | Finished], None]  # the names of a wave's jobs, what one of them says
JobT = TypeVar("JobT", Trial, Measurement)


def compare(request: CompareRequest, trials: Sequence[Trial], watch: Watch = lambda *_: None) -> CompareOutcome:
    """Run or continue a comparison's trials and publish its board; finished trials are not run again.

    Two waves of jobs: all trials, the long ones first, so that no worker is left alone with one at the end; then
    the measuring of each beside the base of its seed, which waits for both.
    The board shows every finished trial of its results folder, those of earlier comparisons too.
    """
    order = [str(spec) for spec in request.trainers]
    with sole_writer(request.results):
        long_first = sorted(trials, key=lambda trial: trial.job is None)
        failed = run_wave(run_trial, long_first, request, watch)
        unfailed = [trial for trial in trials if trial.label not in failed]
        failed |= run_wave(measure_trial, measurements(unfailed), request, watch)
        done = [trial.folder for trial in trials if trial.label not in failed]
        if not done:
            raise next(iter(failed.values()))
        suites, folder = table_names(request), request.output / "leaderboards" / request.board
        table = compare_runs(collect(done), suites, order)
        board = Board.ensure(folder, suites, order, table.shown)
        publish(board, [path for path in trial_folders(request.results) if finished(path)])
    return CompareOutcome(table, failed, board.folder)


def run_wave(
    work: Callable[[JobT, Listener], None], jobs: Sequence[JobT], request: CompareRequest, watch: Watch
) -> dict[str, Exception]:
    """Run jobs side by side, telling `watch` what happens; the error of every one that failed, by its label."""
    failed: dict[str, Exception] = {}
    labels = [job.label for job in jobs]
    workers = min(request.workers, len(jobs))
    for event in run_jobs(work, jobs, workers, request.devices) if jobs else ():
        watch(labels, event)
        if isinstance(event, Finished) and event.error is not None:
            event.error.add_note(event.trace)
            failed[labels[event.job]] = event.error
    return failed


def finished(trial: Path) -> bool:
    """Is every run of a trial measured? One that was interrupted, now or earlier, is not shown yet."""
    return all(read_record(path.parent).metrics_sha256 is not None for path in trial.glob("*/run.json"))
