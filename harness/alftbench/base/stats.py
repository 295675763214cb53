"""Intervals and tests over problems and seeds.

Problems are the unit, never draws: the samples of one problem are not independent. Where there are several
training seeds they are a second unit, so an interval speaks of the method and not only of the checkpoints at
hand. The half-width at level 1 − α joins both, each with Student's quantile of its own degrees of freedom:

    reach(α)² = t(α; S − 1)² s²_seeds / S + t(α; P − 1)² s²_problems / P

where s²_seeds and s²_problems are the variances of row and column means. Residual noise counts in both, so
the interval is rather too wide than too narrow; three seeds that differ make it wide. With one seed it is the
paired t-interval over problems.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from alftbench.base.arrays import FloatArray

LEVEL = 0.95
Z = 1.959963984540054  # the normal quantile of LEVEL


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval over `n_problems` problems; all NaN where no problem has a value."""

    value: float
    low: float
    high: float
    n_problems: int


@dataclass(frozen=True)
class Spread:
    """Standard errors of a mean that come from seeds and from problems, with their degrees of freedom."""

    seeds: float
    problems: float
    seed_freedom: int
    problem_freedom: int

    def reach(self, alpha: float) -> float:
        """Half-width of the interval at level 1 − α."""
        reach = self.problems * stats.t.isf(alpha / 2, self.problem_freedom)
        if self.seeds > 0:
            reach = np.hypot(reach, self.seeds * stats.t.isf(alpha / 2, self.seed_freedom))
        return float(reach)

    def p_value(self, value: float) -> float:
        """The α at which the interval around `value` just touches 0."""
        if self.seeds == 0 and self.problems == 0:
            return float(value == 0)
        smallest = 1e-15
        if abs(value) >= self.reach(smallest):
            return smallest
        return float(brentq(lambda alpha: self.reach(alpha) - abs(value), smallest, 1.0, xtol=1e-16))


def spread(values_SP: FloatArray) -> Spread | None:
    """The spread of the mean of a seeds × problems table; None for a single problem, which shows none."""
    n_seeds, n_problems = values_SP.shape
    if n_problems < 2:
        return None
    problems = values_SP.mean(axis=0).std(ddof=1) / np.sqrt(n_problems)
    seeds = values_SP.mean(axis=1).std(ddof=1) / np.sqrt(n_seeds) if n_seeds > 1 else 0.0
    return Spread(float(seeds), float(problems), n_seeds - 1, n_problems - 1)


def defined(values_SP: FloatArray) -> FloatArray:
    """The columns without NaN: problems for which the metric means something in every run."""
    return values_SP[:, ~np.isnan(values_SP).any(axis=0)]


def mean_interval(values_SP: FloatArray, bounds: tuple[float, float]) -> Estimate:
    """Mean over seeds and problems with its interval, cut at the metric's bounds.

    Where every value is the same (50 of 50 right) there is no spread to judge by; there the interval reaches as
    far as Wilson's for that many identical trials. A single problem gives the bounds.

    Args:
        values_SP: a metric per seed and problem, shape (S, P).
        bounds: the smallest and the largest value that the metric can take.
    """
    values_SP = defined(values_SP)
    n_problems = values_SP.shape[1]
    if n_problems == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    value = float(values_SP.mean())
    uncertainty = spread(values_SP)
    if uncertainty is None:
        return Estimate(value, *bounds, n_problems)
    reach = uncertainty.reach(1 - LEVEL)
    if reach == 0 and np.isfinite(bounds).all():
        reach = wilson_reach(n_problems) * (bounds[1] - bounds[0])
    return Estimate(value, max(bounds[0], value - reach), min(bounds[1], value + reach), n_problems)


def wilson_reach(n: int) -> float:
    """Width of Wilson's interval at 0 of n successes: z² / (n + z²)."""
    return Z * Z / (n + Z * Z)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share: (p̂ + z²/2n ± z √(p̂(1 − p̂)/n + z²/4n²)) / (1 + z²/n)."""
    if n == 0:
        return 0.0, 1.0
    p, square = successes / n, Z * Z / n
    reach = np.sqrt(p * (1 - p) * square + square * square / 4)
    centre = p + square / 2
    return float(max(0.0, (centre - reach) / (1 + square))), float(min(1.0, (centre + reach) / (1 + square)))


@dataclass(frozen=True)
class PairedDifference:
    """Mean of candidate − baseline over the same seeds and problems."""

    value: float
    low: float
    high: float
    p_value: float
    n_pairs: int


def paired_difference(candidate_SP: FloatArray, baseline_SP: FloatArray) -> PairedDifference:
    """The mean paired difference, its interval and its two-sided p-value, from one spread.

    p falls below 0.05 exactly where the 95% interval leaves 0 out.
    """
    difference_SP = defined(candidate_SP - baseline_SP)
    n_pairs = difference_SP.shape[1]
    value = float(difference_SP.mean()) if n_pairs else np.nan
    uncertainty = spread(difference_SP)
    if uncertainty is None:
        return PairedDifference(value, -np.inf, np.inf, np.nan, n_pairs)
    reach = uncertainty.reach(1 - LEVEL)
    return PairedDifference(value, value - reach, value + reach, uncertainty.p_value(value), n_pairs)


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down adjustment; NaN stays NaN and does not count as a test."""
    tested = sorted((p, i) for i, p in enumerate(p_values) if not np.isnan(p))
    adjusted = [float("nan")] * len(p_values)
    running = 0.0
    for rank, (p, i) in enumerate(tested):
        running = max(running, min(1.0, p * (len(tested) - rank)))
        adjusted[i] = running
    return adjusted
