"""The command that trains every method at one budget, evaluates all and publishes: compare."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alftbench.cli.app import app, complain, echo_json, go_offline, say, say_all
from alftbench.cli.config import Config, with_options
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
    from alftbench.compare.compare import CompareOutcome
    from alftbench.compare.finished import FinishedRequest
    from alftbench.compare.plan import CompareRequest, Trial
    from alftbench.suites.load import Selection

DEFAULT_TRAINERS = ["vanilla-grpo", "coherence-grpo", "diversity-game"]
DEFAULT_BUDGET = 400_000
EVALUATING = ("suite", "samples", "data", "limit", "orbit", "batch_size")  # of what is evaluated, and how
DEFAULT_TEMPERED = "0.7,0.45,0.2"
TRAINING = (
    "model",
    "seeds",
    "budget_tokens",
    "train_data",
    "train_limit",
    "temperature",
    "max_tokens",
    "backend",
    "workers",
    "equilibrium",
    "equilibrium_problems",
    "mass",
    "prefixes",
    "measure_train",
    "board",
)  # fmt: skip  options that finished runs have no use for


class Equilibrium(StrEnum):
    """How `compare` measures equilibrium quality."""

    AUTO = "auto"
    SAMPLED = "sampled"
    ENUMERATED = "enumerated"


@app.command("compare")
def compare_command(
    context: typer.Context,
    methods: Annotated[
        list[str] | None,
        typer.Argument(
            help="Trainers, as name:key=value,..., or folders of finished runs, results or models; those of the "
            "board if not given and it is there."
        ),
    ] = None,
    model: Model = "tiny-sums",
    suite: Annotated[
        list[str] | None, typer.Option("--suite", help="Suite to train and evaluate on; repeatable.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", help="Training seeds per trainer.")] = 3,
    budget_tokens: Annotated[
        int, typer.Option("--budget-tokens", help="Generated tokens per training run.")
    ] = DEFAULT_BUDGET,
    samples: Samples = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            "--temperature", help="Of evaluation, 0 is greedy; rollouts have the option temperature of a method."
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", min=1, help="Tokens per completion at most, in training and evaluation."),
    ] = None,
    backend: Annotated[str, typer.Option("--backend", help="Engine that samples in evaluation.")] = "hf",
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="Completions per batch in evaluation.")
    ] = None,
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
        int | None,
        typer.Option("--workers", help="Trials at a time; one per GPU if not given, or per core."),
    ] = None,
    device: Device = "auto",
    dtype: DType = "auto",
    trust_remote_code: TrustRemoteCode = False,
    equilibrium: Annotated[
        Equilibrium,
        typer.Option(
            "--equilibrium",
            help="Equilibrium quality from samples or listed completions; auto lists where the suite and an "
            "embedded model allow it.",
        ),
    ] = Equilibrium.AUTO,
    equilibrium_problems: Annotated[
        int | None,
        typer.Option(
            "--equilibrium-problems", help="Problems to list, the first; the suite's number if not given."
        ),
    ] = None,
    mass: Annotated[
        float | None, typer.Option("--mass", help="Mass that may stay unlisted, the suite's if not given.")
    ] = None,
    prefixes: Annotated[
        int | None,
        typer.Option("--prefixes", help="Prefixes to extend per prompt at most, 50000 if not given."),
    ] = None,
    tempered: Annotated[
        str,
        typer.Option(
            "--tempered",
            metavar="SHARES|none",
            help="Also sample the base at these shares of the temperature, to tell coherence from sharpness.",
        ),
    ] = DEFAULT_TEMPERED,
    measure_train: Annotated[
        int,
        typer.Option("--measure-train", help="Also measure so many training problems, in tables of their own."),
    ] = 0,
    board: Annotated[str, typer.Option("--board", help="Leaderboard to write.")] = "tiny",
    config: Config = None,
    output_dir: Annotated[Path, typer.Option("--output-dir", help="Gets results/ and leaderboards/.")] = Path(
        "runs/compare"
    ),
    allow_different: Annotated[
        bool, typer.Option("--allow-different", help="Finished runs: compare them although they are unlike.")
    ] = False,
    dry_run: DryRun = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Train every method at the same budget and seeds, evaluate all, and publish; or compare what is finished."""
    go_offline(offline)
    from alftbench.backends.base import BackendOptions
    from alftbench.cli.progress import job_bars
    from alftbench.compare.compare import compare
    from alftbench.compare.finished import FinishedRequest, finished_folders
    from alftbench.compare.plan import CompareRequest, Measuring, trials
    from alftbench.training.trainer import parse_spec
    from alftbench.types import Budget

    alike: dict[str, Any] = {"orbit": orbit, "data_unchecked": data_unchecked}
    test = select(data=data, limit=limit, **alike)
    options = BackendOptions(device, dtype, batch_size, trust_remote_code=trust_remote_code)
    if folders := finished_folders(methods or ()):
        refuse_options_of_training(context)
        finished = FinishedRequest(
            folders, tuple(suite or DEFAULT_SUITES), output_dir, test, samples, options, allow_different
        )
        compare_folders(finished, given_options(context, EVALUATING), dry_run, output_format)
        return
    if allow_different:
        raise UsageError("--allow-different needs folders of finished runs")
    named = methods or methods_of(output_dir / "leaderboards" / board)
    request = CompareRequest(
        trainers=tuple(with_options(parse_spec(method), context) for method in named),
        model=model,
        suites=tuple(suite or DEFAULT_SUITES),
        seeds=seeds,
        budget=Budget(budget_tokens),
        output=output_dir,
        board=board,
        test=test,
        train=select(split="train", data=train_data, limit=train_limit, **alike),
        samples=samples,
        workers=1 if workers is None else workers,
        options=options,
        temperature=temperature,
        max_tokens=max_tokens,
        backend=backend,
        measuring=Measuring(equilibrium.value, equilibrium_problems, mass, prefixes, measure_train),
        tempered=temperatures(tempered),
    )
    planned = trials(request)
    if dry_run:
        echo_json([planned_as_json(trial) for trial in planned])
        return
    with job_bars() as watch:
        outcome = compare(spread(request, workers), planned, watch)
    print_comparison(request, outcome, output_format)


def spread(request: CompareRequest, workers: int | None) -> CompareRequest:
    """The request with the devices that it may use, and a worker for each if their number was not given."""
    from alftbench.backends.hf.devices import at_once, cuda_ids  # torch, once all else is checked

    device = request.options.device
    return replace(request, workers=at_once(device) if workers is None else workers, devices=cuda_ids(device))


def methods_of(board: Path) -> Sequence[str]:
    """The methods that a board names, the usual ones where there is none yet."""
    from alftbench.publish.board import Board

    return Board.read(board).methods if (board / "board.toml").exists() else DEFAULT_TRAINERS


def planned_as_json(trial: Trial) -> dict[str, Any]:
    """What a dry run says of a trial: how many problems it trains on, and is measured on, too."""
    from alftbench.suites.load import read_problems

    def counts(selections: Sequence[tuple[str, Selection]]) -> dict[str, int]:
        return {f"{name}, {chosen.split}": len(read_problems(name, chosen).orbits) for name, chosen in selections}

    trained = [(name, trial.job.selection) for name in trial.job.suites] if trial.job else []
    measured = [(each.suite, each.selection) for each in trial.evaluations]
    return {
        "method": trial.method,
        "seed": trial.seed,
        "folder": str(trial.folder),
        "trains_on": counts(trained),
        "measured_on": counts(measured),
    }


def problems_in_words(request: CompareRequest, chosen: Selection) -> str:
    """How many problems of every suite a selection has."""
    from alftbench.suites.load import read_problems

    return ", ".join(f"{len(read_problems(name, chosen).orbits)} problems of {name}" for name in request.suites)


def refuse_options_of_training(context: typer.Context) -> None:
    """Finished work is not trained, measured or published again.

    Raises:
        UsageError: an option asks for it.
    """
    if given := given_options(context, TRAINING):
        raise UsageError(f"--{given[0]} has no meaning for finished runs; leave it out")


def given_options(context: typer.Context, names: Sequence[str]) -> list[str]:
    """Those of some parameters that were given, as they are spelled."""
    sources = {name: context.get_parameter_source(name) for name in names}
    given = [name for name, source in sources.items() if source and source.name != "DEFAULT"]
    return [name.replace("_", "-") for name in given]


def compare_folders(request: FinishedRequest, chosen: Sequence[str], dry_run: bool, output_format: Format) -> None:
    """Compare what is finished and show it; what differs and was allowed is said.

    Raises:
        UsageError: options choose what to evaluate, and nothing is.
    """
    from alftbench.cli.console import show
    from alftbench.cli.progress import progress_bar
    from alftbench.compare.finished import compare_finished, sources
    from alftbench.publish.tables import comparison_tables

    given = sources(request)
    if chosen and not any(source.evaluations for source in given):
        raise UsageError(
            f"--{chosen[0]} has no meaning for finished runs, which are compared as they are; leave it out"
        )
    if dry_run:
        runs = [(s.folder, run, False) for s in given for run in s.runs]
        runs += [(s.folder, run, True) for s in given for _, run in s.evaluations]
        echo_json([{"given": str(folder), "run": str(run), "evaluate": new} for folder, run, new in runs])
        return
    with progress_bar("compare") as watch:
        outcome = compare_finished(request, given, watch)
    for line in outcome.different:
        complain(f"warning: {line}")
    if output_format is Format.JSON:
        echo_json({**outcome.table.to_json(), "different": list(outcome.different)})
    else:
        show(*comparison_tables(outcome.table))


def temperatures(shares: str) -> tuple[float, ...]:
    """The shares of the sampling temperature that `--tempered` names; none for `none`.

    Raises:
        UsageError: one is no number.
    """
    if shares == "none":
        return ()
    try:
        return tuple(float(share) for share in shares.split(","))
    except ValueError:
        raise UsageError(f"--tempered {shares!r}: give numbers such as {DEFAULT_TEMPERED}, or none") from None


def print_comparison(request: CompareRequest, outcome: CompareOutcome, output_format: Format) -> None:
    """The tables of a comparison; a failed trial makes the exit code 1."""
    from alftbench.cli.console import show
    from alftbench.publish.tables import comparison_tables

    if output_format is Format.JSON:
        echo_json(outcome.table.to_json())
    else:
        show(*comparison_tables(outcome.table))
        say(f"trained on: {problems_in_words(request, request.train)}")
        say(f"tested on: {problems_in_words(request, request.test)}")
        say(f"runs: {request.results}")
        say(f"leaderboard: {outcome.board}/README.md and index.html")
    if outcome.failed:
        if "--debug" in sys.argv:
            say_all("\n".join(n for e in outcome.failed.values() for n in e.__notes__), err=True)
        errors = "; ".join(f"{name}: {error}" for name, error in outcome.failed.items())
        raise AlftbenchError(f"{len(outcome.failed)} trials failed and are not in the table: {errors}")
