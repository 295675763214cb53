"""A leaderboard: README.md, index.html and table.csv from verified records, nothing typed in by hand."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from jinja2 import Environment

from alftbench.base.jsonio import write_text
from alftbench.base.provenance import in_words
from alftbench.base.validate import NOT_EMPTY, Text, Together, read
from alftbench.errors import BadInput
from alftbench.publish.comparison import Row, Table, build_table, by_measure
from alftbench.publish.evidence import collect
from alftbench.publish.wording import (
    FIGURE_HEADINGS,
    claim,
    interval,
    p_text,
    problems,
    quantity,
    resolved,
    short,
    signed,
)
from alftbench.types import MetricValue

DEFAULT_METRICS = ("accuracy", "pass@k", "maj@n", "entropy", "distinct_right", "coherence", "agreement")


@dataclass(frozen=True, kw_only=True)
class BoardFile(Together):
    """The content of board.toml."""

    title: Text
    suites: Annotated[tuple[Text, ...], NOT_EMPTY]
    methods: tuple[Text, ...]
    metrics: tuple[Text, ...]
    rank_by: Text
    phrasings: tuple[Text, ...] = ()

    @classmethod
    def together(cls, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Phrasings are those of the board's suites."""
        for name in given.get("phrasings") or ():
            if given.get("suites") and name not in given["suites"]:
                yield "phrasings", f"names {name!r}, which is none of its suites"


@dataclass(frozen=True)
class Board:
    """A board's folder and what its board.toml says; `phrasings` are the suites whose phrasings it shows apart."""

    folder: Path
    title: str
    suites: tuple[str, ...]
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    rank_by: str
    phrasings: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Board:
        """The board described by a folder's board.toml.

        Raises:
            BadInput: the file is missing or says too little.
        """
        path = folder / "board.toml"
        try:
            spec = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise BadInput(f"{path}: no such file; a board is a folder with a board.toml") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadInput(f"{path}: not TOML: {error}") from None
        return cls(folder, **vars(read(BoardFile, spec, str(path))))

    @classmethod
    def ensure(cls, folder: Path, suites: Sequence[str], methods: Sequence[str]) -> Board:
        """The board in a folder; a folder without one gets a board.toml first."""
        path = folder / "board.toml"
        if not path.exists():
            write_text(
                path,
                f"title = {quoted(folder.name)}\n"
                f"suites = {quoted_list(suites)}\n"
                f"methods = {quoted_list(methods)}  # the order of equal ranks\n"
                f"metrics = {quoted_list(DEFAULT_METRICS)}\n"
                f'rank_by = "accuracy"\n',
            )
        return cls.read(folder)


def quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def quoted_list(items: Sequence[str]) -> str:
    """A TOML array of strings."""
    return "[" + ", ".join(map(quoted, items)) + "]"


def publish(board: Board, trials: Sequence[Path]) -> Table:
    """Verify the runs of a board's trials and rewrite its README.md, index.html and table.csv.

    Args:
        board: which suites and metrics to show.
        trials: folders results/<board>/<trial>, each with a run per suite.

    Raises:
        BadInput: a run is unfinished or changed, or runs are not comparable; the pages stay as they were.
    """
    evidence = [run for run in collect(trials) if run.suite in board.suites]
    if not evidence:
        raise BadInput(f"board {board.title}: there is no run of {', '.join(board.suites)} to show")
    table = build_table(evidence, board.suites, board.methods)
    for name in (board.rank_by, *board.metrics):
        if all(row.metric(name) is None for row in table.rows):
            raise BadInput(f"{board.folder / 'board.toml'}: no run has a metric {name!r}")
    page = {
        "board": board,
        "table": table,
        "headings": {suite: headings(table, suite, board.metrics) for suite in board.suites},
        "by_phrasing": partial(by_phrasing, table),
        "ranked": {suite: ranked(table, suite, board.rank_by) for suite in board.suites},
        "results": os.path.relpath(trials[0].parent, board.folder),
        "made_with": list(dict.fromkeys(in_words(run.record.provenance) for run in evidence)),
        "figures": FIGURE_HEADINGS,
        "measured": by_measure(table.rows),
        "costs": list({row.method: row.cost for row in table.rows if row.cost}.items()),
    }
    write_text(board.folder / "index.html", render("index.html.jinja", page, escape=True))
    write_text(board.folder / "README.md", render("README.md.jinja", page, escape=False))
    write_text(board.folder / "table.csv", as_csv(table))
    return table


def headings(table: Table, suite: str, metrics: Sequence[str]) -> list[str]:
    """The metrics' names in a suite's table: `maj@n` and `pass@k` with the numbers that they stand for."""
    rows = [row for row in table.rows if row.suite == suite]
    return [next((m.name for row in rows if (m := row.metric(name))), name) for name in metrics]


def by_phrasing(table: Table, suite: str) -> list[tuple[str, Row, tuple[MetricValue, ...]]]:
    """Phrasing after phrasing, the metrics of every method in the table's order."""
    rows = [row for row in table.rows if row.suite == suite]
    names = dict.fromkeys(name for row in rows for name in row.phrasings)
    return [(name, row, row.phrasings[name]) for name in names for row in rows if name in row.phrasings]


def trial_folders(results: Path) -> list[Path]:
    """The trials of a board's results folder, in order of name."""
    return sorted(path for path in results.glob("*") if path.is_dir())


def as_csv(table: Table) -> str:
    """Every value of a table, a line each: suite, method, metric, value, interval and counts."""
    import pandas as pd  # half a second that only publishing needs

    lines = [
        {"suite": row.suite, "method": row.method, "seeds": len(row.seeds), **asdict(metric)}
        for row in table.rows
        for metric in row.metrics
    ]
    return pd.DataFrame(lines).to_csv(index=False, lineterminator="\n")


def ranked(table: Table, suite: str, metric: str) -> list[tuple[int, Row]]:
    """Rows of a suite, best first; rows whose interval reaches the best of a rank's share that rank."""
    rows = [row for row in table.rows if row.suite == suite]
    rows.sort(key=lambda row: -score(row, metric))
    places: list[tuple[int, Row]] = []
    for i, row in enumerate(rows):
        leader = places[-1][0] - 1 if places else 0
        tied = i > 0 and reaches(row, rows[leader], metric)
        places.append((places[-1][0] if tied else i + 1, row))
    return places


def score(row: Row, metric: str) -> float:
    """The value that a row is ranked by; a row without it comes last."""
    found = row.metric(metric)
    return found.value if found else float("-inf")


def reaches(row: Row, leader: Row, metric: str) -> bool:
    """Do the intervals of two rows overlap?"""
    mine, best = row.metric(metric), leader.metric(metric)
    return mine is not None and best is not None and mine.high >= best.low


def render(template: str, page: dict[str, object], escape: bool) -> str:
    """Fill a template of this package; HTML escapes every value, Markdown the characters that mean something."""
    environment = Environment(autoescape=escape, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters.update(
        interval=interval,
        short=short,
        quantity=quantity,
        signed=signed,
        p=p_text,
        problems=problems,
        md=markdown_text,
        resolved=resolved,
        claim=claim,
    )
    text = files(__package__).joinpath("templates", template).read_text(encoding="utf-8")
    return environment.from_string(text).render(page)


def markdown_text(text: str) -> str:
    """A name as Markdown shows it literally inside a table."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in text)
