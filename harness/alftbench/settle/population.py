"""What a sampled group-relative method optimises at finite G: its population fixed point, computed exactly.

A reward that looks at a group through counts only has an expectation that is a polynomial in p, of degree G − 1
in Bernstein form. So where a method settles once optimisation noise is gone is a fixed point in the answer
marginals alone: a(z) = E[advantage | z_1 = z], all that a policy gradient sees, is constant in z. Its distance to
p* is the estimator's bias; what a run leaves beyond it is noise and the network.

The group's mean is not a fixed baseline: the other rollouts' rewards rise and fall with z_1 through the counts, so

    a(z) = (1 − 1/G) (E[r_1 | z_1 = z] − E[r_2 | z_1 = z]),
    E[r_2 | z_1 = z] = const + p(z) (E[R(1 + N')] − E[R(N')]),  N' ~ Bin(G−2, p(z)),

with R(n) the reward at leave-one-out count n.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, xlogy

from alftbench.games import solve
from alftbench.games.estimators import bernstein
from alftbench.games.game import Game
from alftbench.games.numerics import FloatArray, IntArray, log_normalise, log_sum_exp
from alftbench.settle.settings import TABLES, Arm, SettleSettings
from alftbench.settle.targets import correct_answers, table

Field = Callable[[FloatArray], FloatArray]
LARGEST_ENUMERATION = 20_000
_ROUNDS = 1500
_PATIENCE = 40
"""Rounds without progress before the step is halved: division by a small standard deviation makes a(z) steep."""


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """Where a method settles without optimisation noise.

    Args:
        log_p_PZ: the answer marginals.
        residual: largest |a(z)| left, in reward; large where the iteration found no fixed point.
    """

    log_p_PZ: FloatArray
    residual: float

    @property
    def found(self) -> bool:
        """Whether the iteration settled."""
        return self.residual <= 1e-6


def fixed_point(arm: Arm, game: Game, settings: SettleSettings) -> FixedPoint | None:
    """The fixed point of a sampled arm; None where no exact expectation is at hand.

    Damped iteration of log p ← log p + η a(z) from the equilibrium, so it finds the fixed point next to it.

    Args:
        arm: a sampled arm.
        game: its game, from which references and weights are taken.
        settings: λ, η, the memory's decay.

    Source: the polynomial form is that of arXiv 2605.30154's abstract; the mean's share is derived here.
    """
    field = _field(arm, game, settings)
    if field is None:
        return None
    return _iterate(field, solve(game).log_p_PZ, step=0.5 / (settings.beta + settings.lambda_))


def _iterate(field: Field, log_p_PZ: FloatArray, step: float) -> FixedPoint:
    """Damped iteration; without progress it goes back to the best point with half the step."""
    best, best_residual, waited = log_p_PZ, np.inf, 0
    for _ in range(_ROUNDS):
        a_PZ = field(log_p_PZ)
        residual = float(np.abs(a_PZ).max())
        waited += 1
        if residual < best_residual:
            best, best_residual, waited = log_p_PZ, residual, 0
        if residual <= 1e-9:
            break
        if waited == _PATIENCE:
            log_p_PZ, a_PZ, step, waited = best, field(best), step / 2, 0
        log_p_PZ = log_normalise(log_p_PZ + step * np.clip(a_PZ, -1.0, 1.0))
    return FixedPoint(best, best_residual)


def _field(arm: Arm, game: Game, settings: SettleSettings) -> Field | None:
    """The advantage a(z) as a function of the answer marginals, centred under p."""
    if arm.scale == "std":
        return _scaled_field(arm, game, settings)
    rewards = _expected(arm, settings)

    def field(log_p_PZ: FloatArray) -> FloatArray:
        a_PZ = rewards(log_p_PZ)
        if arm.anchor == "loss":
            a_PZ = (1 - 1 / arm.group) * a_PZ
        a_PZ = a_PZ - settings.beta * (log_p_PZ - game.log_reference_PZ)
        return _centred(a_PZ, log_p_PZ)

    return field


def _centred(a_PZ: FloatArray, log_p_PZ: FloatArray) -> FloatArray:
    return np.asarray(a_PZ - (np.exp(log_p_PZ) * a_PZ).sum(axis=1, keepdims=True))


def _expected(arm: Arm, settings: SettleSettings) -> Field:
    """E[r_1 | z_1 = z] − E[r_2 | z_1 = z] of an unscaled arm, up to a constant per prompt."""
    if arm.game == "correctness":
        return lambda log_p_PZ: np.broadcast_to(correct_answers(settings), log_p_PZ.shape)
    if arm.target in (*TABLES, "u-statistic"):
        return lambda log_p_PZ: expected_table_reward(arm, settings, np.exp(log_p_PZ))
    return lambda log_p_PZ: _true_reward(arm, settings, log_p_PZ) + _memory_bias(arm, settings, log_p_PZ)


def _true_reward(arm: Arm, settings: SettleSettings, log_p_PZ: FloatArray) -> FloatArray:
    if arm.game == "quadratic":
        return np.asarray(-settings.lambda_ * np.exp(log_p_PZ))
    log_q = log_sum_exp(log_p_PZ, axis=0) - np.log(len(log_p_PZ)) if arm.game == "coherence" else 0.0
    return np.asarray(settings.lambda_ * (log_q - log_p_PZ))


def _memory_bias(arm: Arm, settings: SettleSettings, log_p_PZ: FloatArray) -> FloatArray:
    """Bias of a memory's reward under a policy that stands still, to first order in (1−ρ)/G; 0 for the oracle.

    E log p̂ − log p ≈ m/p − v/2p²: m = (1−ρ)(1−p)/G since the drawn rollout counts itself, and
    v = p(1−p)/S with S = G (1+ρ)/(1−ρ) samples' worth. The share of the group's mean is constant in z.
    """
    if arm.target != "memory":
        return np.zeros_like(log_p_PZ)
    p, P = np.exp(log_p_PZ), len(log_p_PZ)
    rho = settings.decay if arm.decay is None else arm.decay
    own, worth = (1 - rho) / arm.group, arm.group * (1 + rho) / (1 - rho)
    if arm.game == "quadratic":  # p̂(z) is higher by own (1 − p), the mean of the group's by own p
        return np.asarray(-settings.lambda_ * own * (1 - 2 * p))
    bias_p = (1 - p) / p * (own - 0.5 / worth)
    if arm.game == "diversity":
        return np.asarray(-settings.lambda_ * bias_p)
    q = p.mean(axis=0)
    # The drawn rollout raises p_i by `own` and q by own/P, and with it the mean of its own group's rewards.
    bias_q = own * (1 - p) / (P * q) - 0.5 * (p * (1 - p)).sum(axis=0) / (P * P * worth * q * q)
    share = own * p / (P * q)
    return np.asarray(settings.lambda_ * (bias_q - bias_p - share))


def expected_table_reward(arm: Arm, settings: SettleSettings, p_PZ: FloatArray) -> FloatArray:
    """E[r_1 | z_1 = z] − E[r_2 | z_1 = z] of a table of counts, exact up to a constant per prompt.

    With a = leave-one-out count in the group and b = count in the orbit's other groups, the reward is
    R(a, b) = λ (g^q_{a+b} − g^p_a) for coherence, −λ g^p_a for diversity, −λ exp g^p_a for the quadratic game.

    Args:
        arm: target and group size.
        settings: λ.
        p_PZ: answer marginals.
    """
    G, P = arm.group, len(p_PZ)
    own = table(G, arm.target)
    if arm.game in ("diversity", "quadratic"):
        rewards, others_PZB = -settings.lambda_ * _felt(arm, own)[:, None], np.ones((*p_PZ.shape, 1))
    else:
        a, b = np.arange(G)[:, None], np.arange(G * (P - 1) + 1)
        rewards = settings.lambda_ * (table(G * P, arm.target)[a + b] - own[:, None])
        others_PZB = _counts_elsewhere(p_PZ, G)
    given_PZA = others_PZB @ rewards.T
    mine = (_binomial(G, p_PZ) * given_PZA).sum(axis=-1)
    fewer = _binomial(G - 1, p_PZ)
    theirs = p_PZ * (fewer * (given_PZA[..., 1:] - given_PZA[..., :-1])).sum(axis=-1)
    return np.asarray(mine - theirs)


def _felt(arm: Arm, log_p: FloatArray) -> FloatArray:
    """What the target makes of an estimate: log p, or p in the quadratic game."""
    return np.exp(log_p) if arm.game == "quadratic" else log_p


def _binomial(K: int, p_PZ: FloatArray) -> FloatArray:
    """Bin(n; K−1, p) of every entry, shape (P, Z, K)."""
    return bernstein(K, p_PZ.ravel()).reshape(*p_PZ.shape, K)


def _counts_elsewhere(p_PZ: FloatArray, G: int) -> FloatArray:
    """Distribution of the count of z in the groups of the other prompts, shape (P, Z, G (P−1) + 1)."""
    P, Z = p_PZ.shape
    each = _binomial(G + 1, p_PZ)
    total = np.zeros((P, Z, G * (P - 1) + 1))
    for i in range(P):
        for z in range(Z):
            chance = np.ones(1)
            for j in range(P):
                chance = chance if j == i else np.convolve(chance, each[j, z])
            total[i, z] = chance
    return total


def _scaled_field(arm: Arm, game: Game, settings: SettleSettings) -> Field | None:
    """The a(z) with division by the group's standard deviation: a sum over all groups' count vectors."""
    n_groups = np.exp(gammaln(arm.group + settings.answers) - gammaln(arm.group + 1) - gammaln(settings.answers))
    if arm.game == "coherence" or arm.target == "memory" or n_groups > LARGEST_ENUMERATION:
        return None
    counts_CZ = compositions(arm.group, settings.answers)
    log_ways_C = gammaln(arm.group + 1) - gammaln(counts_CZ + 1).sum(axis=1)

    def field(log_p_PZ: FloatArray) -> FloatArray:
        rows = zip(log_p_PZ, game.log_reference_PZ, strict=True)
        a_PZ = np.stack([_scaled_advantage(arm, settings, *row, counts_CZ, log_ways_C) for row in rows])
        if arm.anchor == "loss":
            a_PZ = a_PZ - settings.beta * (log_p_PZ - game.log_reference_PZ)
        return _centred(a_PZ, log_p_PZ)

    return field


def _scaled_advantage(
    arm: Arm,
    settings: SettleSettings,
    log_p_Z: FloatArray,
    log_p0_Z: FloatArray,
    counts_CZ: IntArray,
    log_ways_C: FloatArray,
) -> FloatArray:
    """E[(r_1 − mean)/std | z_1 = z] of one prompt."""
    if arm.game == "correctness":
        rewards_CZ = np.broadcast_to(correct_answers(settings), counts_CZ.shape)
    elif arm.target == "oracle":
        rewards_CZ = np.broadcast_to(-settings.lambda_ * _felt(arm, log_p_Z), counts_CZ.shape)
    else:
        log_p_CZ = table(arm.group, arm.target)[np.maximum(counts_CZ - 1, 0)]
        rewards_CZ = -settings.lambda_ * _felt(arm, log_p_CZ)
    if arm.anchor == "reward":
        rewards_CZ = rewards_CZ - settings.beta * (log_p_Z - log_p0_Z)
    share_CZ = counts_CZ / arm.group
    centred_CZ = rewards_CZ - (share_CZ * rewards_CZ).sum(axis=1, keepdims=True)
    std_C = np.sqrt((share_CZ * centred_CZ**2).sum(axis=1))
    chance_C = np.exp(log_ways_C + xlogy(counts_CZ, np.exp(log_p_Z)).sum(axis=1))
    weighted_CZ = (chance_C / (std_C + 1e-4))[:, None] * share_CZ * centred_CZ
    return np.asarray(weighted_CZ.sum(axis=0) / np.exp(log_p_Z))


def compositions(total: int, parts: int) -> IntArray:
    """All ways to write `total` as an ordered sum of `parts` counts, shape (C, parts)."""
    if parts == 1:
        return np.array([[total]])
    blocks = []
    for first in range(total + 1):
        rest = compositions(total - first, parts - 1)
        blocks.append(np.hstack([np.full((len(rest), 1), first), rest]))
    return np.vstack(blocks)
