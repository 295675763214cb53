"""The other side of the game: F*, G(π, u) for any target u, and the gap of any pair of players.

    G(π, u) = β Σ_i w_i KL(π_i‖π0_i) + Σ_i w_i E_{π_i}[u_i] − F*(u)

Policies minimise, the target maximises; max_u G(π, u) = J(π) for convex F, and min_π G(π, u) = D(u) ≤ J(π*).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alftbench.base.arrays import BoolArray, FloatArray
from alftbench.errors import BadInput
from alftbench.games.game import Game
from alftbench.games.newton import newton
from alftbench.games.numerics import expectation, kl, log_normalise, log_sum_exp

_FALL = 4.0
"""The anchor of a smoothed conjugate falls by this factor a stage."""
_SMOOTH = 1e-9
"""Smallest anchor of a smoothed conjugate, relative to the size of the problem."""


@dataclass(frozen=True)
class TwoPlayerGap:
    """What both players of a pair (π, u) could still gain; both terms are ≥ 0, and 0 at the equilibrium only.

    policy_regret: G(π, u) − min_π' G(π', u) = β Σ_i w_i KL(π_i‖π_{u,i}).
    target_regret: max_u' G(π, u') − G(π, u) = F(p) + F*(u) − Σ_i w_i ⟨u_i, p_i⟩.
    """

    policy_regret: float
    target_regret: float

    @property
    def gap(self) -> float:
        """J(π) − D(u), which bounds J(π) − J(π*) and J(π*) − D(u)."""
        return self.policy_regret + self.target_regret


def conjugate(game: Game, u_PZ: FloatArray) -> float:
    """F*(u) = max_p Σ_i w_i ⟨u_i, p_i⟩ − F(p), over distributions on the answers that policies can give.

    By formula where the objective has one. Pairwise coherence has none: there it is a certified upper bound,
    from Newton's method on F anchored ever more weakly.

    Args:
        game: whose objective is F.
        u_PZ: a target in units of reward; ignored where an answer is impossible.

    Returns:
        F*(u); +inf where u is infinite.

    Raises:
        BadInput: u has another shape, or is not a number.
        UsageError: a free consensus, which is not convex.

    Source: arXiv 2604.27166 (the game); the formulas are derived here.
    """
    u_PZ, possible_PZ = _checked(game, u_PZ)
    if np.isinf(u_PZ).any():
        return float("inf")
    value = game.objective.conjugate(u_PZ, possible_PZ, game.weights_P)
    return _smoothed_conjugate(game, u_PZ) if value is None else value


def dual_value(game: Game, u_PZ: FloatArray) -> float:
    """D(u) = min_π G(π, u) = −β Σ_i w_i log Σ_z p0_i e^{−u_i/β} − F*(u): a lower bound on J(π*) for any u."""
    u_PZ, _ = _checked(game, u_PZ)
    if np.isinf(u_PZ).any():
        return float("-inf")
    free_P = log_sum_exp(game.log_admissible_PZ - u_PZ / game.beta)
    return -game.beta * float(game.weights_P @ free_P) - conjugate(game, u_PZ)


def two_player_value(game: Game, log_p_PZ: FloatArray, u_PZ: FloatArray) -> float:
    """G(π, u) of policies that keep the reference's traces given the answer; others pay β × trace drift more."""
    u_PZ, _ = _checked(game, u_PZ)
    anchor = game.beta * float(game.weights_P @ kl(log_p_PZ, game.log_reference_PZ))
    return anchor + float(game.weights_P @ expectation(log_p_PZ, u_PZ)) - conjugate(game, u_PZ)


def two_player_gap(game: Game, log_p_PZ: FloatArray, u_PZ: FloatArray) -> TwoPlayerGap:
    """How far a pair (π, u) is from the equilibrium, for any target: a remembered or a learned one too.

    `Game.gap` is this at the target's best response u = ∇F(p), where the target regrets nothing. A target that
    remembers marginals p̄ plays u = `game.objective.gradient(log p̄, weights)`.

    Args:
        game: a game whose objective is convex.
        log_p_PZ: log answer marginals of the policies.
        u_PZ: the target's strategy in units of reward; a constant per prompt does not matter.

    Returns:
        Both players' regrets, in units of reward; infinite where u or F(p) is.

    Raises:
        BadInput: u has another shape, or is not a number.
        UsageError: a free consensus, which is not convex.

    Source: arXiv 2604.27166 (the game).
    """
    u_PZ, _ = _checked(game, u_PZ)
    if np.isinf(u_PZ).any():
        return TwoPlayerGap(float("inf"), float("inf"))
    # A target with mean 0 under the policies leaves nothing large to cancel.
    centred_PZ = u_PZ - expectation(log_p_PZ, u_PZ)[:, None]
    policy_regret = game.beta * float(game.weights_P @ kl(log_p_PZ, game.best_response(centred_PZ)))
    target_regret = game.objective.value(log_p_PZ, game.weights_P) + conjugate(game, centred_PZ)
    return TwoPlayerGap(policy_regret, max(0.0, target_regret))


def _checked(game: Game, u_PZ: FloatArray) -> tuple[FloatArray, BoolArray]:
    """The target with 0 at impossible answers, and which answers are possible."""
    u_PZ, possible_PZ = np.asarray(u_PZ, dtype=float), game.log_admissible_PZ > -np.inf
    if u_PZ.shape != possible_PZ.shape:
        raise BadInput(f"the target has shape {u_PZ.shape}; it must be {possible_PZ.shape}, prompts by answers")
    u_PZ = np.where(possible_PZ, u_PZ, 0.0)
    if np.isnan(u_PZ).any():
        raise BadInput("the target is not a number at an answer that is possible")
    return u_PZ, possible_PZ


def _smoothed_conjugate(game: Game, u_PZ: FloatArray) -> float:
    """An upper bound on F*(u): the maximum anchored by ε KL(p‖uniform) is at most ε log Z below F*.

    The anchored maximum is itself a game, with the reference ∝ e^{u/ε}: its Nash gap is what Newton's method may
    have left. ε falls in stages, each from the policies of the last, and the least bound is kept.
    """
    possible_PZ = game.log_admissible_PZ > -np.inf
    weights_P, F = game.weights_P, game.objective
    top_P = np.where(possible_PZ, u_PZ, -np.inf).max(axis=1)
    below_PZ = np.where(possible_PZ, u_PZ - top_P[:, None], -np.inf)
    flat_PZ = log_normalise(np.where(possible_PZ, 0.0, -np.inf))
    size = max(F.curvature, float(-below_PZ[possible_PZ].min()), np.finfo(float).tiny)
    slack_P, bound, log_p_PZ, epsilon = -flat_PZ.max(axis=1), np.inf, flat_PZ, size
    while epsilon >= _SMOOTH * size:
        anchored = Game.from_log_marginals(below_PZ / epsilon, F, epsilon, weights_P)
        log_p_PZ, history = newton(anchored, epsilon * _SMOOTH, log_p_PZ)
        reached = weights_P @ (expectation(log_p_PZ, below_PZ) - epsilon * kl(log_p_PZ, flat_PZ))
        missing = history.gap_T[-1] + epsilon * float(weights_P @ slack_P)
        bound = min(bound, float(reached) - F.value(log_p_PZ, weights_P) + missing)
        epsilon /= _FALL
    return bound + float(weights_P @ top_P)
