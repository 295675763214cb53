r"""The canonical key of an answer: two answers of a kind are the same answer exactly if their keys are equal.

Kinds: `math` (anything), `number` (integers, decimals, fractions; exact, so 0.5 = 1/2 = \frac{1}{2}), `addends`
(an unordered sum of whole numbers), `text` (case and spacing ignored). Nothing a model writes is evaluated.
"""

from __future__ import annotations

import re
from fractions import Fraction

MAX_LENGTH = 300  # characters; a longer "answer" is not one
NUMBER = re.compile(r"([-+−]?) ?(\d{1,3}(?:,\d{3})+|\d+|(?=\.\d))(?:\.(\d+))?(?:/(\d+))?", re.ASCII)
LATEX_FRACTION = re.compile(r"\\[dt]?frac *(?:\{ *(-?\d+) *\}|(\d)) *(?:\{ *(\d+) *\}|(\d))", re.ASCII)
BEFORE = re.compile(r"(?:[\s$*({£€≈~\"'`]|\\[(\[]|\\(?:text|mathrm|mathbf) ?\{)*")
AFTER = re.compile(r"(?:[\s.,;:!?)\]}*%°$€£\"'`]|\\[%$!,;)\] ]|\\(?:text|mathrm) ?\{[^{}\d]*\})*")
UNIT = re.compile(r"(?:\(|(?![a-z]{1,2}\d)[^\W\d_])", re.IGNORECASE)  # words, but not the e5 of 1e5
ADDENDS = re.compile(r"\d{1,9}(?:\+\d{1,9})+", re.ASCII)


def canonical(kind: str, raw: str) -> str | None:
    """The key of an answer's class, or None where `raw` holds no answer of that kind."""
    if len(raw) > MAX_LENGTH:
        return None
    return KINDS[kind](raw)


def number_key(raw: str) -> str | None:
    """The exact value of the number that `raw` is, as an integer or a reduced fraction.

    Where an equation is written out, its right-hand side counts. A unit or words may follow. Text that begins
    with something else or goes on like a formula is no number: a wrong key is worse than none.
    """
    text = LATEX_FRACTION.sub(_plain_fraction, raw.rpartition("=")[2] or raw)
    text = text.replace("\\$", "").replace("{,}", ",")
    match = NUMBER.match(text, _end(BEFORE, text, 0))
    if match is None:
        return None
    rest = _end(AFTER, text, match.end())
    if rest < len(text) and not UNIT.match(text, rest):
        return None
    return _value(*match.groups())


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    """Where a pattern that may match nothing ends."""
    match = pattern.match(text, start)
    return match.end() if match else start


def _plain_fraction(match: re.Match[str]) -> str:
    r"""\\frac{1}{2} as 1/2, set apart so that the 2 of a mixed number stays visible as one."""
    numerator, short_numerator, denominator, short_denominator = match.groups()
    return f" {numerator or short_numerator}/{denominator or short_denominator}"


def _value(sign: str, whole: str, decimals: str | None, denominator: str | None) -> str | None:
    """The parts of a number as an exact value; None for a division by 0."""
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


def math_key(raw: str) -> str | None:
    """The number that `raw` is, else its text without spaces, marked as a form that needs the slow check."""
    number = number_key(raw)
    return number if number is not None else SYMBOLIC + "".join(raw.split()) if raw.strip() else None


def is_exact(key: str) -> bool:
    """Does this key decide alone whether another answer is the same?"""
    return not key.startswith(SYMBOLIC)


SYMBOLIC = "math:"
KINDS = {"number": number_key, "addends": addends_key, "text": text_key, "math": math_key}
