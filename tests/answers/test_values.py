"""What is known by its values is known soundly: no two answers get one key for want of digits or of points."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alftbench.answers.canonical import canonical
from alftbench.answers.equivalence import decide
from alftbench.answers.mathematics.forms import TEX

DIFFERENT = [
    (r"\lfloor n/2\rfloor", r"\lfloor n/3\rfloor"), (r"\lfloor n/2\rfloor", "0"), (r"\lceil n/2\rceil", "1"),
    (r"\max(a,b)", "a"), (r"\min(a,b)", "a"), ("|x+5|", "x+5"), ("|x-1|<2", "x<3"), ("|x|<3", "x<3"),
    ("|x|=3", "x=3"), ("y=|x|", "y=x"), ("|x|y", "x|y|"), ("|x|+|y|", "|x+y|"), ("|x|^3", "x^3"),
    ("|x|x", "x^2"),
    ("e^{-150}", "e^{-200}"), ("e^{-150}", "0"), ("1-e^{-200}", "1"), ("1+e^{-150}", "1"),
    ("e^{100}+1", "e^{100}"), ("2^{100}+n", "2^{100}+2n"), ("10^{30}n+1", "10^{30}n+2"),
    ("x+10^{-50}", "x"), ("e^{-150}i", "0"),
    (r"1-\tanh(100)", "0"), (r"\cosh(100)-\sinh(100)", "0"), (r"\cos(e^{-100})", "1"), ("2^{10^{-50}}", "1"),
    (r"(10^{50}+1)\pi", r"10^{50}\pi"), (r"\sqrt{10^{50}+1}", "10^{25}"), (r"\ln(10^{60}+1)", r"\ln(10^{60})"),
    ("f(g(x))", "g(f(x))"), ("f(x+y)", "f(x)+f(y)"), ("f(0)", "0"), ("f'(0)", "0"), ("y'(0)+1", "1"),
    (r"\frac{dy}{dx}", r"\frac{y}{x}"), ("dy/dx", "xy"), (r"\frac{d^2y}{dx^2}", r"\frac{dy}{x^2}"),
    ("x+y<1", "x+y>1"), (r"x+y\le 1", r"x+y\ge 1"),
    (r"\sqrt{x^2}", "x"), (r"\sqrt{x^2}", "-x"), (r"\sqrt[4]{x^4}", "x"), (r"\sqrt{x^2y}", r"x\sqrt{y}"),
    (r"\sqrt{|x|x}", "|x|"), ("(x^2)^{3/2}", "x^3"), (r"\sqrt{\sqrt{x^4}}", "x"), (r"\sqrt{9x^{-2}}", "3/x"),
]  # fmt: skip
SAME = [
    (r"\sin \pi", "0"), (r"\cos\frac{\pi}{2}", "0"), (r"e^{i\pi}+1", "0"), (r"\tan\frac{\pi}{4}", "1"),
    (r"\sqrt2\sqrt3-\sqrt6", "0"), (r"|-2x|", "2|x|"), ("|xy|", "|x||y|"), ("|x|^2", "x^2"), ("|x|/|x|", "1"),
    (r"\lfloor \sqrt2\cdot\sqrt2 \rfloor", "2"), (r"\max(3,\sqrt8)", "3"), (r"e^{-150}\cdot e^{-50}", "e^{-200}"),
    (r"\sqrt{x^2}", "|x|"), (r"\sqrt{x\cdot x}", "|x|"), (r"\sqrt{x^2y}", r"|x|\sqrt{y}"),
    (r"\sqrt[4]{x^8}", "x^2"),
    (r"\sqrt{|x|^2}", "|x|"), (r"(x^2)^{0.5}", "|x|"), (r"\sqrt{\frac{x^2}{y^2}}", r"\frac{|x|}{|y|}"),
    (r"\sqrt{x^2(y+1)}", r"|x|\sqrt{y+1}"), (r"\sqrt[6]{x^2}", r"\sqrt[3]{|x|}"), (r"\sqrt{x^2}^2", "x^2"),
    (r"\sqrt{x^3}", r"x\sqrt{x}"), (r"\sqrt{x}\sqrt{x}", "x"), (r"\sqrt[3]{x^3}", "x"),
    ("a(b+c)", "ab+ac"), (r"\frac{2d}{3d}", "2/3"), ("d(x+1)", "dx+d"), (r"\cos 2x", r"1-2\sin^2 x"),
    ("x+y<1", "1>y+x"), ("x+y<1", "-x-y>-1"), ("x-y<1", "2x<2y+2"),
    (r"\begin{vmatrix}1&2&3&4&1\\0&2&1&1&1\\0&0&3&1&1\\0&0&0&4&1\\0&0&0&0&5\end{vmatrix}", "120"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}\begin{pmatrix}0&1\\5&7\end{pmatrix}",
     r"\begin{pmatrix}10&15\\20&31\end{pmatrix}"),
    (r"\begin{pmatrix}1&2\end{pmatrix}\begin{pmatrix}3\\4\end{pmatrix}", r"\begin{pmatrix}11\end{pmatrix}"),
    (r"1.0001\sqrt2-\sqrt2", r"\frac{\sqrt2}{10000}"),
    (r"2000000(\sqrt{10^{12}+1}-1000000)-1", r"-\frac{1}{(\sqrt{10^{12}+1}+1000000)^2}"),  # two cancellations
    (r"2\frac{7}{3}", "14/3"), (r"2\frac{1}{3}", "7/3"), (r"3\frac{1}{2}x", r"\frac{7x}{2}"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_what_values_cannot_tell_is_not_the_same(a, b):
    assert decide(canonical("math", a), canonical("math", b)) is not True


@pytest.mark.parametrize(("a", "b"), SAME)
def test_what_is_the_same_still_is(a, b):
    assert decide(canonical("math", a), canonical("math", b)) is True


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 9))
def test_small_terms_never_vanish(power, other, base):
    one, two = (canonical("math", rf"{base}+\pi^{{-{n}}}") for n in (power, other))
    assert (decide(one, two) is True) == (power == other)
    assert decide(one, str(base)) is not True


@given(st.lists(st.fractions(-9, 9, max_denominator=9), min_size=8, max_size=8))
def test_products_of_matrices_are_as_defined(numbers):
    a, b = [numbers[:2], numbers[2:4]], [numbers[4:6], numbers[6:]]
    product = [[sum((a[i][k] * b[k][j] for k in range(2)), Fraction(0)) for j in range(2)] for i in range(2)]
    assert canonical("math", written(a) + written(b)) == canonical("math", written(product))


def written(rows) -> str:
    cells = r"\\".join("&".join(map(str, row)) for row in rows)
    return rf"\begin{{pmatrix}}{cells}\end{{pmatrix}}"


@given(st.integers(-99, 99), st.integers(-99, 99), st.sampled_from(["<", ">", r"\le", r"\ge"]))
def test_an_inequality_is_its_mirror_and_not_its_opposite(a, b, sign):
    mirrored = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}[sign]
    key = canonical("math", f"x+{a}y {sign} {b}")
    assert key.startswith(TEX) or key == canonical("math", f"{b} {mirrored} x+{a}y")
    assert decide(key, canonical("math", f"x+{a}y {mirrored} {b}")) is not True
