"""One training run in a folder: checked before, logged during, verified after, continued after a kill.

train.json     TrainRecord; status is "running" until the checkpoint is verified
updates.jsonl  one line per optimiser step
checkpoint/    the trained model
    state/         the trainer's own while it runs; removed when the checkpoint is verified
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from alftbench.answers.confirm import drawn_secret
from alftbench.backends.hf.folder import check_model, stated_trust
from alftbench.backends.model_files import fingerprint, locate
from alftbench.base import entry_points
from alftbench.base.jsonio import (
    differences,
    digest,
    reporting,
)
from alftbench.base.locks import sole_writer
from alftbench.base.provenance import provenance
from alftbench.base.records import load_record, save_record
from alftbench.base.validate import Count, examine, read
from alftbench.errors import AlftbenchError, BadInput, PluginError, RunConflict, UsageError
from alftbench.suites.load import TRAIN, Reader, Selection, read_problems
from alftbench.training.checks import beyond, check_budget, check_not_tested
from alftbench.training.trainer import (
    ChecksPlan,
    Trainer,
    TrainerSpec,
    TrainRequest,
    TrainResult,
    TrainSuite,
    Update,
)
from alftbench.training.updates import UPDATES, UpdateLog, clipped_and_silent, logged
from alftbench.training.warnings import Watch, given
from alftbench.types import Budget, Cost, Listener, Progress, nobody

STATE = "state"
SCHEMA_VERSION = 2
UNDIGESTED = (1,)  # versions whose records carry no digest of themselves


@dataclass(frozen=True)
class TrainJob:
    """What to train, on what, for how long. max_tokens: of a rollout; None for the suite's own."""

    trainer: TrainerSpec
    model: str
    suites: tuple[str, ...]
    budget: Budget
    selection: Selection = TRAIN
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"
    trust_remote_code: bool = False
    max_tokens: int | None = None


@dataclass(frozen=True)
class TrainRecord:
    """The content of train.json; config identifies the run.

    clipped_steps: steps whose gradient was shortened to a limit. silent_steps: those in which no two rollouts of a
    group differed in reward, so there was nothing to learn from. warnings: the step of every warning, by its name
    in `alftbench.training.warnings`. None of a run from before they were counted.
    secret: says where its verdicts are confirmed. record_sha256: of all else in it.
    """

    schema_version: int
    id: str
    status: Literal["running", "complete"]
    method: str
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]
    cost: Mapping[str, Any]
    checkpoint_sha256: str | None = None
    steps: Count = 0
    clipped_steps: int | None = None
    silent_steps: int | None = None
    warnings: Mapping[str, Count] | None = None
    secret: str | None = None
    record_sha256: str | None = None


@dataclass(frozen=True)
class TrainPlan:
    """A job with every choice made and checked."""

    job: TrainJob
    model: str
    trainer: Trainer
    suites: tuple[TrainSuite, ...]
    config: Mapping[str, Any]


def plan_training(job: TrainJob, read: Reader = read_problems) -> TrainPlan:
    """Check a job; imports the trainer and reads the suites with `read`, writes nothing.

    Raises:
        UsageError: the budget is missing or not positive, an option is wrong, a suite has one phrasing per problem
            and the trainer compares phrasings, the problems are those of a test, or the trainer itself refuses.
        ModelRefused: the model needs code that came with it, or its files are not those of a model.
    """
    check_budget(job.budget)
    if job.seed < 0:
        raise UsageError(f"--seed {job.seed}: must not be negative")
    model = locate(job.model)
    check_model(model, job.trust_remote_code)
    trainer = make_trainer(job.trainer)
    problems = [read(name, job.selection) for name in job.suites]
    for each in problems:
        check_not_tested(each.suite, each.orbits, job.selection)
    suites = tuple(TrainSuite(each.suite, tuple(each.orbits), job.max_tokens) for each in problems)
    for suite in suites:
        if trainer.needs_orbits and all(len(orbit.variants) < 2 for orbit in suite.orbits):
            raise UsageError(
                f"{job.trainer.name} compares the phrasings of a problem and suite {suite.name} has only one; "
                f"use one with several, such as sums or splits, or add some with --orbit"
            )
    if isinstance(trainer, ChecksPlan):
        trainer.check(suites, job.budget, job.seed)
    config = {
        "trainer": job.trainer.name,
        "options": options_of(job.trainer.name, trainer),
        "code": entry_points.code_of(entry_points.find("trainer", job.trainer.name)),
        "model_sha256": fingerprint(model) if Path(model).is_dir() else model,
        "suites": {suite.name: digest([asdict(orbit) for orbit in suite.orbits]) for suite in suites},
        "budget": asdict(job.budget),
        "seed": job.seed,
        "dtype": job.dtype,
        **({} if job.max_tokens is None else {"max_tokens": job.max_tokens}),
        **job.selection.stated,
        **stated_trust(model, job.trust_remote_code),
    }
    return TrainPlan(job, model, trainer, suites, config)


def options_of(name: str, trainer: Trainer) -> dict[str, Any]:
    """A trainer's options as it tells them."""
    try:
        return dict(trainer.config())
    except Exception as error:
        raise PluginError(f"trainer {name!r}: config() failed: {type(error).__name__}: {error}") from error


def make_trainer(spec: TrainerSpec) -> Trainer:
    """Load a trainer plugin and give it its options."""
    factory = entry_points.load("trainer", spec.name)
    try:
        trainer: Trainer = factory(dict(spec.options))
    except AlftbenchError as error:
        raise UsageError(f"trainer {spec.name}: {error}") from error
    except Exception as error:
        raise PluginError(f"trainer {spec.name!r} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(trainer, Trainer):
        raise PluginError(f"trainer {spec.name!r} lacks one of: needs_orbits, config(), train()")
    return trainer


def run_training(plan: TrainPlan, folder: Path, listen: Listener = nobody) -> TrainRecord:
    """Train, or continue, in a folder; a complete run is only read and its checkpoint checked.

    Raises:
        RunConflict: the folder holds another run.
        PluginError: the trainer raised, or what it returned is not what it promised.
    """
    with sole_writer(folder), removed_if_nothing_was_done(folder):
        record = open_record(plan, folder)
        if record.status == "complete":
            verified(record, folder)
        else:
            record = trained(plan, folder, record, listen)
        shutil.rmtree(folder / STATE, ignore_errors=True)  # here too where a kill came between record and this
        return record


def trained(plan: TrainPlan, folder: Path, record: TrainRecord, listen: Listener) -> TrainRecord:
    """The record of a run once its trainer is through."""
    result = call_trainer(plan, train_request(plan, folder, listen, record.secret))
    clipped, silent = clipped_and_silent(folder / UPDATES)
    updates = logged(folder / UPDATES)
    return save(
        folder,
        replace(
            record,
            status="complete",
            cost=asdict(result.cost),
            checkpoint_sha256=result.checkpoint.sha256,
            steps=result.checkpoint.step,
            clipped_steps=clipped,
            silent_steps=silent,
            warnings=given(updates),
        ),
    )


def save(folder: Path, record: TrainRecord) -> TrainRecord:
    """Write train.json; the record as it is there."""
    record = replace(record, schema_version=SCHEMA_VERSION)
    return replace(record, record_sha256=save_record(folder / "train.json", asdict(record)))


@contextmanager
def removed_if_nothing_was_done(folder: Path) -> Iterator[None]:
    """Take a new folder away again if an error comes before the first step: nothing half-written stays."""
    is_new = not (folder / "train.json").exists()
    try:
        yield
    except Exception:
        if is_new and (folder / "train.json").exists() and not done_so_far(folder):
            for path in (folder / STATE, checkpoint_path(folder)):
                shutil.rmtree(path, ignore_errors=True)
            (folder / "train.json").unlink()
        raise


def done_so_far(folder: Path) -> bool:
    """Has a step been logged, or a state saved?"""
    state = folder / STATE
    return (folder / UPDATES).exists() or (state.is_dir() and any(state.iterdir()))


def train_request(plan: TrainPlan, folder: Path, listen: Listener, secret: str | None) -> TrainRequest:
    """What the trainer is asked; its steps are logged and shown."""
    log, watch = UpdateLog(folder / UPDATES), Watch()
    said = log.last  # up to here an attempt that was stopped has warned already

    def on_update(update: Update) -> None:
        log.append(update)
        due = watch.hear(update)
        figures = {"reward": update.reward, "accuracy": update.accuracy, "KL": update.kl}
        means = {name: value for name, value in figures.items() if value is not None}
        doing, share = f"training, step {update.step}", share_used(plan.job.budget, update)
        listen(Progress(doing, share, 1.0, means, tuple(due) if update.step > said else ()))

    with reporting(folder / STATE):
        (folder / STATE).mkdir(exist_ok=True)
    return TrainRequest(
        model=plan.model,
        suites=plan.suites,
        budget=plan.job.budget,
        seed=plan.job.seed,
        folder=folder / STATE,
        checkpoint=checkpoint_path(folder),
        on_update=on_update,
        device=plan.job.device,
        dtype=plan.job.dtype,
        secret=secret,
        trust_remote_code=plan.job.trust_remote_code,
    )


def open_record(plan: TrainPlan, folder: Path) -> TrainRecord:
    """The record of a folder, new if there is none."""
    run_id = digest(plan.config)[:12]
    if (folder / "train.json").exists():
        record = read_train_record(folder)
        if record.id != run_id:
            raise RunConflict(
                f"{folder} holds another training run ({told_apart(record.config, plan.config)}); "
                f"choose another --output-dir or remove the folder"
            )
        return record
    for left in ("checkpoint", STATE):
        if (folder / left).exists():
            raise RunConflict(f"{folder} holds a {left} without a train.json; remove the folder to train anew")
    start = TrainRecord(
        SCHEMA_VERSION,
        run_id,
        "running",
        str(plan.job.trainer),
        plan.config,
        origin(plan.job),
        asdict(Cost()),
        secret=drawn_secret(),
    )
    return save(folder, start)


def told_apart(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """In what two runs differ, in words; digests of code say nothing to a reader."""
    before, now = old.get("code"), new["code"]
    differs = differences({**old, "code": None}, {**new, "code": None})
    if before == now:
        return differs
    versions = f"{now['distribution']} {before['version'] if before else 'of unknown version'} there, "
    changed = f"the trainer's code changed since: {versions}{now['version']} now"
    return f"{changed}; {differs}" if differs else changed


def origin(job: TrainJob) -> dict[str, Any]:
    """What provenance says of a training run: the model by name, and what it is computed on."""
    from alftbench.backends.hf.loading import engine_in_words, pick_device, pick_dtype

    device = pick_device(job.device)
    trust = {"trust_remote_code": True} if job.trust_remote_code else {}
    engine = engine_in_words(device, pick_dtype(job.dtype, device))
    return {**provenance(), "model": job.model, "engine": engine, **trust}


def read_train_record(folder: Path) -> TrainRecord:
    """The record in a training folder.

    Raises:
        BadInput: it is missing, malformed, or was changed: another id than its config's, a cost beyond its budget.
    """
    path = folder / "train.json"
    record = load_record(path, TrainRecord, SCHEMA_VERSION, UNDIGESTED)
    if record.id != digest(record.config)[:12]:
        raise BadInput(f"{path}: the id is not that of its config; the record was changed, so undo the change")
    cost = read(Cost, record.cost, f"{path}: cost")
    budget = read(Budget, record.config.get("budget"), f"{path}: config.budget")
    if fault := beyond(cost, record.steps, budget):
        raise BadInput(f"{path}: {fault}; the record was changed, so undo the change")
    if record.status == "complete" and record.checkpoint_sha256 is None:
        raise BadInput(f"{path}: complete without checkpoint_sha256; the record was changed, so undo the change")
    return record


def checkpoint_path(folder: Path) -> Path:
    """Where a training folder's final model lies."""
    return folder / "checkpoint"


def verified(record: TrainRecord, folder: Path) -> TrainRecord:
    """The record, once its checkpoint is seen to be the one that was hashed."""
    path = checkpoint_path(folder)
    if not path.is_dir():
        raise BadInput(f"{path}: the checkpoint is gone; remove {folder} to train again")
    if fingerprint(path) != record.checkpoint_sha256:
        raise BadInput(f"{path}: digest differs from train.json; remove {folder} to train again")
    return record


def call_trainer(plan: TrainPlan, request: TrainRequest) -> TrainResult:
    """Run the trainer and check what it hands back."""
    name = plan.job.trainer.name
    try:
        result = plan.trainer.train(request)
    except AlftbenchError:
        raise
    except Exception as error:
        raise PluginError(f"trainer {name!r} failed: {type(error).__name__}: {error}") from error
    if not isinstance(result, TrainResult):
        raise PluginError(f"trainer {name!r} returned {type(result).__name__}, not a TrainResult")
    _, lines = examine(Cost, asdict(result.cost))
    if fault := "; ".join(lines) or beyond(result.cost, result.checkpoint.step, request.budget):
        raise PluginError(f"trainer {name!r} reports a cost that cannot be: {fault}")
    checkpoint = request.checkpoint
    if not checkpoint.is_dir() or fingerprint(checkpoint) != result.checkpoint.sha256:
        raise PluginError(f"trainer {name!r} did not leave the checkpoint it reports in {checkpoint}")
    return result


def share_used(budget: Budget, update: Update) -> float:
    """Share of the budget that is used up."""
    tokens = update.generated_tokens / budget.tokens if budget.tokens else 0.0
    return min(1.0, max(tokens, update.step / budget.steps if budget.steps else 0.0))
