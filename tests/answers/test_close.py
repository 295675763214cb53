"""What is numerically close is not equal: decided exactly, or refused; and what is equal for a reason stays so."""

from __future__ import annotations

import pytest

from alftbench.answers.canonical import canonical
from alftbench.answers.judge.judge import Judge
from alftbench.answers.pairs import AnswerPair, grade

CLOSE = [
    ("42", r"\sqrt{1764+10^{-60}}"), ("42", "42.000000000000000000000000000001"), (r"\pi", r"\pi+10^{-20}"),
    (r"\pi", r"\pi+10^{-2000}"), ("1", r"\tanh(100)"), ("1", r"\cos(10^{-40})"), ("1", r"1+e^{-200}"),
    ("1", r"\sin(\frac{\pi}{2}+10^{-35})"), ("1", "0." + "9" * 60), ("0", "10^{-100}"),
    ("2", r"\log_{10}(100+10^{-40})"),
    ("1", r"\sin(\frac{\pi}{2}\sin(\frac{\pi}{2}\sin(\frac{\pi}{2}\sin(\frac{\pi}{2}+10^{-9}))))"),
    (r"\sqrt{2}", r"\sqrt{2+10^{-50}}"), (r"\pi", r"\int_0^\pi 1 dx + 10^{-30}"), ("1", r"(1+10^{-70})^{1/2}"),
    ("262537412640768744", r"e^{\pi\sqrt{163}}"), ("e", r"(1+10^{-9})^{10^9}"), ("x", "x+10^{-30}"),
    ("x^2", "x^2+10^{-3000}x"), ("x", "x(1+10^{-25})"), ("(1,2)", "(1,2+10^{-40})"),
    (r"\{1,2\}", r"\{1+10^{-25},2\}"),
    ("x<3", "x<3+10^{-30}"), ("y=x", "y=x+10^{-25}"), ("2", r"\sum_{k=0}^{100} 2^{-k}"), 
    ("i", r"e^{i\pi/2}+10^{-30}"),
    ("5", r"5+\int_0^1 10^{-30} dx"), ("0", r"\sin(10^{-30})"), ("10^{100}", "10^{100}+1"), ("100!", "100!+1"),
    ("0", r"\sqrt{2}-1.41421356237309504880168872420969807856967"), (r"\arctan 1", r"\frac{\pi}{4}+10^{-19}"),
    ("1", r"\frac{10^{40}}{10^{40}+1}"), ("1", r"\tanh(\tanh 9+9)"), (r"90^\circ", r"90.0000000001^\circ"),
]  # fmt: skip
EQUAL = [
    ("2", r"\sum_{k=0}^{\infty} 2^{-k}"), (r"\frac{\pi^2}{6}", r"\sum_{k=1}^{\infty}\frac{1}{k^2}"), 
    ("0", r"\sin\pi"),
    ("1", r"\lim_{x\to 0}\frac{\sin x}{x}"), ("42", r"\lfloor 42+10^{-40}\rfloor"), ("i", r"e^{i\pi/2}"),
    (r"\sqrt{2}+\sqrt{3}", r"\sqrt{5+2\sqrt{6}}"), ("2", r"e^{\ln 2}"), (r"\frac{3}{2}", r"\log_4 8"),
    (r"\frac{1}{2}", r"\int_0^1 x dx"), ("1", r"\sin\frac{\pi}{2}"), ("2", r"\sqrt{2}\cdot\sqrt{2}"),
]  # fmt: skip


def test_close_is_not_equal(judge: Judge) -> None:
    rows = [AnswerPair(i, gold, rf"\boxed{{{text}}}") for i, (gold, text) in enumerate(CLOSE)]
    assert [row for row, found in grade(rows, judge) if found.equivalent] == []


def test_what_is_equal_for_a_reason_stays_equal(judge: Judge) -> None:
    rows = [AnswerPair(i, gold, rf"\boxed{{{text}}}") for i, (gold, text) in enumerate(EQUAL)]
    assert [row for row, found in grade(rows, judge) if not found.equivalent] == []


@pytest.mark.parametrize(("text", "value"), [(r"\cos 60^\circ", "1/2"), (r"\log_{10} 10^{100}", "100")])
def test_a_fraction_that_was_computed_is_one(text: str, value: str) -> None:
    assert canonical("math", text) == value


@pytest.mark.parametrize("text", [r"\sqrt{1764+10^{-60}}", r"\log_2(8+10^{-40})", r"\sin(\frac{\pi}{2}+10^{-30})"])
def test_a_number_that_only_looks_like_a_fraction_has_no_key_of_one(text: str) -> None:
    assert str(canonical("math", text)).startswith("tex:")
