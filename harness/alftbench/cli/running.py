"""Commands that run models: eval, train, compare."""

from __future__ import annotations

import os
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alftbench.cli.app import (
    Data,
    DataUnchecked,
    Device,
    DryRun,
    DType,
    Format,
    FormatOption,
    Limit,
    Model,
    Offline,
    Orbit,
    Output,
    Samples,
    Seed,
    Threads,
    app,
    echo_json,
    go_offline,
    use_threads,
)
from alftbench.errors import AlftbenchError, UsageError

if TYPE_CHECKING:
    from alftbench.backends.base import TraceBounds
    from alftbench.compare.compare import Outcome
    from alftbench.compare.plan import CompareRequest
    from alftbench.evaluation.plan import Plan
    from alftbench.launch.cluster import RayCluster

DEFAULT_TRAINERS = ["vanilla-grpo", "coherence-grpo", "diversity-game"]
DEFAULT_SUITES = ["sums", "splits"]
DEFAULT_BUDGET = 400_000


class Equilibrium(StrEnum):
    """How `compare` measures equilibrium quality."""

    SAMPLED = "sampled"
    ENUMERATED = "enumerated"


class Launcher(StrEnum):
    """Where an evaluation samples."""

    LOCAL = "local"
    RAY = "ray"


@app.command("eval")
def evaluate_command(
    model: Model = "tiny-sums",
    suite: Annotated[str, typer.Option("--suite", help="Suite to evaluate on.")] = "sums",
    samples: Samples = None,
    limit: Limit = None,
    seed: Seed = 0,
    data: Data = None,
    split: Annotated[str, typer.Option("--split", help="Split of the suite.")] = "test",
    orbit: Orbit = None,
    data_unchecked: DataUnchecked = False,
    offline: Offline = False,
    temperature: Annotated[float | None, typer.Option("--temperature", help="0 is greedy.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="Nucleus mass, 1 for all tokens.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", help="Tokens per completion at most.")] = None,
    backend: Annotated[str, typer.Option("--backend", help="Engine that samples.")] = "hf",
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1, help="Completions per batch.")] = None,
    backend_args: Annotated[
        str | None, typer.Option("--backend-args", help="Settings of the engine, as key=value,key=value.")
    ] = None,
    logprobs: Annotated[bool, typer.Option("--logprobs", help="Record each sample's log-probability.")] = False,
    device: Device = "auto",
    dtype: DType = "auto",
    threads: Threads = 1,
    launcher: Annotated[
        Launcher, typer.Option("--launcher", help="Where it samples: in this process, or on a Ray cluster.")
    ] = Launcher.LOCAL,
    ray_address: Annotated[
        str | None, typer.Option("--ray-address", help="Ray cluster, as host:port or auto; else one made here.")
    ] = None,
    actors: Annotated[
        int | None, typer.Option("--actors", min=1, help="Ray actors; as many as have room if not given.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What tables call the model.")] = None,
    output_dir: Output = None,
    dry_run: DryRun = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Sample a suite's problems and measure accuracy, diversity and coherence of the answers."""
    use_threads(threads)
    go_offline(offline)
    from alftbench.backends.base import BackendOptions
    from alftbench.base.plugins import parse_settings
    from alftbench.evaluation.evaluate import evaluate
    from alftbench.evaluation.plan import EvalRequest, plan

    cluster = ray_cluster(launcher, ray_address, actors, threads)
    settings = parse_settings("--backend-args", backend_args or "")
    options = BackendOptions(device, dtype, batch_size, logprobs, settings)
    made = plan(
        EvalRequest(
            model, suite, name, data, split, limit, orbit, data_unchecked, samples, temperature, top_p, max_tokens,
            seed, backend, options, cluster,
        )
    )  # fmt: skip
    folder = output_dir or default_folder(made)
    say_orbit(made)
    if dry_run:
        echo_json({"folder": str(folder), "n_samples": made.n_samples, **made.config})
        return
    from alftbench.cli.progress import evaluation_bar

    with evaluation_bar(f"{made.name} on {suite}") as show:
        evaluate(made, folder, show)
    print_evaluation(folder, output_format)


def ray_cluster(launcher: Launcher, address: str | None, actors: int | None, threads: int) -> RayCluster | None:
    """The Ray cluster that options ask for, None for this process.

    Raises:
        UsageError: options of the other launcher.
    """
    from alftbench.launch.cluster import RayCluster

    if launcher is Launcher.RAY:
        return RayCluster(address, actors, threads)
    if address is not None or actors is not None:
        raise UsageError("--ray-address and --actors need --launcher ray")
    return None


def say_orbit(made: Plan) -> None:
    """How many phrasings each transformation added, where there are any to add."""
    from alftbench.suites.orbits import count

    spec = made.request.selection.orbit
    for added in count(made.orbits, spec) if spec else ():
        rest = f"; it declined {added.declined} of the suite's phrasings" if added.declined else ""
        typer.echo(f"{added.name}: {added.made} of {added.wanted} phrasings{rest}", err=True)


def default_folder(made: Plan) -> Path:
    """runs/<model>-<suite>-<id>: the same command finds its own folder again."""
    from alftbench.base.jsonio import digest

    name = re.sub(r"[^\w.=-]+", "_", f"{made.name}-{made.suite.info.name}").strip(".")
    return Path("runs") / f"{name}-{digest(made.config)[:12]}"


def print_evaluation(folder: Path, output_format: Format) -> None:
    """The metrics of a finished run."""
    from dataclasses import asdict

    from alftbench.cli.console import show
    from alftbench.evaluation.run_folder import read_record
    from alftbench.metrics.phrasings import read_phrasings
    from alftbench.metrics.summary import read_metrics
    from alftbench.publish.tables import evaluation_phrasings, metric_table, truncation_hint

    record, metrics = read_record(folder), read_metrics(folder / "metrics.json")
    phrasings = read_phrasings(folder / "metrics.json")
    if output_format is Format.JSON:
        apart = {name: {m.name: asdict(m) for m in rows} for name, rows in phrasings.items()}
        shown = {m.name: asdict(m) for m in metrics}
        echo_json({"folder": str(folder), "run": asdict(record), "metrics": shown, "phrasings": apart})
        return
    title = f"{record.name} on {record.config['suite']}: {record.n_samples} samples in {record.seconds:.0f} s"
    show(metric_table(title, metrics), *([evaluation_phrasings(phrasings)] if phrasings else []))
    if hint := truncation_hint(metrics):
        typer.echo(hint, err=True)
    typer.echo(f"run: {folder}")


@app.command("train")
def train_command(
    trainer: Annotated[str, typer.Argument(help="Trainer, with options as name:key=value,key=value.")],
    model: Model = "tiny-sums",
    suite: Annotated[list[str] | None, typer.Option("--suite", help="Suite to train on; repeatable.")] = None,
    budget_tokens: Annotated[int | None, typer.Option("--budget-tokens", help="Generated tokens at most.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Optimiser steps at most.")] = None,
    seed: Seed = 0,
    data: Data = None,
    limit: Limit = None,
    orbit: Orbit = None,
    data_unchecked: DataUnchecked = False,
    offline: Offline = False,
    device: Device = "auto",
    dtype: DType = "auto",
    threads: Threads = 1,
    output_dir: Output = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Train a model with one method; run again, it goes on where it stopped."""
    use_threads(threads)
    go_offline(offline)
    from dataclasses import asdict

    from alftbench.base.jsonio import digest
    from alftbench.cli.progress import training_bar
    from alftbench.training.train import TrainJob, checkpoint_path, plan_training, run_training
    from alftbench.training.trainer import parse_spec
    from alftbench.types import Budget

    suites = tuple(suite or DEFAULT_SUITES)
    spec = parse_spec(trainer)
    budget = Budget(budget_tokens, steps)
    job = TrainJob(spec, model, suites, budget, seed, data, limit, orbit, data_unchecked, device, dtype)
    made = plan_training(job)
    folder = output_dir or Path("runs") / f"{spec.name}-seed{seed}-{digest(made.config)[:12]}"
    with training_bar(f"{spec.name} seed {seed}") as show:
        record = run_training(made, folder, show)
    if output_format is Format.JSON:
        echo_json({"folder": str(folder), "checkpoint": str(checkpoint_path(folder)), "train": asdict(record)})
        return
    cost = record.cost
    typer.echo(f"{record.steps} steps, {cost['generated_tokens']} generated tokens, {cost['seconds']:.1f} s")
    typer.echo(f"checkpoint: {checkpoint_path(folder)}")


@app.command("compare")
def compare_command(
    trainers: Annotated[list[str] | None, typer.Argument(help="Trainers, as name:key=value,...")] = None,
    model: Model = "tiny-sums",
    suite: Annotated[
        list[str] | None, typer.Option("--suite", help="Suite to train and evaluate on; repeatable.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", help="Training seeds per trainer.")] = 3,
    budget_tokens: Annotated[
        int, typer.Option("--budget-tokens", help="Generated tokens per training run.")
    ] = DEFAULT_BUDGET,
    samples: Samples = None,
    data: Data = None,
    train_data: Annotated[
        str | None, typer.Option("--train-data", help="JSONL file with the training problems.")
    ] = None,
    limit: Limit = None,
    orbit: Orbit = None,
    data_unchecked: DataUnchecked = False,
    offline: Offline = False,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Trials at a time; one per core if not given.")
    ] = None,
    device: Device = "auto",
    dtype: DType = "auto",
    equilibrium: Annotated[
        Equilibrium,
        typer.Option(
            "--equilibrium", help="Equilibrium quality: estimated from samples, or of listed completions."
        ),
    ] = Equilibrium.SAMPLED,
    mass: Annotated[
        float | None, typer.Option("--mass", help="enumerated: mass that may stay unlisted, 0.01 if not given.")
    ] = None,
    prefixes: Annotated[
        int | None,
        typer.Option("--prefixes", help="enumerated: prefixes to extend per prompt at most, 50000 if not given."),
    ] = None,
    board: Annotated[str, typer.Option("--board", help="Leaderboard to write.")] = "tiny",
    output_dir: Annotated[Path, typer.Option("--output-dir", help="Gets results/ and leaderboards/.")] = Path(
        "runs/compare"
    ),
    dry_run: DryRun = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Train every method at the same budget and seeds, evaluate all, and publish the comparison."""
    go_offline(offline)
    from alftbench.backends.base import BackendOptions
    from alftbench.cli.progress import comparison_bars
    from alftbench.compare.compare import compare
    from alftbench.compare.plan import CompareRequest, trials
    from alftbench.training.trainer import parse_spec
    from alftbench.types import Budget

    request = CompareRequest(
        trainers=tuple(map(parse_spec, trainers or DEFAULT_TRAINERS)),
        model=model,
        suites=tuple(suite or DEFAULT_SUITES),
        seeds=seeds,
        budget=Budget(budget_tokens),
        output=output_dir,
        board=board,
        data=data,
        train_data=train_data,
        limit=limit,
        orbit=orbit,
        data_unchecked=data_unchecked,
        samples=samples,
        workers=workers if workers is not None else os.cpu_count() or 1,
        options=BackendOptions(device, dtype),
        enumerate=trace_bounds(equilibrium, mass, prefixes),
    )
    made = trials(request)
    if dry_run:
        echo_json([{"method": t.method, "seed": t.seed, "folder": str(t.folder)} for t in made])
        return
    with comparison_bars(len(made)) as watch:
        outcome = compare(request, made, watch)
    print_comparison(request, outcome, output_format)


def trace_bounds(equilibrium: Equilibrium, mass: float | None, prefixes: int | None) -> TraceBounds | None:
    """How far completions are to be listed, None for estimates from samples.

    Raises:
        UsageError: bounds without anything to bound.
    """
    from alftbench.backends.base import TraceBounds

    given = {"mass": mass, "prefixes": prefixes}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if equilibrium is Equilibrium.ENUMERATED:
        return TraceBounds(**chosen)
    if chosen:
        raise UsageError(f"--{next(iter(chosen))} needs --equilibrium enumerated")
    return None


def print_comparison(request: CompareRequest, outcome: Outcome, output_format: Format) -> None:
    """The tables of a comparison; a failed trial makes the exit code 1."""
    from alftbench.cli.console import show
    from alftbench.publish.tables import comparison_tables

    if output_format is Format.JSON:
        echo_json(outcome.table.to_json())
    else:
        show(*comparison_tables(outcome.table))
        typer.echo(f"runs: {request.results}")
        typer.echo(f"leaderboard: {outcome.board}/README.md and index.html")
    if outcome.failed:
        if "--debug" in sys.argv:
            typer.echo("\n".join(n for e in outcome.failed.values() for n in e.__notes__), err=True)
        errors = "; ".join(f"{name}: {error}" for name, error in outcome.failed.items())
        raise AlftbenchError(f"{len(outcome.failed)} trials failed and are not in the table: {errors}")
