"""Words that change what an answer says: none is dropped, and no honest answer is lost for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alftbench.answers.canonical import canonical
from alftbench.answers.equivalence import accepts
from alftbench.answers.find.extract import extract
from alftbench.answers.pairs import grade, read_rows

ROWS = Path(__file__).with_name("near_misses_words.jsonl")
CLOSE = Path(__file__).with_name("near_misses_close.jsonl")  # numerically, or forged
RULES = ("boxed", "hashes", "marker", "last-number")
WHOLE = re.compile(r"-?\d+")
BAR = 0.01  # of near misses that may be judged equal


@pytest.fixture(scope="module")
def rows():
    return list(read_rows(ROWS.read_text(encoding="utf-8").splitlines(), ROWS.name))


def test_near_misses_are_told_apart_and_honest_answers_are_not_lost(rows, judge):
    graded = [(row, found.equivalent) for row, found in grade(rows, judge)]
    misses = [row for row, _ in graded if row.label is False]
    wrongly_equal = [row for row, equal in graded if equal and row.label is False]
    assert len(misses) >= 300
    assert len(wrongly_equal) <= BAR * len(misses), wrongly_equal
    assert [row for row, equal in graded if row.label and not equal] == []


def test_what_is_close_or_forged_is_told_apart(judge):
    rows = list(read_rows(CLOSE.read_text(encoding="utf-8").splitlines(), CLOSE.name))
    wrongly_equal = [row for row, found in grade(rows, judge) if found.equivalent and row.label is False]
    assert len(rows) >= 100
    assert wrongly_equal == []


@pytest.mark.parametrize("kind", ["number", "math"])
def test_rules_of_suites_take_no_bare_number_out_of_near_misses(rows, kind):
    """As the suites read responses: what is denied, counted or signed in words is hardly ever a bare number."""
    misses = [row for row in rows if row.label is False and WHOLE.fullmatch(row.gold)]
    keys = [(row, extract(row.prediction, kind, RULES).canonical) for row in misses]
    taken = [row for row, key in keys if key is not None and accepts(canonical(kind, row.gold), key)]
    assert len(taken) <= 2 * BAR * len(misses), taken


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ("5 dozen", "60"), ("5 hundred", "500"), ("-5", "-5"), ("minus 5", "-5"), ("negative five", "-5"),
        ("\\text{two dozen} eggs", "24"), ("3 lakh", "300000"), ("two and a half", "5/2"), ("five squared", "25"),
        ("five sixths", "5/6"), ("three point two five", "13/4"), ("half of 12 apples", "6"), ("twelve", "12"),
        ("one hundred and two thirds", "302/3"), ("seven (7)", "7"), ("12 apples", "12"),
        ("8 pairs of shoes", "8"), ("three quarters of a mile", "3/4"), ("5 less than 7", None),
        ("5 is too low", None), ("5? No.", None), ("5 (wrong)", None), ("5 pairs", None),
        ("5k", None), ("5万", None), ("3 quarters", None), ("five six", None), ("minus 5 squared", None),
        ("twenty fifths", None), ("5 dozen 3", None), ("half 12", None), ("5 in base 8", None), ("nоt 5", None),
    ],
)  # fmt: skip
def test_numbers_with_words(raw, key):
    assert canonical("number", raw) == key


@pytest.mark.parametrize(
    "raw", ["not B", "neither B nor C", "anything but B", "B is wrong", "B, no wait", "(B) is wrong", "B. No, C"]
)
def test_a_choice_that_is_denied_is_none(raw):
    assert canonical("choice", raw) is None
    assert not accepts("B", canonical("math", raw))


@pytest.mark.parametrize("raw", ["(B)", "B.", "(B) no solution", "(B) none of these", "B: not enough information"])
def test_a_choice_may_be_a_denial(raw):
    assert accepts("B", canonical("math", raw))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("The answer is 41. Wait, no. The answer is 42.", "42"),
        ("Answer: Answer: 42", "42"),
        (r"\boxed{41}. Oops, I made a mistake: it is 42", "42"),
        (r"\boxed{42} is the first such number, and 41 is not prime.", "42"),
        ("The answer is 41. That is wrong.", None),
        ("The answer is 41? No.", None),
        (r"Is it \boxed{41}? No.", None),
        ("Twice the answer is 42.", None),
        ("I first thought 42", None),
    ],
)
def test_what_is_taken_back_does_not_count(text, key):
    assert extract(text, "number", RULES).canonical == key
