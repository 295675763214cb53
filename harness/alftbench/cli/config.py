"""`--config FILE.toml`: the options of a command, and of its methods, from a file; the command line wins.

steps = 20
max-tokens = 64
[options]            # of the method, or of every method that does not set them itself
learning_rate = 1e-5
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alftbench.base.bounds import read_toml
from alftbench.errors import BadInput, UsageError

if TYPE_CHECKING:
    from alftbench.training.trainer import TrainerSpec

METHOD = "options"  # the table with options of methods


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Make a file's values the defaults of a command, before its other options are read.

    Raises:
        UsageError: the file cannot be read, or a key is no option of this command.
    """
    if path is None:
        return None
    content = toml(path)
    context.meta[METHOD] = method_options(path, content.pop(METHOD, {}))
    names = {parameter.name: parameter.name for parameter in context.command.params if parameter.name}
    spelled = {opt.removeprefix("--"): p.name for p in context.command.params for opt in p.opts if p.name}
    known = {name.replace("_", "-"): own for name, own in {**names, **spelled}.items() if own != "config"}
    given: dict[str, Any] = {}
    for key, value in content.items():
        name = known.get(key.replace("_", "-"))
        if name is None or name in given:
            raise UsageError(f"--config {path}: {wrong_key(key, name, known)}")
        given[name] = value
    context.default_map = given
    return path


def wrong_key(key: str, name: str | None, known: Mapping[str, str]) -> str:
    """Why a key of a file is refused, with the nearest that there is."""
    from alftbench.base.validate import hint

    if name is not None:
        return f"{key} is given twice"
    return f"there is no option {key!r}; {hint(key.replace('_', '-'), [*known, METHOD])}"


def toml(path: Path) -> dict[str, Any]:
    """What a file of settings says.

    Raises:
        BadInput: it is missing or no TOML.
    """
    try:
        return read_toml(path)
    except (OSError, BadInput) as error:
        raise BadInput(f"--config {path}: cannot be read as TOML: {error}") from error


def method_options(path: Path, table: Any) -> dict[str, str]:
    """The options of methods, as texts like those of the command line.

    Raises:
        UsageError: a value is no number, word or truth value.
    """
    if not isinstance(table, dict):
        raise UsageError(f"--config {path}: {METHOD} must be a table, [{METHOD}]")
    for key, value in table.items():
        if not isinstance(value, str | int | float) or "," in str(value):
            raise UsageError(
                f"--config {path}: {METHOD}.{key} must be a number, a word without comma, true or false"
            )
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in table.items()}


def with_options(spec: TrainerSpec, context: typer.Context) -> TrainerSpec:
    """A method with the options of the file, where it does not set them itself."""
    options: dict[str, str] = {**context.meta.get(METHOD, {}), **dict(spec.options)}
    return replace(spec, options=tuple(sorted(options.items())))


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        is_eager=True,
        callback=read_config,
        help="TOML file with any of these options, and a table [options] of the method's own; what the command "
        "line says wins.",
    ),
]
