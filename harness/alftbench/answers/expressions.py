"""Keys of numbers, expressions, equations and inequalities, from their values at fixed points."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from alftbench.answers.brackets import Unreadable
from alftbench.answers.cursor import Node, Tokens
from alftbench.answers.syntax import read
from alftbench.answers.tokens import Token
from alftbench.answers.values import Value, context, evaluate, inexact, number_text, point, recognised, symbols

FINGERPRINT = 30  # digits
CONSTANT_SETS = {("sym", "\\emptyset"): "{}", ("sym", "\\bbR"): "(-oo; oo)"}
ZERO = 1e-40  # below it, a difference of computed numbers is rounding


def expression_key(node: Node) -> str:
    """A number's value, or an expression's values at two points."""
    names = symbols(node)
    if node in CONSTANT_SETS:
        return CONSTANT_SETS[node]
    if not names:
        return number_text(recognised(evaluate(node, {})))
    points = [{name: point(name, which) for name in names} for which in (0, 1)]
    if signs_matter(node):
        points.append(negative(names))
    values = [recognised(evaluate(node, at)) for at in points]
    if len(values) == 2 and number_text(values[0]) == number_text(values[1]):
        return number_text(values[0])  # the variables cancel
    same = [name for name in names if values == [at[name] for at in points]]
    return same[0] if same else fingerprint("expr", values)


def signs_matter(node: Node) -> bool:
    """Whether an absolute value makes a difference where the variables are negative: |x| is not x, |x|² is x²."""
    plain = without_bars(node)
    if plain == node:
        return False
    points = negative(symbols(node))
    return bool(abs(inexact(evaluate(node, points)) - inexact(evaluate(plain, points))) > ZERO)


def without_bars(node: Node) -> Node:
    """A tree with |a| replaced by a."""
    if node[0] == "f" and node[1] == "abs":
        return without_bars(node[2])
    if node[0] not in ("+", "*", "^", "f"):
        return node
    return tuple(without_bars(part) if isinstance(part, tuple) else part for part in node)


def negative(names: set[str]) -> dict[str, Fraction]:
    """The first point mirrored."""
    return {name: -point(name, 0) for name in names}


def fingerprint(head: str, values: Sequence[Value]) -> str:
    """Values in a key; fractions too long to be recognised when computed inexactly are digits as well."""
    return head + "{" + "; ".join(number_text(_shortened(value), FINGERPRINT) for value in values) + "}"


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
        node = ("+", read(left), ("*", ("num", Fraction(-1)), read(right)))
        names = symbols(node)
        values = [evaluate(node, {name: point(name, which) for name in names}) for which in (0, 1, 2)]
    except Unreadable:
        return None
    if not names or values[0] == 0:
        return None
    return fingerprint("eq", [recognised(inexact(value) / inexact(values[0])) for value in values[1:]])


def inequality(sides: Sequence[Tokens], relation: Token) -> str:
    """An interval where one variable is bounded linearly; else the signs and ratios of the difference."""
    node = ("+", read(sides[0]), ("*", ("num", Fraction(-1)), read(sides[1])))
    names = symbols(node)
    strict, below = relation[0] == "op", relation in (("op", "<"), ("cmd", "le"))
    interval = half_line(node, next(iter(names)), strict, below) if len(names) == 1 else None
    if interval:
        return interval
    values = [real(inexact(evaluate(node, {name: point(name, which) for name in names}))) for which in (0, 1, 2)]
    if not names or values[0] == 0:
        raise Unreadable
    sign = 1 if below else -1
    return fingerprint("lt" if strict else "le", [recognised(sign * value / abs(values[0])) for value in values])


def half_line(node: Node, name: str, strict: bool, below: bool) -> str | None:
    """The interval where a linear expression is below (else above) 0; None where it is not linear."""
    at = [inexact(evaluate(node, {name: Fraction(x)})) for x in (1, 2, 3)]
    slope = real(at[1] - at[0])
    if abs(slope) < ZERO or abs(at[2] - at[1] - slope) > ZERO:
        return None
    end = number_text(recognised(1 - real(at[0]) / slope))
    if below == (slope > 0):
        return f"(-oo; {end}{')' if strict else ']'}"
    return f"{'(' if strict else '['}{end}; oo)"
