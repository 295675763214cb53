"""The command that grades pairs of answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from alftbench.base.foreign import json_text
from alftbench.cli.app import app, say
from alftbench.cli.options import Format
from alftbench.errors import AlftbenchError, BadInput, UsageError

if TYPE_CHECKING:
    from alftbench.answers.pairs import Summary

SHOW_EVERY = 100  # rows between two updates of the bar
NAMED = 5  # rows that disagree with their label


@app.command("grade")
def grade_command(
    pairs: Annotated[Path, typer.Argument(help="JSONL rows with gold and prediction; - reads stdin.")],
    output_format: Annotated[
        Format, typer.Option("--format", help="Of the summary on stderr; grades are JSON lines always.")
    ] = Format.TABLE,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes for what needs symbolic algebra; one per core, four at most."),
    ] = None,
    time_limit: Annotated[float, typer.Option("--time-limit", help="Seconds per comparison in a worker.")] = 2.0,
    memory_limit: Annotated[int, typer.Option("--memory-limit", help="MB of a worker's address space.")] = 512,
    output: Annotated[Path | None, typer.Option("--output", help="File for the grades instead of stdout.")] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            "--secret",
            help="32 hexadecimal digits that say where verdicts are confirmed; drawn anew if not given. The "
            "summary names them, so that a grading can be repeated.",
        ),
    ] = None,
) -> None:
    """Say for every pair whether the prediction is the gold answer: JSON lines, in order."""
    from alftbench.answers.confirm import drawn_secret
    from alftbench.answers.judge.judge import Judge
    from alftbench.answers.pairs import Summary, grade, read_rows
    from alftbench.cli.progress import progress_bar
    from alftbench.types import Progress

    check_output(output, pairs)
    total = check_rows(pairs)
    summary = Summary(secret or drawn_secret())
    check_secret(summary.secret)
    with (
        Judge(workers, time_limit, memory_limit) as judge,
        lines_of(pairs) as lines,
        writing(output) as out,
        progress_bar("grade") as show,
    ):
        for row, verdict in grade(read_rows(lines, name_of(pairs)), judge, summary.secret):
            out.write(json.dumps(asdict(verdict)) + "\n")
            summary.add(row, verdict)
            out.flush()  # whoever reads a pipe has every grade when it is found
            if summary.rows % SHOW_EVERY == 0:
                show(Progress("pairs", summary.rows, total))
    say_summary(summary, output_format)
    if summary.unreadable:
        first = ", ".join(map(repr, summary.unreadable[:3]))
        raise AlftbenchError(
            f"{len(summary.unreadable)} of {summary.rows} gold answers could not be read (first: {first}); "
            f"all other rows were graded"
        )


def check_secret(secret: str) -> None:
    """Refuse what is no secret before anything is opened."""
    from alftbench.answers.confirm import as_bytes

    try:
        as_bytes(secret)
    except BadInput as error:
        raise UsageError(f"--secret: {error}") from None


def name_of(path: Path) -> str:
    """What messages call the input."""
    return "stdin" if str(path) == "-" else str(path)


@contextmanager
def lines_of(path: Path) -> Iterator[Iterator[str]]:
    """The lines of a file or of stdin, none of them too long.

    Raises:
        UsageError: the file does not exist or is not text.
    """
    from alftbench.base.bounds import lines

    try:
        with nullcontext(sys.stdin) if str(path) == "-" else path.open(encoding="utf-8-sig") as file:
            yield lines(file, name_of(path))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except (IsADirectoryError, PermissionError, UnicodeDecodeError) as error:
        raise UsageError(f"{name_of(path)}: cannot be read: {error}") from None


def check_rows(path: Path) -> int | None:
    """The number of rows of a file, every one checked before the first is graded; None for stdin."""
    from alftbench.answers.pairs import read_rows

    if str(path) == "-":
        return None
    with lines_of(path) as lines:
        return sum(1 for _ in read_rows(lines, name_of(path)))


def check_output(output: Path | None, pairs: Path) -> None:
    """Refuse to write over a folder or over what is read.

    Raises:
        UsageError: the output is one of these.
    """
    if output is not None and output.is_dir():
        raise UsageError(f"--output {output}: is a folder; name a file")
    if output is not None and output.exists() and pairs.exists() and output.samefile(pairs):
        raise UsageError(f"--output {output}: would overwrite the pairs; name another file")


@contextmanager
def writing(output: Path | None) -> Iterator[IO[str]]:
    """stdout, or a file that appears when everything is in it; until then it is FILE.partial.

    A device or pipe is written to as it is.
    """
    if output is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    plain = output.is_file() or not output.exists()
    target = output.resolve()  # a link stays a link
    partial = target.with_name(target.name + ".partial") if plain else target
    try:
        file = partial.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output {output}: cannot be written: {error.strerror}") from None
    with file:
        yield file
    if plain:
        partial.replace(target)


def say_summary(summary: Summary, output_format: Format) -> None:
    """The summary on stderr, as JSON or as a few lines."""
    content = summary.to_json()
    if output_format is Format.JSON:
        typer.echo(json_text(content), err=True)
        return
    lines = [shares("equivalent", content["equivalent"])]
    if "agreement" in content:
        agreement = content["agreement"]
        lines.append(f"{shares('agree with labels', agreement)}; {agreement['false_equal']} wrongly equal")
        lines += [
            f"  {kind.replace('_', ' ')}: {first_of(agreement[kind])}"
            for kind in ("wrongly_equal", "wrongly_unequal")
            if agreement[kind]
        ]
    lines.append(shares("guessed from a text that names no answer", content["guessed"]))
    lines.append("outcomes: " + ", ".join(f"{name} {count}" for name, count in content["outcomes"].items()))
    lines.append(f"secret: {content['secret']}")
    for line in lines:
        say(line, err=True)


def first_of(ids: Sequence[str | int]) -> str:
    """The first ids, and how many more there are."""
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return ", ".join(map(repr, ids[:NAMED])) + more


def shares(name: str, share: dict[str, float]) -> str:
    """`name: 12 of 20 rows, 60.0% (38.7–78.1%)`."""
    if not share["n"]:
        return f"{name}: no rows"
    return (
        f"{name}: {share['count']} of {share['n']} rows, "
        f"{share['share']:.1%} ({100 * share['low']:.1f}–{share['high']:.1%})"
    )
