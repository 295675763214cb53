"""Commands about suites: list them, show a problem as the model sees it, check that a suite is sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from alftbench.cli.app import app, complain, echo_json, go_offline, say, say_all
from alftbench.cli.options import Data, DataUnchecked, Format, FormatOption, Limit, Offline, Orbit, Split, select
from alftbench.errors import AlftbenchError

if TYPE_CHECKING:
    from alftbench.suites.base import Suite
    from alftbench.suites.orbits import OrbitSpec
    from alftbench.suites.validate import Check, SuiteReport
    from alftbench.types import Orbit as ShownOrbit

group = typer.Typer(name="suites", help="List the suites; show or check one.", rich_markup_mode=None)
app.add_typer(group)
SHOWN = 5  # findings named per check


@group.callback(invoke_without_command=True)
def suites_command(context: typer.Context, output_format: FormatOption = Format.TABLE) -> None:
    """List the suites; show or check one."""
    if context.invoked_subcommand is None:
        list_suites(output_format)


@group.command("list")
def list_command(output_format: FormatOption = Format.TABLE) -> None:
    """List the suites: version, licence, source and what they ask."""
    list_suites(output_format)


def list_suites(output_format: Format) -> None:
    """Every suite that is installed; a broken one is named on stderr and passed over."""
    from alftbench.base.tables import Column, Table
    from alftbench.cli.console import show
    from alftbench.suites.catalogue import about, load_every

    loaded, broken = load_every()
    rows = [about(suite) for suite in loaded.values()]
    if output_format is Format.JSON:
        echo_json(rows)
    else:
        headings = (Column("suite"), Column("version"), Column("what it is", prose=True))
        described = (" ".join(f"{row['description']} ({row['licence']})".split()) for row in rows)
        cells = ((row["name"], row["version"], text) for row, text in zip(rows, described, strict=True))
        show(Table("", headings, tuple(cells)))
    for error in broken.values():
        complain(f"warning: {error}")


@group.command("show")
def show_command(
    suite: Annotated[str, typer.Argument(help="Suite, family:what, or a YAML file.")],
    problem: Annotated[str, typer.Option("--problem", help="Its place, from 0, or its id.")] = "0",
    split: Split = "test",
    data: Data = None,
    orbit: Orbit = None,
    data_unchecked: DataUnchecked = False,
    offline: Offline = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Print a problem's orbit as the model sees it, its references and their keys."""
    go_offline(offline)
    from alftbench.cli.console import stdout
    from alftbench.suites.load import load_suite
    from alftbench.suites.show import orbit_json, orbit_text, pick

    loaded = load_suite(suite)
    selection = select(split=split, data=data, orbit=orbit, data_unchecked=data_unchecked)
    shown = pick(loaded, selection, problem)
    if output_format is Format.JSON:
        echo_json(orbit_json(loaded, shown))
        return
    say_all(orbit_text(loaded, shown, stdout().width))
    if selection.orbit:
        say_declined(loaded, shown, selection.orbit)


def say_declined(suite: Suite, shown: ShownOrbit, spec: OrbitSpec) -> None:
    """Transformations that were asked for and added nothing to a problem, and why."""
    from alftbench.suites.orbits import count, why_declined

    for added in count([shown], spec):
        if not added.phrasings:
            why = why_declined(shown, added.name, spec.seed, suite.info.answer_rules)
            say(f"{added.name}: adds no phrasing to this problem: {why}", err=True)


@group.command("validate")
def validate_command(
    suite: Annotated[
        str | None, typer.Argument(help="Suite or YAML file; all whose data is at hand if not given.")
    ] = None,
    split: Split = "test",
    data: Annotated[
        str | None, typer.Option("--data", help="JSONL file, or a folder with files by their usual names.")
    ] = None,
    train_data: Annotated[
        str | None, typer.Option("--train-data", help="JSONL file with training problems.")
    ] = None,
    limit: Limit = None,
    orbit: Orbit = None,
    data_unchecked: DataUnchecked = False,
    offline: Offline = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Check references, near misses, prompts, orbits, splits and the source; exit 1 if anything is found."""
    go_offline(offline)
    from dataclasses import asdict

    from alftbench.suites.catalogue import load_every
    from alftbench.suites.load import load_suite
    from alftbench.suites.validate import validate, validate_all

    selection = select(split=split, data=data, limit=limit, orbit=orbit, data_unchecked=data_unchecked)
    if suite is not None:
        reports = [validate(load_suite(suite), selection, train_data)]
    else:
        loaded, broken = load_every()
        reports = list(validate_all(loaded.values(), selection))
        for error in broken.values():
            complain(f"warning: {error}")
    if output_format is Format.JSON:
        echo_json([asdict(report) for report in reports])
    else:
        for report in reports:
            print_report(report)
    bad = [report.suite for report in reports if not report.fine]
    if bad:
        raise AlftbenchError(f"findings in {', '.join(bad)}")


def print_report(report: SuiteReport) -> None:
    """The checks of a suite, and their first findings."""
    from alftbench.base.tables import Column, Table
    from alftbench.cli.console import show

    headings = (Column("check"), Column("count"), Column("of", prose=True), Column("findings"), Column("known"))
    rows = (
        (check.name, None, f"not checked: {check.skipped}", None, None)
        if check.skipped
        else (check.name, check.n, check.looked_at, len(check.findings), len(check.known))
        for check in report.checks
    )
    show(Table(f"{report.suite}, version {report.version}", headings, tuple(rows)))
    for check in report.checks:
        print_findings(check)
    for flaw in report.flaws:
        say(f"  known flaw: {flaw.problem}: {flaw.note}")


def print_findings(check: Check) -> None:
    """The first findings of a check, and how many more there are; known ones are said to be known."""
    for findings, word in ((check.findings, ""), (check.known, "known: ")):
        for finding in findings[:SHOWN]:
            say(f"  {check.name}: {word}{finding.problem}: {finding.what}")
        if len(findings) > SHOWN:
            say(f"  {check.name}: {word}and {len(findings) - SHOWN} more")
