"""What to compare, and every trial of it, checked before anything is run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from alftbench.backends.base import DEFAULT_OPTIONS, BackendOptions, TraceBounds
from alftbench.backends.model_files import is_embedded
from alftbench.base.names import unfit_file
from alftbench.errors import PluginError, UsageError
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.publish.board import Board
from alftbench.publish.evidence import BASE
from alftbench.publish.tempered import share_of, tempered_name
from alftbench.suites.base import SuiteInfo, titled
from alftbench.suites.load import TEST, TRAIN, Reader, Selection, load_suite, read_problems
from alftbench.training.train import TrainJob, checkpoint_path, plan_training
from alftbench.training.trainer import TrainerSpec
from alftbench.types import Budget

LEAST_MASS = 1e-5  # float32 sums of probabilities do not tell less from nothing
AUTO, SAMPLED, ENUMERATED = "auto", "sampled", "enumerated"


@dataclass(frozen=True)
class Measuring:
    """How equilibrium quality is measured, and on how many training problems everything is measured besides.

    how: sampled, enumerated, or auto: enumerated where the suite says of how many problems an embedded model's
        completions can be listed.
    problems: how many are listed, the first; None for what the suite says, where that is nothing for all.
    mass, prefixes: the bounds of a list; None for the suite's mass and 50,000.
    train: how many training problems are measured beside the test's, the first; 0 for none.
    """

    how: str = AUTO
    problems: int | None = None
    mass: float | None = None
    prefixes: int | None = None
    train: int = 0

    def listed(self, suite: SuiteInfo, model: str) -> int | None:
        """How many problems of a suite are listed; 0 where figures are estimated from samples, None for all."""
        if self.how == SAMPLED or (self.how == AUTO and not (suite.enumerable and is_embedded(model))):
            return 0
        return self.problems or suite.enumerable or None

    def bounds(self, suite: SuiteInfo) -> TraceBounds:
        """How far they are listed."""
        mass = suite.unlisted if self.mass is None else self.mass
        return TraceBounds(mass) if self.prefixes is None else TraceBounds(mass, self.prefixes)

    def check(self) -> None:
        """Refuse bounds that no list of completions can meet."""
        if self.mass is not None and not LEAST_MASS <= self.mass < 1:
            raise UsageError(f"--mass {self.mass}: must be at least {LEAST_MASS} and below 1")
        for option, value, least in (
            ("--prefixes", self.prefixes, 1),
            ("--equilibrium-problems", self.problems, 1),
            ("--measure-train", self.train, 0),
        ):
            if value is not None and value < least:
                raise UsageError(f"{option} {value}: must be at least {least}")
        given = {"--mass": self.mass, "--prefixes": self.prefixes, "--equilibrium-problems": self.problems}
        unused = [option for option, value in given.items() if value is not None]
        if self.how == SAMPLED and unused:
            raise UsageError(f"{unused[0]} is of listed completions; leave it out, or --equilibrium sampled")


@dataclass(frozen=True)
class CompareRequest:
    """What to compare. Everything is written below `output`: results/<board>/ and leaderboards/<board>/.

    tempered: shares of the sampling temperature at which the base is sampled too, the control of sharpness.
    temperature, backend: of evaluation. max_tokens: of a completion, in training and evaluation; None for the
        suite's own. devices: CUDA devices that the trials are spread over; none to leave them where they are.
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
    measuring: Measuring = Measuring()
    tempered: tuple[float, ...] = ()
    temperature: float | None = None
    max_tokens: int | None = None
    backend: str = "hf"
    devices: tuple[str, ...] = ()

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
    request.measuring.check()
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
    evaluations = evaluations_of(request, method, model, seed)
    return Trial(method, seed, job, folder, evaluations, request.measuring)


def measured_problems(request: CompareRequest) -> tuple[Selection, ...]:
    """What every model is measured on: the test problems, and the first of the training problems if asked for."""
    n = request.measuring.train
    limit = n if request.train.limit is None else min(n, request.train.limit)
    return (request.test, replace(request.train, limit=limit)) if n else (request.test,)


def tempered_trial(request: CompareRequest, share: float, seed: int) -> Trial:
    """The base at a share of the temperature of every suite that has one and draws twice or more."""
    method = tempered_name(share)
    samplings = {suite: load_suite(suite).info.sampling for suite in request.suites}
    given = request.temperature
    whole = {suite: s.temperature if given is None else given for suite, s in samplings.items()}
    evaluations = tuple(
        replace(each, temperature=round(share * whole[each.suite], 9))
        for each in evaluations_of(request, method, request.model, seed)
        if whole[each.suite] > 0 and (request.samples or samplings[each.suite].n) > 1
    )
    return Trial(method, seed, None, trial_folder(request, method, seed), evaluations)


def trial_folder(request: CompareRequest, method: str, seed: int) -> Path:
    """Where the trial of a method at a seed lies."""
    return request.results / f"{re.sub(r'[^A-Za-z0-9.=-]+', '_', method)}-seed{seed}"


def evaluations_of(request: CompareRequest, method: str, model: str, seed: int) -> tuple[EvalRequest, ...]:
    """The evaluations of a trial, suite by suite."""
    return tuple(
        EvalRequest(
            model=model,
            suite=suite,
            name=method,
            selection=selection,
            samples=request.samples,
            temperature=request.temperature,
            max_tokens=request.max_tokens,
            seed=seed,
            backend=request.backend,
            options=request.options,
        )
        for selection in measured_problems(request)
        for suite in request.suites
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
        max_tokens=request.max_tokens,
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
        unknown = set(table_names(request)) - set(Board.read(folder).suites)
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


def table_names(request: CompareRequest) -> list[str]:
    """What tables call every suite and split that is measured, in their order."""
    splits = [selection.split for selection in measured_problems(request)]
    return [titled(name, split) for split in splits for name in suite_names(request)]


@dataclass(frozen=True)
class Trial:
    """One method at one seed: train (unless it is the base), then evaluate on every suite."""

    method: str
    seed: int
    job: TrainJob | None
    folder: Path
    evaluations: tuple[EvalRequest, ...]
    measuring: Measuring = Measuring()

    @property
    def label(self) -> str:
        """What messages call the trial."""
        return f"{self.method}, seed {self.seed}"
