"""Rules that look at labels alone: right answers earn more; and two controls that a fair comparison carries."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.base.validate import at_least, at_most
from alftbench.games.rewards.group import GroupRecord

Rate = Annotated[float, at_least(0), at_most(1)]


def correctness(record: GroupRecord) -> FloatArray:
    """c(z): 1 for a right answer, else 0.

    The best response to F(p) = −Σ c p (`Correctness`). Source: DeepSeekMath, arXiv 2402.03300.
    """
    return record.correct_VG.astype(float)


def w_reinforce(
    record: GroupRecord,
    *,
    positive: Annotated[float, at_least(0), "λ₊, reward of a right answer; 0 punishes only"] = 0.1,
) -> FloatArray:
    """−(1 − c) + λ₊ c: wrong answers are punished, right ones hardly rewarded; NSR is λ₊ = 0.

    As (1 + λ₊) c − 1 it is correctness but for a constant, which no expected policy gradient sees: it ascends
    (1 + λ₊) Σ c p. What is published of its diversity comes from what is not the expectation: noise, clipping
    and how a network generalises. Source: arXiv 2506.01347.
    """
    return (1 + positive) * correctness(record) - 1.0


def noisy_verifier(
    record: GroupRecord,
    *,
    true_positive: Annotated[Rate, "how often a right answer passes"] = 0.9,
    false_positive: Annotated[Rate, "how often a wrong answer passes"] = 0.1,
) -> FloatArray:
    """1 where a verifier that errs lets the rollout pass; its expectation where `uniform_VG` is not at hand.

    A rollout passes if its uniform number is below the rate of its verdict; one without an answer never does. It
    ascends J Σ c p with Youden's J = true − false positive rate, and descends where J < 0.
    Source: arXiv 2601.04411.
    """
    rate_VG = np.where(record.correct_VG, true_positive, false_positive) * record.answered_VG
    return _drawn(record, rate_VG)


def spurious(record: GroupRecord, *, rate: Annotated[Rate, "how often a rollout is rewarded"] = 0.5) -> FloatArray:
    """1 with a fixed chance, whatever was answered, nothing included; the rate where `uniform_VG` is not at hand.

    It ascends nothing: p* = p₀. Source: the random rewards of arXiv 2506.10947.
    """
    return _drawn(record, np.full(record.class_VG.shape, rate))


def _drawn(record: GroupRecord, rate_VG: FloatArray) -> FloatArray:
    return rate_VG if record.uniform_VG is None else (record.uniform_VG < rate_VG).astype(float)
