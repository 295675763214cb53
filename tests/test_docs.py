"""What the pages say is what the records, the contract and the folders say."""

from __future__ import annotations

import csv
import re

import pytest
from draw_architecture import PICTURE, check_way, picture

from tests.helpers import ROOT

COLUMNS = ("accuracy", "coherence", "agreement_within")
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "leaderboards").rglob("*.md")})


def test_the_first_screen_fits_on_one():
    first = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Install")[0]
    assert len(first.splitlines()) <= 60


def test_readmes_table_is_the_boards():
    with (ROOT / "leaderboards/tiny/table.csv").open(encoding="utf-8") as file:
        board = {(row["method"], row["name"]): row for row in csv.DictReader(file) if row["suite"] == "sums"}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [
        line.split("|")[1:-1] for line in text.splitlines() if re.match(r"\| (nothing|`[\w-]+`, rewards)", line)
    ]
    assert len(rows) == 4
    for method, *cells in rows:
        name = re.search("`(.+?)`", method)[1]
        for metric, cell in zip(COLUMNS, cells, strict=True):
            values = (float(board[name, metric][end]) for end in ("value", "low", "high"))
            assert cell.strip() == "{:.3f} [{:.3f}, {:.3f}]".format(*values)


def test_the_picture_is_drawn_from_the_contract():
    check_way()
    assert PICTURE.read_text(encoding="utf-8") == picture()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if not link.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / link).exists(), link


def test_every_threat_names_tests_that_are_there():
    table = (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("| threat |")[2]
    rows = [line.split("|")[1:-1] for line in table.splitlines()[2:] if line.startswith("|")]
    assert len(rows) > 20
    for threat, _, tests in rows:
        named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", tests)
        assert named or tests.strip() == "(test: to be named)", threat
        for path, name in named:
            assert f"def {name or 'test_'}" in (ROOT / "tests" / path).read_text(encoding="utf-8"), (path, name)
