"""What a rule rewards on average at group size G, where an answer's own counts and correctness decide its reward.

A policy gradient sees a rule through E[r_1 − b_1 | z_1 = z] alone. A baseline such as the group's mean is not
fixed: the other rollouts' rewards rise and fall with z_1 through the counts. So it takes two averages, `Moments`.
Here they come from `reward_table`, R_c(a, b) at leave-one-out count a in the group, count b in the orbit's other
groups, c right or not: polynomials in p, of degree G − 1 in Bernstein form. The table is made by asking the rule
itself about made-up groups, so there is no second formula. `alftbench.games.rewards.update` takes whichever way a
rule allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.errors import UsageError
from alftbench.games.estimators import bernstein
from alftbench.games.rewards.group import BoolArray, Rule
from alftbench.games.rewards.made_up import DIFFERENT, counts_in_orbits, orbits_of_counts
from alftbench.types import NO_ANSWER

Elsewhere: TypeAlias = Callable[[FloatArray, int], FloatArray]
"""(answer marginals (V, Z), G) ↦ the weights of an answer's counts in other groups, shape (V, Z, B)."""
DEVIATION_FLOOR = 1e-4
"""What is added to a group's standard deviation before a division by it."""
KINDS = ((False, True), (True, True), (False, False))
"""Wrong, right, no answer: (right?, answered?)."""


@dataclass(frozen=True, eq=False)
class Moments:
    """What a rollout earns on average, given its answer, and what another rollout of its group does.

    Args:
        mine_VZ: E[r_1 | z_1 = z].
        theirs_VZ: E[r_2 | z_1 = z].
    """

    mine_VZ: FloatArray
    theirs_VZ: FloatArray


def reward_table(rule: Rule, group: int, phrasings: int = 1) -> FloatArray:
    """The reward R_c(a, b) of an answer by its correctness and counts, from the rule itself.

    Args:
        rule: takes a batch of orbits.
        group: G.
        phrasings: V.

    Returns:
        Shape (3, G, B): c wrong, right or no answer, a = 0 … G−1, b = 0 … G (V−1); B = 1 where b does not matter.

    Raises:
        UsageError: the reward depends on more than the answer's own counts and correctness.
    """
    packed, spread = (counts_in_orbits(group, phrasings, spread) for spread in (False, True))
    tables = []
    for kind in KINDS:
        first, *others = rewards_of_counts(rule, group, kind, (packed, spread, packed))
        if not all(np.allclose(first, other, rtol=1e-12, atol=1e-12, equal_nan=True) for other in others):
            raise UsageError("the rule looks at more than an answer's own counts; enumerate its groups instead")
        tables.append(first)
    table = np.stack(tables)
    return table[..., :1] if (table == table[..., :1]).all() else table


def rewards_of_counts(
    rule: Rule, group: int, kind: tuple[bool, bool], counts_V: tuple[IntArray, IntArray, IntArray]
) -> tuple[FloatArray, ...]:
    """What an answer earns with its counts, if all others say the same, say different things, or do not answer.

    Args:
        rule: takes a batch of orbits.
        group: G.
        kind: of the answer, of `KINDS`.
        counts_V: how often each phrasing gives it, with any axes before V; for each of the three.
    """
    right, answered = kind
    fillers = np.arange(group * counts_V[0].shape[-1])
    alike, mixed = np.array([right, False]), np.array([right, *[True] * DIFFERENT])
    cases = ((np.ones_like(fillers), alike), (1 + fillers % DIFFERENT, mixed), (fillers * 0 + NO_ANSWER, alike))
    return tuple(
        rule(orbits_of_counts(counts, group, filler_S, answered, correct_Z))[..., 0, 0]
        for counts, (filler_S, correct_Z) in zip(counts_V, cases, strict=True)
    )


def table_moments(
    reward_CAB: FloatArray,
    p_VZ: FloatArray,
    correct_Z: BoolArray,
    unanswered: int | None = None,
    elsewhere: Elsewhere | None = None,
) -> Moments:
    """Both averages, exact.

    E[r_1 | z_1 = z] = E R(N), N ~ Bin(G−1, p(z)). Another rollout says z' with chance p(z'), and earns E R(N'),
    N' ~ Bin(G−2, p(z')), one count more if z' = z.

    Args:
        reward_CAB: from `reward_table`.
        p_VZ: answer marginals; where B = 1 the phrasings do not meet, and there may be any number of them.
        correct_Z: whether an answer is right.
        unanswered: the class that stands for no answer, if any.
        elsewhere: the weights of b where it is not the count in the orbit; from `counts_by_pairs`.

    Source: the polynomial form is that of arXiv 2605.30154's abstract; the others' share is derived here.
    """
    G, B = reward_CAB.shape[1:]
    others_VZB = np.ones((*p_VZ.shape, 1)) if B == 1 else (elsewhere or _counts_elsewhere)(p_VZ, G)
    wrong_VZA, right_VZA, none_VZA = (others_VZB @ reward_AB.T for reward_AB in reward_CAB)
    given_VZA = np.where(correct_Z[:, None], right_VZA, wrong_VZA)
    if unanswered is not None:
        given_VZA[:, unanswered] = none_VZA[:, unanswered]
    mine_VZ = np.asarray((_binomial(G, p_VZ) * given_VZA).sum(axis=-1))
    two_VZA = _binomial(G - 1, p_VZ)
    apart_VZ = (two_VZA * given_VZA[..., :-1]).sum(axis=-1)
    together_VZ = (two_VZA * given_VZA[..., 1:]).sum(axis=-1)
    theirs_VZ = (p_VZ * apart_VZ).sum(axis=-1, keepdims=True) + p_VZ * (together_VZ - apart_VZ)
    return Moments(mine_VZ, np.asarray(theirs_VZ))


def expected_advantage(
    reward_CAB: FloatArray,
    p_VZ: FloatArray,
    correct_Z: BoolArray,
    baseline: str = "mean",
    unanswered: int | None = None,
) -> FloatArray:
    """E[r_1 | z_1 = z] − E[r_2 | z_1 = z] of two rollouts of a group.

    That is the expected update with the baseline "leave-one-out", and over 1 − 1/G with "mean". With "jackknife"
    and "none" the baseline does not know z_1, and E[r_1 | z_1 = z] is the update up to a constant per phrasing.

    Args:
        reward_CAB: from `reward_table`.
        p_VZ: answer marginals.
        correct_Z: whether an answer is right.
        baseline: of `alftbench.games.rewards.BASELINES`.
        unanswered: the class that stands for no answer, if any.
    """
    moments = table_moments(reward_CAB, p_VZ, correct_Z, unanswered)
    if baseline in ("jackknife", "none"):
        return moments.mine_VZ
    return moments.mine_VZ - moments.theirs_VZ


def _binomial(K: int, p_VZ: FloatArray) -> FloatArray:
    """Bin(n; K−1, p) of every entry, shape (V, Z, K)."""
    return bernstein(K, p_VZ.ravel()).reshape(*p_VZ.shape, K)


def _counts_elsewhere(p_VZ: FloatArray, G: int) -> FloatArray:
    """Distribution of the count of z in the groups of the other phrasings, shape (V, Z, G (V−1) + 1).

    A sum of independent binomials: the product of their characteristic functions, transformed back.
    """
    V = len(p_VZ)
    K = G * (V - 1) + 1
    roots_K = np.exp(-2j * np.pi * np.arange(K) / K)
    each_VZK = (1 - p_VZ[..., None] + p_VZ[..., None] * roots_K) ** G
    others_VZK = np.stack([np.delete(each_VZK, v, axis=0).prod(axis=0) for v in range(V)])
    return np.asarray(np.maximum(np.fft.ifft(others_VZK, axis=-1).real, 0.0))
