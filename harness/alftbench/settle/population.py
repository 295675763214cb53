"""What a sampled group-relative method optimises at finite G: its population fixed point, computed exactly.

A reward that looks at a group through counts only has an expectation that is a polynomial in p, of degree G − 1
in Bernstein form. So where a method settles once optimisation noise is gone is a fixed point in the answer
marginals alone: a(z) = E[advantage | z_1 = z], all that a policy gradient sees, is constant in z. Its distance to
p* is the estimator's bias; what a run leaves beyond it is noise and the network. The expectation is that of
`alftbench.games.rewards.expectation`, taken of the rules that train.
"""

from __future__ import annotations

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.games import solve
from alftbench.games.game import Game
from alftbench.games.rewards import (
    U_STATISTIC,
    Estimates,
    FromCounts,
    GroupRecord,
    Target,
    enumerated_advantage,
    expected_advantage,
    one_of_each,
    reward_table,
)
from alftbench.games.rewards.enumeration import LARGEST_ENUMERATION, n_count_vectors
from alftbench.games.rewards.fixed_point import Field, FixedPoint, centred, iterate
from alftbench.settle.settings import TABLES, Arm, SettleSettings
from alftbench.settle.targets import Oracle, right_answers, rule_of

_UNSEEN = np.zeros((1, 1, 1), dtype=np.int64)


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
    return iterate(field, solve(game).log_p_PZ, step=0.5 / (settings.beta + settings.lambda_))


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
        return centred(a_PZ, log_p_PZ)

    return field


def _expected(arm: Arm, settings: SettleSettings) -> Field:
    """E[r_1 | z_1 = z] − E[r_2 | z_1 = z] of an unscaled arm, up to a constant per prompt."""
    if arm.target in (*TABLES, U_STATISTIC):
        phrasings = settings.prompts if arm.game == "coherence" else 1
        rule = rule_of(arm, settings, FromCounts(arm.target))
        reward_CAB = reward_table(rule, arm.group, phrasings)
        return lambda log_p_PZ: expected_advantage(reward_CAB, np.exp(log_p_PZ), right_answers(settings))
    return lambda log_p_PZ: _true_reward(arm, settings, log_p_PZ) + _memory_bias(arm, settings, log_p_PZ)


def _true_reward(arm: Arm, settings: SettleSettings, log_p_PZ: FloatArray) -> FloatArray:
    """The rule's reward of every answer where the target player knows the truth."""
    rule = rule_of(arm, settings, _truth(log_p_PZ))
    return rule(one_of_each(len(log_p_PZ), right_answers(settings)))


def _truth(log_p_PZ: FloatArray) -> Target:
    """What the oracle knows."""
    oracle = Oracle()
    oracle.observe(_UNSEEN, log_p_PZ)
    return Estimates(log_p_PZ, oracle.log_q())


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


def _scaled_field(arm: Arm, game: Game, settings: SettleSettings) -> Field | None:
    """The a(z) with division by the group's standard deviation: a sum over all groups' count vectors."""
    n_groups = n_count_vectors(arm.group, settings.answers)
    if arm.game == "coherence" or arm.target == "memory" or n_groups > LARGEST_ENUMERATION:
        return None

    def field(log_p_PZ: FloatArray) -> FloatArray:
        rows = zip(log_p_PZ, game.log_reference_PZ, strict=True)
        a_PZ = np.concatenate([_scaled_advantage(arm, settings, *row) for row in rows])
        if arm.anchor == "loss":
            a_PZ = a_PZ - settings.beta * (log_p_PZ - game.log_reference_PZ)
        return centred(a_PZ, log_p_PZ)

    return field


def _scaled_advantage(arm: Arm, settings: SettleSettings, log_p_Z: FloatArray, log_p0_Z: FloatArray) -> FloatArray:
    """E[(r_1 − mean)/std | z_1 = z] of one prompt, shape (1, Z)."""
    target = _truth(log_p_Z[None]) if arm.target in ("oracle", "none") else FromCounts(arm.target)
    answer_rule = rule_of(arm, settings, target)
    anchor_Z = settings.beta * (log_p_Z - log_p0_Z)

    def rule(record: GroupRecord) -> FloatArray:
        return answer_rule(record) - record.at_own_answer(anchor_Z, 0.0)

    return enumerated_advantage(
        rule if arm.anchor == "reward" else answer_rule,
        np.exp(log_p_Z)[None],
        right_answers(settings),
        arm.group,
        scale="std",
    )
