"""The jobs of a comparison: run a trial (train, evaluate, score), then measure it beside the base of its seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alftbench.base.names import folder_name
from alftbench.compare.plan import Trial
from alftbench.equilibrium.quality import measure_listed, measure_sampled
from alftbench.equilibrium.scores import score
from alftbench.equilibrium.traces import ListJob, list_runs
from alftbench.evaluation.evaluate import evaluate
from alftbench.evaluation.plan import Plan, plan
from alftbench.suites.base import Suite
from alftbench.suites.load import read_problems
from alftbench.training.train import make_trainer, plan_training, run_training
from alftbench.types import Listener, Progress

remembered = cache(read_problems)
"""Problems are read once in a process, whatever the number of its jobs; a process serves one comparison."""


def run_trial(trial: Trial, listen: Listener) -> None:
    """Train, evaluate and score one trial, or continue it; runs in a worker process."""
    if trial.job is not None:
        listen(Progress("training", 0.0))
        run_training(plan_training(trial.job, remembered), trial.folder, listen)
    plans = [plan(evaluation, remembered) for evaluation in trial.evaluations]
    runs = [
        (run_plan, suite_folder(trial.folder, run_plan.suite, run_plan.request.selection.split))
        for run_plan in plans
    ]
    for run_plan, folder in runs:
        evaluate(run_plan, folder, listen)
    if trial.job is None:
        return
    jobs = [list_job(trial, *run) for run in runs]
    scored = [run for run, job in zip(runs, jobs, strict=True) if not job.problems]
    if scored:
        listen(Progress("scoring", 0.0))
        score(scored, trial.job.model)
    list_runs([job for job in jobs if job.problems], trial.job.model, listen)


def list_job(trial: Trial, run_plan: Plan, folder: Path) -> ListJob:
    """Which problems of a run are to be listed, none where its figures are estimated from samples."""
    assert trial.job is not None
    suite = run_plan.suite.info
    problems = trial.measuring.listed(suite, trial.job.model)
    count = len(run_plan.orbits) if problems is None else min(problems, len(run_plan.orbits))
    return ListJob(run_plan, folder, count, trial.measuring.bounds(suite))


@dataclass(frozen=True)
class Measurement:
    """A trained trial and the untrained one of its seed, whose samples say what the reference answers."""

    trial: Trial
    base: Trial

    @property
    def label(self) -> str:
        """What messages call it: the trial."""
        return self.trial.label


def measurements(trials: Sequence[Trial]) -> list[Measurement]:
    """Every finished trained trial with the finished base of its seed, where there is one."""
    bases = {trial.seed: trial for trial in trials if trial.job is None}
    trained = [trial for trial in trials if trial.job is not None and trial.seed in bases]
    return [Measurement(trial, bases[trial.seed]) for trial in trained]


def measure_trial(measurement: Measurement, listen: Listener) -> None:
    """Measure the equilibrium quality of a trial on every suite; runs in a worker process.

    Raises:
        PluginError: the trainer's game fails.
    """
    trial = measurement.trial
    assert trial.job is not None
    trainer = make_trainer(trial.job.trainer)
    for done, evaluation in enumerate(trial.evaluations):
        listen(Progress("measuring equilibrium quality", done, len(trial.evaluations)))
        problems = remembered(evaluation.suite, evaluation.selection)
        split = evaluation.selection.split
        run, base = (suite_folder(t.folder, problems.suite, split) for t in (trial, measurement.base))
        if trial.measuring.listed(problems.suite.info, trial.job.model) == 0:
            measure_sampled(problems, run, base, trainer)
        else:
            measure_listed(problems, run, trainer)


def suite_folder(trial: Path, suite: Suite, split: str) -> Path:
    """Where a trial's run on a split of a suite lies: a folder by what tables call it."""
    return trial / folder_name(suite.info.title(split))
