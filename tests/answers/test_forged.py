"""Texts that have the key of another answer, made by whoever knows the code: none is equal to it.

Every forgery is solved for: it agrees with the gold answer wherever the public code looks, so that most have the
very same key. Honest spellings of the same gold answers stay equal beside them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from mpmath import mp

from alftbench.answers.canonical import canonical
from alftbench.answers.confirm import Confirmation, as_bytes, drawn_secret
from alftbench.answers.judge.judge import Judge
from alftbench.answers.mathematics.precision import point
from alftbench.answers.pairs import AnswerPair, grade
from alftbench.answers.partition import partition
from alftbench.errors import BadInput
from alftbench.types import Answer, Outcome, Problem

NAMES = ("x", "y", "n", "t", "a")
Forgery = tuple[str, str]  # gold, text


def factor(name: str, which: int) -> str:
    """A factor that is 0 where the code looks."""
    at = point(name, which)
    return rf"({name}-\frac{{{at.numerator}}}{{{at.denominator}}})"


def zero(name: str, count: int = 3) -> str:
    """A polynomial that is 0 wherever the code looks for keys of expressions and equations."""
    return "".join(factor(name, which) for which in range(count))


def zero_of_two(a: str, b: str) -> str:
    """Of two variables, 0 at both points though no factor is 0 at both."""
    return factor(a, 0) + factor(b, 1)


def polynomials(rng: random.Random) -> Iterator[Forgery]:
    for _ in range(30):
        name, k = rng.choice(NAMES), rng.randint(2, 99)
        yield str(k), f"{k}+{rng.randint(1, 9)}{zero(name)}"
        yield f"{k}{name}+1", f"{k}{name}+1+{zero(name)}"
        yield f"{name}^2-{k}", f"{name}^2-{k}-{k}{zero(name, 2)}"


def rationals(rng: random.Random) -> Iterator[Forgery]:
    for _ in range(15):
        name, k = rng.choice(NAMES), rng.randint(2, 99)
        yield rf"\frac{{{name}}}{{{k}}}", rf"\frac{{{name}}}{{{k}+{zero(name)}}}"
        yield rf"\frac{{1}}{{{name}+{k}}}", rf"\frac{{1+{zero(name)}}}{{{name}+{k}}}"


def of_two_variables(rng: random.Random) -> Iterator[Forgery]:
    for _ in range(10):
        a, b = rng.sample(NAMES, 2)
        yield f"{a}{b}+3", f"{a}{b}+3+{zero_of_two(a, b)}"
        yield rf"\sqrt{{{a}}}+{b}", rf"\sqrt{{{a}}}+{b}+{zero_of_two(a, b)}"


def containers(rng: random.Random) -> Iterator[Forgery]:
    for _ in range(8):
        name, k = rng.choice(NAMES), rng.randint(2, 99)
        nil = zero(name)
        yield f"({k}, {k + 1})", f"({k}, {k + 1}+{nil})"
        yield rf"\{{{k}, {k + 1}\}}", rf"\{{{k}+{nil}, {k + 1}\}}"
        yield f"{k}, {name}", f"{k}, {name}+{nil}"
        cells = rf"\begin{{pmatrix}} {k} & 0 \\ 1 & {name} \end{{pmatrix}}"
        yield cells, cells.replace("0", nil)
        yield f"[{k}, {k + 5}]", f"[{k}, {k + 5}+{nil}]"
        yield f"x \\equiv {k} \\pmod{{100}}", f"x \\equiv {k}+{nil} \\pmod{{100}}"


def relations(rng: random.Random) -> Iterator[Forgery]:
    for _ in range(10):
        k = rng.randint(2, 99)
        yield f"y = {k}x+1", f"y = {k}x+1+{zero('x')}"
        yield f"x^2+y^2={k}", f"x^2+y^2={k}+{zero_of_two('x', 'y')}(z-{point('z', 2)})"
        yield f"x = {k}", f"x = {k}+{zero('t')}"
        yield f"x < {k}", f"x + (x-1)(x-2)(x-3) < {k}"
        yield f"x^2 \\le y + {k}", f"x^2 \\le y + {k} + {zero('x')}"


def constants(rng: random.Random) -> Iterator[Forgery]:
    """Sums of roots that agree with a number in 40 digits and more, by lattice reduction."""
    with mp.workdps(60):
        yield from sums_of_roots(rng)


def sums_of_roots(rng: random.Random) -> Iterator[Forgery]:
    golds = {r"\pi": mp.pi, r"\sqrt{2}": mp.sqrt(2), r"\ln 2": mp.ln(2), r"e^2": mp.e**2}
    for gold, value in golds.items():
        for _ in range(2):
            roots = rng.sample([3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41], 7)
            row = mp.pslq([value, *map(mp.sqrt, roots)], tol=mp.mpf(10) ** -46, maxcoeff=10**9, maxsteps=10**6)
            if row and row[0]:
                top = "".join(f"{-c:+d}\\sqrt{{{r}}}" for c, r in zip(row[1:], roots, strict=True))
                yield gold, rf"\frac{{{top.lstrip('+')}}}{{{row[0]}}}"


def bent() -> Iterator[Forgery]:
    """Equal wherever all variables are small: no point near tells them apart."""
    for c in (3, 9, 1000, 10**12):
        yield f"{c}-x", rf"\sqrt{{(x-{c})^2}}"
        yield f"{c}-x", rf"((x-{c})^2)^{{0.5}}"
        yield f"{c}-x", rf"((x-{c})^2)^{{1/2}}"
        yield rf"2\ln({c}-x)", rf"\ln((x-{c})^2)"
        yield "x", rf"{c}\arccos(\cos(x/{c}))"
        yield "5", rf"5\frac{{\sqrt{{({c}-x)^2}}}}{{{c}-x}}"


def all_forgeries() -> list[Forgery]:
    rng = random.Random(11)
    kinds = (polynomials, rationals, of_two_variables, containers, relations, constants)
    return [*(pair for kind in kinds for pair in kind(rng)), *bent()]


FORGERIES = all_forgeries()
HONEST = [
    ("x^2-1", "(x-1)(x+1)"), (r"2\sqrt{x+1}", r"\sqrt{4x+4}"), (r"\binom{n}{2}", r"\frac{n(n-1)}{2}"),
    (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}"), ("1", r"\sin^2 x + \cos^2 x"), ("y = 2x+1", "2y = 4x + 2"),
    ("x < 6", r"\frac{x}{2} < 3"), ("|x|", r"\sqrt{x^2}"), (r"\sqrt{xy}", r"\sqrt{x}\sqrt{y}"),
    (r"\ln 6", r"\ln 2 + \ln 3"), (r"e^{x+1}", r"e \cdot e^x"), ("(a+b, a-b)", "(b+a, -b+a)"),
    (r"\sqrt{x-50}", r"\frac{2\sqrt{x-50}}{2}"), (r"2\sqrt{x-50}", r"\sqrt{4x-200}"),
    (r"\sqrt{3+2\sqrt{2}}", r"1+\sqrt{2}"), (r"\frac{1}{2}", r"\cos 60^\circ"), ("100", r"\log_{10} 10^{100}"),
    (r"\frac{\pi}{4}", r"\arctan 1"), ("n!", r"n \cdot (n-1)!"), (r"\sqrt{x^2-4}", r"\sqrt{(x-2)(x+2)}"),
    (r"\frac{-b\pm\sqrt{b^2-4ac}}{2a}", r"-\frac{b}{2a}\pm\frac{\sqrt{b^2-4ac}}{2a}"),
    (r"\ln(x-1)-\ln 2", r"\ln\frac{x-1}{2}"), (r"\sqrt{1-x^2}", r"(1-x^2)^{1/2}"), ("x=5", "5"),
]  # fmt: skip


def test_there_are_enough_forgeries_and_most_have_the_key_of_the_gold_answer() -> None:
    assert len(FORGERIES) >= 250
    alike = sum(canonical("math", gold) == canonical("math", text) for gold, text in FORGERIES)
    assert alike > 0.6 * len(FORGERIES)


def test_no_forgery_is_right_and_no_honest_spelling_is_lost(judge: Judge) -> None:
    rows = [AnswerPair(i, gold, rf"\boxed{{{text}}}") for i, (gold, text) in enumerate(FORGERIES)]
    wrong = [row for row, found in grade(rows, judge) if found.equivalent]
    assert wrong == []
    rows = [AnswerPair(i, gold, rf"\boxed{{{text}}}") for i, (gold, text) in enumerate(HONEST)]
    assert [row for row, found in grade(rows, judge) if not found.equivalent] == []


def answered(text: str) -> Answer:
    return Answer(Outcome.ANSWERED, text, canonical("math", text), "boxed")


@pytest.mark.parametrize("secret", ["00" * 16, "5a" * 16])
def test_a_forgery_joins_no_class_and_honest_answers_keep_theirs(judge: Judge, secret: str) -> None:
    golds = {gold: [text for other, text in FORGERIES if other == gold] for gold in ("x", "5", r"\pi", r"\ln 2")}
    for gold, forged in golds.items():
        if not forged:
            continue
        problem = Problem("p", "?", (gold,), "math")
        answers = [[answered(text) for text in (gold, gold, *forged)]]
        found = partition(problem, answers, judge, secret)
        first, *others = found.class_VN[0][1:]
        assert found.class_VN[0][0] == first
        assert found.correct_Z[first]
        assert first not in others
        assert not any(found.correct_Z[z] for z in others)


def test_verdicts_do_not_depend_on_the_order_of_the_answers_or_on_the_secret(judge: Judge) -> None:
    texts = ["x^2-1", "(x-1)(x+1)", f"x^2-1+{zero('x')}", f"x^2-1+2{zero('x')}", f"(x-1)(x+1)+{zero('x')}"]
    partitions, problem = [], Problem("p", "?", ("7",), "math")
    for secret in (drawn_secret(), drawn_secret()):
        for order in (texts, texts[::-1]):
            found = partition(problem, [[answered(text) for text in order]], judge, secret)
            named = dict(zip(order, (found.classes_Z[z] for z in found.class_VN[0]), strict=True))
            partitions.append(named)
    assert all(named == partitions[0] for named in partitions)
    assert partitions[0][texts[0]] == partitions[0][texts[1]]
    assert partitions[0][texts[2]] == partitions[0][texts[4]]
    assert len(set(partitions[0].values())) == 3


def test_a_text_confirms_itself_and_a_secret_is_checked(judge: Judge) -> None:
    assert Confirmation("math", judge, as_bytes(None)).accepts("x^2", "x^2")
    with pytest.raises(BadInput, match="32 hexadecimal digits"):
        as_bytes("abc")
