"""Objectives made of powers of probabilities: Tsallis' diversity and matching by density-power divergence."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from alftbench.base.arrays import BoolArray, FloatArray
from alftbench.errors import BadInput
from alftbench.games.numerics import expectation, log_tilted
from alftbench.games.objectives.base import Objective
from alftbench.games.objectives.power import anchored_maximum, deformed_difference, deformed_log, free_maximum
from alftbench.games.objectives.single import forbid_zeros, largest, scaled

LEAST_INDEX, LARGEST_INDEX = 0.01, 100.0
"""Range of Tsallis' α, and of 1 + b: within it the solvers were tried; F is convex for every α > 0."""


def checked_index(name: str, index: float, shift: float = 0.0) -> None:
    """Refuse an index outside the range; `shift` is what the name's own number is below it.

    Raises:
        BadInput: it is outside.
    """
    low, high = LEAST_INDEX - shift, LARGEST_INDEX - shift
    if not low <= index <= high:
        raise BadInput(f"{name} is {index:g}; it must be from {low:g} to {high:g}")


class PowerObjective(Objective):
    """What F = Σ_i w_i Σ_z [k φ_b(p) − v p] has in common, φ_b'(p) = (p^b − 1)/b, up to a constant.

    p* solves log p + (k/β) log_b p = log p0 + v/β + κ: p* = (W(ρ e^{ρ} (p0 e^{v/β + κ})^b)/ρ)^{1/b}, ρ = k/β.
    """

    @property
    @abstractmethod
    def power(self) -> tuple[float, float]:
        """Strength k and order b."""

    @property
    @abstractmethod
    def bonus(self) -> FloatArray:
        """The linear reward v, in units of reward; −∞ where an answer is forbidden."""

    @property
    def curvature(self) -> float:
        """The largest k p^b: k for b ≥ 0, at a certain answer; for b < 0 none: then k Z^{−b}, at even shares."""
        k, b = self.power
        return float(k * self.bonus.size ** max(0.0, -b))

    def fisher_hessian(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """Diagonal k p^b; 0 where p = 0, whence nothing moves."""
        k, b = self.power
        with np.errstate(invalid="ignore"):
            bent_PZ = np.where(log_p_PZ > -np.inf, k * np.exp(b * log_p_PZ), 0.0)
        return np.asarray(bent_PZ.T[:, :, None] * np.eye(weights_P.size))

    def conjugate(self, u_PZ: FloatArray, possible_PZ: BoolArray, weights_P: FloatArray) -> float:
        """F* = Σ_i w_i ⟨u, p⟩ − F(p) at the p with k log_b p = u + v + τ, or 0 where there is none (b > 0)."""
        k, b = self.power
        rising_PZ = np.where(possible_PZ, u_PZ + self.bonus, -np.inf)
        if k == 0.0:
            return largest(rising_PZ, possible_PZ, weights_P)
        top_P1 = np.where(possible_PZ, u_PZ, -np.inf).max(axis=1, keepdims=True)
        with np.errstate(over="ignore"):
            log_p_PZ = free_maximum((rising_PZ - rising_PZ.max(axis=1, keepdims=True)) / k, b)
        gain = float(weights_P @ (expectation(log_p_PZ, u_PZ - top_P1) + top_P1[:, 0]))
        return gain - self.value(log_p_PZ, weights_P)

    def closed_form(self, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> FloatArray:
        """The log p* with log p* + (k/β) log_b p* = log p0 + v/β + κ, by Wright's function and Newton's method."""
        k, b = self.power
        return anchored_maximum(log_tilted(log_p0_PZ, self.bonus / beta), k / beta, b)


@dataclass(frozen=True, eq=False)
class TsallisDiversity(PowerObjective):
    """Tsallis' entropy, with or without correctness: F = λ Σ (p^α − p)/(α − 1) − Σ p b.

    α = 1 is `Diversity`, α = 2 is `QuadraticDiversity` at 2λ up to a constant. Small α asks most for rare answers.

    Args:
        lambda_: weight λ ≥ 0, in units of reward.
        alpha: index α, from 0.01 to 100.
        bonus_Z: η for a correct answer, 0 for others.

    Raises:
        BadInput: α is outside its range.

    Source: arXiv 2605.02435 (polynomial rewards); Tsallis 1988; the closed form is derived here.
    """

    lambda_: float
    alpha: float
    bonus_Z: FloatArray
    name: ClassVar[str] = "tsallis_diversity"

    def __post_init__(self) -> None:
        """Check the index."""
        checked_index("alpha", self.alpha)

    @property
    def power(self) -> tuple[float, float]:
        """Strength λα and order α − 1."""
        return self.lambda_ * self.alpha, self.alpha - 1.0

    @property
    def bonus(self) -> FloatArray:
        """The bonus b."""
        return self.bonus_Z

    def given(self, share: float) -> TsallisDiversity:
        """λ Σ (share p)^α / (α − 1) / share has the weight λ share^{α−1}."""
        return replace(self, lambda_=self.lambda_ * share ** (self.alpha - 1.0))

    def value(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> float:
        """F = Σ_i w_i Σ_z p_i (λ (p_i^{α−1} − 1)/(α − 1) − b)."""
        spread_PZ = scaled(self.lambda_, deformed_log(log_p_PZ, self.alpha - 1.0))
        return float(weights_P @ expectation(log_p_PZ, spread_PZ - self.bonus_Z))

    def gradient(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The target u = λ α (p^{α−1} − 1)/(α − 1) − b, up to a constant."""
        k, b = self.power
        return scaled(k, deformed_log(log_p_PZ, b)) - self.bonus_Z


@dataclass(frozen=True, eq=False)
class BetaDivergence(PowerObjective):
    """Matching a fixed answer distribution q by density power: F = λ D_b(p‖q).

    D_b(p‖q) = Σ (p^{1+b} − (1+b) p q^b + b q^{1+b})/(b (1+b)): KL at b = 0, ½ |p − q|² at b = 1. As a Bregman
    divergence it is convex in p at every order; for b ≤ 0 answers with q = 0 are forbidden, for b > 0 only dear.

    Args:
        lambda_: weight λ ≥ 0, in units of reward.
        order: b, from −0.99 to 99.
        log_q_Z: log q; any positive total.

    Raises:
        BadInput: b is outside its range.

    Source: Basu, Harris, Hjort, Jones 1998 (density power divergence); the game and its solution are derived here.
    """

    lambda_: float
    order: float
    log_q_Z: FloatArray
    name: ClassVar[str] = "beta_divergence"

    def __post_init__(self) -> None:
        """Check the order."""
        checked_index("order", self.order, shift=1.0)

    @property
    def power(self) -> tuple[float, float]:
        """Strength λ and order b."""
        return self.lambda_, self.order

    @property
    def bonus(self) -> FloatArray:
        """The reward λ (q^b − 1)/b."""
        return scaled(self.lambda_, deformed_log(self.log_q_Z, self.order))

    def given(self, share: float) -> BetaDivergence:
        """D_b(share p‖q)/share is share^b D_b(p‖q/share), up to a constant."""
        weight = self.lambda_ * share**self.order
        return replace(self, lambda_=weight, log_q_Z=self.log_q_Z - np.log(share))

    def value(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> float:
        """F = λ Σ_i w_i D_b(p_i‖q), as p (log_b p − log_b q) − (p^{1+b} − q^{1+b})/(1+b)."""
        if self.lambda_ == 0.0:
            return 0.0
        index = 1.0 + self.order
        linear = expectation(log_p_PZ, deformed_difference(log_p_PZ, self.log_q_Z, self.order))
        powers = (np.exp(index * log_p_PZ) - np.exp(index * self.log_q_Z)).sum(axis=1)
        return self.lambda_ * float(weights_P @ np.maximum(0.0, linear - powers / index))

    def gradient(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The target u = λ (p^b − q^b)/b."""
        return scaled(self.lambda_, deformed_difference(log_p_PZ, self.log_q_Z, self.order))

    def target(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The fixed q."""
        return self.log_q_Z

    def restrict(self, log_p0_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """For b ≤ 0, forbid the answers that q forbids."""
        return forbid_zeros(log_p0_PZ, self.bonus) if self.lambda_ else log_p0_PZ
