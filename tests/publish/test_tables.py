"""Tables are laid out once; what the renderers make of them, and how they fit any terminal."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from rich.console import Console

from alftbench.base.markdown import markdown
from alftbench.base.tables import Column, Interval, Lines, Links, Number, Quantity, Table, columns
from alftbench.cli import console
from alftbench.publish.choice import chosen, general, stands_for
from alftbench.publish.comparison import compare_runs
from alftbench.publish.evidence import collect
from alftbench.publish.html import html
from alftbench.publish.tables import comparison_tables, metric_table, truncation_hint
from alftbench.types import Comparison, MetricValue, QualityValue
from tests.helpers import ROOT


def metric(name="accuracy", value=0.5, low=0.25, high=0.75) -> MetricValue:
    return MetricValue(name, value, low, high, 0.95, 10, 40, "probability", True)


def printed(monkeypatch, width, *tables) -> str:
    terminal = Console(width=width)
    monkeypatch.setattr(console, "stdout", lambda: terminal)
    with terminal.capture() as said:
        console.show(*tables)
    return said.get()


DIFFERENCE = Comparison("s", "accuracy", "base", "x", -0.125, -0.25, -0.0625, 0.0123, 0.0456, 10, 3)
CELLS = {
    "estimate": (metric(), ["0.500", ".25–.75"], "0.500 [0.250, 0.750]", "0.500<small>0.250 – 0.750</small>"),
    "undefined": (metric(value=math.nan), ["–"], "–", "–"),
    "nothing": (None, ["–"], "–", "–"),
    "unresolved": (
        QualityValue("nash_gap", 0.1, -0.1, 0.3, True, "at n = 8"),
        ["no power", "at n = 8"],
        "no power, at n = 8",
        "no power<small>at n = 8</small>",
    ),
    "bound": (
        QualityValue("nash_gap", 0.1, 0.0001, 0.3, True),
        ["at least <0.001"],
        "at least \\<0.001",
        "at least &lt;0.001",
    ),
    "difference": (
        DIFFERENCE,
        ["-0.125", "-0.25 -0.06", "p 0.046"],
        "-0.125 [-0.250, -0.062], p 0.012, Holm 0.046",
        "-0.125<small>-0.250 to -0.062</small><small>p 0.012, Holm 0.046</small>",
    ),
    "one seed": (
        replace(DIFFERENCE, n_seeds=1),
        ["-0.125", "-0.25 -0.06", "p 0.046†"],
        "-0.125 [-0.250, -0.062], p 0.012†, Holm 0.046†",
        "-0.125<small>-0.250 to -0.062</small><small>p 0.012†, Holm 0.046†</small>",
    ),
    "one problem": (
        replace(DIFFERENCE, low=-math.inf, high=math.inf, p_value=math.nan, p_adjusted=math.nan),
        ["-0.125"],
        "-0.125",
        "-0.125",
    ),
    "count": (7, ["7"], "7", "7"),
    "quantity": (Quantity(397_000), ["397k"], "397k", "397k"),
    "number": (Number(42.84, ".1f"), ["42.8"], "42.8", "42.8"),
    "interval": (Interval(0.25, 0.5), ["0.250 – 0.500"], "0.250 – 0.500", "0.250 – 0.500"),
    "name": (Lines("x", ("2 of 3",)), ["x", "2 of 3"], "x, 2 of 3", "x<small>2 of 3</small>"),
    "markup": ("[red]<b>|", ["[red]<b>|"], "\\[red\\]\\<b\\>\\|", "[red]&lt;b&gt;|"),
    "links": (Links((("0", "a/run.json"),)), ["0"], "[0](a/run.json)", '<a href="a/run.json">0</a>'),
}


@pytest.mark.parametrize("kind", CELLS)
def test_every_kind_of_cell_in_every_renderer(monkeypatch, kind):
    cell, terminal, as_markdown, as_html = CELLS[kind]
    table = Table("t", columns("method", "value"), (("m", cell),))
    lines = printed(monkeypatch, 80, table).splitlines()[4:]
    assert [line.removeprefix(" m").strip() for line in lines if line.strip()] == terminal
    assert f"| m | {as_markdown} |" in markdown(table)
    assert f'<th scope="row">m</th><td>{as_html}</td>' in html(table)


@pytest.fixture(scope="module")
def tiny_tables():
    runs = [
        run for run in collect(sorted((ROOT / "results" / "tiny").iterdir())) if run.suite in ("sums", "splits")
    ]
    methods = ["vanilla-grpo", "coherence-grpo", "diversity-game"]
    return comparison_tables(compare_runs(runs, ["sums", "splits"], methods))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_a_comparison_keeps_names_and_numbers_at_any_width(monkeypatch, tiny_tables, width):
    said = printed(monkeypatch, width, *tiny_tables)
    assert max(map(len, map(str.rstrip, said.splitlines()))) <= width
    words = said.split()
    shown = printed(monkeypatch, 1000, *tiny_tables).split()
    names = {"vanilla-grpo", "coherence-grpo", "diversity-game", "base"}
    numbers = [word for word in shown if re.search(r"\d", word) and not word.startswith("base@")]
    assert names <= set(words)
    assert {number: words.count(number) for number in numbers if "." in number} == {
        number: shown.count(number) for number in numbers if "." in number
    }
    assert ("continued" in said) == (width < 80)


def test_the_committed_comparison_is_what_the_demos_page_shows(monkeypatch, tiny_tables):
    page = (ROOT / "docs/demo.md").read_text(encoding="utf-8")
    said = printed(monkeypatch, 80, *tiny_tables)
    assert [line for line in map(str.rstrip, said.splitlines()) if line and line not in page] == []


@pytest.mark.parametrize(
    ("width", "name", "lines"),
    [
        (40, "shy-grpo:shyness=0.5,learning_rate=1e-05", ["shy-grpo:shyness=0.5,", "learning_rate=1e-05"]),
        (80, "shy-grpo:shyness=0.5,learning_rate=1e-05", ["shy-grpo:shyness=0.5,learning_rate=1e-05"]),
        (40, "a" * 50, ["a" * 29, "a" * 21]),
    ],
)
def test_names_break_at_commas_and_never_inside_a_number(monkeypatch, width, name, lines):
    said = printed(monkeypatch, width, Table("", columns("method", "accuracy"), ((name, metric()),)))
    rows = [line for line in said.splitlines()[3:] if line.strip()]
    assert [row.split()[0] for row in rows if not re.match(r"\s+[.\d]", row)] == lines


def test_running_text_is_wrapped_beside_whole_names(monkeypatch):
    table = Table(
        "", (Column("what"), Column("to do", prose=True)), (("ray", "pip install 'alftbench[ray]' " * 3),)
    )
    said = printed(monkeypatch, 40, table)
    assert said.count("'alftbench[ray]'") == 3
    assert " ray " in said


def test_headings_and_captions_are_literal_everywhere(monkeypatch):
    table = Table("[red]t", columns("m", "<b>"), (("x", 1),), "caption [blue]", "note <i>")
    assert "[red]t: caption [blue]" in printed(monkeypatch, 80, table)
    assert "<b>" not in html(table)
    assert "Caption [blue]. note &lt;i&gt;" in html(table)
    assert "\\<b\\>" in markdown(table)


def test_outcomes_that_never_came_about_have_no_line():
    metrics = [metric(), metric("rate_answered", 0.0), metric("rate_timeout", 0.0), metric("rate_truncated", 0.1)]
    assert [row[0] for row in metric_table("t", metrics).rows] == ["accuracy", "rate_answered", "rate_truncated"]


def test_a_token_limit_that_most_completions_reach_is_told():
    assert truncation_hint([metric(), metric("rate_truncated", 0.49)]) is None
    assert truncation_hint([metric("rate_truncated", 0.75)]) == (
        "75% of completions reached the token limit without an answer; raise --max-tokens"
    )


def test_general_names_stand_for_what_a_run_has():
    names = ["pass@2", "pass@4", "pass@8", "maj@8", "distinct_right@4", "distinct_right@8", "distinct_right@16"]
    assert [stands_for(name, names) for name in ("pass@k", "maj@n", "distinct_right@m")] == [
        "pass@4", "maj@8", "distinct_right@8",
    ]  # fmt: skip
    assert stands_for("distinct_right", names) == "distinct_right@8"  # in boards from before there was an m
    assert stands_for("distinct_right@m", ["distinct_right@2", "distinct_right@4"]) == "distinct_right@4"
    assert general(["pass@4", "maj@8", "distinct_right@8"]) == ["pass@k", "maj@n", "distinct_right@m"]


def test_records_say_themselves_what_to_show_the_usual_first():
    specs = [
        {"name": "brevity", "shown": True, "compared": True},
        {"name": "hidden", "shown": False, "compared": False},
        {"name": "entropy", "shown": True, "compared": False},
        {"name": "accuracy", "shown": True, "compared": True},
    ]
    assert chosen(specs, "shown") == ["accuracy", "brevity", "entropy"]
    assert chosen(specs, "compared") == ["accuracy", "brevity"]
    assert general(["pass", "pass@2", "maj@3", "x@y"]) == ["pass", "pass@k", "maj@n", "x@y"]
    assert stands_for("pass@k", ["pass@2"]) == "pass@2"
    assert stands_for("maj@n", ["accuracy"]) is None
