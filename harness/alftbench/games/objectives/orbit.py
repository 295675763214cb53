"""Objectives that tie the prompts of an orbit together: coherence and consensus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from alftbench.base.arrays import BoolArray, FloatArray
from alftbench.errors import BadInput, UsageError
from alftbench.games.numerics import expectation, kl, log_normalise, log_ratio, log_sum_exp, log_tilted
from alftbench.games.objectives.agreement import coherence_equilibrium
from alftbench.games.objectives.base import Objective
from alftbench.games.objectives.mixture import best_mixture
from alftbench.games.objectives.single import forbid_zeros, geometric_mixture, largest

_SAME = 1e-12


def arithmetic_mean(log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
    """The logarithm of q = Σ_i w_i p_i, which minimises Σ_i w_i KL(p_i‖q)."""
    return log_sum_exp(log_p_PZ + np.log(weights_P)[:, None], axis=0)


def geometric_mean(log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
    """The logarithm of q ∝ Π_i p_i^{w_i}, which minimises Σ_i w_i KL(q‖p_i)."""
    return log_normalise(weights_P @ log_p_PZ)


def common_support(log_p0_PZ: FloatArray) -> FloatArray:
    """The reference restricted to the answers that every prompt of the orbit can give.

    Raises:
        BadInput: there is none.
    """
    shared = (log_p0_PZ > -np.inf).all(axis=0)
    if not shared.any():
        raise BadInput("no answer has positive probability under every prompt, so the prompts cannot agree")
    return np.where(shared, log_p0_PZ, -np.inf)


@dataclass(frozen=True, eq=False)
class Coherence(Objective):
    """Soft coherence: F = λ min_q Σ_i w_i KL(p_i‖q) = λ JSD_w(p_1..p_P), with q = Σ_i w_i p_i.

    Jointly convex with a unique equilibrium p_i ∝ p0_i^{β/(β+λ)} q^{λ/(β+λ)}.

    Args:
        lambda_: weight λ ≥ 0, in units of reward per nat.

    Source: arXiv 2604.27166 and arXiv 2511.08440.
    """

    lambda_: float
    name: ClassVar[str] = "coherence"
    couples_prompts: ClassVar[bool] = True

    @property
    def curvature(self) -> float:
        """λ: in the Fisher metric the Hessian is λ (I − √ρ√ρᵀ) with shares ρ_i = w_i p_i/q."""
        return self.lambda_

    def value(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> float:
        """F = λ Σ_i w_i KL(p_i‖q)."""
        return self.lambda_ * float(weights_P @ kl(log_p_PZ, arithmetic_mean(log_p_PZ, weights_P)))

    def gradient(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The target u_i = λ (log p_i − log q)."""
        if self.lambda_ == 0.0:
            return np.zeros_like(log_p_PZ)
        return self.lambda_ * log_ratio(log_p_PZ, arithmetic_mean(log_p_PZ, weights_P))

    def target(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The consensus q = Σ_i w_i p_i."""
        return arithmetic_mean(log_p_PZ, weights_P)

    def conjugate(self, u_PZ: FloatArray, possible_PZ: BoolArray, weights_P: FloatArray) -> float:
        """F* = λ max_q Σ_i w_i log Σ_z q(z) exp(u_i(z)/λ): the best mixture, in as many dimensions as prompts."""
        if self.lambda_ == 0.0:
            return largest(u_PZ, possible_PZ, weights_P)
        return self.lambda_ * best_mixture(np.where(possible_PZ, u_PZ, -np.inf) / self.lambda_, weights_P)

    def closed_form(self, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> FloatArray:
        """The p_i ∝ p0_i^α (Σ_j w_j e^{−c_j} p0_j^α)^{(1−α)/α}, α = β/(β+λ), with c found by Newton."""
        if weights_P.size == 1 or self.lambda_ == 0.0:
            return log_p0_PZ
        return coherence_equilibrium(log_p0_PZ, weights_P, beta, self.lambda_)

    def respond(
        self, log_p_PZ: FloatArray, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float
    ) -> FloatArray:
        """The consensus q = Σ w_i p_i, then p_i ∝ p0_i^{β/(β+λ)} q^{λ/(β+λ)}: a joint minimisation."""
        consensus = arithmetic_mean(log_p_PZ, weights_P)
        return log_normalise(geometric_mixture(log_p0_PZ, consensus, beta / (beta + self.lambda_)))


@dataclass(frozen=True, eq=False)
class HardCoherence(Objective):
    """Hard coherence: p_i = q for every prompt, so q* ∝ Π_i p0_i^{w_i}; the limit λ → ∞ of `Coherence`.

    Source: arXiv 2511.08440 (coherence); the closed form is derived here.
    """

    name: ClassVar[str] = "coherence"
    differentiable: ClassVar[bool] = False
    couples_prompts: ClassVar[bool] = True

    def value(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> float:
        """0 where all prompts agree, else +inf."""
        return 0.0 if np.ptp(np.exp(log_p_PZ), axis=0).max() <= _SAME else float("inf")

    def gradient(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """There is none: F is an indicator."""
        raise UsageError("hard coherence has no gradient; use --method exact, two-step or direct")

    def conjugate(self, u_PZ: FloatArray, possible_PZ: BoolArray, weights_P: FloatArray) -> float:
        """The largest Σ_i w_i u_i(z) over common answers."""
        common_Z = possible_PZ.all(axis=0)
        return float((weights_P @ u_PZ[:, common_Z]).max())

    def best_target(
        self, log_p_PZ: FloatArray, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float
    ) -> FloatArray:
        """The u_i = β log(p0_i/q*), to which every prompt answers q*; Σ_i w_i u_i is the same for all answers."""
        return beta * log_ratio(log_p0_PZ, self.closed_form(log_p0_PZ, weights_P, beta))

    def target(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The consensus q = Σ_i w_i p_i."""
        return arithmetic_mean(log_p_PZ, weights_P)

    def closed_form(self, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> FloatArray:
        """q* ∝ Π_i p0_i^{w_i} for every prompt."""
        q = geometric_mean(common_support(log_p0_PZ), weights_P)
        return np.broadcast_to(q, log_p0_PZ.shape).copy()

    def restrict(self, log_p0_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """Only common answers."""
        return common_support(log_p0_PZ)

    def gap(self, log_p_PZ: FloatArray, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> float:
        """β KL(q‖q*): J(q) − J(q*) exactly; +inf where the prompts disagree."""
        if self.value(log_p_PZ, weights_P) > 0:
            return float("inf")
        return beta * float(weights_P @ kl(log_p_PZ, self.closed_form(log_p0_PZ, weights_P, beta)))


@dataclass(frozen=True, eq=False)
class Consensus(Objective):
    """Cross-entropy to a consensus: F = λ Σ_i w_i CE(p_i, q), with q free or frozen.

    Given q the policies answer π ∝ π0 q^{λ/β}. With q frozen F is linear. With q free, q = Σ w_i p_i and
    F = λ H(q) is concave: it sharpens. β Σ w_i KL(p_i‖p0_i) + λ H(q) equals, up to a constant, a coherence
    game with anchor β − λ on the references p0_i^{β/(β−λ)}, so J is convex for λ < β; for λ ≥ β it is not
    and collapses onto few answers.

    Args:
        lambda_: weight λ ≥ 0, in units of reward per nat.
        log_q_Z: the frozen consensus, or None for a free one.

    Source: arXiv 2604.27166 (for λ = β the paper's policy step); the reduction is derived here.
    """

    lambda_: float
    log_q_Z: FloatArray | None = None
    name: ClassVar[str] = "consensus"
    couples_prompts: ClassVar[bool] = True

    @property
    def convex(self) -> bool:
        """Only with a frozen consensus."""
        return self.log_q_Z is not None or self.lambda_ == 0.0

    def value(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> float:
        """F = −λ Σ_i w_i Σ_z p_i log q."""
        if self.lambda_ == 0.0:
            return 0.0
        return -self.lambda_ * float(weights_P @ expectation(log_p_PZ, self.target(log_p_PZ, weights_P)))

    def gradient(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The target u = −λ log q, up to a constant."""
        if self.lambda_ == 0.0:
            return np.zeros_like(log_p_PZ)
        return np.broadcast_to(-self.lambda_ * self.target(log_p_PZ, weights_P), log_p_PZ.shape)

    def target(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The consensus: the frozen q, or Σ_i w_i p_i."""
        return arithmetic_mean(log_p_PZ, weights_P) if self.log_q_Z is None else self.log_q_Z

    def conjugate(self, u_PZ: FloatArray, possible_PZ: BoolArray, weights_P: FloatArray) -> float:
        """The largest u + λ log q, per prompt, for a frozen q.

        Raises:
            UsageError: the consensus is free, so F is not convex and no target's value reaches it.
        """
        if self.lambda_ == 0.0:
            return largest(u_PZ, possible_PZ, weights_P)
        if self.log_q_Z is None:
            raise UsageError("a free consensus is not convex, so it has no conjugate game; freeze its target")
        bonus_Z = np.where(self.log_q_Z > -np.inf, self.lambda_ * self.log_q_Z, 0.0)
        return largest(u_PZ + bonus_Z, possible_PZ, weights_P)

    def closed_form(self, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> FloatArray | None:
        """π ∝ π0 q^{λ/β} for a frozen q."""
        if self.lambda_ == 0.0:
            return log_p0_PZ
        if self.log_q_Z is None:
            return None
        return log_tilted(log_p0_PZ, self.lambda_ / beta * self.log_q_Z)

    def restrict(self, log_p0_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """Forbid the answers that a frozen consensus forbids."""
        if self.log_q_Z is None or self.lambda_ == 0.0:
            return log_p0_PZ
        return forbid_zeros(log_p0_PZ, self.log_q_Z)


@dataclass(frozen=True, eq=False)
class PairwiseCoherence(Objective):
    """Coherence by pairs: F = λ Σ_{i≠j} w_i w_j KL(p_i‖p_j); convex, P² terms where `Coherence` has P.

    Finite only where all prompts have the same support.

    Args:
        lambda_: weight λ ≥ 0, in units of reward per nat.

    Source: arXiv 2511.08440 (coherence); the gradient and Hessian are derived here.
    """

    lambda_: float
    name: ClassVar[str] = "pairwise_coherence"
    couples_prompts: ClassVar[bool] = True

    @property
    def curvature(self) -> float:
        """2λ where the prompts agree; larger elsewhere, without bound."""
        return 2 * self.lambda_

    def value(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> float:
        """F = λ Σ_{i≠j} w_i w_j KL(p_i‖p_j)."""
        if self.lambda_ == 0.0:
            return 0.0
        with np.errstate(over="ignore"):
            pairs = kl(log_p_PZ[:, None, :], log_p_PZ[None, :, :])
        return self.lambda_ * float(weights_P @ pairs @ weights_P)

    def gradient(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The target u_i = λ Σ_j w_j (log(p_i/p_j) − p_j/p_i), up to a constant."""
        if self.lambda_ == 0.0:
            return np.zeros_like(log_p_PZ)
        ratio = log_ratio(log_p_PZ[:, None, :], log_p_PZ[None, :, :])
        with np.errstate(over="ignore"):
            terms = ratio - np.exp(-ratio)
        return np.asarray(self.lambda_ * np.einsum("j,ijz->iz", weights_P, terms))

    def fisher_hessian(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """Diagonal λ Σ_{j≠i} w_j (1 + p_j/p_i), off it −λ √(w_i w_j) (√(p_i/p_j) + √(p_j/p_i))."""
        P = weights_P.size
        half = 0.5 * log_ratio(log_p_PZ[:, None, :], log_p_PZ[None, :, :])
        with np.errstate(over="ignore"):
            blocks = -2 * np.sqrt(np.outer(weights_P, weights_P))[:, :, None] * np.cosh(half)
            diagonal = np.einsum("j,ijz->iz", weights_P, 1 + np.exp(-2 * half)) - 2 * weights_P[:, None]
        blocks[np.arange(P), np.arange(P)] = diagonal
        return np.asarray(self.lambda_ * np.moveaxis(blocks, 2, 0))

    def closed_form(self, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> FloatArray | None:
        """The reference, where there is nothing to agree on: one prompt, or λ = 0."""
        return log_p0_PZ if weights_P.size == 1 or self.lambda_ == 0.0 else None

    def first_guess(self, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> FloatArray:
        """A share β/(β+2λ) of the reference, the rest of the geometric mean: right for weak and strong λ."""
        shared = geometric_mean(log_normalise(log_p0_PZ), weights_P)
        return log_normalise(geometric_mixture(log_p0_PZ, shared, beta / (beta + self.curvature)))

    def restrict(self, log_p0_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """Only common answers: elsewhere some KL is infinite."""
        return common_support(log_p0_PZ) if self.lambda_ else log_p0_PZ
