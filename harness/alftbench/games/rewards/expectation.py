"""What a rule rewards on average at group size G: the update it makes, as a function of the answer marginals.

A policy gradient sees a rule through a(z) = E[r_1 − mean of the group | z_1 = z] alone. The mean is not a fixed
baseline: the other rollouts' rewards rise and fall with z_1 through the counts. Two ways, both exact:

- `reward_table` and `expected_advantage`, for a rule whose reward of an answer depends on that answer's counts
  only: R_c(a, b) at leave-one-out count a in the group, count b in the orbit's other groups, c right or not. Then
  a(z) is a polynomial in p, of degree G − 1 in Bernstein form.
- `enumerated_advantage`, for any rule of classes and correctness: a sum over all count vectors of the groups.

Either asks the rule itself about made-up groups, so there is no second formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from scipy.special import gammaln, xlogy

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.errors import UsageError
from alftbench.games.estimators import bernstein
from alftbench.games.rewards.group import BoolArray, GroupRecord, Rule
from alftbench.types import NO_ANSWER

LARGEST_ENUMERATION = 20_000
DEVIATION_FLOOR = 1e-4
"""What is added to a group's standard deviation before a division by it."""


def one_of_each(phrasings: int, correct_Z: BoolArray) -> GroupRecord:
    """A record in which every phrasing gives every answer once: a rule's reward of each answer, shape (V, Z)."""
    return GroupRecord(np.tile(np.arange(correct_Z.size), (phrasings, 1)), correct_Z)


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
    tables = []
    for right, answered in ((False, True), (True, True), (False, False)):
        alone = rule(_made_up(group, phrasings, np.array([right, False]), answered))[..., 0, 0]
        others = np.array([right, *[True] * group * phrasings])
        mixed = rule(_made_up(group, phrasings, others, answered))[..., 0, 0]
        if not np.array_equal(alone, mixed, equal_nan=True):
            raise UsageError("the rule looks at more than an answer's own counts; enumerate its groups instead")
        tables.append(alone)
    table = np.stack(tables)
    return table[..., :1] if (table == table[..., :1]).all() else table


def _made_up(group: int, phrasings: int, correct_Z: BoolArray, answered: bool) -> GroupRecord:
    """Orbits for every (a, b): class 0 first in its group and a times more, b times elsewhere; others fill up.

    With `answered` false class 0 is no answer. The fillers take turns over the classes but 0: one class of two, or
    all different.
    """
    elsewhere = group * (phrasings - 1)
    a, b = np.arange(group)[:, None, None], np.arange(elsewhere + 1)[:, None]
    filler_S = 1 + np.arange(group + elsewhere) % (correct_Z.size - 1)
    first = 0 if answered else NO_ANSWER
    own = np.where(np.arange(group) <= a, first, filler_S[:group])
    other = np.where(np.arange(elsewhere) < b, first, filler_S[group:])
    shape = (group, elsewhere + 1)
    rows = [np.broadcast_to(own, (*shape, group)), np.broadcast_to(other, (*shape, elsewhere))]
    return GroupRecord(np.concatenate(rows, axis=-1).reshape(*shape, phrasings, group), correct_Z)


def expected_advantage(
    reward_CAB: FloatArray,
    p_VZ: FloatArray,
    correct_Z: BoolArray,
    baseline: str = "mean",
    unanswered: int | None = None,
) -> FloatArray:
    """E[r_1 | z_1 = z] − E[r_2 | z_1 = z] of two rollouts of a group, exact up to a constant per phrasing.

    That is a(z) with the baseline "leave-one-out", and a(z) / (1 − 1/G) with "mean", where

        E[r_2 | z_1 = z] = const + p(z) (E[R(1 + N')] − E[R(N')]),  N' ~ Bin(G−2, p(z)).

    With "jackknife" the baseline does not know z_1: what is left is E[r_1 | z_1 = z].

    Args:
        reward_CAB: from `reward_table`.
        p_VZ: answer marginals; where B = 1 the phrasings do not meet, and there may be any number of them.
        correct_Z: whether an answer is right.
        baseline: of `alftbench.games.rewards.BASELINES`.
        unanswered: the class that stands for no answer, if any.

    Source: the polynomial form is that of arXiv 2605.30154's abstract; the mean's share is derived here.
    """
    G, B = reward_CAB.shape[1:]
    others_VZB = np.ones((*p_VZ.shape, 1)) if B == 1 else _counts_elsewhere(p_VZ, G)
    wrong_VZA, right_VZA, none_VZA = (others_VZB @ reward_AB.T for reward_AB in reward_CAB)
    given_VZA = np.where(correct_Z[:, None], right_VZA, wrong_VZA)
    if unanswered is not None:
        given_VZA[:, unanswered] = none_VZA[:, unanswered]
    mine = np.asarray((_binomial(G, p_VZ) * given_VZA).sum(axis=-1))
    if baseline == "jackknife":
        return mine
    theirs = p_VZ * (_binomial(G - 1, p_VZ) * (given_VZA[..., 1:] - given_VZA[..., :-1])).sum(axis=-1)
    return np.asarray(mine - theirs)


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


def n_count_vectors(group: int, answers: int, phrasings: int = 1) -> float:
    """How many terms `enumerated_advantage` sums."""
    one = np.exp(gammaln(group + answers) - gammaln(group + 1) - gammaln(answers))
    return float(one**phrasings)


def enumerated_advantage(
    rule: Rule, p_VZ: FloatArray, correct_Z: BoolArray, group: int, scale: str = "none"
) -> FloatArray:
    """a(z) = E[(r_1 − mean) / deviation | z_1 = z] of an orbit, over all count vectors of its groups.

    Args:
        rule: takes a batch of orbits.
        p_VZ: answer marginals, all positive.
        correct_Z: whether an answer is right.
        group: G.
        scale: "std" divides by the group's standard deviation + `DEVIATION_FLOOR`, "none" does not.

    Raises:
        UsageError: there are more than `LARGEST_ENUMERATION` count vectors.
    """
    V, Z = p_VZ.shape
    n_vectors = n_count_vectors(group, Z, V)
    if n_vectors > LARGEST_ENUMERATION * (1 + 1e-9):
        raise UsageError(f"{n_vectors:.0f} count vectors are too many to sum; at most {LARGEST_ENUMERATION}")
    orbits = _every_orbit(group, tuple(correct_Z), V)
    rewards_NVZ = np.zeros(orbits.share_NVZ.shape)
    np.put_along_axis(rewards_NVZ, orbits.record.class_VG, rule(orbits.record), axis=-1)
    centred_NVZ = rewards_NVZ - (orbits.share_NVZ * rewards_NVZ).sum(axis=-1, keepdims=True)
    weight_NV = np.broadcast_to(orbits.chances(p_VZ)[:, None], centred_NVZ.shape[:-1])
    if scale == "std":
        weight_NV = weight_NV / (np.sqrt((orbits.share_NVZ * centred_NVZ**2).sum(axis=-1)) + DEVIATION_FLOOR)
    return np.asarray((weight_NV[..., None] * orbits.share_NVZ * centred_NVZ).sum(axis=0) / p_VZ)


@dataclass(frozen=True, eq=False)
class _Orbits:
    """All N orbits of count vectors.

    Args:
        record: rollouts with these counts, in the order of the classes.
        share_NVZ: counts / G.
        counts_CZ: the count vectors of one group.
        log_ways_C: log of how many sequences of draws have them.
        choices_NV: which of them each group of an orbit has.
    """

    record: GroupRecord
    share_NVZ: FloatArray
    counts_CZ: IntArray
    log_ways_C: FloatArray
    choices_NV: IntArray

    def chances(self, p_VZ: FloatArray) -> FloatArray:
        """The probability of every orbit, shape (N,)."""
        log_VC = np.stack([self.log_ways_C + xlogy(self.counts_CZ, p_Z).sum(axis=1) for p_Z in p_VZ])
        return np.asarray(np.exp(log_VC[np.arange(len(p_VZ)), self.choices_NV].sum(axis=1)))


@lru_cache(maxsize=4)
def _every_orbit(group: int, correct_Z: tuple[bool, ...], phrasings: int) -> _Orbits:
    counts_CZ = compositions(group, len(correct_Z))
    log_ways_C = gammaln(group + 1) - gammaln(counts_CZ + 1).sum(axis=1)
    choices_NV = np.array(list(product(range(len(counts_CZ)), repeat=phrasings)))
    counts_NVZ = counts_CZ[choices_NV]
    class_NVG = (np.arange(group)[:, None] >= counts_NVZ.cumsum(axis=-1)[..., None, :]).sum(axis=-1)
    record = GroupRecord(class_NVG, np.array(correct_Z))
    return _Orbits(record, counts_NVZ / group, counts_CZ, log_ways_C, choices_NV)


def compositions(total: int, parts: int) -> IntArray:
    """All ways to write `total` as an ordered sum of `parts` counts, shape (C, parts)."""
    if parts == 1:
        return np.array([[total]])
    blocks = []
    for first in range(total + 1):
        rest = compositions(total - first, parts - 1)
        blocks.append(np.hstack([np.full((len(rest), 1), first), rest]))
    return np.vstack(blocks)
