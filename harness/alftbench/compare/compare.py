"""Methods × seeds at equal budget: train, evaluate with the training clock stopped, compare, publish."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alftbench.base.locks import sole_writer
from alftbench.compare.plan import CompareRequest, Trial, suite_names
from alftbench.compare.trial import measure_trials, run_trial
from alftbench.evaluation.run_folder import read_record
from alftbench.launch.local import Finished, Message, run_jobs
from alftbench.publish.board import Board, publish, trial_folders
from alftbench.publish.comparison import Compared, compare_runs
from alftbench.publish.evidence import collect


@dataclass(frozen=True)
class Outcome:
    """What came of a comparison: the table of what finished, and the error of every trial that did not."""

    table: Compared
    failed: dict[str, Exception]
    board: Path


Watch = Callable[[Trial, Message | Finished], None]


def run_trials(made: Sequence[Trial], workers: int, watch: Watch) -> Iterator[tuple[Trial, Exception]]:
    """Run all trials, telling `watch` what happens; yields the trials that failed."""
    for event in run_jobs(run_trial, made, min(workers, len(made))):
        watch(made[event.job], event)
        if isinstance(event, Finished) and event.error is not None:
            event.error.add_note(event.trace)
            yield made[event.job], event.error


def compare(request: CompareRequest, made: Sequence[Trial], watch: Watch = lambda *_: None) -> Outcome:
    """Run or continue a comparison's trials and publish its board; finished trials are not run again.

    The board shows every finished trial of its results folder, those of earlier comparisons too.
    """
    order = [str(spec) for spec in request.trainers]
    with sole_writer(request.results):
        failed = {trial.label: error for trial, error in run_trials(made, request.workers, watch)}
        failed |= {t.label: error for t, error in measure_trials([t for t in made if t.label not in failed])}
        done = [trial.folder for trial in made if trial.label not in failed]
        if not done:
            raise next(iter(failed.values()))
        suites, folder = suite_names(request), request.output / "leaderboards" / request.board
        table = compare_runs(collect(done), suites, order)
        board = Board.ensure(folder, suites, order, table.shown)
        publish(board, [path for path in trial_folders(request.results) if finished(path)])
    return Outcome(table, failed, board.folder)


def finished(trial: Path) -> bool:
    """Is every run of a trial complete? One that was interrupted, now or earlier, is not shown yet."""
    return all(read_record(path.parent).status == "complete" for path in trial.glob("*/run.json"))
