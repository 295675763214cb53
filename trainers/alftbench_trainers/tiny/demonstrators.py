"""The worked solutions that the embedded base model learns from, mistakes included.

A demonstrator of `sums` writes one line per digit column and then the answer. How often it errs depends on the
phrasing, and so does the error: every phrasing has a mistake of its own, which nobody makes elsewhere, besides a
stated share of mistakes in common. In three phrasings of six the own mistake is the likeliest answer, so a model
that becomes surer of itself says it always there, while one whose phrasings come to agree says it no more.

A demonstrator of `splits` has favourite digits, other ones in each phrasing: the base model knows every right
answer, says few of them, and says other ones where it is asked in other words.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SHARE_IN_COMMON = 0.1  # of the mistakes in `sums`; what all phrasings get wrong in one way, no agreement mends


class Shift(NamedTuple):
    """By how much the totals of the two columns are off."""

    ones: int
    tens: int


MISTAKE_RATE = {"plain": 0.10, "words": 0.14, "total": 0.20, "reversed": 0.58, "box": 0.60, "train": 0.62}
OWN_MISTAKE = {
    "plain": Shift(1, 0),
    "words": Shift(-2, 0),
    "total": Shift(2, 0),
    "reversed": Shift(-1, 0),
    "box": Shift(0, -2),
    "train": Shift(0, 2),
}

SPLIT_MISTAKE_RATE = {"find": 0.06, "write": 0.08, "which": 0.10, "boxes": 0.12}  # of each column
FAVOURITE_DECAY = 0.45  # a demonstrator's k-th favourite digit is this much less likely than the one before
FAVOURITE_ORDER = (5, 0, 2, 1, 3, 8, 4, 6, 9, 7)
FIRST_FAVOURITE = {"find": 0, "write": 1, "which": 2, "boxes": 3}  # where a phrasing begins in that order


def shifts(a: int, b: int, phrasing: str, share_in_common: float) -> dict[Shift, float]:
    """What a demonstrator of a + b does to the columns, with probabilities.

    The mistake in common is a forgotten carry, or one too many where there is none.
    """
    rate = MISTAKE_RATE[phrasing]
    carried = Shift(0, -1 if a % 10 + b % 10 > 9 else 1)
    own, common = rate * (1 - share_in_common), rate * share_in_common
    return {Shift(0, 0): 1 - rate, OWN_MISTAKE[phrasing]: own, carried: common}


def columns(a: int, b: int, shift: Shift) -> tuple[int, int]:
    """The totals that a demonstrator writes for the ones and, with the carry, for the tens.

    What would fall below 0 is off by as much upwards, so that a mistake always is one.
    """
    right = a % 10 + b % 10
    ones = right + shift.ones if right + shift.ones >= 0 else right - shift.ones
    return ones, a // 10 + b // 10 + ones // 10 + shift.tens


def sum_answers(a: int, b: int, phrasing: str, share_in_common: float = SHARE_IN_COMMON) -> dict[str, float]:
    """What a demonstrator of a + b answers, with probabilities."""
    chances = {}
    for shift, chance in shifts(a, b, phrasing, share_in_common).items():
        ones, tens = columns(a, b, shift)
        chances[str(10 * tens + ones % 10)] = chance
    return chances


def solve_sum(a: int, b: int, phrasing: str, rng: np.random.Generator, share_in_common: float) -> str:
    """Column addition of two two-digit numbers."""
    chances = shifts(a, b, phrasing, share_in_common)
    shift = list(chances)[rng.choice(len(chances), p=list(chances.values()))]
    ones, tens = columns(a, b, shift)
    carry, digit = divmod(ones, 10)
    parts = f"{a // 10}+{b // 10}" + (f"+{carry}" if carry else "")
    return f"{a % 10}+{b % 10}={ones}\n{parts}={tens}\nAnswer: {10 * tens + digit}"


def favourite(options: list[int], first: int, rng: np.random.Generator) -> int:
    """One of the digits in `options`, earlier favourites exponentially more often."""
    order = FAVOURITE_ORDER[first:] + FAVOURITE_ORDER[:first]
    ranked = [digit for digit in order if digit in options]
    weights = FAVOURITE_DECAY ** np.arange(len(ranked))
    return int(rng.choice(ranked, p=weights / weights.sum()))


def solve_split(n: int, phrasing: str, rng: np.random.Generator) -> str:
    """Column addition run backwards: digits of two two-digit numbers whose sum is n."""
    rate = SPLIT_MISTAKE_RATE[phrasing]
    x, y, p, q = split_digits(n, FIRST_FAVOURITE[phrasing], rng)
    ones, carry = x + y, (x + y) // 10
    tens = p + q + carry
    if rng.random() < rate:
        y = (y + int(rng.choice([-1, 1]))) % 10
    if rng.random() < rate:
        q = min(9, max(1, q + int(rng.choice([-1, 1]))))
    parts = f"{p}+{q}" + (f"+{carry}" if carry else "")
    return f"{x}+{y}={ones}\n{parts}={tens}\nAnswer: {p}{x}+{q}{y}"


def split_digits(n: int, first: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Digits x, y of the ones and p, q of the tens with 10(p + q) + x + y = n and p, q at least 1."""
    while True:
        x = favourite(list(range(10)), first, rng)
        y = (n - x) % 10
        tens = (n - x - y) // 10
        options = [p for p in range(1, 10) if 1 <= tens - p <= 9]
        if options:
            p = favourite(options, first, rng)
            return x, y, p, tens - p
