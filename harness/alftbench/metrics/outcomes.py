"""The share of every outcome, so that a failure to parse never hides as a wrong answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from alftbench.metrics.base import Metric
from alftbench.types import AnswerPartition, Outcome


def rate(partition: AnswerPartition, outcome: Outcome) -> float:
    """Share of an orbit's samples with this outcome."""
    return partition.outcomes.get(str(outcome), 0) / partition.n_samples


def rate_guessed(partition: AnswerPartition) -> float:
    """Share of an orbit's samples whose answer is a guess."""
    return sum(map(sum, partition.guessed_VN)) / partition.n_samples


def metrics(n: int) -> Sequence[Metric]:
    """One rate per outcome, named `rate_<outcome>`, and the rate of guesses among all samples."""
    outcomes = [
        Metric(
            f"rate_{outcome}",
            "probability",
            True if outcome is Outcome.ANSWERED else None,
            (0.0, 1.0),
            partial(rate, outcome=outcome),
        )
        for outcome in Outcome
    ]
    return [*outcomes, Metric("rate_guessed", "probability", None, (0.0, 1.0), rate_guessed)]
