"""The command that samples a suite's problems and measures the answers: eval."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alftbench.cli.app import app, echo_json, go_offline, say, use_threads
from alftbench.cli.options import (
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
    Split,
    Threads,
    TrustRemoteCode,
    select,
)
from alftbench.errors import UsageError

if TYPE_CHECKING:
    from alftbench.evaluation.plan import Plan
    from alftbench.launch.cluster import RayCluster


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
    split: Split = "test",
    orbit: Orbit = None,
    data_unchecked: DataUnchecked = False,
    offline: Offline = False,
    temperature: Annotated[float | None, typer.Option("--temperature", help="0 is greedy.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="Nucleus mass, 1 for all tokens.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", help="Tokens per completion at most.")] = None,
    backend: Annotated[str, typer.Option("--backend", help="Engine that samples.")] = "hf",
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1, help="Completions per batch.")] = None,
    backend_args: Annotated[
        list[str] | None,
        typer.Option("--backend-args", help="Settings of the engine, as key=value,key=value; repeatable."),
    ] = None,
    logprobs: Annotated[bool, typer.Option("--logprobs", help="Record each sample's log-probability.")] = False,
    device: Device = "auto",
    dtype: DType = "auto",
    trust_remote_code: TrustRemoteCode = False,
    threads: Threads = 1,
    launcher: Annotated[
        Launcher, typer.Option("--launcher", help="Where it samples: in this process, or on a Ray cluster.")
    ] = Launcher.LOCAL,
    ray_address: Annotated[
        str | None,
        typer.Option("--ray-address", help="Ray cluster, as host:port or auto; else one made here."),
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
    from alftbench.backends.base import ARGS, BackendOptions
    from alftbench.base.settings import parse_pairs
    from alftbench.evaluation.evaluate import evaluate
    from alftbench.evaluation.plan import EvalRequest, plan

    run_plan = plan(
        EvalRequest(
            model=model,
            suite=suite,
            selection=select(split=split, data=data, limit=limit, orbit=orbit, data_unchecked=data_unchecked),
            name=name,
            samples=samples,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            seed=seed,
            backend=backend,
            options=BackendOptions(
                device=device,
                dtype=dtype,
                batch_size=batch_size,
                logprobs=logprobs,
                args=parse_pairs(ARGS, ",".join(backend_args or [])),
                trust_remote_code=trust_remote_code,
            ),
            ray=ray_cluster(launcher, ray_address, actors, threads),
        )
    )
    folder = output_dir or default_folder(run_plan)
    say_orbit(run_plan)
    say_context(run_plan)
    if dry_run:
        echo_json({"folder": str(folder), "n_samples": run_plan.n_samples, **run_plan.config})
        return
    from alftbench.cli.progress import progress_bar

    with progress_bar(run_plan.name) as show:
        evaluate(run_plan, folder, show)
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


def say_orbit(run_plan: Plan) -> None:
    """How many phrasings each transformation added, where there are any to add."""
    from alftbench.suites.orbits import count

    spec = run_plan.request.selection.orbit
    for added in count(run_plan.orbits, spec) if spec else ():
        rest = f"; it declined {added.declined} of the suite's phrasings" if added.declined else ""
        say(f"{added.name}: {added.phrasings} of {added.wanted} phrasings{rest}", err=True)


def say_context(run_plan: Plan) -> None:
    """A token limit that no completion can reach, because the model's context ends before."""
    from alftbench.backends.model_files import context_length

    length = context_length(run_plan.model)
    if length is not None and run_plan.params.max_tokens >= length:
        say(
            f"warning: --max-tokens {run_plan.params.max_tokens}: the model's context of {length} tokens ends "
            f"every completion before, and prompts that do not fit are recorded as errors",
            err=True,
        )


def default_folder(run_plan: Plan) -> Path:
    """runs/<model>-<suite>-<id>: the same command finds its own folder again."""
    from alftbench.base.jsonio import digest

    name = re.sub(r"[^\w.=-]+", "_", f"{run_plan.name}-{run_plan.suite.info.name}").strip(".")
    return Path("runs") / f"{name}-{digest(run_plan.config)[:12]}"


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
        say(hint, err=True)
    say(f"run: {folder}")
