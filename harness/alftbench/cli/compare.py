"""The command that trains every method at one budget, evaluates all and publishes: compare."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alftbench.cli.app import app, echo_json, go_offline, say, say_all
from alftbench.cli.options import (
    DEFAULT_SUITES,
    Data,
    DataUnchecked,
    Device,
    DryRun,
    DType,
    Format,
    FormatOption,
    Model,
    Offline,
    Orbit,
    Samples,
    TestLimit,
    TrainLimit,
    TrustRemoteCode,
    select,
)
from alftbench.errors import AlftbenchError, UsageError

if TYPE_CHECKING:
    from alftbench.backends.base import TraceBounds
    from alftbench.compare.compare import CompareOutcome
    from alftbench.compare.plan import CompareRequest

DEFAULT_TRAINERS = ["vanilla-grpo", "coherence-grpo", "diversity-game"]
DEFAULT_BUDGET = 400_000


class Equilibrium(StrEnum):
    """How `compare` measures equilibrium quality."""

    SAMPLED = "sampled"
    ENUMERATED = "enumerated"


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
    limit: TestLimit = None,
    train_limit: TrainLimit = None,
    orbit: Orbit = None,
    data_unchecked: DataUnchecked = False,
    offline: Offline = False,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Trials at a time; one per core if not given.")
    ] = None,
    device: Device = "auto",
    dtype: DType = "auto",
    trust_remote_code: TrustRemoteCode = False,
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
    from alftbench.cli.progress import job_bars
    from alftbench.compare.compare import compare
    from alftbench.compare.plan import CompareRequest, trials
    from alftbench.training.trainer import parse_spec
    from alftbench.types import Budget

    alike: dict[str, Any] = {"orbit": orbit, "data_unchecked": data_unchecked}
    request = CompareRequest(
        trainers=tuple(map(parse_spec, trainers or DEFAULT_TRAINERS)),
        model=model,
        suites=tuple(suite or DEFAULT_SUITES),
        seeds=seeds,
        budget=Budget(budget_tokens),
        output=output_dir,
        board=board,
        test=select(data=data, limit=limit, **alike),
        train=select(split="train", data=train_data, limit=train_limit, **alike),
        samples=samples,
        workers=workers if workers is not None else os.cpu_count() or 1,
        options=BackendOptions(device, dtype, trust_remote_code=trust_remote_code),
        enumerate=trace_bounds(equilibrium, mass, prefixes),
    )
    planned = trials(request)
    if dry_run:
        echo_json([{"method": t.method, "seed": t.seed, "folder": str(t.folder)} for t in planned])
        return
    with job_bars() as watch:
        outcome = compare(request, planned, watch)
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


def print_comparison(request: CompareRequest, outcome: CompareOutcome, output_format: Format) -> None:
    """The tables of a comparison; a failed trial makes the exit code 1."""
    from alftbench.cli.console import show
    from alftbench.publish.tables import comparison_tables

    if output_format is Format.JSON:
        echo_json(outcome.table.to_json())
    else:
        show(*comparison_tables(outcome.table))
        say(f"runs: {request.results}")
        say(f"leaderboard: {outcome.board}/README.md and index.html")
    if outcome.failed:
        if "--debug" in sys.argv:
            say_all("\n".join(n for e in outcome.failed.values() for n in e.__notes__), err=True)
        errors = "; ".join(f"{name}: {error}" for name, error in outcome.failed.items())
        raise AlftbenchError(f"{len(outcome.failed)} trials failed and are not in the table: {errors}")
