"""The command that trains a model with one method: train."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alftbench.cli.app import app, echo_json, go_offline, say, use_threads
from alftbench.cli.config import Config, with_options
from alftbench.cli.options import (
    DEFAULT_SUITES,
    Data,
    DataUnchecked,
    Device,
    DType,
    Format,
    FormatOption,
    Limit,
    Model,
    Offline,
    Orbit,
    Output,
    Seed,
    Threads,
    TrustRemoteCode,
    select,
)

if TYPE_CHECKING:
    from alftbench.training.train import TrainRecord


def remarks(record: TrainRecord) -> Iterator[str]:
    """What a reader of the result should know of how the steps went."""
    if record.silent_steps:
        unchanged = "; the model is as it was" if record.silent_steps == record.steps else ""
        yield f"no group had a reward to learn from in {record.silent_steps} of {record.steps} steps{unchanged}"
    if record.clipped_steps:
        yield f"the gradient was shortened to max_grad_norm in {record.clipped_steps} of {record.steps} steps"


@app.command("train")
def train_command(
    context: typer.Context,
    trainer: Annotated[str, typer.Argument(help="Trainer, with options as name:key=value,key=value.")],
    model: Model = "tiny-sums",
    suite: Annotated[list[str] | None, typer.Option("--suite", help="Suite to train on; repeatable.")] = None,
    budget_tokens: Annotated[int | None, typer.Option("--budget-tokens", help="Generated tokens at most.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Optimiser steps at most.")] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", min=1, help="Tokens per rollout at most; the suite's own if not given."),
    ] = None,
    seed: Seed = 0,
    data: Data = None,
    limit: Limit = None,
    orbit: Orbit = None,
    data_unchecked: DataUnchecked = False,
    offline: Offline = False,
    device: Device = "auto",
    dtype: DType = "auto",
    trust_remote_code: TrustRemoteCode = False,
    threads: Threads = 1,
    config: Config = None,
    output_dir: Output = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Train a model with one method; run again, it goes on where it stopped."""
    use_threads(threads)
    go_offline(offline)
    from dataclasses import asdict

    from alftbench.base.jsonio import digest
    from alftbench.cli.progress import progress_bar
    from alftbench.training.train import TrainJob, checkpoint_path, plan_training, run_training
    from alftbench.training.trainer import parse_spec
    from alftbench.types import Budget

    suites = tuple(suite or DEFAULT_SUITES)
    spec = with_options(parse_spec(trainer), context)
    training = plan_training(
        TrainJob(
            trainer=spec,
            model=model,
            suites=suites,
            budget=Budget(budget_tokens, steps),
            selection=select(split="train", data=data, limit=limit, orbit=orbit, data_unchecked=data_unchecked),
            seed=seed,
            device=device,
            dtype=dtype,
            trust_remote_code=trust_remote_code,
            max_tokens=max_tokens,
        )
    )
    folder = output_dir or Path("runs") / f"{spec.name}-seed{seed}-{digest(training.config)[:12]}"
    with progress_bar(f"{spec.name} seed {seed}") as show:
        record = run_training(training, folder, show)
    if output_format is Format.JSON:
        echo_json({"folder": str(folder), "checkpoint": str(checkpoint_path(folder)), "train": asdict(record)})
        return
    cost = record.cost
    say(f"{record.steps} steps, {cost['generated_tokens']} generated tokens, {cost['seconds']:.1f} s")
    for line in remarks(record):
        say(line)
    say(f"checkpoint: {checkpoint_path(folder)}")
