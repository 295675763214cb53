"""Commands about trainers: list them, show one, write a package of one's own, check that a trainer is right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from alftbench.cli.app import app, echo_json, say
from alftbench.cli.listing import list_plugins
from alftbench.cli.options import Format, FormatOption
from alftbench.errors import UsageError


class ShowsNames(TyperGroup):
    """A group in which a word that is no command is the name of a trainer to show."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of a word, `show` where there is none."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])


group = typer.Typer(
    name="trainers", help="List the trainers; show, write or check one.", cls=ShowsNames, rich_markup_mode=None
)
app.add_typer(group)


@group.callback(invoke_without_command=True)
def trainers_command(context: typer.Context, output_format: FormatOption = Format.TABLE) -> None:
    """List the trainers, or show NAME with its options; write a new one, or check one."""
    context.obj = output_format
    if context.invoked_subcommand is None:
        list_plugins("trainer", output_format)


@group.command("show")
def show_command(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A trainer.")],
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show a trainer with its options, their defaults and meanings; `alftbench trainers NAME` is the same."""
    show_trainer(name, Format.JSON if context.obj is Format.JSON else output_format)


@group.command("new")
def new_command(
    name: Annotated[str, typer.Argument(help="What the method is called, such as my-method.")],
    into: Annotated[Path, typer.Option("--into", help="Gets the package's folder.")] = Path("."),
) -> None:
    """Write a package with a method of your own that installs, trains and has a test; then change its rule."""
    from alftbench.training.package import write_package

    folder = write_package(name, into)
    say(f"written: {folder}")
    say(f"install: pip install --no-deps --no-build-isolation -e {folder}")
    say(f"train:   alftbench train {name} --steps 20")
    say(f"check:   alftbench trainers check {name}")


@group.command("check")
def check_command(
    name: Annotated[str, typer.Argument(help="A trainer; options as name:key=value,key=value.")],
    options: Annotated[str | None, typer.Option("--options", help="The same as key=value,key=value.")] = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Check that a trainer does what it says, on the embedded model: a line per check, exit 1 if any failed."""
    from dataclasses import asdict

    from alftbench.cli.app import use_threads

    use_threads(1)
    from alftbench.training.conformance.kit import FAILED, check_trainer
    from alftbench.training.trainer import parse_spec

    found = []
    for verdict in check_trainer(parse_spec(f"{name}{',' if ':' in name else ':'}{options}" if options else name)):
        found.append(verdict)
        if output_format is not Format.JSON:
            say(f"{verdict.status:<15} {verdict.name}: {verdict.says}")
    if output_format is Format.JSON:
        echo_json([asdict(verdict) for verdict in found])
    if any(verdict.status == FAILED for verdict in found):
        raise typer.Exit(1)


def show_trainer(name: str, output_format: Format) -> None:
    """What a trainer says of itself, and its options.

    Raises:
        UsageError: it does not tell its options.
    """
    from dataclasses import asdict

    from alftbench.base import entry_points
    from alftbench.base.tables import Column, Table
    from alftbench.cli.console import show
    from alftbench.training.trainer import DescribesTrainer

    trainer = entry_points.load("trainer", name)
    if not isinstance(trainer, DescribesTrainer):
        raise UsageError(f"trainer {name!r} does not tell its options; see the page of its package")
    if output_format is Format.JSON:
        echo_json({"name": name, **asdict(trainer.info)})
        return
    headings = (Column("option"), Column("default"), Column("what it is", prose=True), Column("value", prose=True))
    rows = tuple((o.name, str(o.default), o.meaning, o.kind) for o in trainer.info.options)
    show(Table(f"{name}: {trainer.info.description} {trainer.info.paper}".rstrip(), headings, rows))
    first = next((f":{option.name}={option.default}" for option in trainer.info.options), "")
    say(f"use: alftbench train {name}{first} --steps 100")
