"""Whether two answers are the same by their keys; None where only the slow check can tell (`symbolic.verify`).

`decide` and that check make classes: they are symmetric, and `decide` alone is an equivalence relation on the keys
that it decides. `accepts` asks another question, whether a prediction is right by the gold answer: it forgives a
rounded decimal, a percent sign or a missing name, and is never used to join classes.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import permutations

from alftbench.answers.mathematics.forms import TEX, elements

MIN_DIGITS = 3  # significant ones that a rounded decimal must have
SUM = re.compile(r"-?\d+(?:\+\d+)*")  # of whole numbers, left as it is written; one number is one too
RATIONAL = re.compile(r"-?\d+(?:/\d+)?")
CLOCK = re.compile(r"(?:1?\d|2[0-4]):[0-5]\d")
EULER = "≈2.71828182845904523536028747135266249775"  # the key of e, which may be the letter, begins so
LABEL = re.compile(r"[A-J] \| ")  # of a choice
HEAD = re.compile(r"([a-z]*)([(\[{])")


def decide(a: str, b: str) -> bool | None:
    """Whether two keys are of one class; None where only `verify` can tell."""
    a, b = bare(a), bare(b)
    if a == b:
        return True
    if TEX not in a and TEX not in b:
        return False
    if ("%" in a) != ("%" in b):
        return False  # p% is p/100 to one reader and p to another: neither joins it
    if a.startswith(TEX) or b.startswith(TEX):
        other = b if a.startswith(TEX) else a
        return False if other.startswith('"') else None
    return decide_parts(a, b)


def bare(key: str) -> str:
    """A key without the mark that does not count: the value beside an equation; words stay."""
    return key if key.startswith('"') else key.partition(" | ")[0]


def decide_parts(a: str, b: str) -> bool | None:
    """`decide` for collections some part of which was not read."""
    first, second = HEAD.match(a), HEAD.match(b)
    if first is None or second is None or first[0] != second[0] or a[-1] != b[-1]:
        return False
    left, right = elements(a), elements(b)
    if len(left) != len(right):
        return False
    if first[2] == "{":
        return None
    same = [decide(x, y) for x, y in zip(left, right, strict=True)]
    return False if False in same else None if None in same else True


def accepts(gold: str, prediction: str) -> bool | None:
    """Whether a prediction is right by the gold answer's key; None where only `verify` can tell.

    Forgiven: p% for p/100 and for p; a decimal of at least 3 significant digits that is the exact value rounded
    or cut; the name of a value; a column for a tuple; a ratio for its fraction; the case of a single letter.
    """
    if gold == prediction:
        return True
    if SUM.fullmatch(gold) and SUM.fullmatch(prediction):
        return False  # there is nothing to forgive in these; they come in hundreds of pairs to a problem
    same = decide(gold, prediction)
    if same or any(rule(gold, prediction) for rule in LENIENCIES):
        return True
    if same is False and ("%" in gold) != ("%" in prediction):
        return None if decide(gold.replace("%", ""), prediction.replace("%", "")) is None else False
    return same


def _percent(a: str, b: str) -> bool:
    """p% and p, or p% and p/100."""
    for one, other in ((a, b), (b, a)):
        if one.endswith("%") and one[:-1] == other:
            return True
        if one.endswith("%") and RATIONAL.fullmatch(one[:-1]) and RATIONAL.fullmatch(other):
            return Fraction(one[:-1]) / 100 == Fraction(other)
    return False


def _rounded(a: str, b: str) -> bool:
    a, b = (bare(key).removesuffix("%") for key in (a, b))
    return rounds_to(a, b) or rounds_to(b, a)


def rounds_to(exact: str, decimal: str) -> bool:
    """Whether a finite decimal is an endless one rounded, or cut, to as many places."""
    if not RATIONAL.fullmatch(decimal) or not (exact.startswith("≈") or RATIONAL.fullmatch(exact)):
        return False
    places = decimals(Fraction(decimal))
    value = Fraction(exact.removeprefix("≈"))
    if not places or (decimals(value) is not None and not exact.startswith("≈")):
        return False
    scaled = Fraction(decimal) * 10**places
    if len(str(abs(scaled.numerator))) < MIN_DIGITS:
        return False
    return scaled in (round(value * 10**places), int(value * 10**places))


def decimals(value: Fraction) -> int | None:
    """Places of a finite decimal; None where it is endless."""
    rest, twos, fives = value.denominator, 0, 0
    if rest.bit_length() > 4000:
        return None
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None


def _named(a: str, b: str) -> bool:
    """An equation y = … by its right-hand side; named values by the values alone."""
    if LABEL.match(a) and LABEL.match(b):
        return False
    left, right = a.rpartition(" | ")[2], b.rpartition(" | ")[2]
    if (left, right) != (a, b) and left == right:
        return True
    return _unnamed(a, b) or _unnamed(b, a)


def _unnamed(named: str, values: str) -> bool:
    if not (named.startswith("where{") or "where{" in named) or "where{" in values:
        return False
    if named.startswith("{") and values.startswith("{"):
        return sorted(_as_tuple(part) for part in elements(named)) == sorted(elements(values))
    if not named.startswith("where{"):
        return False
    right_sides = [part.partition("=")[2] for part in elements(named)]
    if values.startswith("{"):
        return sorted(set(right_sides)) == sorted(elements(values))
    return values == _as_tuple(named)


def _as_tuple(named: str) -> str:
    """Named values as the tuple in the order of their names."""
    if not named.startswith("where{"):
        return named
    return "(" + "; ".join(part.partition("=")[2] for part in elements(named)) + ")"


def _column(a: str, b: str) -> bool:
    for matrix, other in ((a, b), (b, a)):
        if matrix == "matrix" + other:
            return True
        if matrix.startswith("matrix[") and other[0] in "([" and other[-1] in ")]":
            rows = [elements(row) for row in elements(matrix)]
            cells = [row[0] for row in rows] if all(len(row) == 1 for row in rows) else rows[0]
            return (len(rows) == 1 or len(rows) == len(cells)) and cells == elements(other)
    return False


def _ratio(a: str, b: str) -> bool:
    """A ratio in other terms, or as its fraction; two times of day are no ratios, 12:05 never is one."""
    if (CLOCK.fullmatch(a) and CLOCK.fullmatch(b)) or ":0" in a + b:
        return False
    values = [_proportion(key) for key in (a, b)]
    return (":" in a or ":" in b) and values[0] is not None and values[0] == values[1]


def _proportion(key: str) -> Fraction | None:
    parts = key.split(":")
    if len(parts) > 2 or not all(RATIONAL.fullmatch(part) for part in parts):
        return None
    if len(parts) == 1:
        return Fraction(key)
    return Fraction(parts[0]) / Fraction(parts[1]) if Fraction(parts[1]) else None


def _letter(a: str, b: str) -> bool:
    a, b = ("e" if key.startswith(EULER) else key for key in (a, b))
    return len(a) == len(b) == 1 and a.isalpha() and a.upper() == b.upper() and a.upper() in "ABCDE"


def _parts(a: str, b: str) -> bool:
    """Collections whose parts are accepted one by one, in order, or in some order for sets."""
    first, second = HEAD.match(a), HEAD.match(b)
    if first is None or second is None or first[0] != second[0] or a[-1] != b[-1] or first[1] in ("expr", "eq"):
        return False
    left, right = elements(a), elements(b)
    if len(left) != len(right):
        return False
    orders = permutations(right) if first[2] == "{" and len(right) <= 4 else [right]
    return any(all(accepts(x, y) for x, y in zip(left, order, strict=True)) for order in orders)


def _residue(a: str, b: str) -> bool:
    """A remainder without its modulus."""
    return any(one.startswith("mod(") and elements(one)[0] == other for one, other in ((a, b), (b, a)))


LENIENCIES = (_residue, _percent, _rounded, _named, _column, _ratio, _letter, _parts)
