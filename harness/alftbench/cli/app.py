"""The application, the options that commands share, and how errors reach the user."""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import traceback
from typing import Annotated, Any

import typer

from alftbench import __version__
from alftbench.base.foreign import SCREEN, cut, json_text, one_line, visible
from alftbench.base.secrets import redacted
from alftbench.errors import AlftbenchError

app = typer.Typer(
    name="alftbench",
    help="Evaluate, train and compare language models at the level of their final answers.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


MISUSED: Any = typer.BadParameter.__base__  # whatever Typer's parser refuses; Typer names only this child of it
THEIR_WORDS = {
    "Value error, ": "",
    "Input should be greater than or equal to": "must be at least",
    "Input should": "must",
}
INTERRUPTED = 130  # the exit code after Ctrl-C


def print_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        typer.echo(f"alftbench {__version__}")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of every command."""


def use_threads(threads: int) -> None:
    """Set torch's threads before torch is imported: results depend on it in the last digits."""
    os.environ["OMP_NUM_THREADS"] = str(threads)


def go_offline(offline: bool) -> None:
    """Set the hub libraries' switches before anything imports them: they read them once."""
    if offline:
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def echo_json(value: Any) -> None:
    """One JSON object on stdout; NaN becomes null, what a terminal would obey its escape."""
    typer.echo(json_text(value, indent=2))


def say(text: str, err: bool = False) -> None:
    """One line, safe to show."""
    typer.echo(visible(cut(redacted(text), SCREEN), keep="\t"), err=err)


def say_all(text: str, err: bool = False) -> None:
    """A text of several lines, as long as it is."""
    typer.echo(visible(redacted(text), keep="\n\t"), err=err)


def complain(text: str) -> None:
    """A warning or an error: one line on stderr, however many the message has."""
    typer.echo(one_line(redacted(text)), err=True)


class SafeLine(logging.Formatter):
    """What a logger says, as `complain` says it."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        return one_line(redacted(super().format(record)))


def main() -> None:
    """Run the command line; an error is one line on stderr and its exit code, a traceback with --debug."""
    if logging.lastResort:  # what alftbench's own loggers are heard by
        logging.lastResort.setFormatter(SafeLine())
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="alftbench", standalone_mode=False)
        if code == INTERRUPTED:
            typer.echo("interrupted; nothing is lost, run the same command again", err=True)
        sys.exit(code)
    except typer.Abort:
        sys.exit(1)
    except MISUSED as error:
        complain(f"error: {misuse(error)}")
        sys.exit(2)
    except Exception as error:  # noqa: BLE001  whatever goes wrong, a user gets one line
        if "--debug" in sys.argv:
            say_all(traceback.format_exc(), err=True)
        complain(f"error: {in_words(error)}")
        sys.exit(error.exit_code if isinstance(error, AlftbenchError) else 1)


def misuse(error: Any) -> str:
    """What Typer finds wrong with a command, in the words of our own errors."""
    text = error.format_message().removesuffix(".")
    for theirs, ours in THEIR_WORDS.items():
        text = text.replace(theirs, ours)
    text = re.sub(r"^Invalid value for '?([^':]+)'?: ", r"\1: ", " ".join(text.split()))
    command = error.ctx.command_path if error.ctx else "alftbench"
    return f"{text[:1].lower()}{text[1:]}; try: {command} --help"


def in_words(error: Exception) -> str:
    """An error's line; one that nobody expected says how to see where it arose."""
    if isinstance(error, AlftbenchError):
        return str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        return "the output cannot be written: no space is left on the device"
    return f"{error} ({type(error).__name__}; alftbench --debug … shows where)"
