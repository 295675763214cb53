"""Answers written in two ways: one class, or two."""

from __future__ import annotations

import subprocess
import sys

import pytest

from alftbench.answers.canonical import canonical, is_exact
from alftbench.answers.equivalence import decide

SAME = [
    (r"\frac{1}{2}", "0.5"), (r"3\frac{1}{2}", "3.5"), ("3 1/2", "7/2"), (r"-2\frac12", "-2.5"),
    (r"\frac 34", ".75"),
    ("1e3", "1000"), (r"1.5\times10^{-3}", "0.0015"), ("1 000 000", "1,000,000"), ("1.000.000", "1000000"),
    ("1.234,56", "1234.56"), (r"1{,}000", "1000"), (r"11,\! 111,\! 111,\! 100", "11111111100"),
    (r"1\,234", "1234"),
    (r"\$1,000", "1000"), ("5 dollars", "5"), (r"12 \mathrm{~cm}", "12"), (r"5\text{ m}^3", "5"), ("5 km/h", "5"),
    (r"45^{\circ}", "45"), ("45°", "45"), ("45 degrees", "45"), (r"50\%", "50 percent"), ("5th", "5"),
    (r"\sqrt{8}", r"2\sqrt2"), ("2*sqrt(2)", r"2\sqrt{2}"), (r"\frac{1}{\sqrt2}", r"\frac{\sqrt2}{2}"),
    ("5√2", r"\sqrt{50}"),
    ("2π", r"2\pi"), (r"\log_2 8", "3"), ("5!", "120"), (r"\binom{5}{2}", "10"), (r"\sin 30^\circ", r"\frac12"),
    (r"\arctan 1", r"\pi/4"), (r"\cos^2 x + \sin^2 x", "1"), (r"e^{i\pi}", "-1"), (r"\sqrt[3]{-8}", "-2"),
    (r"\sqrt{3+2\sqrt2}", r"1+\sqrt2"), (r"\lfloor 3.7\rfloor", "3"), ("|-5|", "5"), ("2**3**2", "512"),
    ("x^2+2x+1", "(x+1)^2"), (r"\frac{x^2-1}{x-1}", "x+1"), ("xy", "yx"), (r"\sin 2x", r"2\sin x\cos x"),
    (r"\frac{ab}{a+b}", r"\frac{1}{1/a+1/b}"), (r"x^{1/2}", r"\sqrt{x}"), (r"|x|^2", "x^2"),
    (r"\{1,2\}", r"\{2,1\}"), ("1 and 2", "2, 1"), (r"x=1 \text{ or } x=2", "1,2"),
    ("x_1=1, x_2=1", "x_2=1, x_1=1"),
    (r"2\pm\sqrt{3}", r"2-\sqrt3, 2+\sqrt3"), (r"\{1\pm\sqrt{5},-2\}", r"\{-2, 1-\sqrt5, 1+\sqrt5\}"),
    ("[1,2)", r"1 \le x < 2"), ("x>3", r"(3,\infty)"), ("-2x<4", "x>-2"), ("(-oo, 5]", "x<=5"),
    (r"\{x \mid x>3\}", "x>3"),
    (r"(-\infty,0)\cup(0,\infty)", r"\mathbb{R}\setminus\{0\}"),
    (r"x<1 \text{ or } x>3", r"(3,\infty)\cup(-\infty,1)"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{bmatrix}1\\2\end{bmatrix}"),
    (r"\frac12\begin{pmatrix}2&4\\6&8\end{pmatrix}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
    (r"\begin{vmatrix} 2 & 1 \\ 1 & 2 \end{vmatrix}", "3"),
    (r"(-1,0)\cup(0,1)", r"(-1,1)\setminus\{0\}"), (r"[0,1]\cup(1,2]", "[0,2]"),
    (r"x>2 \text{ and } x<5", "(2,5)"),
    (r"33\frac{1}{3}\%", r"\frac{100}{3}\%"), ("3 million", "3000000"), (r"\sin\theta=\frac{3}{5}", "3/5"),
    ("0,25", "1/4"),
    ("n=p, 2p", "2p, p"), ("$P(X=2)=\\frac14$", "0.25"), (r"\vec{a}=(1,2)", "(1,2)"),
    ("24 m/s", "24"), (r"{n \choose 2}", r"\frac{n(n-1)}{2}"), (r"\log 100", "2"), ("λ", r"\lambda"),
    ("2x+3y=6", r"y=2-\frac{2}{3}x"), ("x^2+y^2=4", "y^2+x^2-4=0"), ("x=5", "5"), ("2=x", "x = 2"),
    ("f(x)=x^2", "x^2"),
    (r"\angle ABC=60^\circ", "60"), ("(p,q)=(3,2)", "(3,2)"), ("x = 5+5+1 = 1/3 \\approx 11", "1/3"),
    ("1+2i", "2i+1"), (r"\frac{1+i}{\sqrt2}", r"e^{i\pi/4}"), (r"0.1\overline{6}", "1/6"), ("101_{2}", "101_2"),
    ("7:32", "14:64"), ("2:15 PM", r"2:15 \text{p.m.}"), (r"\text{(A)}", "A"), (r"\text{Yes}", "yes"),
    ("3:00 p.m.", "15:00"), (r"\text{3:00 p.m.}", "3 pm"), (r"3\text{ a.m.}", "3:00"), ("12 a.m.", "0:00"),
    ("10^{5000}:3", r"2\cdot10^{5000}:6"), ("1.5:1", "3:2"), (r"\frac12:\frac13", "3:2"),
    (r"\text{June } 20", "June 20"), ("20 June", "Jun. 20"), ("March 14, 2020", "14 March 2020"),
    ("3 hundred", "300"), ("3 hundred thousand", "300000"), (r"3\text{ million dollars}", "3000000"),
    ("x>1, x<3", "(1,3)"), ("x<1, x>3", "x>3 or x<1"), ("a>0, b>0", "b>0 and a>0"), ("x+y<1", "1>y+x"),
    ("x≠2", r"(-\infty,2)\cup(2,\infty)"), ("2≠x", r"\mathbb{R}\setminus\{2\}"), ("≥5", r"x\ge5"),
    ("x≠1, x≠2", r"\mathbb{R}\setminus\{1,2\}"), ("x+y<1, x>y", "y-x<0, 1>x+y"),
    ("x>0, x≠2", r"(0,2)\cup(2,\infty)"), (r"[0,5]\cup[1,2]", "[0,5]"),
    (r"\textbf{(C)}\ 12", "C"), ("D) 42", "D"), (r"\text{(B)}\ 5", "(B) 5 meters"), ("B: 5 meters", "B"),
    (r"x\equiv 3 \pmod{5}", "8 (mod 5)"), (r"x\equiv 3, 4 \pmod{7}", r"4\pmod 7, 3\pmod 7"),
    (r"x>0 \land x<5", "(0,5)"), (r"\{\{1,2\},\{3,4\}\}", r"\{\{4,3\},\{2,1\}\}"),
    (r"\{1,2\}\cup\{3\}", r"\{1,2,3\}"), (r"x\in\{1,2\} \text{ or } x=3", "1,2,3"),
    ("C_5^2", "10"), ("0.(3)", "1/3"), ("-1.2(3)", "-37/30"), ("2 x 3", "6"),
    (r"\text{at least } \frac12", "at least $0.5$"),
    ("a>0, b<1", r"b\in(-\infty,1), a\in(0,\infty)"), ("Option B", "B"), ("Sept. 2020", "September 2020"),
    ("choice (C)", "C"),
    ("negative 5", "-5"), ("42", "forty-two"), ("At  least 5", "at least 5"),
    (r"\infty", "oo"),
    (r"\varnothing", r"\{\}"), ("(1,2),(3,4)", r"\{(3,4),(1,2)\}"), ("٤٢", "42"), ("x²", "x^2"), ("－５", "-5"),
]  # fmt: skip
DIFFERENT = [
    (r"[0,1)\cup(1,2]", "[0,2]"), ("(1,3),(2,5)", "(1,5)"), ("12", "1,2"), ("(1,2)", "(2,1)"),
    ("[1,2]", "(1,2)"), ("(1,2)", r"\{1,2\}"), ("(3,100)", "3100"),
    ("a^2+b^2", "a^2-b^2"),
    ("i", "-i"), ("101_2", "110_2"), ("101_2", "5"), ("3:4", "4:3"), ("10:30", "5:15"), ("A", "B"), ("yes", "no"),
    ("x+y=1", "x+y=2"), ("7 = 11a+c", "11a+c"), ("a+3z=0", "0"), ("x<1", "x>-1"), ("x<1", r"x\le 1"),
    ("x=1,y=2", "x=2,y=1"),
    ("10^{100}", "10^{99}"), ("3^{2025}", "2^{2025}"), ("1/2004!", "1/2006!"), ("|x|", "x"), ("0.333", "1/3"),
    ("3.14", r"\pi"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"), ("E", r"\mathrm{E}*2"),
    ("100000000000", "99999999999"), ("0", "1/0.0001"), ("50\\%", "1/2"), ("2x", "2"),
    ("3 12", "36"), ("3:00", "4:00"), ("9:00", "12:00"), ("2:04", "1:02"), ("12:05", "12:5"), ("3:00", "15:00"),
    ("3 pm", "3 am"), ("3 pm", "3"), (r"3\text{ p.m.}", r"3\text{ a.m.}"), ("12 a.m.", "12 p.m."),
    ("10^{5000}:3", "10^{5000}:7"), ("10^{5000}:3", "10^{5001}:3"),
    ("at least 5", "at most 5"), ("at least 5", "5"), ("not 5", "5"), ("5 BC", "5 AD"),
    ("less than 5", "more than 5"),
    ("May 5", "June 5"), ("May 5", "5"), ("May 5", "May 6"), ("3 hundred", "3"),
    (r"3\text{ million dollars}", "3"),
    (r"\text{at least } \frac12", r"\text{at most } \frac12"), ("at least $x+1$", "x+1"), ("not $x$", "x"),
    ("3 x 2 matrix", "6"), ("May 2020", "June 2020"), ("May 2020", "2020"), ("Monday 8", "Tuesday 8"),
    ("3 squared", "3"),
    (r"5 \text{ or more}", "5"), ("square root of 3", "3"), ("between 3 and 5", "3 and 5"),
    ("Marching 5", "March 5"),
    ("x>1, x<3", r"(-\infty,\infty)"), (r"x>0 \text{ and } y<5", "0<x<5"), ("a>0, b>0", "a>0"),
    ("x>0, y>5", "x>0"),
    ("x+y<1", "x+y>1"), ("x+y<1", r"x+y\le 1"), ("x+1≠3", "x+1≠4"), ("x≠2", "x=2"), ("x≠2", "x≠3"),
    ("x≠2, y≠3", "x≠3, y≠2"),
    ("x>0 or y<5", "x>0 and y<5"), ("≥5", "≤5"),
    (r"x\equiv 3 \pmod{5}", r"x\equiv 3 \pmod{7}"), (r"3\pmod{5}", r"4\pmod{5}"),
    (r"p \land q", r"p \lor q"), (r"\vec{a}\cdot\vec{b}", r"\vec{a}\times\vec{b}"), (r"A\cup B", "A, B"),
    (r"\{\{1,2\},\{3\}\}", r"\{\{1\},\{2,3\}\}"), (r"\emptyset", r"\{\emptyset\}"), ("{1,2},{3}", "{1},{2,3}"),
    ("(C) 12", "D"), ("(C) 12", "(D) 12"), ("C_5^2", "C_5^3+1"), ("0.(3)", "0.3"),
    ("(A)(B)", "A"), ("(A) (B)", "A"),
    (r"\text{(C)} + 1", "C"), ("(A) and (B)", "A"),
    (r"[0,5]\cup[1,2]", "[0,2]"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), SAME)
def test_two_spellings_of_one_answer_are_one_class(a, b):
    first, second = canonical("math", a), canonical("math", b)
    assert decide(first, second) is True
    assert decide(second, first) is True


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_different_answers_are_two_classes(a, b):
    first, second = canonical("math", a), canonical("math", b)
    assert decide(first, second) is not True
    assert decide(second, first) is not True


@pytest.mark.parametrize(
    "raw", ["42", r"\frac{1}{2}", r"\sqrt2", "x+1", "(1,2)", r"\{1,2\}", "x>3", "5%", r"\text{odd}", "204_5"]
)
def test_what_was_read_decides_alone(raw):
    assert is_exact(canonical("math", raw))


@pytest.mark.parametrize("raw", [r"\sum_{k=1}^3 k", "y=2x+1", r"\frac{1}{0}"])
def test_what_was_not_read_or_carries_a_mark_does_not(raw):
    assert not is_exact(canonical("math", raw))


def test_simple_keys_read_as_what_they_are():
    raws = ["-6/4", r"\{2,-1\}", r"(-\infty, 2]", r"\text{Ellipse}", "4210_{5}", r"1 - 12i", "10:20", r"\$18.90"]
    keys = ["-3/2", "{-1; 2}", "(-oo; 2]", '"ellipse"', "4210_5", "complex(1; -12)", "10:20", "189/10"]
    assert [canonical("math", raw) for raw in raws] == keys


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ("B", "B"),
        ("(b)", "B"),
        (r"\text{(C)}", "C"),
        ("Option D", "D"),
        ("A) 42 apples", "A"),
        ("42", None),
        ("ABC", None),
    ],
)
def test_choice_key(raw, key):
    assert canonical("choice", raw) == key


def test_importing_keys_is_light():
    heavy = ("sympy", "math_verify", "torch")
    code = f"import sys, alftbench.answers.equivalence; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
