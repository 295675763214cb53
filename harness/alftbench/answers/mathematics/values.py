r"""Values of trees: exact rationals where they exist, else digits (see precision.py).

A closed form is known by its value, so \frac{\sqrt{3}}{3} and \frac{1}{\sqrt{3}} get one key. An expression with
variables is known by its values at two points, which a verdict confirms at secret ones. Functions with steps or
bends (⌊x⌋, max, |x + 5|) are no polynomials: they are not read where variables stand in them. Sizes, exponents and
the work as a whole are bounded before anything is computed; where digits that count would be lost (1 + e^{-200},
tanh tanh 9), there is no value: close is not equal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from alftbench.answers.mathematics.brackets import Unreadable
from alftbench.answers.mathematics.budget import spend
from alftbench.answers.mathematics.cursor import Node
from alftbench.answers.mathematics.powers import MAX_BITS, exact_power
from alftbench.answers.mathematics.precision import context, is_confirming, precision
from alftbench.answers.mathematics.vocabulary import INVERSES

LONG = 2_048  # bits of a fraction that need not be exact
MAX_EXPONENT = 10_000
MAX_FACTORIAL = 2_500
MAX_ARGUMENT = 10**6  # of a function
MAX_HYPERBOLIC = 20  # beyond it, tanh is 1 and cosh is sinh in all digits that show
MAX_BINOMIAL = 1_000  # of numbers that are not whole
MAX_CHOSEN = 50  # by multiplying
LEAST_ARGUMENT = 1e-10  # of a function: closer to 0, cos x is 1 in too many digits
SHOWN = 120  # bits of an exact number that all show in the digits of a computed one
FLAT = 1e-8  # a function that passes on a smaller share of a change hides what its argument is
Value = Any  # a Fraction, or a number of the thread's mpmath context
Points = Mapping[str, Fraction]


def symbols(node: Node) -> set[str]:
    """The names of the variables in a tree."""
    if node[0] == "sym":
        return {node[1]}
    names: set[str] = set()
    for child in children(node):
        names |= symbols(child)
    return names


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
    spend()
    try:
        return EVALUATORS[node[0]](node, points)
    except (ZeroDivisionError, OverflowError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise Unreadable from error


def bounded(value: Value) -> Value:
    """A value that further steps can afford."""
    if isinstance(value, Fraction):
        bits = max(value.numerator.bit_length(), value.denominator.bit_length())
        if bits > MAX_BITS:
            raise Unreadable
        spend(bits * bits >> 22)
        return value
    spend()
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


def shown(result: Value, parts: Sequence[Value], points: Points) -> Value:
    """A result, if no exact number went into a rounded one that is too long to show there: (10⁵⁰ + 1)π."""
    if not points and not isinstance(result, Fraction) and any(map(_long, parts)):
        raise Unreadable
    return result


def _long(value: Value) -> bool:
    exact = isinstance(value, Fraction)
    return exact and value.numerator.bit_length() + value.denominator.bit_length() > SHOWN


def _sum(node: Node, points: Points) -> Value:
    return plus([evaluate(term, points) for term in node[1:]], points)


def plus(terms: Sequence[Value], points: Points) -> Value:
    """A sum, its exact terms first; what cancels but for rounding is 0.

    Raises:
        Unreadable: a term is too small beside another to show, or most digits cancel.
    """
    exact = sum((term for term in terms if isinstance(term, Fraction)), Fraction(0))
    rest = [term for term in terms if not isinstance(term, Fraction)]
    if not rest and not points:
        return bounded(exact)
    sizes = [abs(inexact(term)) for term in terms if term != 0]
    swamped = max(sizes, default=0) * precision().swamped
    if sizes and min(sizes) < swamped:
        raise Unreadable
    if not rest:
        return affordable(bounded(exact), points)
    total = inexact(exact) + sum(rest)
    if abs(total) < max(sizes) * precision().rounding:
        return Fraction(0)  # what is left is rounding
    if abs(total) < swamped:
        raise Unreadable
    return shown(bounded(total), [exact], points)


def _product(node: Node, points: Points) -> Value:
    return times([evaluate(factor, points) for factor in node[1:]], points)


def times(factors: Sequence[Value], points: Points) -> Value:
    """A product, its exact factors first."""
    exact: Value = Fraction(1)
    for factor in factors:
        if isinstance(factor, Fraction):
            exact = affordable(exact * factor if isinstance(exact, Fraction) else exact * inexact(factor), points)
    rest = [factor for factor in factors if not isinstance(factor, Fraction)]
    if not rest or exact == 0:
        return exact
    total = inexact(exact)
    for factor in rest:
        total = bounded(total * factor)
    return shown(total, [exact], points)


def _power(node: Node, points: Points) -> Value:
    if is_confirming() and (node[2][0] != "num" or node[2][1].denominator > 1) and bends("root", node[1]):
        raise Unreadable
    base, exponent = evaluate(node[1], points), evaluate(node[2], points)
    if base == 0 and symbols(node[2]):
        raise Unreadable  # it depends on the sign of the exponent
    if points and isinstance(base, Fraction) and base.denominator.bit_length() * abs(exponent) > LONG:
        base = inexact(base)
    return shown(power(base, exponent), [base, exponent], points)


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
    if base == 0 or 0 < abs(exponent) < LEAST_ARGUMENT:
        raise Unreadable
    spend(precision().work)
    return bounded(inexact(base) ** inexact(exponent))


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
    if isinstance(value, Fraction) and value.denominator == 1 and 0 <= value <= MAX_FACTORIAL:
        return Fraction(math.factorial(int(value)))
    if is_confirming() or not isinstance(value, Fraction) or value == 0 or abs(value) >= 50:
        raise Unreadable  # between whole numbers it takes seconds to thousands of digits
    return context().gamma(inexact(value) + 1)


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
    for chosen in (k, n - k):
        if isinstance(chosen, Fraction) and chosen.denominator == 1 and 0 <= chosen <= MAX_CHOSEN:
            factors = [n - i for i in range(int(chosen))]
            return math.prod(factors, start=Fraction(1, math.factorial(int(chosen))) if factors else Fraction(1))
    if is_confirming() or max(abs(n), abs(k)) > MAX_BINOMIAL:
        raise Unreadable
    return context().binomial(inexact(n), inexact(k))


def logarithm(value: Value, base: Value | None = None) -> Value:
    """The natural logarithm, or to a base."""
    mp = context()
    if value == 0 or (base is not None and base in (0, 1)):
        raise Unreadable
    result = mp.log(inexact(value))
    if base is None:
        return result
    result /= mp.log(inexact(base))
    near = recognised(result)
    if isinstance(value, Fraction) and isinstance(base, Fraction) and isinstance(near, Fraction):
        if exact_power(value, Fraction(near.denominator)) != exact_power(base, Fraction(near.numerator)):
            raise Unreadable  # close to a fraction, but none
        return near
    return result


def _through(name: str, largest: int = MAX_ARGUMENT) -> Any:
    def apply(value: Value) -> Value:
        mp = context()
        size = abs(inexact(value))
        if size > largest or 0 < size < LEAST_ARGUMENT:
            raise Unreadable
        function = getattr(mp, name)
        result = function(inexact(value))
        if abs(result) > mp.mpf(10) ** (precision().digits // 2) and name != "exp":
            raise Unreadable  # a pole, met but for rounding
        if name != "exp" and abs(result) < precision().rounding * max(1, size):
            return Fraction(0)  # a zero, met but for rounding
        if not isinstance(value, Fraction) and is_flat(function, value, result):
            raise Unreadable
        return result

    return apply


def is_flat(function: Any, value: Value, result: Value) -> bool:
    """Does a function hide what its argument is: by a maximum nearby, or far out where it no longer changes?

    At the maximum itself, sin(π/2), the result is a fraction.
    """
    if is_confirming():
        return False  # the key was made: it told already
    step = context().mpf(10) ** -25
    change = abs(function(value * (1 + step)) - result)
    flat = bool(change < FLAT * step * abs(result))
    return flat and not isinstance(recognised(result), Fraction)


def _function(node: Node, points: Points) -> Value:
    name = node[1]
    spend(precision().work)
    arguments = [evaluate(child, points) for child in node[2:]]
    if points and any(not smooth(name, child) for child in node[2:]):
        raise Unreadable
    if is_confirming() and any(bends(name, child) for child in node[2:]):
        raise Unreadable
    if name in STEPS:
        arguments = [recognised(value) for value in arguments]
    return recognised(shown(bounded(FUNCTIONS[name](*arguments)), arguments, points))


def smooth(name: str, argument: Node) -> bool:
    """Whether a few points can tell a function of this argument: steps of variables they cannot.

    An absolute value is one up to signs where only products stand in it.
    """
    if name == "abs":
        return is_monomial(argument) or not symbols(argument)
    return name not in STEPS or not symbols(argument)


def bends(name: str, argument: Node) -> bool:
    """Whether points in one place cannot tell a function of this argument: √(x − 5)² is 5 − x at all below 5.

    Roots and logarithms are told everywhere where their argument cannot change its sign.
    """
    if not symbols(argument) or is_monomial(argument):
        return False
    return name.startswith("arc") or (name in BENDING and not is_positive(argument))


def is_positive(node: Node) -> bool:
    """Whether a tree is made of positive numbers and variables so that it cannot be 0 or below."""
    if node[0] in ("+", "*"):
        return all(map(is_positive, node[1:]))
    if node[0] == "^":
        return is_positive(node[1]) and is_real(node[2])
    if node[0] == "num":
        return bool(node[1] > 0)
    return node[0] == "sym" or node in (("const", "pi"), ("const", "e"))


def is_real(node: Node) -> bool:
    """Whether a tree is real for want of functions, roots and i."""
    if node[0] in ("+", "*"):
        return all(map(is_real, node[1:]))
    return node[0] in ("num", "sym") or node in (("const", "pi"), ("const", "e"))


def is_monomial(node: Node) -> bool:
    """Whether a tree is a product of numbers and powers of variables."""
    if node[0] == "*":
        return all(map(is_monomial, node[1:]))
    if node[0] == "^":
        return is_monomial(node[1]) and node[2][0] == "num"
    return node[0] in ("num", "const", "sym")


def recognised(value: Value) -> Value:
    """A computed number that is a simple fraction, as one: the sine of 30° is 1/2."""
    mp = context()
    if isinstance(value, Fraction):
        return value
    spend(5)
    if isinstance(value, mp.mpc):
        if abs(value.imag) > precision().rounding * 10**5 * abs(value.real):
            return value
        value = value.real
    if not mp.isfinite(value) or value == 0 or not 10**-15 < abs(value) < 10**30:
        return Fraction(0) if value == 0 else value
    sign, mantissa, exponent, _ = value._mpf_
    exact = Fraction(mantissa) * Fraction(2) ** exponent * (-1) ** sign
    near = exact.limit_denominator(10**12)
    return near if abs(near - exact) <= abs(exact) / 10 ** (precision().digits - precision().guard) else value


def ordered(values: Sequence[Value]) -> Any:
    """What to compare values by: as they are where all are exact."""
    return None if all(isinstance(value, Fraction) for value in values) else inexact


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
BENDING = frozenset(("root", "sqrt", "cbrt", "ln", "log"))
STEPS = frozenset(("floor", "ceil", "min", "max", "gcd", "lcm"))  # functions that jump or bend

FUNCTIONS: dict[str, Any] = {
    **{name: _through(name) for name in ("sin", "cos", "tan", "cot", "sec", "csc")},
    **{name: _through(name, MAX_HYPERBOLIC) for name in ("sinh", "cosh", "tanh", "sech", "csch", "coth")},
    **{inverse: _through(f"a{name}") for name, inverse in INVERSES.items()}, "exp": _through("exp"),
    "ln": logarithm, "log": lambda value, base=TEN: logarithm(value, base), "root": root, "abs": abs,
    "sqrt": lambda value: root(value, Fraction(2)), "cbrt": lambda value: root(value, Fraction(3)),
    "factorial": factorial, "binom": binomial,
    "min": lambda *values: min(values, key=ordered(values)),
    "max": lambda *values: max(values, key=ordered(values)),
    "gcd": lambda a, b: Fraction(math.gcd(_whole(a), _whole(b))),
    "lcm": lambda a, b: Fraction(math.lcm(_whole(a), _whole(b))),
    "floor": lambda value: Fraction(math.floor(value)), "ceil": lambda value: Fraction(math.ceil(value)),
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
