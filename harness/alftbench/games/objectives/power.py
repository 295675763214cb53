"""Powers of probabilities between logarithm and square: the arithmetic behind Tsallis' and density-power games.

Everything is built on φ_b with φ_b'(p) = log_b p = (p^b − 1)/b, which is log p for b = 0 and p − 1 for b = 1. Its
Bregman divergence D_b(p‖q) is KL for b = 0, ½|p − q|² for b = 1; Tsallis' entropy of index α has b = α − 1. Two
one-dimensional problems are all that games ask of it, and both are solved for t, the logarithm of the largest
probability, which lies between −log Z and 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import wrightomega

from alftbench.base.arrays import BoolArray, FloatArray
from alftbench.games.numerics import log_normalise, log_of

_ROUNDS = 100
_FEW = 12
"""Rounds in which Newton's method on all answers at once settles, unless it started too far away."""
_NEAR = 1e-3
"""Error of log Σ p from which Newton's method on all answers at once is quadratic."""
_SETTLED = 1e-14
_QUADRATIC = 1e-8
"""A change of log p after which Newton's next one is below rounding."""
_SPACING = 4 * float(np.finfo(float).eps)

Mass = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


def deformed_log(log_p: FloatArray, order: float) -> FloatArray:
    """The deformed logarithm log_b p = (p^b − 1)/b; log p for b = 0, −∞ or −1/b at p = 0."""
    if order == 0.0:
        return log_p
    with np.errstate(over="ignore"):
        return np.asarray(np.expm1(order * log_p) / order)


def deformed_difference(log_p: FloatArray, log_q: FloatArray, order: float) -> FloatArray:
    """The difference log_b p − log_b q without cancellation, 0 where p = q."""
    with np.errstate(invalid="ignore", over="ignore"):
        t = np.where(log_p == log_q, 0.0, log_p - log_q)
        if order == 0.0:
            return np.asarray(t)
        top = np.maximum(order * log_p, order * log_q)
        apart = np.sign(t) * np.exp(top) * (-np.expm1(-np.abs(order * t)) / abs(order))
    return np.where(t == 0.0, 0.0, apart)


def anchored_maximum(log_q_PZ: FloatArray, ratio: float, order: float) -> FloatArray:
    """The distribution with log p + ρ log_b p = log q + κ, κ such that it sums to one.

    It minimises KL(p‖q) + ρ Σ φ_b(p). Given κ it is Wright's function ω answer by answer; κ is found through t,
    then Newton's method on all log p and t at once takes the last digits, relative to the largest probability.

    Args:
        log_q_PZ: log of the tilted reference, unnormalised, −inf where an answer is impossible.
        ratio: ρ ≥ 0.
        order: b.

    Returns:
        log p, shape (P, Z).

    Source: derived here; Wright's ω solves w + log w = z.
    """
    possible_PZ = log_q_PZ > -np.inf
    if ratio == 0.0:
        return log_normalise(log_q_PZ)
    # Relative to the largest answer nothing large is left to cancel.
    d_PZ = np.where(possible_PZ, log_q_PZ - log_q_PZ.max(axis=1, keepdims=True), 0.0)
    curve = _Anchored(d_PZ, possible_PZ, float(np.log(ratio)), order)
    least_P1 = -np.log(possible_PZ.sum(axis=1, keepdims=True))
    total_P1 = np.exp(d_PZ).sum(axis=1, keepdims=True, where=possible_PZ)
    start_P1 = (ratio * least_P1 - np.log(total_P1)) / (1.0 + ratio)
    log_p_PZ, settled = curve.polished(start_P1, _FEW)
    if not settled:
        log_p_PZ, _ = curve.polished(_largest(curve.mass, least_P1, start_P1, _NEAR), _ROUNDS)
    return np.where(possible_PZ, log_p_PZ, -np.inf)


@dataclass(frozen=True, eq=False)
class _Anchored:
    """The curve of p with x + R log_b(e^x) = d, x = log p − t and R = ρ e^{bt}, before they sum to one.

    d_PZ: how far log q lies below its largest, 0 where an answer is impossible.
    """

    d_PZ: FloatArray
    possible_PZ: BoolArray
    log_ratio: float
    order: float

    def mass(self, t_P1: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The logarithm of Σ p at t, and its derivative; every log p rises by (1 + R)/(1 + ρ p^b)."""
        x_PZ, log_R_P1 = self.below(t_P1), self.log_ratio + self.order * t_P1
        with np.errstate(over="ignore"):
            slope_PZ = np.exp(np.logaddexp(0.0, log_R_P1) - np.logaddexp(0.0, log_R_P1 + self.order * x_PZ))
        return _log_mass(t_P1 + x_PZ, self.possible_PZ, slope_PZ)

    def below(self, t_P1: FloatArray) -> FloatArray:
        """The x ≤ 0 at t: Wright's ω, then Newton's method, for ω loses digits as b → 0."""
        d_PZ, b, log_R_P1 = self.d_PZ, self.order, self.log_ratio + self.order * t_P1
        R_P1 = np.exp(log_R_P1)
        if b == 0.0:
            return d_PZ / (1.0 + R_P1)
        omega = wrightomega(log_R_P1 + R_P1 + b * d_PZ)
        with np.errstate(divide="ignore", invalid="ignore"):
            x_PZ = np.where(omega > 1.0, (np.log(omega) - log_R_P1) / b, d_PZ + (R_P1 - omega) / b)
        x_PZ = np.clip(x_PZ, d_PZ, 0.0)
        for _ in range(_ROUNDS):
            change = (x_PZ + R_P1 * deformed_log(x_PZ, b) - d_PZ) / (1.0 + R_P1 * np.exp(b * x_PZ))
            x_PZ = np.clip(x_PZ - change, d_PZ, 0.0)
            if np.abs(change).max() <= _NEAR:
                break
        return np.asarray(x_PZ)

    def polished(self, t_P1: FloatArray, rounds: int) -> tuple[FloatArray, bool]:
        """Newton's method on x and t at once, with Σ p = 1: log p, and whether it settled."""
        x_PZ = self.below(t_P1)
        for _ in range(rounds):
            R_P1 = np.exp(self.log_ratio + self.order * t_P1)
            excess_PZ = self.d_PZ - x_PZ - R_P1 * deformed_log(x_PZ, self.order)
            slope_PZ = 1.0 + R_P1 * np.exp(self.order * x_PZ)
            p_PZ = np.where(self.possible_PZ, np.exp(t_P1 + x_PZ), 0.0)
            weight_PZ = p_PZ / slope_PZ
            missing_P1 = 1.0 - (p_PZ + weight_PZ * excess_PZ).sum(axis=1, keepdims=True)
            rise_P1 = missing_P1 / weight_PZ.sum(axis=1, keepdims=True)
            change_PZ = (excess_PZ + rise_P1) / slope_PZ
            top_P1 = rise_P1 / (1.0 + R_P1)
            t_P1 = np.minimum(0.0, t_P1 + top_P1)
            x_PZ = np.clip(x_PZ + (change_PZ - top_P1), self.d_PZ, 0.0)
            if np.abs(change_PZ).max(where=self.possible_PZ, initial=0.0) <= _QUADRATIC:
                return t_P1 + x_PZ, True
        return t_P1 + x_PZ, False


def free_maximum(y_PZ: FloatArray, order: float) -> FloatArray:
    """The distribution that maximises ⟨y, p⟩ − Σ φ_b(p): p^b = b y + ν, for b > 0 cut off at zero.

    With y = log_b x it is the Bregman projection of x onto the simplex: for b = 1 the Euclidean one, for b = 0
    the normalised x.

    Args:
        y_PZ: −inf where an answer is impossible.
        order: b.

    Returns:
        log p, shape (P, Z).
    """
    possible_PZ = y_PZ > -np.inf
    if order == 0.0:
        return log_normalise(y_PZ)
    d_PZ = np.where(possible_PZ, y_PZ - y_PZ.max(axis=1, keepdims=True), 0.0)

    def below(t_P1: FloatArray) -> FloatArray:
        return np.where(
            possible_PZ, log_of(np.maximum(0.0, 1.0 + order * d_PZ * np.exp(-order * t_P1))) / order, 0.0
        )

    def mass(t_P1: FloatArray) -> tuple[FloatArray, FloatArray]:
        below_PZ = below(t_P1)
        with np.errstate(over="ignore"):
            slope_PZ = np.where(below_PZ > -np.inf, np.exp(-order * below_PZ), 0.0)
        return _log_mass(t_P1 + below_PZ, possible_PZ, slope_PZ)

    least_P1 = -np.log(possible_PZ.sum(axis=1, keepdims=True))
    t_P1 = _largest(mass, least_P1, least_P1 / 2, _SETTLED)
    return log_normalise(np.where(possible_PZ, t_P1 + below(t_P1), -np.inf))


def _largest(mass: Mass, least_P1: FloatArray, start_P1: FloatArray, tolerance: float) -> FloatArray:
    """The t with log mass 0: Newton's method within a bracket, halved where Newton leaves it or is slow."""
    low, high, t = least_P1, np.zeros_like(least_P1), start_P1
    before = np.full_like(t, np.inf)
    for _ in range(_ROUNDS):
        error, slope = mass(t)
        low, high = np.where(error < 0, t, low), np.where(error < 0, high, t)
        done = (np.abs(error) <= tolerance) | (high - low <= _SPACING)
        if done.all():
            break
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = t - error / slope
        good = (newton > low) & (newton < high) & (np.abs(error) <= before / 2)
        t = np.where(done, t, np.where(good, newton, (low + high) / 2))
        before = np.abs(error)
    return t


def _log_mass(log_p_PZ: FloatArray, possible_PZ: BoolArray, slope_PZ: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The logarithm log Σ p and its derivative, where every log p has its own."""
    p_PZ = np.where(possible_PZ, np.exp(log_p_PZ), 0.0)
    total_P1 = p_PZ.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        moved_P1 = np.where(p_PZ > 0, p_PZ * slope_PZ, 0.0).sum(axis=1, keepdims=True)
    return log_of(total_P1), moved_P1 / total_P1
