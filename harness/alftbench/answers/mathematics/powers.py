"""Powers and roots of fractions that are fractions."""

from __future__ import annotations

from fractions import Fraction

from alftbench.answers.mathematics.brackets import Unreadable

MAX_BITS = 1 << 15  # of an exact numerator or denominator


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
