"""What a rule rewards as G → ∞: a group that holds the answers in exact proportion.

The rule itself is asked about a large group of such proportions. Where p G is not whole, the group is the average
over systematic samples of p, which hold every answer p G times on average and never a whole rollout more or less;
so the result is continuous in p wherever the rule is. Each answer in turn is put in the place of one rollout, for
an answer that is rare may be in no such group: an error of O(1/G), as is that of a rule that counts itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.errors import UsageError
from alftbench.games.numerics import log_of
from alftbench.games.rewards.group import BoolArray, Rule
from alftbench.games.rewards.made_up import bare, one_of_each, one_text_each
from alftbench.games.rewards.targets import Estimates, Target

LARGE_GROUP = 1024


def population_reward(
    rule: Rule,
    p_VZ: FloatArray,
    correct_Z: BoolArray,
    unanswered: int | None = None,
    log_p0_VZ: FloatArray | None = None,
    group: int = LARGE_GROUP,
) -> FloatArray:
    """The limit of E[r_1 | z_1 = z] as G → ∞, within O(1/group), shape (V, Z).

    Of a rule that asks a `Target`, `exact_population_reward` is the limit itself.

    Args:
        rule: takes a batch of orbits.
        p_VZ: answer marginals.
        correct_Z: whether an answer is right.
        unanswered: the class that stands for no answer, if any.
        log_p0_VZ: the reference's answer marginals, for rules that look at them.
        group: how large the group is that the rule is asked about.

    Raises:
        UsageError: the rule refuses such a group, or needs what its record does not have.
    """
    class_UVG, weight_U = proportional(p_VZ, group)
    answers = np.arange(correct_Z.size)
    asked_ZUVG = np.broadcast_to(class_UVG, (answers.size, *class_UVG.shape)).copy()
    asked_ZUVG[..., 0] = answers[:, None, None]
    try:
        rewards = rule(bare(asked_ZUVG, correct_Z, unanswered))
    except UsageError:
        rewards = rule(one_text_each(asked_ZUVG, correct_Z, unanswered, p_VZ, log_p0_VZ))
    return np.asarray(np.einsum("u,zuv->vz", weight_U, rewards[..., 0]))


def exact_population_reward(
    rule_of: Callable[[Target], Rule], p_VZ: FloatArray, correct_Z: BoolArray, unanswered: int | None = None
) -> FloatArray:
    """The reward of every answer where the target player knows the truth, shape (V, Z).

    Args:
        rule_of: a target ↦ the rule that asks it; it looks at nothing else but correctness.
        p_VZ: answer marginals.
        correct_Z: whether an answer is right.
        unanswered: the class that stands for no answer, if any.
    """
    truth = Estimates(log_of(p_VZ), log_of(p_VZ.mean(axis=0)))
    return rule_of(truth)(one_of_each(len(p_VZ), correct_Z, unanswered))


def proportional(p_VZ: FloatArray, group: int) -> tuple[IntArray, FloatArray]:
    """Every systematic sample of the phrasings' answers, shape (U, V, group), and its share, shape (U,).

    With offset u in [0, 1) the sample holds answer z floor(s_z + u) − floor(s_{z−1} + u) times, s = group × the
    cumulated p: piecewise constant in u, so that a few offsets are all.
    """
    edges_VZ = np.cumsum(p_VZ, axis=-1)[:, :-1] * group
    steps = np.unique(np.concatenate([[0.0, 1.0], (1 - edges_VZ % 1.0).ravel() % 1.0]))
    offsets_U = (steps[1:] + steps[:-1]) / 2
    ends_UVZ = np.floor(edges_VZ + offsets_U[:, None, None])
    class_UVG = (np.arange(group)[:, None] >= ends_UVZ[..., None, :]).sum(axis=-1)
    return class_UVG, np.diff(steps)
