"""One method at one seed: train, evaluate, and measure how far it is from its game's equilibrium."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from alftbench.compare.plan import Trial
from alftbench.equilibrium.quality import SuiteProblems, measure, measure_listed
from alftbench.equilibrium.scores import score
from alftbench.equilibrium.traces import list_runs
from alftbench.errors import AlftbenchError
from alftbench.evaluation.evaluate import evaluate
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.launch.local import Report
from alftbench.suites.base import Suite
from alftbench.suites.load import load_suite, read_orbits
from alftbench.training.train import make_trainer, plan_training, run_training


def run_trial(trial: Trial, report: Report) -> None:
    """Train, evaluate and score one trial, or continue it; runs in a worker process."""
    if trial.job is not None:
        report("training", 0.0)
        run_training(plan_training(trial.job), trial.folder, lambda update, share: report("training", share))
    plans = [plan(evaluation) for evaluation in trial.evaluations]
    runs = [(made, suite_folder(trial.folder, made.suite)) for made in plans]
    for made, folder in runs:
        doing = f"evaluating on {made.request.suite}"
        evaluate(
            made,
            folder,
            lambda done, total, tokens, doing=doing: report(doing, done / total),  # type: ignore[misc]
        )
    if trial.job is not None and trial.enumerate is None:
        report("scoring", 0.0)
        score(runs, trial.job.model)
    if trial.job is not None and trial.enumerate is not None:
        list_runs(
            runs,
            trial.job.model,
            trial.enumerate,
            lambda made, share: report(f"listing completions of {made.request.suite}", share),
        )


def measure_trials(made: Sequence[Trial]) -> Iterator[tuple[Trial, Exception]]:
    """Measure the equilibrium quality of finished trials; yields the trials whose trainer's game fails.

    Every trial is held against the base's samples of the same seed, so this waits for all of them.
    """
    bases = {trial.seed: trial for trial in made if trial.job is None}
    problems = {evaluation.suite: suite_problems(evaluation) for trial in made for evaluation in trial.evaluations}
    for trial in made:
        if trial.job is None or trial.seed not in bases:
            continue
        try:
            trainer = make_trainer(trial.job.trainer)
            for suite in problems:
                of, base = (suite_folder(t.folder, problems[suite].suite) for t in (trial, bases[trial.seed]))
                if trial.enumerate is None:
                    measure(problems[suite], of, base, trainer)
                else:
                    measure_listed(problems[suite], of, trainer)
        except AlftbenchError as error:
            error.add_note(traceback.format_exc())
            yield trial, error


def suite_problems(evaluation: EvalRequest) -> SuiteProblems:
    """The suite and the problems of an evaluation."""
    suite = load_suite(evaluation.suite)
    return SuiteProblems(suite, read_orbits(suite, evaluation.selection))


def suite_folder(trial: Path, suite: Suite) -> Path:
    """Where a trial's run on a suite lies: a folder by the suite's name."""
    return trial / re.sub(r"[^\w.=-]+", "_", suite.info.name)
