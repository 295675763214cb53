"""Commands about games: solve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alftbench.cli.app import Format, FormatOption, app, echo_json


@app.command("solve")
def solve_command(
    game: Annotated[
        Path, typer.Argument(help="GAME.json: beta, objective and prompts with traces; see docs/games.md.")
    ],
    method: Annotated[
        str, typer.Option("--method", help="exact, mirror, no-regret, alternating, two-step or direct.")
    ] = "exact",
    tolerance: Annotated[float, typer.Option("--tolerance", help="On the Nash gap, in units of reward.")] = 1e-9,
    plot_file: Annotated[
        Path | None, typer.Option("--plot", help="Write a picture of the solution (PNG).")
    ] = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Solve an answer-level game whose traces are listed, and certify the equilibrium."""
    from alftbench.games import load_game, plot, solve

    solution = solve(load_game(game), method, tolerance)
    if plot_file is not None:
        plot(solution, plot_file)
    if output_format is Format.JSON:
        echo_json(solution.to_json())
        return
    from alftbench.console import solution_table, stdout

    stdout().print(solution_table(solution))
    typer.echo(f"{solution.message} value {solution.value:.6g}, Nash gap {solution.gap:.2g}")
