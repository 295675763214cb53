"""The options that several commands share: how they are spelled and what they say in --help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from alftbench.suites.load import Selection


DEFAULT_SUITES = ["sums", "splits"]


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


Model = Annotated[str, typer.Option("--model", help="A model folder, a hub id, or the embedded `tiny-sums`.")]
Data = Annotated[
    str | None,
    typer.Option("--data", help="JSONL file with the suite's problems, or a folder with it; else the hub's."),
]
DataUnchecked = Annotated[
    bool, typer.Option("--data-unchecked", help="Take a data file that is not the recorded one.")
]
Orbit = Annotated[
    str | None, typer.Option("--orbit", help="Add phrasings: wording, names:4, ...; see docs/suites.md.")
]
Split = Annotated[str, typer.Option("--split", help="Split of the suite.")]
Offline = Annotated[bool, typer.Option("--offline", help="Take nothing from the hub but what its cache holds.")]
Limit = Annotated[int | None, typer.Option("--limit", help="Use only the first N problems.")]
TestLimit = Annotated[int | None, typer.Option("--limit", help="Evaluate on the first N problems only.")]
TrainLimit = Annotated[int | None, typer.Option("--train-limit", help="Train on the first N problems only.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of every random draw.")]
Output = Annotated[Path | None, typer.Option("--output-dir", help="Where the run is written and continued.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
DType = Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16 or float16.")]
TrustRemoteCode = Annotated[
    bool,
    typer.Option("--trust-remote-code", help="Run Python code that came with the model; read it first. Recorded."),
]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Torch threads of this process.")]
FormatOption = Annotated[Format, typer.Option("--format", help="table or json; results go to stdout.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything and show the plan; run nothing.")]
Samples = Annotated[
    int | None, typer.Option("--samples", help="Samples per prompt; the suite's own if not given.")
]


def select(
    *,
    split: str = "test",
    data: str | None = None,
    limit: int | None = None,
    orbit: str | None = None,
    data_unchecked: bool = False,
) -> Selection:
    """The problems that options choose."""
    from alftbench.suites.load import Selection
    from alftbench.suites.orbits import parse_orbit

    return Selection(split, data, limit, None if orbit is None else parse_orbit(orbit), data_unchecked)
