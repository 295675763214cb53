"""Commands that show what there is: leaderboard, the plugins, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from alftbench.cli.app import app, complain, echo_json, say
from alftbench.cli.options import Format, FormatOption
from alftbench.errors import UsageError


@app.command("leaderboard")
def leaderboard_command(
    board: Annotated[Path, typer.Argument(help="Folder leaderboards/<board> with a board.toml.")],
    results: Annotated[
        Path | None,
        typer.Option("--results", help="Its runs; results/<board> beside leaderboards/ if not given."),
    ] = None,
) -> None:
    """Verify a board's runs and rewrite its README.md, index.html and table.csv."""
    from alftbench.publish.board import Board, publish, trial_folders

    runs = results or board.resolve().parent.parent / "results" / board.resolve().name
    compared = publish(Board.read(board), trial_folders(runs))
    if results is not None:
        methods = ", ".join(dict.fromkeys(row.method for row in compared.rows))
        say(f"taken from {runs}: {methods}", err=True)
    say(f"{len(compared.rows)} rows: {board}/README.md, index.html and table.csv")


@app.command("pack")
def pack_command(
    results: Annotated[Path, typer.Argument(help="Folder results/<board> of finished runs.")],
    into: Annotated[Path, typer.Argument(help="Folder that gets the evidence.")],
    texts: Annotated[
        list[int] | None,
        typer.Option("--texts", help="Seed whose samples keep their texts; repeatable, 0 if not given."),
    ] = None,
) -> None:
    """Pack a board's runs as evidence to publish: the answer of every sample, without checkpoints and traces."""
    from alftbench.publish.board import trial_folders
    from alftbench.publish.pack import pack

    if not results.is_dir():
        raise UsageError(f"{results}: no such folder; give a folder results/<board>")
    done = pack(trial_folders(results), into, texts or [0])
    say(
        f"{done.trials} trials, {done.runs} runs, {done.with_texts} with the texts of their samples: {into}, "
        f"{done.bytes / 1e6:.1f} MB"
    )


def list_plugins(kind: str, output_format: Format) -> None:
    """Names and descriptions of every plugin of a kind; a broken one is named on stderr and passed over."""
    from alftbench.base import entry_points
    from alftbench.base.tables import Column, Table
    from alftbench.cli.console import show

    loaded, broken = entry_points.load_all(kind)
    rows = {name: description(kind, plugin) for name, plugin in loaded.items()}
    if output_format is Format.JSON:
        echo_json([{"name": name, "description": text} for name, text in rows.items()])
    else:
        show(Table("", (Column(kind), Column("what it is", prose=True)), tuple(rows.items())))
    for error in broken.values():
        complain(f"warning: {error}")


def description(kind: str, plugin: Any) -> str:
    """What a plugin says of itself in a line: a trainer may have its own word, else the first of the docstring."""
    from alftbench.base import entry_points
    from alftbench.training.trainer import DescribesTrainer

    tells = kind == "trainer" and isinstance(plugin, DescribesTrainer)
    return str(plugin.info.description) if tells else entry_points.describe(plugin)


@app.command("backends")
def backends_command(output_format: FormatOption = Format.TABLE) -> None:
    """List the backends."""
    list_plugins("backend", output_format)


@app.command("metrics")
def metrics_command(output_format: FormatOption = Format.TABLE) -> None:
    """List the metric families."""
    list_plugins("metric", output_format)


@app.command("doctor")
def doctor_command(
    dev: Annotated[bool, typer.Option("--dev", help="Also what alftbench's own developers need.")] = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show what this machine has: Python, torch, memory, disk, and the extras with how to install them."""
    from alftbench.base.tables import Column, Table
    from alftbench.cli.console import show
    from alftbench.cli.doctor import examine

    findings = examine(dev)
    if output_format is Format.JSON:
        echo_json([{"what": f.what, "found": f.found, "advice": f.advice} for f in findings])
        return
    headings = (Column("what"), Column("found", prose=True), Column("to do", prose=True))
    show(Table("", headings, tuple((finding.what, finding.found, finding.advice) for finding in findings)))
