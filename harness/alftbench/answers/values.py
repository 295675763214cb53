r"""Values of trees: exact rationals where they exist, else 75 digits.

A closed form is known by its value, so \frac{\sqrt{3}}{3} and \frac{1}{\sqrt{3}} get one key. An expression with
variables is known by its values at two fixed points (Schwartz–Zippel: unequal ones agree there with a
probability below 10⁻³⁰). Sizes and exponents are bounded before anything is computed.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from alftbench.answers.brackets import Unreadable
from alftbench.answers.cursor import Node

DIGITS = 75  # of every computation
KEPT = 40  # in a key
MAX_BITS = 1 << 15  # of an exact numerator or denominator
LONG = 2_048  # bits of a fraction that need not be exact
MAX_EXPONENT = 10_000
MAX_FACTORIAL = 2_500
Value = Any  # a Fraction, or a number of the thread's mpmath context
Points = Mapping[str, Fraction]
_local = threading.local()


def context() -> Any:
    """This thread's own mpmath context: precision is state, and threads must not share it."""
    if not hasattr(_local, "mp"):
        from mpmath import MPContext  # type: ignore[import-untyped]

        _local.mp = MPContext()
        _local.mp.dps = DIGITS
    return _local.mp


@lru_cache(maxsize=4096)
def point(name: str, which: int) -> Fraction:
    """Where a variable stands: a fixed fraction between 1/2 and 5/2 that its name decides."""
    digest = hashlib.blake2b(f"{which}:{name}".encode(), digest_size=4).digest()
    return Fraction(10_007 + 2 * (int.from_bytes(digest, "big") % 20_011), 20_021)


def symbols(node: Node) -> set[str]:
    """The names of the variables in a tree."""
    if node[0] == "sym":
        return {node[1]}
    found: set[str] = set()
    for child in children(node):
        found |= symbols(child)
    return found


def children(node: Node) -> Iterable[Node]:
    """The subtrees of a node."""
    if node[0] == "matrix":
        return [cell for row in node[1] for cell in row]
    return [child for child in node[1:] if isinstance(child, tuple)] if node[0] != "seq" else ()


def evaluate(node: Node, points: Points) -> Value:
    """The value of a tree.

    Raises:
        Unreadable: no number (a division by 0, an infinity, a sequence), or one that is out of bounds.
    """
    try:
        return EVALUATORS[node[0]](node, points)
    except (ZeroDivisionError, OverflowError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise Unreadable from error


def bounded(value: Value) -> Value:
    """A value that further steps can afford."""
    if isinstance(value, Fraction):
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
            raise Unreadable
        return value
    mp = context()
    if not mp.isfinite(value) or (value != 0 and abs(mp.mag(value)) > MAX_BITS):
        raise Unreadable
    return value


def affordable(value: Value, points: Points) -> Value:
    """`bounded`; where variables only stand in for a fingerprint, long fractions become inexact."""
    if (
        points
        and isinstance(value, Fraction)
        and value.denominator.bit_length() + abs(value.numerator).bit_length() > LONG
    ):
        return bounded(inexact(value))
    return bounded(value)


def inexact(value: Value) -> Value:
    """A Fraction as a number of the context."""
    mp = context()
    return mp.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value


def _sum(node: Node, points: Points) -> Value:
    total: Value = Fraction(0)
    for term in node[1:]:
        value = evaluate(term, points)
        if isinstance(total, Fraction) != isinstance(value, Fraction):
            total, value = inexact(total), inexact(value)
        before, total = total, total + value
        if not isinstance(total, Fraction) and abs(total) < abs(before) * context().mpf(10) ** (15 - DIGITS):
            total = Fraction(0)  # a cancellation: what is left is rounding
    return affordable(total, points)


def _product(node: Node, points: Points) -> Value:
    total: Value = Fraction(1)
    for factor in node[1:]:
        value = evaluate(factor, points)
        if isinstance(total, Fraction) != isinstance(value, Fraction):
            total, value = inexact(total), inexact(value)
        total = affordable(total * value, points)
    return total


def _power(node: Node, points: Points) -> Value:
    base, exponent = evaluate(node[1], points), evaluate(node[2], points)
    if points and isinstance(base, Fraction) and base.denominator.bit_length() * abs(exponent) > LONG:
        base = inexact(base)
    return power(base, exponent)


def power(base: Value, exponent: Value) -> Value:
    """A power, exact for whole exponents and perfect roots."""
    if abs(exponent) > MAX_EXPONENT:
        raise Unreadable
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        exact = exact_power(base, exponent)
        if exact is not None:
            return exact
    if isinstance(exponent, Fraction) and exponent.denominator == 1:
        return bounded(base ** int(exponent))
    return bounded(inexact(base) ** inexact(exponent))


def exact_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    """A power that is a fraction; None where it is none."""
    if base == 0 and exponent <= 0:
        raise Unreadable
    if exponent.denominator == 1:
        return whole_power(base, int(exponent))
    if base == 0:
        return base
    root_of_base = exact_root(base, exponent.denominator) if base > 0 else None
    return None if root_of_base is None else whole_power(root_of_base, exponent.numerator)


def whole_power(base: Fraction, exponent: int) -> Fraction:
    """An exact power; refused before it is computed where it would be too long."""
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(base) not in (0, 1) and bits * abs(exponent) > MAX_BITS + bits:
        raise Unreadable
    return base**exponent


def exact_root(value: Fraction, degree: int) -> Fraction | None:
    """The degree-th root of a positive fraction where it is a fraction."""
    if degree > 64:
        return None
    roots = [whole_root(part, degree) for part in (value.numerator, value.denominator)]
    return None if None in roots else Fraction(*roots)  # type: ignore[arg-type]


def whole_root(value: int, degree: int) -> int | None:
    """The whole root of a positive whole number, by Newton's steps from above."""
    guess = 1 << -(-value.bit_length() // degree)
    while True:
        better = ((degree - 1) * guess + value // guess ** (degree - 1)) // degree
        if better >= guess:
            return guess if guess**degree == value else None
        guess = better


def root(value: Value, degree: Value) -> Value:
    """A root; odd roots of negative numbers are real."""
    if not isinstance(degree, Fraction) or degree.denominator != 1 or not 0 < degree <= 1000:
        raise Unreadable
    negative = not isinstance(value, context().mpc) and value < 0
    if negative and degree % 2 == 1:
        return -power(-value, 1 / degree)
    if negative and degree == 2:
        return bounded(context().mpc(0, 1) * inexact(power(-value, Fraction(1, 2))))
    return power(value, 1 / degree)


def factorial(value: Value) -> Value:
    """The factorial of a whole number that is not too large."""
    if not isinstance(value, Fraction) or value.denominator != 1 or not 0 <= value <= MAX_FACTORIAL:
        if value not in (0,) and isinstance(value, Fraction) and abs(value) < 50:
            return context().gamma(inexact(value) + 1)
        raise Unreadable
    return Fraction(math.factorial(int(value)))


def _whole(value: Value) -> int:
    if not isinstance(value, Fraction) or value.denominator != 1:
        raise Unreadable
    return int(value)


def binomial(n: Value, k: Value) -> Value:
    """The binomial coefficient of whole numbers; of other numbers by factorials."""
    if isinstance(n, Fraction) and isinstance(k, Fraction) and n.denominator == k.denominator == 1:
        if not 0 <= k <= n or n > MAX_FACTORIAL:
            raise Unreadable
        return Fraction(math.comb(int(n), int(k)))
    return context().binomial(inexact(n), inexact(k))


def logarithm(value: Value, base: Value | None = None) -> Value:
    """The natural logarithm, or to a base."""
    mp = context()
    if value == 0 or (base is not None and base in (0, 1)):
        raise Unreadable
    result = mp.log(inexact(value))
    return result if base is None else result / mp.log(inexact(base))


def _through(name: str) -> Any:
    def apply(value: Value) -> Value:
        mp = context()
        if abs(value) > 10**6:
            raise Unreadable
        result = getattr(mp, name)(inexact(value))
        if abs(result) > mp.mpf(10) ** (DIGITS // 2):
            raise Unreadable  # a pole, met but for rounding
        return result

    return apply


def _determinant(rows: Any) -> Any:
    if len(rows) == 1:
        return rows[0][0]
    if len(rows) > 5:
        raise Unreadable
    terms = []
    for j, cell in enumerate(rows[0]):
        minor = _determinant(tuple(row[:j] + row[j + 1 :] for row in rows[1:]))
        terms.append(("*", ("num", Fraction((-1) ** j)), cell, minor))
    return ("+", *terms)


def _function(node: Node, points: Points) -> Value:
    name = node[1]
    if name == "det":
        rows = node[2][1]
        if any(len(row) != len(rows) for row in rows):
            raise Unreadable
        return evaluate(_determinant(rows), points)
    return bounded(recognised(FUNCTIONS[name](*(evaluate(child, points) for child in node[2:]))))


def recognised(value: Value) -> Value:
    """A computed number that is a simple fraction, as one: the sine of 30° is 1/2."""
    mp = context()
    if isinstance(value, Fraction):
        return value
    if isinstance(value, mp.mpc):
        if abs(value.imag) > mp.mpf(10) ** (20 - DIGITS) * max(1, abs(value.real)):
            return value
        value = value.real
    if not mp.isfinite(value) or value == 0 or abs(value) > 10**30:
        return Fraction(0) if value == 0 else value
    if abs(value) < mp.mpf(10) ** (15 - DIGITS):
        return Fraction(0)
    sign, mantissa, exponent, _ = value._mpf_
    exact = Fraction(mantissa) * Fraction(2) ** exponent * (-1) ** sign
    near = exact.limit_denominator(10**12)
    return near if abs(near - exact) <= abs(exact) / 10 ** (DIGITS - 15) else value


def _constant(node: Node, _: Points) -> Value:
    mp = context()
    if node[1] == "pi":
        return +mp.pi
    if node[1] == "e":
        return +mp.e
    if node[1] == "i":
        return mp.mpc(0, 1)
    raise Unreadable  # an infinity is no number


TEN = Fraction(10)  # the base of a logarithm that names none

FUNCTIONS: dict[str, Any] = {
    **{name: _through(name) for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh")},
    "arcsin": _through("asin"), "arccos": _through("acos"), "arctan": _through("atan"), "exp": _through("exp"),
    "ln": logarithm, "log": lambda value, base=TEN: logarithm(value, base), "root": root, "abs": abs,
    "sqrt": lambda value: root(value, Fraction(2)), "cbrt": lambda value: root(value, Fraction(3)),
    "factorial": factorial, "binom": binomial, "min": min, "max": max,
    "gcd": lambda a, b: Fraction(math.gcd(_whole(a), _whole(b))),
    "lcm": lambda a, b: Fraction(math.lcm(_whole(a), _whole(b))),
    "floor": lambda value: Fraction(int(context().floor(inexact(value)))),
    "ceil": lambda value: Fraction(int(context().ceil(inexact(value)))),
}  # fmt: skip

EVALUATORS: dict[str, Any] = {
    "num": lambda node, _: bounded(node[1]),
    "sym": lambda node, points: points[node[1]],
    "const": _constant,
    "+": _sum,
    "*": _product,
    "^": _power,
    "f": _function,
    "deg": lambda node, points: inexact(evaluate(node[1], points)) * context().pi / 180,
    "pct": lambda node, points: evaluate(node[1], points) / 100,
}


def number_text(value: Value, kept: int = KEPT) -> str:
    """A value as text: a fraction exactly, another number to `kept` digits behind ≈."""
    if isinstance(value, Fraction):
        if max(value.numerator.bit_length(), value.denominator.bit_length()) < 4000:
            return str(value)
        digest = hashlib.sha256(f"{value.numerator:x}/{value.denominator:x}".encode()).hexdigest()
        return f"huge:{digest}"
    mp = context()
    if isinstance(value, mp.mpc):
        size = abs(value)
        real, imag = (Fraction(0) if abs(part) < size * mp.mpf(10) ** (20 - DIGITS) else recognised(part)
                      for part in (value.real, value.imag))  # fmt: skip
        if imag != 0:
            return f"complex({number_text(real, kept)}; {number_text(imag, kept)})"
        value = real
        if isinstance(value, Fraction):
            return number_text(value)
    return "≈" + str(mp.nstr(value, kept, strip_zeros=False, min_fixed=-20, max_fixed=20))
