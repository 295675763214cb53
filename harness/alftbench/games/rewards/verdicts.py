"""What a rule rewards on average where, besides an answer's own count, the number of right rollouts decides.

Given z_1 = z the other G − 1 rollouts are of three kinds: the same answer, other right answers, other wrong ones.
Their counts are trinomial, so the expectation is exact for any number of answers.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, xlogy

from alftbench.base.arrays import FloatArray
from alftbench.errors import UsageError
from alftbench.games.rewards.expectation import KINDS, Moments
from alftbench.games.rewards.group import BoolArray, Rule
from alftbench.games.rewards.made_up import groups_of_verdicts


def verdict_table(rule: Rule, group: int) -> FloatArray:
    """The reward R_c(a, b): a others give the same answer, b others another right one.

    Args:
        rule: takes a batch of orbits, and looks at a phrasing's own group only.
        group: G.

    Returns:
        Shape (3, G, G): c wrong, right or no answer; 0 where a + b ≥ G.

    Raises:
        UsageError: the reward depends on more than that.
    """
    tables = []
    for right, answered in KINDS:
        asked = []
        for different, silent in ((False, False), (True, False), (False, True)):
            record, possible_AB = groups_of_verdicts(group, right, answered, different, silent)
            asked.append(np.where(possible_AB, rule(record)[..., 0, 0], 0.0))
        if not all(np.allclose(asked[0], other, rtol=1e-12, atol=1e-12) for other in asked[1:]):
            raise UsageError("the rule looks at more than own counts and right rollouts; enumerate its groups")
        tables.append(asked[0])
    return np.stack(tables)


def verdict_moments(
    reward_CAB: FloatArray, p_VZ: FloatArray, correct_Z: BoolArray, unanswered: int | None = None
) -> Moments:
    """Both averages of `alftbench.games.rewards.expectation`, exact.

    Args:
        reward_CAB: from `verdict_table`.
        p_VZ: answer marginals.
        correct_Z: whether an answer is right.
        unanswered: the class that stands for no answer, if any.
    """
    G = reward_CAB.shape[-1]
    correct_Z = correct_Z & (np.arange(correct_Z.size) != (-1 if unanswered is None else unanswered))
    kind_Z = correct_Z.astype(np.int64)
    if unanswered is not None:
        kind_Z[unanswered] = 2
    mine_VZ = (_trinomial(G - 1, p_VZ, correct_Z) * reward_CAB[kind_Z]).sum(axis=(-2, -1))
    chance_VZAB = _trinomial(G - 2, p_VZ, correct_Z)
    # What rollout 2 earns, by what rollout 1 is to it: a wrong answer, another right one, the same answer.
    beside_wrong, beside_right, beside_same = (
        (chance_VZAB * reward_CAB[kind_Z][..., a : a + G - 1, b : b + G - 1]).sum(axis=(-2, -1))
        for a, b in ((0, 0), (0, 1), (1, 0))
    )
    right_VZ = np.broadcast_to(correct_Z, p_VZ.shape)
    beside = np.where(right_VZ[:, :, None], beside_right[:, None, :], beside_wrong[:, None, :])  # (V, z_1, z_2)
    diagonal = np.arange(correct_Z.size)
    beside[:, diagonal, diagonal] = beside_same
    return Moments(np.asarray(mine_VZ), np.einsum("vyz,vz->vy", beside, p_VZ))


def _trinomial(n: int, p_VZ: FloatArray, correct_Z: BoolArray) -> FloatArray:
    """The chance that of n draws a give z and b another right answer, shape (V, Z, n + 1, n + 1)."""
    right_VZ = np.maximum((p_VZ * correct_Z).sum(axis=-1, keepdims=True) - p_VZ * correct_Z, 0.0)
    wrong_VZ = np.maximum((p_VZ * ~correct_Z).sum(axis=-1, keepdims=True) - p_VZ * ~correct_Z, 0.0)
    a, b = np.arange(n + 1)[:, None], np.arange(n + 1)
    rest = np.maximum(n - a - b, 0)
    log_ways = gammaln(n + 1) - gammaln(a + 1) - gammaln(b + 1) - gammaln(rest + 1)
    same, right, wrong = (x[..., None, None] for x in (p_VZ, right_VZ, wrong_VZ))
    chance = np.exp(log_ways + xlogy(a, same) + xlogy(b, right) + xlogy(rest, wrong))
    return np.where(a + b <= n, chance, 0.0)
