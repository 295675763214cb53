"""Intervals and tests over problems and seeds.

Problems are the unit, never draws: the samples of one problem are not independent. Where there are several
training seeds they are a second unit, so an interval speaks of the method and not only of the checkpoints at
hand. The mean of a table of S seeds × P problems has, by a two-way analysis of variance without replication, the
variance

    v = max(MS_S + MS_P − MS_E, MS_E) / (S P)

with the mean squares of seeds, problems and residual; residual noise counts once. Its degrees of freedom are
Satterthwaite's, v² / Σ (MS / (S P))² / f with f = S − 1, P − 1, (S − 1)(P − 1), and at least S − 1. With one seed
it is the paired t-interval over problems.

Source: F. E. Satterthwaite, An approximate distribution of estimates of variance components, Biometrics
Bulletin 2 (1946).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from alftbench.base.arrays import FloatArray

LEVEL = 0.95
POWER = 0.8  # of a difference that a comparison is said to resolve
Z = 1.959963984540054  # the normal quantile of LEVEL
SLACK = 1e-9  # of rounding, before a value counts as outside the bounds


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval over `n_problems` problems; all NaN where no problem has a value."""

    value: float
    low: float
    high: float
    n_problems: int


@dataclass(frozen=True)
class Spread:
    """The variance of a mean and the degrees of freedom that it was estimated with."""

    variance: float
    freedom: float

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return float(np.sqrt(self.variance))

    def quantile(self, alpha: float) -> float:
        """Student's quantile that a two-sided interval at level 1 − α takes."""
        return float(stats.t.isf(alpha / 2, self.freedom))

    def p_value(self, value: float) -> float:
        """Two-sided: how often a mean as far from 0 comes up where the truth is 0."""
        if self.variance == 0:
            return float(value == 0)
        return float(2 * stats.t.sf(abs(value) / self.error, self.freedom))


@dataclass(frozen=True)
class MeanSquares:
    """Mean squares of a table of seeds × problems; with one seed those of seeds and residual are 0."""

    seeds: float
    problems: float
    residual: float
    n_seeds: int
    n_problems: int

    @property
    def spread(self) -> Spread:
        """The spread of the table's mean."""
        S, P = self.n_seeds, self.n_problems
        total = max(self.seeds + self.problems - self.residual, self.residual)
        parts = ((self.seeds, S - 1), (self.problems, P - 1), (self.residual, (S - 1) * (P - 1)))
        noise = sum(square**2 / freedom for square, freedom in parts if freedom)
        return Spread(total / (S * P), max(total**2 / noise, S - 1.0) if noise else max(S - 1.0, 1.0))


def mean_squares(values_SP: FloatArray) -> MeanSquares:
    """The two-way analysis of variance of a table without NaN, of at least two problems.

    MS_S = P Σ_s (x̄_s − x̄)² / (S − 1), MS_P = S Σ_p (x̄_p − x̄)² / (P − 1),
    MS_E = Σ_sp (x_sp − x̄_s − x̄_p + x̄)² / (S − 1)(P − 1).

    Args:
        values_SP: a value per seed and problem, shape (S, P).
    """
    S, P = values_SP.shape
    if np.ptp(values_SP) == 0:  # rounding in the means is no spread
        return MeanSquares(0.0, 0.0, 0.0, S, P)
    seeds_S, problems_P = values_SP.mean(axis=1), values_SP.mean(axis=0)
    problems = float(S * problems_P.var(ddof=1))
    if S == 1:
        return MeanSquares(0.0, problems, 0.0, S, P)
    residual_SP = values_SP - seeds_S[:, None] - problems_P + values_SP.mean()
    residual = float((residual_SP**2).sum() / ((S - 1) * (P - 1)))
    return MeanSquares(float(P * seeds_S.var(ddof=1)), problems, residual, S, P)


def spread(values_SP: FloatArray) -> Spread | None:
    """The spread of the mean of a seeds × problems table; None for a single problem, which shows none."""
    return mean_squares(values_SP).spread if values_SP.shape[1] > 1 else None


def defined(values_SP: FloatArray) -> FloatArray:
    """The columns without NaN: problems for which the metric means something in every run."""
    return values_SP[:, ~np.isnan(values_SP).any(axis=0)]


def mean_interval(values_SP: FloatArray, bounds: tuple[float, float]) -> Estimate:
    """Mean over seeds and problems with its interval, which never passes the metric's bounds.

    Where both bounds are finite it is `score_interval`. Where one is not, or values pass them (those of a ratio
    that was linearised may), it is Student's, cut at the bounds. A single problem gives the bounds.

    Args:
        values_SP: a metric per seed and problem, shape (S, P).
        bounds: the smallest and the largest value that the metric can take.
    """
    values_SP = defined(values_SP)
    n_problems = values_SP.shape[1]
    if n_problems == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    value, (low, high) = float(values_SP.mean()), bounds
    uncertainty = spread(values_SP)
    if uncertainty is None:
        return Estimate(value, *bounds, n_problems)
    inside = low - SLACK <= values_SP.min() and values_SP.max() <= high + SLACK
    if np.isfinite(bounds).all() and inside and low < high:
        return Estimate(value, *score_interval(value, uncertainty, n_problems, bounds), n_problems)
    reach = uncertainty.quantile(1 - LEVEL) * uncertainty.error
    return Estimate(value, max(low, value - reach), min(high, value + reach), n_problems)


def score_interval(
    value: float, uncertainty: Spread, n_problems: int, bounds: tuple[float, float]
) -> tuple[float, float]:
    """The interval of a bounded mean: Wilson's for as many trials as would have its variance.

    On the scale where the bounds are 0 and 1, all μ with (p − μ)² ≤ t² v μ(1 − μ) / p(1 − p). Near a bound, where
    few problems make Student's interval too short on one side, it reaches towards the middle. Where every value
    is the same (50 of 50 right) there is no spread to judge by, and it is Wilson's for `n_problems` trials.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    low, width = bounds[0], bounds[1] - bounds[0]
    p = min(max((value - low) / width, 0.0), 1.0)
    square = Z * Z / n_problems
    if uncertainty.variance > 0 and 0 < p < 1:
        square = uncertainty.quantile(1 - LEVEL) ** 2 * uncertainty.variance / width**2 / (p * (1 - p))
    ends = wilson_ends(p, square)
    return low + width * ends[0], low + width * ends[1]


def wilson_ends(p: float, square: float) -> tuple[float, float]:
    """(p + s/2 ± √(s p(1 − p) + s²/4)) / (1 + s), with s = z²/n the `square`; never beyond p, 0 and 1."""
    reach = np.sqrt(p * (1 - p) * square + square * square / 4)
    centre = p + square / 2
    low, high = (centre - reach) / (1 + square), (centre + reach) / (1 + square)
    return float(min(p, max(0.0, low))), float(max(p, min(1.0, high)))


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share."""
    return wilson_ends(successes / n, Z * Z / n) if n else (0.0, 1.0)


@dataclass(frozen=True)
class PairedDifference:
    """Mean of candidate − baseline over the same seeds and problems, with its standard error."""

    value: float
    low: float
    high: float
    p_value: float
    n_pairs: int
    error: float
    freedom: float


def paired_difference(
    candidate_SP: FloatArray, baseline_SP: FloatArray, largest: float = np.inf
) -> PairedDifference:
    """The mean paired difference, its interval and its two-sided p-value, from one spread.

    `largest` is the largest difference that there can be, in either direction; the interval does not pass it.

    p falls below 0.05 exactly where the 95% interval leaves 0 out. Where all differences are the same there is no
    spread to judge by: p is that of a sign test, 2^(1−P).
    """
    difference_SP = defined(candidate_SP - baseline_SP)
    n_pairs = difference_SP.shape[1]
    value = float(difference_SP.mean()) if n_pairs else np.nan
    if n_pairs < 2:
        return PairedDifference(value, -np.inf, np.inf, np.nan, n_pairs, np.nan, np.nan)
    between = mean_squares(difference_SP).spread
    reach = between.quantile(1 - LEVEL) * between.error
    p_value = between.p_value(value)
    if between.variance == 0 and value != 0:
        p_value, reach = 2.0 ** (1 - n_pairs), abs(value) * (2.0 ** (1 - n_pairs) >= 1 - LEVEL)
    low, high = max(value - reach, -largest), min(value + reach, largest)
    return PairedDifference(value, low, high, p_value, n_pairs, between.error, between.freedom)


def resolvable(error: float, freedom: float) -> float:
    """The smallest true difference that a two-sided t-test at 5% finds with 80% power, in the difference's unit.

    Args:
        error: standard error of the difference.
        freedom: degrees of freedom that it was estimated with.
    """
    from statsmodels.stats.power import TTestPower  # with pandas, which only publishing loads

    size = TTestPower().solve_power(nobs=freedom + 1, alpha=1 - LEVEL, power=POWER)
    return float(size * np.sqrt(freedom + 1) * error)


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down adjustment; NaN stays NaN and does not count as a test."""
    from statsmodels.stats.multitest import multipletests  # as above

    adjusted = np.array(p_values, dtype=float)
    tested = ~np.isnan(adjusted)
    if tested.any():
        adjusted[tested] = multipletests(adjusted[tested], method="holm")[1]
    return [float(p) for p in adjusted]
