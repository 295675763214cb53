r"""The canonical key of an answer: two answers of a kind are the same answer exactly if their keys are equal.

Kinds: `number` (integers, decimals, fractions; exact, so 0.5 = 1/2 = \frac{1}{2}), `addends` (an unordered
sum of whole numbers), `text` (case and spacing ignored). Nothing a model writes is evaluated.
"""

from __future__ import annotations

import re
from fractions import Fraction

MAX_LENGTH = 300  # characters; a longer "answer" is not one
NUMBER = re.compile(r"([-+−]?)(\d{1,3}(?:,\d{3})+|\d+|(?=\.\d))(?:\.(\d+))?(?:/(\d+))?", re.ASCII)
LATEX_FRACTION = re.compile(r"\\[dt]?frac\{(-?\d+)\}\{(\d+)\}", re.ASCII)
ADDENDS = re.compile(r"\d{1,9}(?:\+\d{1,9})+", re.ASCII)


def canonical(kind: str, raw: str) -> str | None:
    """The key of an answer's class, or None where `raw` holds no answer of that kind."""
    if len(raw) > MAX_LENGTH:
        return None
    return KINDS[kind](raw)


def number_key(raw: str) -> str | None:
    """The exact value of the number in `raw` as an integer or a reduced fraction.

    Where an equation is written out, its right-hand side counts; else the first number.
    """
    text = LATEX_FRACTION.sub(r"\1/\2", raw.rpartition("=")[2] or raw)
    match = NUMBER.search(text.replace("\\$", "").replace("$", "").replace("{,}", ","))
    if match is None:
        return None
    sign, whole, decimals, denominator = match.groups()
    value = Fraction(f"{whole.replace(',', '') or '0'}.{decimals or '0'}")
    if denominator is not None:
        if int(denominator) == 0:
            return None
        value /= int(denominator)
    return str(-value if sign in ("-", "−") else value)


def addends_key(raw: str) -> str | None:
    """The addends of a sum in ascending order, so that 49+23 and 23 + 49 are one answer."""
    text = raw.strip().rstrip(".").replace(" ", "")
    if not ADDENDS.fullmatch(text):
        return None
    return "+".join(str(part) for part in sorted(map(int, text.split("+"))))


def text_key(raw: str) -> str | None:
    """The words of an answer without case, surrounding punctuation or spacing."""
    return " ".join(raw.casefold().split()).strip(" .\"'") or None


KINDS = {"number": number_key, "addends": addends_key, "text": text_key}
