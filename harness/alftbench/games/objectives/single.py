"""Objectives that look at one prompt at a time; over an orbit they are averaged with its weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from alftbench.base.arrays import BoolArray, FloatArray
from alftbench.errors import BadInput
from alftbench.games.numerics import expectation, kl, log_normalise, log_of, log_ratio, log_sum_exp, log_tilted
from alftbench.games.objectives.base import Objective

_NEWTON_ROUNDS = 100
_QUADRATIC = 1e-8  # a change of log p after which Newton's next one is below rounding
_NOTHING = -2000.0  # a log-probability that is 0 in every sum, with room for normalising


@dataclass(frozen=True, eq=False)
class Correctness(Objective):
    """Expected correctness: F = −Σ p b with bonus b = η c, so p* ∝ p0 exp(b/β).

    Args:
        bonus_Z: η for a correct answer, 0 for others, in units of reward.

    Source: arXiv 2604.27166.
    """

    bonus_Z: FloatArray
    name: ClassVar[str] = "correctness"

    def value(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> float:
        """F = −Σ_i w_i Σ_z p_i b."""
        return -float(weights_P @ expectation(log_p_PZ, self.bonus_Z))

    def gradient(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The target u = −b."""
        return np.broadcast_to(-self.bonus_Z, log_p_PZ.shape)

    def conjugate(self, u_PZ: FloatArray, possible_PZ: BoolArray, weights_P: FloatArray) -> float:
        """The largest u + b, per prompt."""
        return largest(u_PZ + self.bonus_Z, possible_PZ, weights_P)

    def closed_form(self, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> FloatArray:
        """p* ∝ p0 exp(b/β)."""
        return log_tilted(log_p0_PZ, self.bonus_Z / beta)


@dataclass(frozen=True, eq=False)
class Diversity(Objective):
    """Entropy, with or without correctness: F = λ Σ p log p − Σ p b, so p* ∝ (p0 exp(b/β))^{β/(β+λ)}.

    Args:
        lambda_: weight λ ≥ 0 of the entropy, in units of reward per nat.
        bonus_Z: η for a correct answer, 0 for others.

    Source: arXiv 2604.27166 (diversity); with rewards −log p it is Diversity-GRPO's entropy.
    """

    lambda_: float
    bonus_Z: FloatArray
    name: ClassVar[str] = "diversity"

    @property
    def curvature(self) -> float:
        """λ: the entropy is its own metric."""
        return self.lambda_

    def value(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> float:
        """F = Σ_i w_i Σ_z p_i (λ log p_i − b)."""
        return float(weights_P @ expectation(log_p_PZ, scaled(self.lambda_, log_p_PZ) - self.bonus_Z))

    def gradient(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The target u = λ log p − b, up to a constant."""
        return scaled(self.lambda_, log_p_PZ) - self.bonus_Z

    def conjugate(self, u_PZ: FloatArray, possible_PZ: BoolArray, weights_P: FloatArray) -> float:
        """F* = λ log Σ exp((u + b)/λ), the soft maximum of u + b."""
        return soft_maximum(u_PZ + self.bonus_Z, possible_PZ, weights_P, self.lambda_)

    def closed_form(self, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> FloatArray:
        """p* ∝ (p0 exp(b/β))^{β/(β+λ)}."""
        return log_tilted(log_p0_PZ * (beta / (beta + self.lambda_)), self.bonus_Z / (beta + self.lambda_))


@dataclass(frozen=True, eq=False)
class QuadraticDiversity(Objective):
    """The Gini index, with or without correctness: F = (λ/2) Σ p² − Σ p b.

    p* = (β/λ) W((λ/β) p0 e^{b/β + κ}), W Lambert's function and κ such that p* sums to one.

    Args:
        lambda_: weight λ ≥ 0, in units of reward.
        bonus_Z: η for a correct answer, 0 for others.

    Source: arXiv 2605.02435 (polynomial rewards); the closed form is derived here.
    """

    lambda_: float
    bonus_Z: FloatArray
    name: ClassVar[str] = "quadratic_diversity"

    @property
    def curvature(self) -> float:
        """λ, reached where one answer has all the mass."""
        return self.lambda_

    def given(self, share: float) -> QuadraticDiversity:
        """(λ/2) Σ (share p)² / share has the weight λ share."""
        return replace(self, lambda_=self.lambda_ * share)

    def value(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> float:
        """F = Σ_i w_i Σ_z p_i (λ p_i/2 − b)."""
        return float(weights_P @ expectation(log_p_PZ, self.lambda_ / 2 * np.exp(log_p_PZ) - self.bonus_Z))

    def gradient(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The target u = λ p − b."""
        return self.lambda_ * np.exp(log_p_PZ) - self.bonus_Z

    def conjugate(self, u_PZ: FloatArray, possible_PZ: BoolArray, weights_P: FloatArray) -> float:
        """The value ⟨v, p⟩ − (λ/2) |p|², v = u + b, at p = max(0, v − τ)/λ, τ such that p sums to one."""
        v_PZ = u_PZ + self.bonus_Z
        if self.lambda_ == 0.0:
            return largest(v_PZ, possible_PZ, weights_P)
        rows = zip(v_PZ, possible_PZ, strict=True)
        return float(weights_P @ [_sparse_maximum(v_Z[possible_Z], self.lambda_) for v_Z, possible_Z in rows])

    def closed_form(self, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> FloatArray:
        """The log p* with log p* + (λ/β) p* = log p0 + b/β + κ, by Newton's method."""
        tilted = log_tilted(log_p0_PZ, self.bonus_Z / beta)
        return _gini_equilibrium(tilted, self.lambda_ / beta) if self.lambda_ else tilted


def largest(u_PZ: FloatArray, possible_PZ: BoolArray, weights_P: FloatArray) -> float:
    """The conjugate of F = 0: Σ_i w_i max_z u_i(z) over possible answers."""
    return float(weights_P @ np.where(possible_PZ, u_PZ, -np.inf).max(axis=1))


def soft_maximum(u_PZ: FloatArray, possible_PZ: BoolArray, weights_P: FloatArray, lambda_: float) -> float:
    """The conjugate of λ Σ_i w_i Σ p log p: λ Σ_i w_i log Σ_z exp(u_i/λ) over possible answers."""
    if lambda_ == 0.0:
        return largest(u_PZ, possible_PZ, weights_P)
    return lambda_ * float(weights_P @ log_sum_exp(np.where(possible_PZ, u_PZ, -np.inf) / lambda_))


def _sparse_maximum(v_Z: FloatArray, lambda_: float) -> float:
    """The maximum of ⟨v, p⟩ − (λ/2) |p|² over distributions: a projection onto the simplex, by sorting."""
    top = v_Z.max()
    scaled = np.sort((v_Z - top) / lambda_)[::-1]
    thresholds = (np.cumsum(scaled) - 1.0) / np.arange(1, scaled.size + 1)
    tau = thresholds[np.flatnonzero(scaled > thresholds)[-1]]
    p = np.maximum(0.0, scaled - tau)
    return float(top + lambda_ * (scaled @ p - p @ p / 2))


def _gini_equilibrium(log_q_PZ: FloatArray, ratio: float) -> FloatArray:
    """The l = log p with l + ρ e^l = log q + κ and Σ e^l = 1: Newton's method on both at once.

    Linearised, l rises by (log q − l − ρ p + κ)/(1 + ρ p), and κ is what keeps the sum at one. It starts from
    p = q/(1 + ρ q), right for weak and for strong ρ; the only safeguard is p ≤ 1.
    """
    impossible = None if log_q_PZ.min() > -np.inf else np.isneginf(log_q_PZ)
    log_q = log_q_PZ if impossible is None else np.where(impossible, _NOTHING - ratio, log_q_PZ)
    log_p = log_q - np.log1p(ratio * np.exp(log_q))
    for _ in range(_NEWTON_ROUNDS):
        p = np.exp(log_p)
        scaled = ratio * p
        slope = 1.0 + scaled
        excess = log_q - log_p - scaled
        weight = p / slope
        kappa = (1.0 - (p + weight * excess).sum(axis=1)) / weight.sum(axis=1)
        change = np.minimum((excess + kappa[:, None]) / slope, -log_p)
        log_p += change
        if np.abs(change).max() <= _QUADRATIC:
            break
    if impossible is not None:
        log_p[impossible] = -np.inf
    return log_p


@dataclass(frozen=True, eq=False)
class TargetMatching(Objective):
    """Matching a fixed answer distribution q: F = λ KL(p‖q), so p* ∝ p0^{β/(β+λ)} q^{λ/(β+λ)}.

    Args:
        lambda_: weight λ ≥ 0, in units of reward per nat.
        log_q_Z: log q; with λ > 0 an answer with q = 0 is forbidden.

    Source: arXiv 2604.27166.
    """

    lambda_: float
    log_q_Z: FloatArray
    name: ClassVar[str] = "target_matching"

    @property
    def curvature(self) -> float:
        """λ, as for the entropy."""
        return self.lambda_

    def value(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> float:
        """F = λ Σ_i w_i KL(p_i‖q)."""
        return self.lambda_ * float(weights_P @ kl(log_p_PZ, self.log_q_Z)) if self.lambda_ else 0.0

    def gradient(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The target u = λ (log p − log q), up to a constant."""
        return scaled(self.lambda_, log_ratio(log_p_PZ, self.log_q_Z))

    def target(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The fixed q."""
        return self.log_q_Z

    def conjugate(self, u_PZ: FloatArray, possible_PZ: BoolArray, weights_P: FloatArray) -> float:
        """F* = λ log Σ q exp(u/λ)."""
        bonus_Z = np.where(self.log_q_Z > -np.inf, self.lambda_ * self.log_q_Z, 0.0) if self.lambda_ else 0.0
        return soft_maximum(u_PZ + bonus_Z, possible_PZ, weights_P, self.lambda_)

    def closed_form(self, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> FloatArray:
        """p* ∝ p0^{β/(β+λ)} q^{λ/(β+λ)}."""
        return log_normalise(geometric_mixture(log_p0_PZ, self.log_q_Z, beta / (beta + self.lambda_)))

    def restrict(self, log_p0_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """Forbid the answers that q forbids."""
        return forbid_zeros(log_p0_PZ, self.log_q_Z) if self.lambda_ else log_p0_PZ


def geometric_mixture(log_p: FloatArray, log_q: FloatArray, share: float) -> FloatArray:
    """The mixture log p^share q^{1−share}, unnormalised; a zero to the power 0 is 1."""
    return scaled(share, log_p) + scaled(1.0 - share, log_q)


def scaled(factor: float, log_p: FloatArray) -> FloatArray:
    """The product factor · log p with 0 · log 0 = 0."""
    with np.errstate(over="ignore"):
        return factor * log_p if factor else np.zeros_like(log_p)


def forbid_zeros(log_p0_PZ: FloatArray, log_q_Z: FloatArray) -> FloatArray:
    """The reference without the answers where q is zero.

    Raises:
        BadInput: some prompt is left without an answer.
    """
    restricted = np.where(np.isneginf(log_q_Z), -np.inf, log_p0_PZ)
    empty = np.flatnonzero(np.isneginf(restricted).all(axis=1))
    if empty.size:
        raise BadInput(f"prompts[{empty[0]}]: the target gives probability 0 to every answer of this prompt")
    return restricted


def indicator_bonus(correct_Z: FloatArray | BoolArray, eta: float = 1.0) -> FloatArray:
    """The bonus b = η c for correctness c in [0, 1]."""
    return eta * np.asarray(correct_Z, dtype=float)


def distribution(probabilities_Z: FloatArray) -> FloatArray:
    """The logarithm of non-negative numbers, normalised."""
    return log_normalise(log_of(np.asarray(probabilities_Z, dtype=float)))
