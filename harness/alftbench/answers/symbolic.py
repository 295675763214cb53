"""The slow check, by symbolic algebra: two texts are the same only if that is proved.

math-verify reads the LaTeX. Its own comparison is not used: it also accepts what agrees in 15 digits. Here the
difference must simplify to 0, part by part; what cannot be proved is not the same.

Everything here may take any time and memory: call it in a process that can be killed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

from alftbench.answers.mathematics.forms import TEX
from alftbench.answers.mathematics.tokens import dressed_down

UNSAFE = re.compile(
    r"__|\bimport\b|\blambda\b|\beval\b|\bexec\b|[`@]|\\\\(?:input|include|write|def|catcode)", re.IGNORECASE
)
WORDS = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{4,}|\\(?:text|mbox|hbox|textbf|textit|textrm)\s*\{[^{}]*[a-zA-Z]{2}")
NAMED = re.compile(r"\\(?:begin|end|operatorname|mathbb) *\{[^{}]*\}")  # of which words are no words
DECIMAL = re.compile(r"([_^]?)(\d*)\.(\d+)")
SIGNS = re.compile(r"\\(pm|mp)(?![a-zA-Z])")
MAX_UNORDERED = 8  # elements of sets, tried in every order


def verify(a: str, b: str) -> bool:
    """Whether two answers as written (or their keys) are the same, proved by symbolic algebra.

    Texts that look like a program are different before anything reads them.
    """
    texts = [clean(text) for text in (a, b)]
    if "" in texts or any(UNSAFE.search(text) or WORDS.search(NAMED.sub("", text)) for text in texts):
        return texts[0] == texts[1] != ""
    if any(SIGNS.search(text) for text in texts):
        (a_plus, a_minus), (b_plus, b_minus) = ([with_sign(text, sign) for sign in (0, 1)] for text in texts)
        return (verify(a_plus, b_plus) and verify(a_minus, b_minus)) or (
            verify(a_plus, b_minus) and verify(a_minus, b_plus)
        )
    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it says at every call that its timeouts are off
    from math_verify import LatexExtractionConfig, parse

    config = [LatexExtractionConfig()]
    one, other = (parse(f"${text}$", extraction_config=config, parsing_timeout=None) for text in texts)
    return any(is_proved(x, y) for x in one for y in other)


def with_sign(text: str, which: int) -> str:
    """One of the two answers that ± and ∓ make."""
    return SIGNS.sub(lambda match: {"pm": "+-", "mp": "-+"}[match[1]][which], text)


def clean(text: str) -> str:
    """An answer or a key as LaTeX without dollar signs."""
    text = text.removeprefix(TEX).partition(" | ")[0].removeprefix("≈")
    if re.match(r"(?:expr|eq|lt|le|where|bounded|ne)\{|mod\(|\"", text):
        return ""
    return DECIMAL.sub(as_fraction, dressed_down(text))


def as_fraction(decimal: re.Match[str]) -> str:
    """A decimal as the fraction that it is: a reader of LaTeX would round it."""
    raised, whole, digits = decimal.groups()
    fraction = rf"\frac{{{int(whole + digits)}}}{{{10 ** len(digits)}}}"
    return f"{raised}{{{fraction}}}" if raised else fraction


def is_proved(a: Any, b: Any) -> bool:
    """Whether two objects of sympy are equal for a reason: as they stand, or because their difference is 0."""
    import sympy  # type: ignore[import-untyped]

    if isinstance(a, str) or isinstance(b, str):
        return isinstance(a, str) and a == b
    if a == b:
        return True
    a, b = value_of(a, b), value_of(b, a)
    if isinstance(a, sympy.Expr) and isinstance(b, sympy.Expr):
        return is_zero(a - b)
    if isinstance(a, sympy.MatrixBase) and isinstance(b, sympy.MatrixBase):
        return a.shape == b.shape and all(map(is_proved, a.flat(), b.flat()))
    if isinstance(a, sympy.FiniteSet) and isinstance(b, sympy.FiniteSet):
        return is_same_set(list(a.args), list(b.args))
    if isinstance(a, sympy.core.relational.Relational) and isinstance(b, sympy.core.relational.Relational):
        return is_same_relation(a, b)
    parts = (a.args, b.args) if isinstance(a, sympy.Basic) and isinstance(b, sympy.Basic) else ((), ())
    alike = type(a) is type(b) and len(parts[0]) == len(parts[1]) > 0
    return alike and all(map(is_proved, *parts))


def value_of(relation: Any, other: Any) -> Any:
    """What an equation says where the other side is none: the value on its right."""
    import sympy

    if isinstance(relation, sympy.Eq) and isinstance(other, sympy.Expr):
        name = relation.lhs
        named = isinstance(name, (sympy.Symbol, sympy.core.function.AppliedUndef))
        return relation.rhs if named else relation
    return relation


def is_same_set(left: list[Any], right: Sequence[Any]) -> bool:
    """Whether the elements of two sets can be paired so that each pair is proved equal."""
    if len(left) != len(right) or len(left) > MAX_UNORDERED:
        return False
    for element in right:
        match = next((other for other in left if is_proved(element, other)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def is_same_relation(a: Any, b: Any) -> bool:
    """Whether two equations (up to a factor) or inequalities have the same difference of their sides."""
    import sympy

    first, second = a.lhs - a.rhs, b.lhs - b.rhs
    if isinstance(a, sympy.Eq) and isinstance(b, sympy.Eq):
        ratio = sympy.simplify(exact(first) / exact(second))
        return bool(ratio.is_number and ratio.is_nonzero)
    return (a.func is b.func and is_zero(first - second)) or (
        a.func is b.reversed.func and is_zero(first + second)
    )


def is_zero(difference: Any) -> bool:
    """Whether a difference is 0 by simplification, or by the minimal polynomial of a number."""
    import sympy

    left = sympy.simplify(exact(difference))
    return bool(left == 0) or left.equals(0) is True


def exact(expression: Any) -> Any:
    """An expression with sums, integrals and limits worked out, and decimals as the fractions that they are."""
    import sympy

    return sympy.nsimplify(expression.doit(), rational=True)


def warm() -> None:
    """Import symbolic algebra and use it once."""
    verify(TEX + "x^2", TEX + "x^{2}")
