"""Text from others' records on pages: no markup, no line, no link and no formula of its own."""

from __future__ import annotations

import csv
import html as library
import io
import re
from dataclasses import replace

import pytest

from alftbench.base.foreign import HIDDEN, visible
from alftbench.base.markdown import code, literal, markdown
from alftbench.base.tables import Lines, Links, Table, columns
from alftbench.cli import console
from alftbench.publish.board import as_csv, unasked
from alftbench.publish.comparison import compare_runs
from alftbench.publish.evidence import collect
from alftbench.publish.html import html
from tests.helpers import ROOT

EVIL = [
    "a\n\n# heading\n| x |",
    "a\r| b | c",
    "`code` **bold** _it_ ~~no~~ $x$",
    "[link](http://evil) ![x](http://evil/x.png)",
    "http://evil www.evil.org",
    "<script>alert(1)</script> &lt;b&gt; <!-- ",
    "\x1b]8;;http://evil\x07click\x1b]8;;\x07\x1b[2J",
    "[red]rich[/red] [link=http://evil]x[/link]",
    "\u202ereversed\u2066\u200b\U000e0041",
    "half \ud800",
]
TAGS = {"section", "h2", "p", "div", "table", "thead", "tr", "th", "tbody", "td", "small", "a"}


def table(text):
    return Table(
        text, columns("method", text), ((text, Lines(text, (text,))), (text, Links(((text, text),)))), text, text
    )


@pytest.mark.parametrize("text", EVIL)
def test_text_is_text_on_every_page(capsys, text):
    plain = markdown(table(text))
    assert len(plain.splitlines()) == 8
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in plain.splitlines()[4:]} == {3}
    assert not re.search(r"(?<!\\)[`*_\[<~$&#]", re.sub(r"^## |\[.*\]\(.*\)|---", "", plain, flags=re.MULTILINE))
    assert "://" not in plain.replace("\\://", "")
    page = html(table(text))
    assert set(re.findall(r"<(\w+)", page)) <= TAGS
    assert 'href="http:' not in page
    console.show(table(text))
    shown = capsys.readouterr().out
    for rendered in (plain, page, shown):
        assert not HIDDEN.search(rendered.replace("\n", ""))
        rendered.encode()
    assert library.unescape(re.search("<h2>(.*)</h2>", page)[1]) == visible(text)


def test_names_in_backticks_stay_there():
    assert code("a`<b>\n") == "`a\N{MODIFIER LETTER GRAVE ACCENT}<b>\\n`"
    assert literal("diversity-game:eta=0.5, 2 × x @ 2.20GHz") == "diversity-game:eta=0.5, 2 × x @ 2.20GHz"


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+cmd", "@SUM(A1)", " =1", "\uff1d1", "-", "+", "=-5"])
def test_a_text_that_a_spreadsheet_would_compute_is_quoted(text):
    assert unasked(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-5", "+0.25", "base", "a-b", -0.5, 3, None, "diversity-game:eta=-1"])
def test_numbers_and_names_stay(value):
    assert unasked(value) == value


def test_the_csv_of_hostile_records_has_a_line_a_value():
    compared = compare_runs(collect([ROOT / "results" / "tiny" / "base-seed0"])[:1], ["splits"], [])
    row = compared.rows[0]
    rows = [
        replace(row, method=text, suite=text) for text in ("=HYPERLINK(1)", "\r=1", "\t=1", "a\nb", "a\rb", "-1-1")
    ]
    text = as_csv(replace(compared, rows=tuple(rows)))
    assert "\r" not in text
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == len(rows) * len(row.metrics) == len(text.splitlines()) - 1
    assert {line["method"] for line in lines} == {"'=HYPERLINK(1)", r"\r=1", r"\t=1", r"a\nb", r"a\rb", "'-1-1"}
    assert [float(line["value"]) for line in lines[: len(row.metrics)]] == pytest.approx(
        [metric.value for metric in row.metrics], nan_ok=True
    )
