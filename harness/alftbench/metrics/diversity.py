"""How many different answers a prompt's samples give, and how many different right ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from math import comb, inf, log, nan

from alftbench.metrics.base import Metric, mean_over_variants, powers_of_two
from alftbench.types import AnswerPartition

SHOWN_M = 8  # the draws of the tables' distinct_right@m, or the largest power of two below


def answered(row: list[int]) -> Counter[int]:
    """How often every answer was given."""
    return Counter(z for z in row if z >= 0)


def entropy(row: list[int], partition: AnswerPartition) -> float:
    """Entropy of the answers given, in nats: −Σ p̂ log p̂ + (Z − 1) / 2n (Miller–Madow).

    Over the n answered samples and the Z classes seen; 0 where nothing was answered. Low where there are more
    answers than samples: it cannot pass log n + (n − 1) / 2n.
    Source: Miller, Note on the bias of information estimates, 1955.
    """
    counts = answered(row)
    n = counts.total()
    if n == 0:
        return 0.0
    plug_in = -sum(c / n * log(c / n) for c in counts.values())
    return plug_in + (len(counts) - 1) / (2 * n)


def simpson(row: list[int], partition: AnswerPartition) -> float:
    """Chance that two of the answers given are the same, Σ c_z (c_z − 1) / n (n − 1) over the n answered samples.

    Unbiased for Σ p(z)², p the distribution of answers; NaN below two answers.
    Source: Simpson, Measurement of Diversity, Nature 163, 1949.
    """
    counts = answered(row)
    n = counts.total()
    return sum(c * (c - 1) for c in counts.values()) / (n * (n - 1)) if n > 1 else nan


def distinct_at(row: list[int], partition: AnswerPartition, m: int) -> float:
    """Different answers that m draws give, Σ_z 1 − C(n − c_z, m) / C(n, m), unbiased: the same for any n ≥ m.

    An unanswered draw gives none. Source: Hurlbert, The nonconcept of species diversity, Ecology 52, 1971.
    """
    return rarefied(list(answered(row).values()), len(row), m)


def distinct_right_at(row: list[int], partition: AnswerPartition, m: int) -> float:
    """Different right answers that m draws give, likewise."""
    return rarefied([c for z, c in answered(row).items() if partition.correct_Z[z]], len(row), m)


def rarefied(counts_Z: Sequence[int], n: int, m: int) -> float:
    """How many of some classes are among m of n draws, without replacement."""
    return sum(1.0 - comb(n - c, m) / comb(n, m) for c in counts_Z)


def metrics(n: int) -> Sequence[Metric]:
    """entropy, simpson; distinct@m and distinct_right@m for m = 2, 4, 8 … up to n."""
    ms = powers_of_two(n)

    def at(m: int, name: str, score: Callable[..., float], better: bool | None, shown: bool = False) -> Metric:
        per_problem = mean_over_variants(partial(score, m=m))
        bounds, right = (0.0, float(m)), score is distinct_right_at
        return Metric(
            f"{name}@{m}", "answers", better, bounds, per_problem, shown, compared=shown, counts_right=right
        )

    return [
        Metric("entropy", "nats", None, (0.0, inf), mean_over_variants(entropy)),
        Metric("simpson", "probability", None, (0.0, 1.0), mean_over_variants(simpson)),
        *(at(m, "distinct", distinct_at, None) for m in ms),
        *(at(m, "distinct_right", distinct_right_at, True, shown=m == min(SHOWN_M, ms[-1])) for m in ms),
    ]
