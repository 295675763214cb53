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
    experiment: Annotated[
        str | None, typer.Argument(help="A question by name, see --list; without one the grid of games is played.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Name the questions, with what they cost.")] = False,
    full: Annotated[bool, typer.Option("--full", help="The whole size; of the grid at least five seeds.")] = False,
    seed: Seed = 0,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="Seeds, each with its own language and draws.")
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the figure too (PNG); needs matplotlib.")] = False,
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", help="Where the run is written and continued; else below runs/."),
    ] = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Play the games on a model whose every trace is enumerated, or answer one question about them."""
    use_threads(1)
    if listed:
        list_experiments(output_format)
    elif experiment is None:
        settle_grid(
            full, seed, 3 if seeds is None else seeds, plot, output_dir or Path("runs/settle"), output_format
        )
    else:
        folder = output_dir or Path("runs") / f"settle-{experiment}"
        settle_experiment(experiment, full, seed, seeds, plot, folder, output_format)


def settle_grid(full: bool, seed: int, seeds: int, plot: bool, output_dir: Path, output_format: Format) -> None:
    """All games, estimators and group sizes."""
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


def settle_experiment(
    name: str, full: bool, seed: int, seeds: int | None, plot: bool, folder: Path, output_format: Format
) -> None:
    """One question: its tables, its figure, its answer in a sentence.

    Raises:
        UnknownName: there is none of this name.
    """
    from alftbench.cli.console import show
    from alftbench.cli.progress import progress_bar
    from alftbench.errors import UnknownName
    from alftbench.settle.experiments import EXPERIMENTS, Choice, run_experiment

    if name not in EXPERIMENTS:
        raise UnknownName("experiment", name, EXPERIMENTS)
    with progress_bar(name) as listen:
        finding = run_experiment(EXPERIMENTS[name], Choice(full, seed, seeds), folder, listen)
    finding.write(folder)
    if plot:
        finding.draw(folder / f"{name}.png")
    if output_format is Format.JSON:
        echo_json({"folder": str(folder), **finding.to_json()})
        return
    show(*finding.tables())
    say(finding.answer)
    say(f"run: {folder}")


def list_experiments(output_format: Format) -> None:
    """Every question with its cost."""
    from alftbench.base.tables import Column, Table
    from alftbench.cli.console import show
    from alftbench.settle.experiments import EXPERIMENTS

    if output_format is Format.JSON:
        echo_json([{"name": e.name, "question": e.question, "cost": e.cost} for e in EXPERIMENTS.values()])
        return
    headings = (Column("experiment"), Column("question", prose=True), Column("cost", prose=True))
    show(Table("", headings, tuple((e.name, e.question, e.cost) for e in EXPERIMENTS.values())))
