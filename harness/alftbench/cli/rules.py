"""The command about reward rules: list them, ask one what it rewards and where it settles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alftbench.cli.app import app, echo_json, say
from alftbench.cli.options import Format, FormatOption
from alftbench.errors import UsageError

if TYPE_CHECKING:
    from alftbench.base.tables import Table
    from alftbench.games.rewards import RuleInfo
    from alftbench.games.rule_view import Reference, RuleCurve, RulePoints

DEFAULT_BETA = 0.2
_SHOWN, _DRAWN = 9, 61  # values of p


@app.command("rules")
def rules_command(
    name: Annotated[
        str | None, typer.Argument(help="NAME, or NAME:key=value,…; without one the rules are listed.")
    ] = None,
    group: Annotated[int, typer.Option("--group", min=2, help="G, rollouts per phrasing.")] = 8,
    baseline: Annotated[str, typer.Option("--baseline", help="none, mean, leave-one-out or jackknife.")] = "mean",
    beta: Annotated[
        float | None, typer.Option("--beta", help="β of the KL; the game's, else 0.2. Rules have weight 1.")
    ] = None,
    game: Annotated[
        Path | None, typer.Option("--game", help="GAME.json whose references training starts from.")
    ] = None,
    p0: Annotated[
        list[str] | None,
        typer.Option("--p0", help="Or their probabilities: 0.3,0.5,0.2; once for every phrasing."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Or a finished run, whose answers to --problem they are.")
    ] = None,
    problem: Annotated[str, typer.Option("--problem", help="The id of a problem of --run.")] = "",
    right: Annotated[
        str, typer.Option("--right", help="The right answers: names of the game's or run's, or 0,2,… of --p0's.")
    ] = "",
    silent: Annotated[
        str, typer.Option("--silent", help="The answer of --game or --p0 that stands for no answer.")
    ] = "",
    plot_file: Annotated[
        Path | None, typer.Option("--plot", help="Draw reward and objective over p (PNG).")
    ] = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """List the reward rules, or show what one rewards at a group size, what it ascends and where it settles."""
    from alftbench.games.rewards import rule_info

    if name is None:
        list_rules(output_format)
        return
    kind, _, said = name.partition(":")
    info = rule_info(kind)
    settings = info.read(pairs_of(info, said))
    reference, beta = reference_of(Start(game, p0 or [], run, problem, right, silent), beta)
    tell(info, settings, group, baseline, beta, reference, plot_file, output_format)


def pairs_of(info: RuleInfo, said: str) -> dict[str, str]:
    """The settings behind the colon."""
    from alftbench.base.settings import parse_pairs

    return parse_pairs(f"rule {info.name}", said)


def list_rules(output_format: Format) -> None:
    """Every rule: name, other names, what it ascends, paper."""
    from alftbench.base.tables import Column, Table
    from alftbench.cli.console import show
    from alftbench.games.rewards import RULES

    if output_format is Format.JSON:
        echo_json([description(info) for info in RULES.values()])
        return
    headings = (
        Column("rule"),
        Column("also", prose=True),
        Column("ascends", prose=True),
        Column("paper", prose=True),
    )
    rows = tuple((i.name, ", ".join(i.also), i.ascends, i.paper) for i in RULES.values())
    show(Table("", headings, rows))
    say("one rule: alftbench rules entropy --group 8 --p0 0.5,0.3,0.2 --right 0")


def description(info: RuleInfo) -> dict[str, Any]:
    """What is known of a rule."""
    return {
        "name": info.name,
        "also": list(info.also),
        "family": info.family,
        "ascends": info.ascends,
        "gradient": info.objective is not None,
        "labels": info.labels,
        "phrasings": info.phrasings,
        "paper": info.paper,
        "settings": info.read({}),
    }


@dataclass(frozen=True)
class Start:
    """What the options say of where training starts."""

    game: Path | None
    p0: list[str]
    run: Path | None
    problem: str
    right: str
    silent: str

    def check(self) -> None:
        """Refuse what is said twice, or of something that is not there.

        Raises:
            UsageError: it is.
        """
        said = [name for name, value in (("--game", self.game), ("--p0", self.p0), ("--run", self.run)) if value]
        if len(said) > 1:
            raise UsageError(f"{' and '.join(said)} all say where training starts; give one")
        if bool(self.run) != bool(self.problem):
            raise UsageError("--run and --problem belong together: a finished run, and the id of a problem in it")
        if self.right and not said:
            raise UsageError("--right names answers of --game, --p0 or --run; give one of them")
        if self.silent and (self.run or not said):
            raise UsageError("--silent names an answer of --game or --p0; of a run it is recorded")


def reference_of(start: Start, beta: float | None) -> tuple[Reference | None, float]:
    """Where training starts, if that was said, and β.

    Raises:
        UsageError: the options contradict one another, or one of them is wrong.
        BadInput: a file cannot be read, or the run is not complete.
        UnknownName: the run has no such problem.
    """
    from alftbench.evaluation.answers import recorded_partition
    from alftbench.games import load_game
    from alftbench.games.rule_view import Reference

    if beta is not None and not 0 < beta < float("inf"):
        raise UsageError(f"--beta {beta:g}: must be above 0 and finite")
    start.check()
    names = [name.strip() for name in start.right.split(",") if name.strip()]
    usual = DEFAULT_BETA
    if start.game is not None:
        game = load_game(start.game)
        reference, usual = Reference.of_game(game, names), game.beta
    elif start.run is not None:
        reference = Reference.of_partition(recorded_partition(start.run, start.problem), names)
    elif start.p0:
        reference = Reference.of_marginals([numbers(row) for row in start.p0], names)
    else:
        return None, usual if beta is None else beta
    return reference.with_silence(start.silent) if start.silent else reference, usual if beta is None else beta


def numbers(row: str) -> list[float]:
    """The probabilities of a phrasing.

    Raises:
        UsageError: one is no number.
    """
    try:
        return [float(part) for part in row.split(",")]
    except ValueError:
        raise UsageError(f"--p0 {row}: must be numbers with commas between, such as 0.3,0.5,0.2") from None


def tell(
    info: RuleInfo,
    settings: dict[str, Any],
    group: int,
    baseline: str,
    beta: float,
    reference: Reference | None,
    plot_file: Path | None,
    output_format: Format,
) -> None:
    """Curve, picture and fixed points of one rule."""
    import numpy as np

    from alftbench.cli.console import show
    from alftbench.games.plotting import check_picture
    from alftbench.games.rule_view import plot_rule, rule_curve, rule_points

    if plot_file is not None:
        check_picture(plot_file)
    curve = rule_curve(info, settings, group, baseline, np.arange(1, _SHOWN + 1) / (_SHOWN + 1))
    points = None if reference is None else rule_points(info, settings, reference, beta, group, baseline)
    if plot_file is not None:
        fine = rule_curve(info, settings, group, baseline, np.linspace(0.01, 0.99, _DRAWN))
        plot_rule(info.name, fine, group, baseline, plot_file)
    if output_format is Format.JSON:
        echo_json({**description(info), "settings": settings, **curve_json(curve), **points_json(points)})
        return
    show(curve_table(info, curve, group, baseline))
    say(f"{'ascends ' if info.objective else ''}{info.ascends} ({info.paper})")
    if points is not None:
        show(points_table(points, group, baseline, beta))
        say(endings(points))


def curve_table(info: RuleInfo, curve: RuleCurve, group: int, baseline: str) -> Table:
    """Expected reward, update and objective over the right answer's probability."""
    from alftbench.base.tables import Number, Table, columns

    values = [curve.reward_N2, curve.update_N2, curve.limit_N2]
    headings = [f"{what} {z}" for what in ("reward", "update", "G → ∞") for z in ("right", "wrong")]
    rows = []
    for n, p in enumerate(curve.p_N):
        cells = [Number(float(pair_N2[n, z]), ".4f") for pair_N2 in values for z in (0, 1)]
        objective = None if curve.objective_N is None else Number(float(curve.objective_N[n]), ".4f")
        rows.append((Number(float(p), ".2f"), *cells, objective))
    orbit = "; the other phrasing at 0.5" if info.phrasings > 1 else ""
    title = f"{info.name}, G = {group}, baseline {baseline}: one right answer at p, one wrong{orbit}"
    return Table(title, columns("p", *headings, "objective"), tuple(rows))


def points_table(points: RulePoints, group: int, baseline: str, beta: float) -> Table:
    """Reference and fixed points, per phrasing and answer."""
    import numpy as np

    from alftbench.base.tables import Number, Table, columns

    reference, headings, shown = points.reference, [], []
    for v in range(len(reference.log_p0_VZ)):
        of = f" {v}" if len(reference.log_p0_VZ) > 1 else ""
        headings += [f"reference{of}", f"G = {group}{of}", f"G → ∞{of}"]
        shown += [reference.log_p0_VZ[v], points.at_group.log_p_PZ[v], points.at_limit.log_p_PZ[v]]
    rows = tuple(
        (
            name,
            "right" if correct else "silent" if z == reference.unanswered else "",
            *(Number(float(np.exp(row[z])), ".4f") for row in shown),
        )
        for z, (name, correct) in enumerate(zip(reference.answers, reference.correct_Z, strict=True))
    )
    title = f"Where it settles, next to the reference: β = {beta:g}, baseline {baseline}"
    return Table(title, columns("answer", "", *headings), rows)


def endings(points: RulePoints) -> str:
    """Whether the iterations settled, and how exact the update at G is."""
    lines = []
    for which, point in (("at G", points.at_group), ("as G → ∞", points.at_limit)):
        if not point.settled:
            lines.append(f"{which} it did not settle: the update is still {point.residual:.2g} there")
    how = f"expectation at G by {points.way.value}"
    noise = f", within {points.at_group.noise:.2g} (4 standard errors)" if points.at_group.noise else ", exact"
    return "; ".join([how + noise, *lines])


def curve_json(curve: RuleCurve) -> dict[str, Any]:
    """The curve as plain data."""
    return {
        "p": curve.p_N.tolist(),
        "reward": curve.reward_N2.tolist(),
        "update": curve.update_N2.tolist(),
        "limit": curve.limit_N2.tolist(),
        "objective": None if curve.objective_N is None else curve.objective_N.tolist(),
    }


def points_json(points: RulePoints | None) -> dict[str, Any]:
    """The fixed points as plain data; nothing if none were asked for."""
    import numpy as np

    if points is None:
        return {}
    reference, silent = points.reference, points.reference.unanswered
    return {
        "answers": list(reference.answers),
        "right": reference.correct_Z.tolist(),
        "silent": None if silent is None else reference.answers[silent],
        "reference": np.exp(reference.log_p0_VZ).tolist(),
        "way": points.way.value,
        "fixed_points": {
            which: {
                "marginals": np.exp(point.log_p_PZ).tolist(),
                "settled": point.settled,
                "residual": point.residual,
                "noise": point.noise,
            }
            for which, point in (("group", points.at_group), ("limit", points.at_limit))
        },
    }
