"""How often answers are right: avg@n, unbiased pass@k, majority vote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from math import comb

from alftbench.metrics.base import Metric, mean_over_variants, powers_of_two
from alftbench.types import AnswerPartition

SHOWN_K = 4  # the pass@k of tables, or the largest below


def n_right(row: list[int], partition: AnswerPartition) -> int:
    """Right answers among one prompt's samples."""
    return sum(z >= 0 and partition.correct_Z[z] for z in row)


def accuracy(row: list[int], partition: AnswerPartition) -> float:
    """avg@n = c / n, with c right answers among n samples; no answer counts as not right."""
    return n_right(row, partition) / len(row)


def strict_accuracy(partition: AnswerPartition) -> float:
    """Accuracy where a guessed answer (the last number of a text that names none) counts as not right."""
    guessed_VN = partition.guessed_VN or [[False] * len(row) for row in partition.class_VN]
    shares = [
        sum(z >= 0 and partition.correct_Z[z] and not guess for z, guess in zip(row, guesses, strict=True))
        / len(row)
        for row, guesses in zip(partition.class_VN, guessed_VN, strict=True)
    ]
    return sum(shares) / len(shares)


def pass_at_k(row: list[int], partition: AnswerPartition, k: int) -> float:
    """Probability that k draws contain a right answer: 1 − C(n−c, k) / C(n, k), unbiased.

    Source: Chen et al., Evaluating Large Language Models Trained on Code, arXiv 2107.03374.
    """
    n, c = len(row), n_right(row, partition)
    return 1.0 - comb(n - c, k) / comb(n, k)


def majority(row: list[int], partition: AnswerPartition) -> float:
    """maj@n: is the most frequent answer right? Ties give the fraction of tied answers that are.

    Samples without an answer do not vote; no votes at all is not right.
    """
    votes = Counter(z for z in row if z >= 0)
    if not votes:
        return 0.0
    top = max(votes.values())
    tied = [z for z, count in votes.items() if count == top]
    return sum(partition.correct_Z[z] for z in tied) / len(tied)


def metrics(n: int) -> Sequence[Metric]:
    """accuracy, strict_accuracy, pass@2, pass@4 … pass@n, maj@n."""

    def right(name: str, score: object, shown: bool, compared: bool = False) -> Metric:
        per_problem = mean_over_variants(score)  # type: ignore[arg-type]
        return Metric(name, "probability", True, (0.0, 1.0), per_problem, shown, compared)

    ks = powers_of_two(n)
    return [
        right("accuracy", accuracy, shown=True, compared=True),
        Metric("strict_accuracy", "probability", True, (0.0, 1.0), strict_accuracy),
        *(right(f"pass@{k}", partial(pass_at_k, k=k), shown=k == min(SHOWN_K, ks[-1])) for k in ks),
        right(f"maj@{n}", majority, shown=True),
    ]
