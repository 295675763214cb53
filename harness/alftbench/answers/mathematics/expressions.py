"""Keys of numbers, expressions, equations and inequalities, from their values at fixed points."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from fractions import Fraction
from itertools import product

from alftbench.answers.mathematics.brackets import Unreadable
from alftbench.answers.mathematics.cursor import Node, Tokens
from alftbench.answers.mathematics.figures import number_text
from alftbench.answers.mathematics.precision import confirming, context, is_confirming, point, precision, station
from alftbench.answers.mathematics.syntax import read
from alftbench.answers.mathematics.tokens import Token
from alftbench.answers.mathematics.values import (
    Value,
    children,
    evaluate,
    inexact,
    recognised,
    symbols,
)

CONSTANT_SETS = {("sym", "\\emptyset"): "{}", ("sym", "\\bbR"): "(-oo; oo)"}
MAX_SIGNED = 3  # variables beside absolute values
ZERO = 1e-40  # below it, a difference of computed numbers is rounding


def expression_key(node: Node) -> str:
    """A number's value, or an expression's values at two points, at more where absolute values matter."""
    names = symbols(node)
    if node in CONSTANT_SETS:
        return CONSTANT_SETS[node]
    if not names:
        return number_text(constant(node))
    node = with_bars(node)
    points = [positive(names, which) for which in (0, 1)]
    if holds_bars(node):
        points += where_bars_matter(node, names)
    values = [recognised(evaluate(node, at)) for at in points]
    if len(values) == 2 and number_text(values[0]) == number_text(values[1]):
        return number_text(values[0])  # the variables cancel
    told = fingerprint("expr", values)
    same = [name for name in names if told == fingerprint("expr", [at[name] for at in points])]
    return same[0] if same else told


def constant(node: Node) -> Value:
    """The value of a tree without variables.

    Raises:
        Unreadable: it looks like a fraction, and no longer does so with more digits.
    """
    value = recognised(evaluate(node, {}))
    if isinstance(value, Fraction) and not is_arithmetic(node) and not is_confirming():
        with confirming(b""):
            if recognised(evaluate(node, {})) != value:
                raise Unreadable
    return value


def is_arithmetic(node: Node) -> bool:
    """Whether a tree is made of numbers by + × and whole powers, so that its value is exact."""
    if node[0] == "^":
        return is_arithmetic(node[1]) and node[2][0] == "num" and node[2][1].denominator == 1
    return node[0] == "num" or (node[0] in ("+", "*", "pct") and all(map(is_arithmetic, node[1:])))


def positive(names: set[str], which: int) -> dict[str, Fraction]:
    """Where the variables stand, all positive."""
    return {name: point(name, which) for name in names}


def holds_bars(node: Node) -> bool:
    """Whether variables stand in an absolute value."""
    return (node[:2] == ("f", "abs") and bool(symbols(node))) or any(map(holds_bars, children(node)))


def where_bars_matter(node: Node, names: set[str]) -> list[dict[str, Fraction]]:
    """The first point with every choice of signs, if |a| is not a at any of them: |x| is not x, |x|² is x².

    Products are the only absolute values that are read, so one point for every choice tells them apart.
    """
    if len(names) > MAX_SIGNED:
        raise Unreadable
    choices = product((1, -1), repeat=len(names))
    points = [
        {name: s * point(name, 0) for name, s in zip(sorted(names), signs, strict=True)} for signs in choices
    ]
    plain = without_bars(node)
    pairs = [(inexact(evaluate(node, at)), inexact(evaluate(plain, at))) for at in points]
    return points[1:] if any(abs(a - b) > ZERO * max(abs(a), abs(b)) for a, b in pairs) else []


def without_bars(node: Node) -> Node:
    """A tree with |a| replaced by a."""
    return without_bars(node[2]) if node[:2] == ("f", "abs") else of_parts(without_bars, node)


def with_bars(node: Node) -> Node:
    """A tree with |x| for every x of which an even root of an even power is taken: √(x²y) is |x|√y."""
    node = of_parts(with_bars, node)
    radicand, exponent = even_root(node)
    degrees = degrees_of(radicand) if exponent else {}
    even = {factor: degree for factor, degree in degrees.items() if degree and degree % 2 == 0}
    if not even:
        return node
    bars = {factor: factor if factor[0] == "f" else ("f", "abs", factor) for factor in sorted(even)}
    powers = [("^", bar, ("num", even[factor] * exponent)) for factor, bar in bars.items()]
    return ("*", *powers, ("^", with_ones(radicand, even.keys()), ("num", exponent)))


def even_root(node: Node) -> tuple[Node, Fraction]:
    """What stands under an even root, and its exponent, as in a power such as 3/2; 0 in all other trees."""
    exponent: Fraction | None = None
    if node[:2] == ("f", "root"):
        degree = fraction(node[3])
        exponent = 1 / degree if degree else None
    elif node[0] == "^":
        exponent = fraction(node[2])
    even = exponent is not None and exponent.denominator % 2 == 0
    return node[2] if node[0] == "f" else node[1], exponent if exponent and even else Fraction(0)


def fraction(node: Node) -> Fraction | None:
    """The value of a tree that is a fraction written in numbers."""
    value = evaluate(node, {}) if node[0] in ("num", "*", "^") and not symbols(node) else None
    return value if isinstance(value, Fraction) else None


def degrees_of(node: Node) -> dict[Node, Fraction]:
    """The power of every x and |x| that is a factor of a tree."""
    if node[0] == "sym" or (node[:2] == ("f", "abs") and node[2][0] == "sym"):
        return {node: Fraction(1)}
    if node[0] == "^":
        exponent = fraction(node[2])
        return {name: degree * exponent for name, degree in degrees_of(node[1]).items()} if exponent else {}
    total: dict[Node, Fraction] = {}
    for factor in node[1:] if node[0] == "*" else ():
        for name, degree in degrees_of(factor).items():
            total[name] = total.get(name, Fraction(0)) + degree
    return total


def with_ones(node: Node, ones: Collection[Node]) -> Node:
    """A product with 1 in the places of some of its factors."""
    if node in ones:
        return ("num", Fraction(1))
    if node[0] == "*":
        return ("*", *(with_ones(factor, ones) for factor in node[1:]))
    return ("^", with_ones(node[1], ones), node[2]) if node[0] == "^" else node


def of_parts(change: Callable[[Node], Node], node: Node) -> Node:
    """A tree whose subtrees are changed."""
    if node[0] == "matrix":
        return ("matrix", tuple(tuple(map(change, row)) for row in node[1]))
    if node[0] in ("num", "sym", "const", "seq", "base"):
        return node
    return tuple(change(part) if isinstance(part, tuple) else part for part in node)


def fingerprint(head: str, values: Sequence[Value]) -> str:
    """Values in a key; fractions too long to be recognised when computed inexactly are digits as well."""
    return (
        head + "{" + "; ".join(number_text(_shortened(value), precision().fingerprint) for value in values) + "}"
    )


def _shortened(value: Value) -> Value:
    long = isinstance(value, Fraction) and (value.denominator > 10**12 or abs(value) > 10**30)
    return inexact(value) if long else value


def real(value: Value) -> Value:
    """A value that has an order: no complex number has."""
    if recognised(value) != 0 and isinstance(value, context().mpc):
        raise Unreadable
    return value


def equation_key(left: Tokens, right: Tokens) -> str | None:
    """An equation up to a factor: ratios of left − right at three points; None where a side is no expression."""
    try:
        node = with_bars(("+", read(left), ("*", ("num", Fraction(-1)), read(right))))
        names = symbols(node)
        if holds_bars(node):
            return None
        values = [evaluate(node, positive(names, which)) for which in (0, 1, 2)]
    except Unreadable:
        return None
    if not names or values[0] == 0:
        return None
    return fingerprint("eq", [recognised(inexact(value) / inexact(values[0])) for value in values[1:]])


def inequality(sides: Sequence[Tokens], relation: Token) -> str:
    """An interval where one variable is bounded linearly; else the signs and ratios of the difference."""
    node = with_bars(("+", read(sides[0]), ("*", ("num", Fraction(-1)), read(sides[1]))))
    names = symbols(node)
    if holds_bars(node):
        raise Unreadable
    strict, below = relation[0] == "op", relation in (("op", "<"), ("cmd", "le"))
    linear = len(names) == 1 and is_polynomial(node)
    interval = half_line(node, next(iter(names)), strict, below) if linear else None
    if interval:
        return interval
    values = [real(inexact(evaluate(node, positive(names, which)))) for which in (0, 1, 2)]
    if not names or values[0] == 0:
        raise Unreadable
    sign = 1 if below else -1
    return fingerprint("lt" if strict else "le", [recognised(sign * value / abs(values[0])) for value in values])


def is_polynomial(node: Node) -> bool:
    """Whether a tree is one in its variables: of others no few points tell where they are below 0."""
    if not symbols(node):
        return True
    if node[0] == "^":
        return is_polynomial(node[1]) and node[2][0] == "num" and node[2][1] >= 0 and node[2][1].denominator == 1
    return node[0] == "sym" or (node[0] in ("+", "*") and all(map(is_polynomial, node[1:])))


def half_line(node: Node, name: str, strict: bool, below: bool) -> str | None:
    """The interval where a linear expression is below (else above) 0; None where it is not linear."""
    places = [station(name, which) for which in (0, 1, 2)]
    at = [inexact(evaluate(node, {name: place})) for place in places]
    slope = real(at[1] - at[0]) / inexact(places[1] - places[0])
    if abs(slope) < ZERO or abs(at[2] - at[0] - slope * inexact(places[2] - places[0])) > ZERO:
        return None
    end = number_text(recognised(inexact(places[0]) - real(at[0]) / slope))
    if below == (slope > 0):
        return f"(-oo; {end}{')' if strict else ']'}"
    return f"{'(' if strict else '['}{end}; oo)"
