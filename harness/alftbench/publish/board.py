"""A leaderboard: README.md, index.html and table.csv from verified records, nothing typed in by hand."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from jinja2 import Environment

from alftbench.base.bounds import read_toml
from alftbench.base.foreign import visible
from alftbench.base.jsonio import write_text
from alftbench.base.locks import sole_writer
from alftbench.base.markdown import code, literal, markdown
from alftbench.base.provenance import in_words
from alftbench.base.validate import NOT_EMPTY, Text, Together, read
from alftbench.errors import BadInput
from alftbench.evaluation.measure import renew
from alftbench.evaluation.verify import has_texts
from alftbench.publish.choice import USUAL, general
from alftbench.publish.comparison import Compared, compare_runs
from alftbench.publish.evidence import Evidence, collect
from alftbench.publish.html import html
from alftbench.publish.tables import BoardLayout, comparison_tables

log = logging.getLogger(__name__)
FORMULA = re.compile(r"\s*([=@\uff1d\uff0b\uff0d\uff20]|[+-](?!\d+(\.\d+)?$))")  # how one begins; -0.5 is a number


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
class Board(BoardFile):
    """A board's folder and what its board.toml says; `phrasings` are the suites whose phrasings it shows apart."""

    folder: Path

    @classmethod
    def read(cls, folder: Path) -> Board:
        """The board described by a folder's board.toml.

        Raises:
            BadInput: the file is missing or says too little.
        """
        path = folder / "board.toml"
        try:
            spec = read_toml(path)
        except FileNotFoundError:
            raise BadInput(f"{path}: no such file; a board is a folder with a board.toml") from None
        return cls(folder, **vars(read(BoardFile, spec, str(path))))

    @classmethod
    def ensure(
        cls, folder: Path, suites: Sequence[str], methods: Sequence[str], metrics: Sequence[str] = USUAL["shown"]
    ) -> Board:
        """The board in a folder; a folder without one gets a board.toml first, which names these metrics."""
        path = folder / "board.toml"
        if not path.exists():
            write_text(
                path,
                f"title = {quoted(folder.name)}\n"
                f"suites = {quoted([*suites])}\n"
                f"methods = {quoted([*methods])}  # the order of equal ranks\n"
                f"metrics = {quoted(general(metrics))}\n"
                f'rank_by = "accuracy"\n',
            )
        return cls.read(folder)


def quoted(value: str | list[str]) -> str:
    """A TOML string or array of strings, which JSON spells the same."""
    return json.dumps(value, ensure_ascii=False)


def publish(board: Board, trials: Sequence[Path]) -> Compared:
    """Verify the runs of a board's trials and rewrite its README.md, index.html and table.csv.

    Runs that an older version of the metrics measured are measured anew first, on disk too.

    Args:
        board: which suites and metrics to show.
        trials: folders results/<board>/<trial>, each with a run per suite.

    Raises:
        BadInput: a run is unfinished or changed, or runs are not comparable; the pages stay as they were.
    """
    for trial in trials:
        for path in sorted(trial.glob("*/run.json")):
            renew(path.parent)
    evidence = [run for run in collect(trials) if run.suite in board.suites]
    if not evidence:
        raise BadInput(f"board {board.title}: there is no run of {', '.join(board.suites)} to show")
    compared = compare_runs(evidence, board.suites, board.methods, board.rank_by)
    there = [name for name in board.metrics if any(row.metric(name) for row in compared.rows)]
    if not any(row.metric(board.rank_by) for row in compared.rows):
        raise BadInput(f"{board.folder / 'board.toml'}: no run has the metric {board.rank_by!r}, the ranks' own")
    if missing := [name for name in board.metrics if name not in there]:
        log.warning("warning: no run has the metric %s; the board leaves it out", ", ".join(missing))
    results = os.path.relpath(trials[0].parent, board.folder)
    layout = BoardLayout(tuple(there), board.rank_by, board.phrasings, results)
    page = {
        "board": board,
        "tables": comparison_tables(compared, layout),
        "evidence": evidence_in_words(evidence),
        "made_with": list(dict.fromkeys(in_words(run.record.provenance) for run in evidence)),
    }
    with sole_writer(board.folder):
        write_text(board.folder / "index.html", render("index.html.jinja", page, escape=True))
        write_text(board.folder / "README.md", render("README.md.jinja", page, escape=False))
        write_text(board.folder / "table.csv", as_csv(compared))
    return compared


def evidence_in_words(runs: Sequence[Evidence]) -> str:
    """Which share of the samples' texts lies beside their answers."""
    texts = sum(has_texts(run.folder) for run in runs)
    if texts == len(runs):
        return f"The texts and answers of the samples of all {len(runs)} runs are in the results folder."
    return (
        f"The answers of the samples of all {len(runs)} runs are in the results folder, their texts for {texts} "
        f"of them: the others can be counted again from it, and drawn again, but not graded again."
    )


def trial_folders(results: Path) -> list[Path]:
    """The trials of a board's results folder, in order of name."""
    return sorted(path for path in results.glob("*") if path.is_dir())


def as_csv(compared: Compared) -> str:
    """Every value of a comparison, a line each: suite, method, metric, value, interval and counts."""
    import pandas as pd  # half a second that only publishing needs

    lines = [
        {"suite": row.suite, "method": row.method, "seeds": len(row.seeds), **asdict(metric)}
        for row in compared.rows
        for metric in row.metrics
    ]
    lines = [{name: unasked(value) for name, value in line.items()} for line in lines]
    return pd.DataFrame(lines).to_csv(index=False, lineterminator="\n")


def unasked(value: object) -> object:
    """A text that no spreadsheet computes or breaks a line at; a number, also one that is spelled, as it is."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if FORMULA.match(text) else text


def render(template: str, page: dict[str, object], escape: bool) -> str:
    """Fill a template of this package; HTML escapes every value, Markdown the characters that mean something."""
    environment = Environment(autoescape=escape, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters.update(html=html, markdown=markdown, literal=literal, code=code, visible=visible)
    text = files(__package__).joinpath("templates", template).read_text(encoding="utf-8")
    return environment.from_string(text).render(page)
