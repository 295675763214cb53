"""Intervals and tests over problems and seeds; every resampling is seeded.

Problems are resampled, never draws: the samples of one problem are not independent. Where there are several
training seeds, seeds are resampled too, independently of problems (Owen's pigeonhole bootstrap, 2007), so an
interval speaks of the method and not only of the checkpoints at hand. With few seeds it is rough.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
N_RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval over `n_problems` problems; all NaN where no problem has a value."""

    value: float
    low: float
    high: float
    n_problems: int


def resampled_means(values_SP: FloatArray, seed: int = 0) -> FloatArray:
    """Means of N_RESAMPLES bootstrap tables, drawing seeds and problems with replacement, shape (B,)."""
    seeds_BS, problems_BP = resamples(*values_SP.shape, seed)
    sums_BS = problems_BP @ values_SP.T
    return np.asarray((sums_BS * seeds_BS).sum(axis=1) / values_SP.size)


@lru_cache(maxsize=8)
def resamples(n_seeds: int, n_problems: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """How often every resample draws each seed (B, S) and each problem (B, P).

    Drawn once and shared by all metrics: drawing costs far more than averaging.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(n_seeds, n_problems)))
    problems_BP = rng.multinomial(n_problems, np.full(n_problems, 1 / n_problems), size=N_RESAMPLES)
    seeds_BS = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=N_RESAMPLES)
    return seeds_BS.astype(float), problems_BP.astype(float)


def defined(values_SP: FloatArray) -> FloatArray:
    """The columns without NaN: problems for which the metric means something in every run."""
    return values_SP[:, ~np.isnan(values_SP).any(axis=0)]


def mean_interval(values_SP: FloatArray, bounds: tuple[float, float]) -> Estimate:
    """Mean over seeds and problems with its percentile bootstrap interval.

    Where every value is the same bound of a bounded metric, the bootstrap would claim certainty; there the
    interval reaches as far inside as Wilson's for that many identical trials.

    Args:
        values_SP: a metric per seed and problem, shape (S, P).
        bounds: the smallest and the largest value that the metric can take.
    """
    values_SP = defined(values_SP)
    n_problems = values_SP.shape[1]
    if n_problems == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    value = float(values_SP.mean())
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled_means(values_SP), [tail, 1 - tail])
    if np.ptp(values_SP) == 0 and value in bounds and np.isfinite(bounds).all():
        reach = wilson_reach(n_problems) * (bounds[1] - bounds[0])
        low, high = (value - reach, value) if value == bounds[1] else (value, value + reach)
    return Estimate(value, float(min(low, value)), float(max(high, value)), n_problems)


def wilson_reach(n: int) -> float:
    """Width of Wilson's interval at 0 of n successes: z² / (n + z²)."""
    z = 1.959963984540054
    return z * z / (n + z * z)


@dataclass(frozen=True)
class PairedDifference:
    """Mean of candidate − baseline over the same seeds and problems."""

    value: float
    low: float
    high: float
    p_value: float
    n_pairs: int


def paired_difference(candidate_SP: FloatArray, baseline_SP: FloatArray) -> PairedDifference:
    """The mean paired difference, its interval and a two-sided p-value, all from one bootstrap.

    p is twice the smaller share of resampled differences on either side of 0 (both counts raised by one, so
    it is never 0): it falls below 0.05 exactly where the 95% interval leaves 0 out.
    """
    difference_SP = defined(candidate_SP - baseline_SP)
    n_pairs = difference_SP.shape[1]
    if n_pairs == 0:
        return PairedDifference(np.nan, np.nan, np.nan, np.nan, 0)
    means = resampled_means(difference_SP)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    below, above = int((means <= 0).sum()), int((means >= 0).sum())
    p_value = min(1.0, 2 * (min(below, above) + 1) / (N_RESAMPLES + 1))
    return PairedDifference(float(difference_SP.mean()), float(low), float(high), p_value, n_pairs)


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down adjustment; NaN stays NaN and does not count as a test."""
    tested = sorted((p, i) for i, p in enumerate(p_values) if not np.isnan(p))
    adjusted = [float("nan")] * len(p_values)
    running = 0.0
    for rank, (p, i) in enumerate(tested):
        running = max(running, min(1.0, p * (len(tested) - rank)))
        adjusted[i] = running
    return adjusted
