"""What to compare, and every trial of it, checked before anything is run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from alftbench.backends.base import DEFAULT_OPTIONS, BackendOptions, TraceBounds
from alftbench.base.names import unfit_file
from alftbench.errors import PluginError, UsageError
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.publish.board import Board
from alftbench.publish.evidence import BASE
from alftbench.publish.tempered import share_of, tempered_name
from alftbench.suites.load import TEST, TRAIN, Reader, Selection, load_suite, read_problems
from alftbench.training.train import TrainJob, checkpoint_path, plan_training
from alftbench.training.trainer import TrainerSpec
from alftbench.types import Budget

LEAST_MASS = 1e-5  # float32 sums of probabilities do not tell less from nothing


@dataclass(frozen=True)
class CompareRequest:
    """What to compare. Everything is written below `output`: results/<board>/ and leaderboards/<board>/.

    enumerate: how far completions are listed for equilibrium quality; None to estimate it from the samples.
    tempered: shares of the sampling temperature at which the base is sampled too, the control of sharpness.
    """

    trainers: tuple[TrainerSpec, ...]
    model: str
    suites: tuple[str, ...]
    seeds: int
    budget: Budget
    output: Path
    board: str
    test: Selection = TEST
    train: Selection = TRAIN
    samples: int | None = None
    workers: int = 2
    options: BackendOptions = DEFAULT_OPTIONS
    enumerate: TraceBounds | None = None
    tempered: tuple[float, ...] = ()

    @property
    def results(self) -> Path:
        """Where the runs go."""
        return self.output / "results" / self.board


def trials(request: CompareRequest) -> list[Trial]:
    """Every trial of a comparison, checked; nothing is written.

    Raises:
        UsageError: an option, a trainer or a suite is wrong.
    """
    if request.seeds < 1:
        raise UsageError(f"--seeds {request.seeds}: must be at least 1")
    if request.workers < 1:
        raise UsageError(f"--workers {request.workers}: must be at least 1")
    if not re.fullmatch(r"\w[\w.-]*", request.board) or unfit_file(request.board):
        raise UsageError(f"--board {request.board!r}: use letters, digits, dots, dashes and underscores")
    check_bounds(request.enumerate)
    check_tempered(request.tempered)
    check_board(request)
    read = cache(read_problems)  # every suite and split once, whatever asks for it
    suites = suite_names(request)
    if len(set(suites)) < len(suites):
        raise UsageError(f"two suites have one name: {', '.join(suites)}; name each once")
    check_names([str(spec) for spec in request.trainers])
    planned = [make_trial(request, None, seed) for seed in range(request.seeds)]
    planned += [
        tempered_trial(request, share, seed) for seed in range(request.seeds) for share in request.tempered
    ]
    planned += [make_trial(request, spec, seed) for seed in range(request.seeds) for spec in request.trainers]
    planned = [trial for trial in planned if trial.evaluations]
    if long := next((trial for trial in planned if unfit_file(trial.folder.name)), None):
        raise UsageError(f"{long.label}: its folder's name {unfit_file(long.folder.name)}; give fewer options")
    check(request, planned, read)
    return planned


def make_trial(request: CompareRequest, spec: TrainerSpec | None, seed: int) -> Trial:
    """One method at one seed; `spec` None is the model as it is."""
    method = BASE if spec is None else str(spec)
    folder = trial_folder(request, method, seed)
    job = train_job(request, spec, seed) if spec else None
    model = str(checkpoint_path(folder)) if job else request.model
    evaluations = tuple(evaluation(request, suite, method, model, seed) for suite in request.suites)
    return Trial(method, seed, job, folder, evaluations, request.enumerate)


def tempered_trial(request: CompareRequest, share: float, seed: int) -> Trial:
    """The base at a share of the temperature of every suite that has one and draws twice or more."""
    method = tempered_name(share)
    samplings = {suite: load_suite(suite).info.sampling for suite in request.suites}
    evaluations = tuple(
        replace(
            evaluation(request, suite, method, request.model, seed),
            temperature=round(share * params.temperature, 9),
        )
        for suite, params in samplings.items()
        if params.temperature > 0 and (request.samples or params.n) > 1
    )
    return Trial(method, seed, None, trial_folder(request, method, seed), evaluations)


def trial_folder(request: CompareRequest, method: str, seed: int) -> Path:
    """Where the trial of a method at a seed lies."""
    return request.results / f"{re.sub(r'[^A-Za-z0-9.=-]+', '_', method)}-seed{seed}"


def evaluation(request: CompareRequest, suite: str, method: str, model: str, seed: int) -> EvalRequest:
    """The evaluation of a trial on a suite."""
    return EvalRequest(
        model=model,
        suite=suite,
        name=method,
        selection=request.test,
        samples=request.samples,
        seed=seed,
        options=request.options,
    )


def train_job(request: CompareRequest, spec: TrainerSpec, seed: int) -> TrainJob:
    """The training run of a trial."""
    return TrainJob(
        trainer=spec,
        model=request.model,
        suites=request.suites,
        budget=request.budget,
        seed=seed,
        selection=request.train,
        device=request.options.device,
        dtype=request.options.dtype,
        trust_remote_code=request.options.trust_remote_code,
    )


def check(request: CompareRequest, planned: Sequence[Trial], read: Reader) -> None:
    """Find what is wrong before anything is run; a plugin that does not load only fails its own trials."""
    for evaluation in planned[0].evaluations:
        plan(evaluation, read)
    for trial in planned:
        if trial.job:
            with suppress(PluginError):
                plan_training(trial.job, read)
    for name in request.suites:
        check_disjoint(name, request, read)


def check_bounds(bounds: TraceBounds | None) -> None:
    """Refuse bounds that no list of completions can meet."""
    if bounds and not LEAST_MASS <= bounds.mass < 1:
        raise UsageError(f"--mass {bounds.mass}: must be at least {LEAST_MASS} and below 1")
    if bounds and bounds.prefixes < 1:
        raise UsageError(f"--prefixes {bounds.prefixes}: must be at least 1")


def check_names(names: Sequence[str]) -> None:
    """Refuse trainers that would share a row."""
    if taken := next((name for name in names if name == BASE or share_of(name)), None):
        raise UsageError(f"no trainer can be named {taken!r}: that is the untrained model's row")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"the trainer {twice} is named twice; name it once, --seeds says how often it is trained")


def check_tempered(shares: Sequence[float]) -> None:
    """Refuse shares of the temperature that are no lower temperature, or that are named twice."""
    if wrong := next((share for share in shares if not 0.01 <= share < 1), None):
        raise UsageError(f"--tempered {wrong:g}: must be at least 0.01 and below 1, a share of the temperature")
    names = [tempered_name(share) for share in shares]
    if twice := next((name for name in names if names.count(name) > 1 or share_of(name) is None), None):
        raise UsageError(f"--tempered: {twice} is named twice or has too many digits")


def check_board(request: CompareRequest) -> None:
    """A board that exists must show every suite that is to be compared.

    Raises:
        UsageError: it does not; found before anything is trained.
    """
    folder = request.output / "leaderboards" / request.board
    if (folder / "board.toml").exists():
        unknown = set(suite_names(request)) - set(Board.read(folder).suites)
        if unknown:
            raise UsageError(f"{folder} does not show {', '.join(sorted(unknown))}; choose another --board")


def check_disjoint(name: str, request: CompareRequest, read: Reader) -> None:
    """Training on test problems measures memory.

    Raises:
        UsageError: the training and test problems of a suite overlap.
    """
    chosen = (request.test, request.train)
    test, train = ({orbit.problem.question for orbit in read(name, selection).orbits} for selection in chosen)
    if shared := test & train:
        raise UsageError(
            f"suite {name}: {len(shared)} problems are in both --data and --train-data; give disjoint files"
        )


def suite_names(request: CompareRequest) -> tuple[str, ...]:
    """What the suites call themselves; a file is asked for by its path."""
    return tuple(load_suite(name).info.name for name in request.suites)


@dataclass(frozen=True)
class Trial:
    """One method at one seed: train (unless it is the base), then evaluate on every suite."""

    method: str
    seed: int
    job: TrainJob | None
    folder: Path
    evaluations: tuple[EvalRequest, ...]
    enumerate: TraceBounds | None = None

    @property
    def label(self) -> str:
        """What messages call the trial."""
        return f"{self.method}, seed {self.seed}"
