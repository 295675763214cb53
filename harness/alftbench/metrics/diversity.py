"""How many different answers a prompt's samples give, and how many different right ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import inf, log

from alftbench.metrics.base import Metric, mean_over_variants
from alftbench.types import AnswerPartition


def entropy(row: list[int], partition: AnswerPartition) -> float:
    """Entropy of the answers given, in nats: −Σ p̂ log p̂ + (Z − 1) / 2n (Miller–Madow).

    Over the n answered samples and the Z classes seen; 0 where nothing was answered.
    Source: Miller, Note on the bias of information estimates, 1955.
    """
    counts = Counter(z for z in row if z >= 0)
    n = counts.total()
    if n == 0:
        return 0.0
    plug_in = -sum(c / n * log(c / n) for c in counts.values())
    return plug_in + (len(counts) - 1) / (2 * n)


def distinct(row: list[int], partition: AnswerPartition) -> float:
    """Different answers among the samples of a prompt."""
    return float(len({z for z in row if z >= 0}))


def distinct_right(row: list[int], partition: AnswerPartition) -> float:
    """Different right answers among the samples of a prompt."""
    return float(len({z for z in row if z >= 0 and partition.correct_Z[z]}))


def metrics(n: int) -> Sequence[Metric]:
    """entropy, distinct, distinct_right; the last two grow with n, so compare them at equal n only."""
    return [
        Metric("entropy", "nats", None, (0.0, inf), mean_over_variants(entropy), True, True),
        Metric("distinct", "answers", None, (0.0, float(n)), mean_over_variants(distinct)),
        Metric("distinct_right", "answers", True, (0.0, float(n)), mean_over_variants(distinct_right), True, True),
    ]
