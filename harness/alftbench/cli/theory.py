"""Commands about games: solve one, and settle whether training finds the equilibrium."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alftbench.cli.app import app, complain, echo_json, say, use_threads
from alftbench.cli.options import Format, FormatOption, Seed

if TYPE_CHECKING:
    from alftbench.base.tables import Table
    from alftbench.games import Solution


@app.command("solve")
def solve_command(
    game: Annotated[
        Path, typer.Argument(help="GAME.json: beta, objective and prompts with traces; see docs/games.md.")
    ],
    method: Annotated[
        str, typer.Option("--method", help="exact, mirror, no-regret, ascent, alternating, two-step or direct.")
    ] = "exact",
    tolerance: Annotated[float, typer.Option("--tolerance", help="On the Nash gap, in units of reward.")] = 1e-9,
    max_iterations: Annotated[
        int | None, typer.Option("--max-iterations", min=1, help="Of the methods that iterate.")
    ] = None,
    plot_file: Annotated[
        Path | None, typer.Option("--plot", help="Write a picture of the solution (PNG).")
    ] = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Solve an answer-level game whose traces are listed, and certify the equilibrium; else exit 1."""
    from alftbench.games import check_picture, load_game, plot, solve

    if plot_file is not None:
        check_picture(plot_file)
    options = {} if max_iterations is None else {"max_iterations": max_iterations}
    solution = solve(load_game(game), method, tolerance, **options)
    if output_format is Format.JSON:
        echo_json(solution.to_json())
    else:
        from alftbench.cli.console import show

        show(solution_table(solution))
        ending = solution.message if solution.certified else f"Not certified: {solution.status}."
        say(f"{ending} value {solution.value:.6g}, Nash gap {solution.gap:.2g}{two_players(solution)}")
    if plot_file is not None:
        plot(solution, plot_file)
    if not solution.certified:
        complain(f"error: not certified: {solution.message}")
        raise typer.Exit(1)


def two_players(solution: Solution) -> str:
    """The gap of policies and target together, where the objective is convex."""
    if not solution.game.objective.convex:
        return ""
    both = solution.pair
    return f", two-player gap {both.gap:.2g} (policies {both.policy_regret:.2g}, target {both.target_regret:.2g})"


def solution_table(solution: Solution) -> Table:
    """Reference and policy of every prompt, and the target, per answer."""
    import numpy as np

    from alftbench.base.tables import Number, Table, columns

    game, policy_PZ, target_Z = solution.game, solution.p_PZ, solution.target_Z
    reference_PZ = np.exp(game.log_reference_PZ)
    headings = [f"{name} prompt {i}" for i in range(len(game.prompts)) for name in ("reference", "policy")]
    rows = []
    for z, answer in enumerate(game.answers):
        both = zip(reference_PZ[:, z], policy_PZ[:, z], strict=True)
        cells = [Number(float(p), ".6f") for pair in both for p in pair]
        rows.append((answer, *cells, None if target_Z is None else Number(float(target_Z[z]), ".6f")))
    title = f"{game.objective.name}, {solution.method}"
    return Table(title, columns("answer", *headings, "target"), tuple(rows))


@app.command("settle")
def settle_command(
    full: Annotated[bool, typer.Option("--full", help="The whole grid, at least five seeds.")] = False,
    seed: Seed = 0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Seeds, each with its own language and draws.")] = 3,
    plot: Annotated[bool, typer.Option("--plot", help="Draw settle.png too; needs matplotlib.")] = False,
    output_dir: Annotated[
        Path, typer.Option("--output-dir", help="Where the run is written and continued.")
    ] = Path("runs/settle"),
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Play the games on a model whose every trace is enumerated, and measure the distance to the equilibrium."""
    use_threads(1)
    from alftbench.cli.console import show
    from alftbench.cli.progress import progress_bar
    from alftbench.settle import SettleSettings, run

    chosen = SettleSettings(seed=seed, seeds=seeds)
    with progress_bar("settle") as listen:
        report = run(chosen.whole_grid() if full else chosen, output_dir, listen)
    report.write(output_dir)
    if plot:
        from alftbench.settle.plotting import draw_report

        draw_report(report, output_dir / "settle.png")
    if output_format is Format.JSON:
        echo_json({"folder": str(output_dir), **report.to_json()})
        return
    show(*report.tables())
    say(f"run: {output_dir}")
