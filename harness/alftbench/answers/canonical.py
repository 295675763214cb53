r"""The canonical key of an answer: two answers of a kind are the same answer exactly if their keys are equal.

Kinds: `number` (integers, decimals, fractions, mixed numbers; exact, so 0.5 = 1/2 = \frac{1}{2}), `math` (any
form, see forms.py), `choice` (one letter of several), `addends` (an unordered sum of whole numbers), `text` (case
and spacing ignored). Keys are made in process and in bounded time; nothing a model writes is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

from alftbench.answers.mathematics.budget import exhausted, renew
from alftbench.answers.mathematics.doubts import DISOWNED
from alftbench.answers.mathematics.forms import TEX, math_key, squeezed
from alftbench.answers.mathematics.numerals import in_digits
from alftbench.answers.mathematics.phrases import TEXT_COMMAND
from alftbench.answers.mathematics.qualifying import EQUATED, behind
from alftbench.answers.mathematics.tokens import ascii_like, dressed_down

MAX_LENGTH = 300  # characters; a longer "answer" is not one
MAX_REMEMBERED = 100
MAX_MATH_LENGTH = 2_000  # a matrix in LaTeX is longer
NUMBER = re.compile(
    r"([-+−]?) ?(?:(\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}|\d+|(?=\.\d))(?:\.(\d+))?)(?:/(\d+))?", re.ASCII
)
POINTS = re.compile(
    r"(?<![\d.,])(\d{1,3}(?:\.\d{3})+),(\d+)(?![\d,.])|(?<![\d.,])(\d+),(\d{1,2}|\d{4,})(?![\d,.])", re.ASCII
)
SPACED = re.compile(r"(?<=\d)(?:[   ]|\\[,;! ]|\{,\})(?=\d{3}(?!\d))", re.ASCII)
LATEX_FRACTION = re.compile(r"\\[dtc]?frac *(?:\{ *(-?\d+) *\}|(\d)) *(?:\{ *(\d+) *\}|(\d))", re.ASCII)
MIXED = re.compile(r"(?<![\d./,])(-?)(\d{1,9}) +(\d{1,9})/(\d{1,9})(?![\d/.])", re.ASCII)
POWER = re.compile(r"(?<![\d./,])(-?)(?:(\d+(?:\.\d+)?) *(?:\\times|\\cdot|[×*x·]) *)?10 *(?:\^|\*\*) *(?:\{ *([-−]?\d{1,3}) *\}|([-−]?\d{1,3}))(?![\d.])", re.ASCII)  # fmt: skip  # noqa: E501
E_NOTATION = re.compile(r"(?<![\w.])(-?)(\d+(?:\.\d+)?)[eE]([-+]?\d{1,3})(?![\w.])", re.ASCII)
BEFORE = re.compile(r"(?:[\s$*({£€¥₹≈~\"'`]|\\[(\[]|\\(?:text|mathrm|mathbf) ?\{)*")
AFTER = re.compile(r"(?:[\s.,;:!?)\]}*%°$€£\"'`]|\\[%$!,;)\] ])*")
UNIT = re.compile(
    r"\(|-(?=[^\W\d_]{2})|\\(?:text|math)[a-z]* ?\{|(?![a-z]{1,2}\d)[^\W\d_]", re.IGNORECASE
)  # words, but not the e5 of 1e5
ADDENDS = re.compile(r"\d{1,9}(?:\+\d{1,9})+", re.ASCII)
CHOICE = re.compile(
    r"[\s($*\[{]*(?:(?:option|choice|answer)[\s:]*)?[\s($*\[{]*([A-J])[\s)$*\]}.]*(?:[:.)]\s*.*)?", re.I
)


def canonical(kind: str, raw: str) -> str | None:
    """The key of an answer's class, or None where `raw` holds no answer of that kind."""
    if len(raw) > (MAX_MATH_LENGTH if kind == "math" else MAX_LENGTH):
        return None
    read = KINDS[kind]
    return remembered(read, raw) if len(raw) <= MAX_REMEMBERED else read(raw)


@lru_cache(maxsize=1 << 16)
def remembered(read: Callable[[str], str | None], raw: str) -> str | None:
    """The key of a short answer: the samples of a problem repeat the same few."""
    return read(raw)


def is_exact(key: str) -> bool:
    """Whether equality with another exact key decides.

    False for texts that were not read, and for a mark that does not count (the value beside an equation).
    """
    return key.startswith('"') or (TEX not in key and " | " not in key)


def number_key(raw: str) -> str | None:
    """The exact value of the number that `raw` is, as an integer or a reduced fraction.

    Where an equation is written out, its right-hand side counts. A unit or words may follow. Text that begins
    with something else or goes on like a formula is no number: a wrong key is worse than none.
    """
    text = raw if raw.isascii() else ascii_like(raw)
    if "=" in text and EQUATED.search(text[: text.rindex("=") + 1]):
        return None
    if not text.isdecimal():
        text = _one_notation(text)
    match = NUMBER.match(text, _end(BEFORE, text, 0))
    if match is None:
        return _spelled_number(text)
    rest = _end(AFTER, text, match.end())
    if rest < len(text):
        if not UNIT.match(text, rest):
            return None
        digits = in_digits(text)
        if digits is not None:
            return number_key(digits)
        if behind(text[match.end() :]):
            return None
    return _value(*match.groups())


def _spelled_number(text: str) -> str | None:
    """The value of a number that begins with a word: minus 5, two dozen eggs."""
    start = _end(BEFORE, text, 0)
    digits = (
        in_digits(text[start:]) if text[start : start + 1].isalpha() or text[start : start + 1] == "-" else None
    )
    return None if digits is None else number_key(digits)


def _one_notation(raw: str) -> str:
    """A number's other spellings as digits, point and slash: mixed numbers, powers of ten, separators."""
    text = raw.rpartition("=")[2] or raw
    if "\\" in text:
        text = TEXT_COMMAND.sub(r" \1 ", text)
        text = (
            LATEX_FRACTION.sub(_plain_fraction, text)
            .replace("\\$", "")
            .replace("\\left", "")
            .replace("\\right", "")
        )
    text = SPACED.sub("", text)
    if "," in text:
        text = POINTS.sub(_decimal_point, text)
    if "/" in text:
        text = MIXED.sub(_improper, text)
    if "10" in text:
        text = POWER.sub(lambda m: _scaled(m[1], m[2] or "1", m[3] or m[4]), text)
    return E_NOTATION.sub(lambda m: _scaled(*m.groups()), text) if "e" in text or "E" in text else text


def _decimal_point(match: re.Match[str]) -> str:
    whole, decimals = (match[1].replace(".", ""), match[2]) if match[1] else (match[3], match[4])
    return f"{whole}.{decimals}"


def _improper(match: re.Match[str]) -> str:
    sign, whole, top, bottom = match.groups()
    return f"{sign}{int(whole) * int(bottom) + int(top)}/{bottom}"


def _scaled(sign: str, mantissa: str, exponent: str) -> str:
    return sign + str(Fraction(f"{mantissa[:60]}e{int(exponent.replace('−', '-'))}"))


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
    if decimals is None and denominator is None:
        text = whole.replace(",", "").lstrip("0") or "0"
        return f"-{text}" if sign in ("-", "−") and text != "0" else text
    value = Fraction(f"{whole.replace(',', '') or '0'}.{decimals or '0'}")
    if denominator is not None:
        if int(denominator) == 0:
            return None
        value /= int(denominator)
    return str(-value if sign in ("-", "−") else value)


def guarded_math_key(raw: str) -> str | None:
    """`math_key` within a budget of steps; what goes beyond it, or beyond arithmetic, was not read."""
    renew()
    try:
        key = math_key(raw)
        if not exhausted():
            return key
    except (ArithmeticError, ValueError, RecursionError):
        pass
    finally:
        renew()
    return TEX + squeezed(dressed_down(raw))


def choice_key(raw: str) -> str | None:
    """The letter of a choice: B, (B), Option B, B) 42."""
    text = re.sub(r"\\(?:text|textbf|mathrm|mathbf)\s*", "", raw.strip())
    match = CHOICE.fullmatch(text)
    return match[1].upper() if match and not DISOWNED.match(text[match.end(1) :]) else None


def addends_key(raw: str) -> str | None:
    """The addends of a sum in ascending order, so that 49+23 and 23 + 49 are one answer."""
    text = raw.strip().rstrip(".").replace(" ", "")
    if not ADDENDS.fullmatch(text):
        return None
    return "+".join(str(part) for part in sorted(map(int, text.split("+"))))


def text_key(raw: str) -> str | None:
    """The words of an answer in quotes, without case, surrounding punctuation or spacing."""
    words = " ".join(raw.casefold().split()).strip(" .\"'")
    return f'"{words}"' if words else None


KINDS = {
    "number": number_key,
    "math": guarded_math_key,
    "choice": choice_key,
    "addends": addends_key,
    "text": text_key,
}
