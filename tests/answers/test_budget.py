"""Every text is read in bounded time in process, where nothing can be killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alftbench.answers.canonical import KINDS, MAX_MATH_LENGTH, canonical
from alftbench.answers.find.extract import RULES, extract
from alftbench.answers.mathematics.forms import TEX

SECONDS = 0.2  # of processor time, for any text of 2,000 characters
SQUARE = r"\begin{pmatrix}1&1\\1&0\end{pmatrix}"


def seconds(function: Callable[[], Any]) -> float:
    """Processor time of a call, of three the least: the machine may be busy."""
    times = []
    for _ in range(3):
        started = time.thread_time()
        function()
        times.append(time.thread_time() - started)
        if times[-1] < SECONDS:
            break
    return min(times)


def determinant(depth: int) -> str:
    """A determinant in the corner of a determinant in the corner of …"""
    if depth == 0:
        return "7"
    cells = [["1"] * 5 for _ in range(5)]
    cells[4][4] = determinant(depth - 1)
    return r"\begin{vmatrix}" + r"\\".join("&".join(row) for row in cells) + r"\end{vmatrix}"


def mixed(depth: int) -> str:
    return "2" if depth == 0 else rf"1\frac{{{mixed(depth - 1)}}}{{3}}"


def alternatives(depth: int) -> str:
    return "1" if depth == 0 else rf"\pm\{{{alternatives(depth - 1)}\}}"


NESTED = {
    **{f"product of {n} matrices": SQUARE * n for n in (10, 18, 40)},
    **{f"product of {n} matrices with x": SQUARE.replace("0", "x") * n for n in (10, 18, 40)},
    **{f"determinants {n} deep": determinant(n) for n in (2, 3, 4, 8)},
    **{f"mixed numbers {n} deep": mixed(n) for n in (10, 15, 20)},
    **{f"± {n} deep": alternatives(n) for n in (10, 20)},
    "sums of long fractions": "+".join(rf"\frac{{1}}{{{n}^{{2000}}}}" for n in range(2, 80)),
    "factorials": r"\cdot".join(["2500!/2499!"] * 100),
}


@pytest.mark.parametrize("name", NESTED)
def test_nested_constructs_are_bounded(name):
    text = NESTED[name][:MAX_MATH_LENGTH]
    assert seconds(lambda: KINDS["math"](text)) < SECONDS


@pytest.mark.parametrize("opening", [r"\(", r"\[", "$", r"\(\["])
def test_formulas_behind_a_marker_are_found_in_one_pass(opening):
    text = "The answer is " + opening * 9_990
    assert seconds(lambda: extract(text, "math", RULES)) < SECONDS


def test_what_is_bounded_still_has_its_value():
    assert canonical("math", SQUARE * 9) == "matrix[[55; 34]; [34; 21]]"
    assert canonical("math", determinant(1)) == "0"
    assert canonical("math", r"\begin{vmatrix}2&1&x\\1&3&0\\1&1&1\end{vmatrix}") == canonical("math", "5-2x")
    assert canonical("math", r"2\frac{x}{3}") == canonical("math", r"\frac{2x}{3}")
    assert canonical("math", r"2\frac{1}{3}") == "7/3"


@pytest.mark.parametrize("raw", ["10^{5000}:3", "10^{5000}", r"\frac{10^{5000}}{3}:7", r"[10^{5000}, 10^{6000}]"])
def test_arithmetic_errors_are_texts_that_were_not_read(raw):
    assert canonical("math", raw)


@pytest.mark.parametrize("error", [OverflowError, ZeroDivisionError, RecursionError, ValueError])
def test_an_error_within_arithmetic_does_not_stop_a_run(monkeypatch, error):
    def fails(_: str) -> str:
        raise error

    monkeypatch.setattr("alftbench.answers.canonical.math_key", fails)
    assert KINDS["math"]("12+3") == TEX + "12+3"


PIECES = [
    *"0123456789xyabei()[]{}|!%,;:.+-*/^_=<>& ", "**", "10^{50}", "2500!", r"\frac{", "}{", r"\sqrt{", r"\sqrt[3]",
    "^{", r"\pm", r"\{", r"\}", r"\cup ", r"\begin{pmatrix}", r"\end{pmatrix}", r"\begin{vmatrix}", 
    r"\end{vmatrix}", r"\\", SQUARE, r"\binom",
    r"\sin ", r"\log_", r"\pi", r"\lfloor ", r"\rfloor ", r"\begin{cases}",
    r"\end{cases}", r"\infty", r"\text{ and }", r"\mathbb{R}\setminus",
]  # fmt: skip
SHELLS = [
    ("(", ")"), (r"\frac{", "}{3}"), (r"1\frac{", "}{3}"), (r"1\frac{3}{", "}"), (r"\sqrt{", "}"), ("x^{", "}"),
    ("|", "|"), (r"\{1,", r"\}"), (r"\pm\{", r"\}"), ("(1,", ")"), (r"\begin{vmatrix}1&2\\3&", r"\end{vmatrix}"),
    (r"\begin{vmatrix}1&2&1\\3&2&x\\1&1&", r"\end{vmatrix}"), (SQUARE, ""), (r"\sin(", ")"), (r"\binom{", "}{2}"),
    ("", "!"), ("2^{", "}"), ("y=", ""), ("", r"\cup(1,2)"), (r"\{x|x=", r"\}"), (r"\max(", ",2)"),
    (r"\log_{2}(", ")"), (r"\frac{1}{", "}+x"), (r"\lfloor ", r"\rfloor"),
]  # fmt: skip


@st.composite
def nests(draw: st.DrawFn) -> str:
    """Constructs within constructs, up to the longest text that is read."""
    text = draw(st.sampled_from(["2", "x", "10^{50}", "0.3", r"\pi", r"\pm 1", "2500!", SQUARE]))
    shells = draw(st.lists(st.sampled_from(SHELLS), min_size=1, max_size=4))
    for before, after in shells * draw(st.integers(1, 40)):
        if len(text) + len(before) + len(after) <= MAX_MATH_LENGTH:
            text = before + text + after
    return "+".join([text] * draw(st.integers(1, 30)))[:MAX_MATH_LENGTH]


texts = st.lists(st.sampled_from(PIECES), max_size=60).flatmap(
    lambda pieces: st.integers(1, 60).map(lambda n: ("".join(pieces) * n)[:MAX_MATH_LENGTH])
)


@given(nests() | texts)
@example(SQUARE * 50)
@settings(max_examples=300, deadline=None)
def test_no_text_takes_long(text):
    assert seconds(lambda: KINDS["math"](text)) < SECONDS
