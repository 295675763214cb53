"""Commands that show what there is: leaderboard, the plugins, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alftbench.cli.app import app, echo_json
from alftbench.cli.options import Format, FormatOption


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
    table = publish(Board.read(board), trial_folders(runs))
    if results is not None:
        typer.echo(f"taken from {runs}: {', '.join(dict.fromkeys(row.method for row in table.rows))}", err=True)
    typer.echo(f"{len(table.rows)} rows: {board}/README.md, index.html and table.csv")


def list_plugins(kind: str, output_format: Format) -> None:
    """Names and descriptions of every plugin of a kind; a broken one is named on stderr and passed over."""
    from alftbench.base import entry_points
    from alftbench.cli.console import new_table, stdout

    loaded, broken = entry_points.load_all(kind)
    rows = {name: entry_points.describe(plugin) for name, plugin in loaded.items()}
    if output_format is Format.JSON:
        echo_json([{"name": name, "description": text} for name, text in rows.items()])
    else:
        table = new_table("", [kind, "what it is"])
        table.columns[1].justify, table.columns[1].no_wrap = "left", False
        for name, text in rows.items():
            table.add_row(name, text)
        stdout().print(table)
    for error in broken.values():
        typer.echo(f"warning: {error}", err=True)


@app.command("trainers")
def trainers_command(output_format: FormatOption = Format.TABLE) -> None:
    """List the trainers."""
    list_plugins("trainer", output_format)


@app.command("backends")
def backends_command(output_format: FormatOption = Format.TABLE) -> None:
    """List the backends."""
    list_plugins("backend", output_format)


@app.command("metrics")
def metrics_command(output_format: FormatOption = Format.TABLE) -> None:
    """List the metric families."""
    list_plugins("metric", output_format)


@app.command("doctor")
def doctor_command(output_format: FormatOption = Format.TABLE) -> None:
    """Show what this machine has: Python, torch, memory, disk, and the extras with how to install them."""
    from alftbench.cli.console import new_table, stdout
    from alftbench.cli.doctor import examine

    findings = examine()
    if output_format is Format.JSON:
        echo_json([{"what": f.what, "found": f.found, "advice": f.advice} for f in findings])
        return
    table = new_table("", ["what", "found", "to do"])
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "left", False
    for finding in findings:
        table.add_row(finding.what, finding.found, finding.advice)
    stdout().print(table)
