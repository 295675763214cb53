"""Values as text: the figures of a key."""

from __future__ import annotations

import hashlib
from fractions import Fraction

from alftbench.answers.mathematics.precision import context, precision
from alftbench.answers.mathematics.values import Value, recognised


def number_text(value: Value, digits: int | None = None) -> str:
    """A value as text: a fraction exactly, another number to a few digits behind ≈."""
    kept = digits or precision().kept
    if isinstance(value, Fraction):
        if max(value.numerator.bit_length(), value.denominator.bit_length()) < 4000:
            return str(value)
        digest = hashlib.sha256(f"{value.numerator:x}/{value.denominator:x}".encode()).hexdigest()
        return f"huge:{digest}"
    mp = context()
    if isinstance(value, mp.mpc):
        size = abs(value)
        real, imag = (Fraction(0) if abs(part) < size * precision().rounding * 10**5 else recognised(part)
                      for part in (value.real, value.imag))  # fmt: skip
        if imag != 0:
            return f"complex({number_text(real, kept)}; {number_text(imag, kept)})"
        value = real
        if isinstance(value, Fraction):
            return number_text(value)
    return "≈" + str(mp.nstr(value, kept, strip_zeros=False, min_fixed=-20, max_fixed=20))
