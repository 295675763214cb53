"""The worked solutions that the embedded base model learns from, mistakes included.

A demonstrator writes one line per digit column and then the answer. Each column goes wrong with a rate that
depends on the phrasing: half of the mistakes forget or invent the carry, which makes wrong answers that
several draws share, and half are off by one or two. For `splits`, demonstrators have favourite digits, so the
base model knows every right answer and says few of them.
"""

from __future__ import annotations

import numpy as np

ERROR_RATE = {
    "plain": 0.04,
    "words": 0.08,
    "total": 0.13,
    "reversed": 0.19,
    "box": 0.27,
    "train": 0.36,
    "find": 0.08,
    "write": 0.12,
    "which": 0.16,
    "boxes": 0.20,
}
FAVOURITE_DECAY = 0.45  # a demonstrator's k-th favourite digit is this much less likely than the one before
FAVOURITE_ORDER = (5, 0, 2, 1, 3, 8, 4, 6, 9, 7)


def slip(total: int, carry: int, rate: float, rng: np.random.Generator) -> int:
    """A column's total as the demonstrator writes it: right, or wrong with probability `rate`."""
    if rng.random() >= rate:
        return total
    if rng.random() < 0.5:
        return total + (1 if carry == 0 else -1)
    return max(0, total + int(rng.choice([-2, -1, 1, 2])))


def solve_sum(a: int, b: int, phrasing: str, rng: np.random.Generator) -> str:
    """Column addition of two two-digit numbers."""
    rate = ERROR_RATE[phrasing]
    ones = slip(a % 10 + b % 10, 0, rate / 2, rng)
    carry, digit = divmod(ones, 10)
    parts = f"{a // 10}+{b // 10}" + (f"+{carry}" if carry else "")
    tens = slip(a // 10 + b // 10 + carry, carry, rate, rng)
    return f"{a % 10}+{b % 10}={ones}\n{parts}={tens}\nAnswer: {10 * tens + digit}"


def favourite(options: list[int], rng: np.random.Generator) -> int:
    """One of the digits in `options`, earlier favourites exponentially more often."""
    ranked = [digit for digit in FAVOURITE_ORDER if digit in options]
    weights = FAVOURITE_DECAY ** np.arange(len(ranked))
    return int(rng.choice(ranked, p=weights / weights.sum()))


def solve_split(n: int, phrasing: str, rng: np.random.Generator) -> str:
    """Column addition run backwards: digits of two two-digit numbers whose sum is n."""
    rate = ERROR_RATE[phrasing]
    x, y, p, q = split_digits(n, rng)
    carry = (x + y) // 10
    ones, tens = slip(x + y, 0, 0.0, rng), p + q + carry
    if rng.random() < rate:
        y = (y + int(rng.choice([-1, 1]))) % 10
    if rng.random() < rate:
        q = min(9, max(1, q + int(rng.choice([-1, 1]))))
    parts = f"{p}+{q}" + (f"+{carry}" if carry else "")
    return f"{x}+{y}={ones}\n{parts}={tens}\nAnswer: {p}{x}+{q}{y}"


def split_digits(n: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Digits x, y of the ones and p, q of the tens with 10(p + q) + x + y = n and p, q at least 1."""
    while True:
        x = favourite(list(range(10)), rng)
        y = (n - x) % 10
        tens = (n - x - y) // 10
        options = [p for p in range(1, 10) if 1 <= tens - p <= 9]
        if options:
            p = favourite(options, rng)
            return x, y, p, tens - p
