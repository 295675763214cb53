"""The embedded suites: `sums` has one right answer per problem, `splits` has many.

Both are written out digit by digit in the same way, so that one very small model can do both:

    sums     "Add 58 to 23."                                3+8=11 / 2+5+1=8 / Answer: 81
    splits   "Write 72 as a sum of two two-digit numbers."  3+9=12 / 2+4+1=7 / Answer: 23+49
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from alftbench.errors import UsageError
from alftbench.suites.base import Suite, SuiteInfo
from alftbench.types import Orbit, Problem, SamplingParams, Variant

SUM_PHRASINGS = {
    "plain": "What is {a} + {b}?",
    "words": "What do you get if you take {a} and add {b} to it?",
    "total": "Find the total of {a} and {b}.",
    "reversed": "Add {b} to {a}.",
    "box": "A box holds {a} pens and {b} more go in. How many pens are in it?",
    "train": "A train with {a} riders picks up {b} more. How many are on it?",
}
SPLIT_PHRASINGS = {
    "find": "Find two two-digit numbers that add up to {n}.",
    "write": "Write {n} as a sum of two two-digit numbers.",
    "which": "Which two two-digit numbers make {n}?",
    "boxes": "Two boxes hold {n} pens, each a two-digit number. How many are in each?",
}
SAMPLING = SamplingParams(n=8, max_tokens=32)
SPLIT_SAMPLING = replace(SAMPLING, n=16)  # many right answers need more draws to show
N_TEST_SUMS, N_TRAIN_SUMS, N_TEST_SPLITS = 100, 1000, 40


def digest_order(ids: Iterable[str]) -> list[str]:
    """Sort by SHA-256: an arbitrary order that is the same everywhere."""
    return sorted(ids, key=lambda name: hashlib.sha256(name.encode()).hexdigest())


def _orbit(problem: Problem, phrasings: dict[str, str], **numbers: int) -> Orbit:
    variants = tuple(
        Variant(problem.id, name, ({"role": "user", "content": text.format(**numbers)},))
        for name, text in phrasings.items()
    )
    return Orbit(problem, variants)


def sum_orbit(a: int, b: int) -> Orbit:
    """The six phrasings of a + b."""
    problem = Problem(f"sums-{a}-{b}", f"{a} + {b}", (str(a + b),), "number")
    return _orbit(problem, SUM_PHRASINGS, a=a, b=b)


def split_orbit(n: int) -> Orbit:
    """The four phrasings of "two two-digit numbers that add up to n"; every unordered pair is right."""
    pairs = tuple(f"{a}+{n - a}" for a in range(max(10, n - 99), n // 2 + 1))
    problem = Problem(f"splits-{n}", f"two two-digit numbers that add up to {n}", pairs, "addends")
    return _orbit(problem, SPLIT_PHRASINGS, n=n)


def sum_pairs(split: str) -> list[tuple[int, int]]:
    """Unordered pairs of two-digit numbers in one fixed order each; train and test never share a pair."""
    names = digest_order(f"{a}-{b}" for a, b in product(range(10, 100), repeat=2) if a <= b)
    chosen = names[:N_TEST_SUMS] if split == "test" else names[N_TEST_SUMS : N_TEST_SUMS + N_TRAIN_SUMS]
    pairs = [tuple(map(int, name.split("-"))) for name in chosen]
    return [(b, a) if (a + b) % 2 else (a, b) for a, b in pairs]


def split_totals(split: str) -> list[int]:
    """Totals from 40 to 178, each with at least eleven right answers."""
    names = digest_order(str(n) for n in range(40, 179))
    return [int(name) for name in (names[:N_TEST_SPLITS] if split == "test" else names[N_TEST_SPLITS:])]


@dataclass(frozen=True)
class ArithmeticSuite:
    """A suite whose problems are computed; `problems` gives the orbits of a split."""

    info: SuiteInfo
    problems: Callable[[str], list[Orbit]]

    def orbits(self, split: str = "test", data: str | None = None) -> Sequence[Orbit]:
        """The problems of a split.

        Raises:
            UsageError: a file is given, which would be ignored.
        """
        if data is not None:
            raise UsageError(f"suite {self.info.name} carries its own problems; leave the data file out")
        return self.problems(split)


def info(
    name: str,
    description: str,
    sampling: SamplingParams,
    enumerable: int,
    unlisted: float,
    right_answers: int | None = None,
) -> SuiteInfo:
    """What the embedded suites say of themselves."""
    return SuiteInfo(
        name=name,
        version="1",
        description=description,
        licence="Apache-2.0",
        citation="alftbench, embedded",
        sampling=sampling,
        splits=("test", "train"),
        enumerable=enumerable,
        unlisted=unlisted,
        right_answers=right_answers,
    )


SUMS: Suite = ArithmeticSuite(
    info("sums", "two-digit sums in six phrasings; one right answer", SAMPLING, 8, 0.01, 1),
    lambda split: [sum_orbit(a, b) for a, b in sum_pairs(split)],
)
SPLITS: Suite = ArithmeticSuite(
    info("splits", "two two-digit numbers with a given total; many right answers", SPLIT_SAMPLING, 4, 0.05),
    lambda split: [split_orbit(n) for n in split_totals(split)],
)
