"""What an answer-level objective is: a function of the answer marginals, seen by the two players.

The policies of an orbit minimise  J = β Σ_i w_i KL(p_i‖p0_i) + F(p_1..p_P);  the target answers with
u_i = (1/w_i) ∂F/∂p_i. Everything here takes log_p_PZ (prompts by answers, −inf where p = 0) and weights_P.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from alftbench.base.arrays import BoolArray, FloatArray
from alftbench.errors import UsageError
from alftbench.games.numerics import kl, log_normalise, log_tilted


def best_response(log_p0_PZ: FloatArray, u_PZ: FloatArray, beta: float) -> FloatArray:
    """The policy's best response to a target: KL-regularised maximisation of the reward −u.

    p_u ∝ p0 exp(−u/β).

    Args:
        log_p0_PZ: log reference answer marginals.
        u_PZ: the target, in units of reward; ignored where the reference is zero.
        beta: strength of the KL anchor, in nats per unit of reward.

    Returns:
        log p_u, shape (P, Z).

    Source: arXiv 2604.27166 (the policy's step of the game).
    """
    return log_tilted(log_p0_PZ, -u_PZ / beta)


class Objective(ABC):
    """An answer-level objective F with its gradient, its target and, where one exists, its equilibrium."""

    name: ClassVar[str]
    differentiable: ClassVar[bool] = True
    """Whether F has a gradient; an indicator has none, and then only `exact` and its own dynamics apply."""
    couples_prompts: ClassVar[bool] = False
    """Whether F ties the prompts of an orbit to one common answer distribution."""

    @property
    def convex(self) -> bool:
        """Whether F is convex, so that the Nash gap bounds the suboptimality."""
        return True

    @abstractmethod
    def value(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> float:
        """F(p), in units of reward."""

    @abstractmethod
    def gradient(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The target's best response u_i = (1/w_i) ∂F/∂p_i, up to a constant per prompt; shape (P, Z)."""

    def given(self, share: float) -> Objective:
        """The objective of p(·|S) where the answers S have this share: F(share · p)/share, up to a constant.

        Itself for what is linear in p or has p log p: scaling p adds to it what does not depend on p(·|S).
        """
        return self

    def target(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray | None:
        """The target player's answer distribution log q_Z, where the objective has one."""
        return None

    @property
    def curvature(self) -> float:
        """Largest eigenvalue L of F's Hessian in the Fisher metric; mirror descent needs η < 2/(β+L)."""
        return 0.0

    def fisher_hessian(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """Second derivatives of F in the coordinates dp_i / √(p_i/w_i): one P×P block per answer, (Z, P, P).

        A sum over answers has no other blocks. The KL anchor is β times the identity.
        """
        raise UsageError(f"{self.name} has no second-order solver")

    def conjugate(self, u_PZ: FloatArray, possible_PZ: BoolArray, weights_P: FloatArray) -> float | None:
        """F*(u) = max_p Σ_i w_i ⟨u_i, p_i⟩ − F(p) over possible answers; None where there is no formula.

        A constant c_i added to u_i adds w_i c_i, so G(π, u) does not see it.

        Args:
            u_PZ: a target, in units of reward, finite where an answer is possible, ignored elsewhere.
            possible_PZ: the answers that policies of finite value can give.
            weights_P: orbit weights.
        """
        return None

    def best_target(
        self, log_p_PZ: FloatArray, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float
    ) -> FloatArray:
        """The target u that answers the policies; of an indicator, the one of the equilibrium."""
        return self.gradient(log_p_PZ, weights_P)

    def closed_form(self, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> FloatArray | None:
        """The equilibrium log p*_PZ where a formula gives it, else None."""
        return None

    def first_guess(self, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> FloatArray:
        """Where Newton's method starts: the admissible reference."""
        return log_normalise(log_p0_PZ)

    def respond(
        self, log_p_PZ: FloatArray, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float
    ) -> FloatArray:
        """One round of alternating best response: the target answers p, the policies answer the target."""
        return best_response(log_p0_PZ, self.gradient(log_p_PZ, weights_P), beta)

    def restrict(self, log_p0_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """The reference with −inf at the answers that no policy of finite value can give.

        Raises:
            BadInput: no policy has a finite value.
        """
        return log_p0_PZ

    def gap(self, log_p_PZ: FloatArray, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> float:
        """The Nash gap at the target's best response.

        max_u' G(p, u') − min_p' G(p', u) = β Σ_i w_i KL(p_i‖p_{u,i}) with u = ∇F(p). For convex F it bounds
        the suboptimality: gap ≥ J(p) − J(p*) ≥ 0. Otherwise it measures stationarity only.

        Source: arXiv 2604.27166 (the game).
        """
        u_PZ = self.gradient(log_p_PZ, weights_P)
        if u_PZ.min() == -np.inf and np.any(log_p0_PZ[u_PZ == -np.inf] > -np.inf):
            return float("inf")
        return beta * float(weights_P @ kl(log_p_PZ, best_response(log_p0_PZ, u_PZ, beta)))
