"""What a rule rewards on average, whatever it looks at: a sum over all count vectors of the groups of an orbit.

Where phrasings do not look at one another an orbit is V single prompts, whose groups are summed one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from scipy.special import gammaln

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.errors import UsageError
from alftbench.games.rewards.expectation import DEVIATION_FLOOR, Moments
from alftbench.games.rewards.group import BoolArray, GroupRecord, Rule

LARGEST_ENUMERATION = 20_000
_LEAST = 1e-300


def n_count_vectors(group: int, answers: int, phrasings: int = 1) -> float:
    """How many terms a sum over an orbit has."""
    one = np.exp(gammaln(group + answers) - gammaln(group + 1) - gammaln(answers))
    return float(one**phrasings)


@dataclass(frozen=True, eq=False)
class CountVectors:
    """All N orbits of count vectors.

    Args:
        class_NVG: rollouts with these counts, in the order of the classes.
        counts_NVZ: the counts.
        log_ways_NV: log of how many sequences of draws have them.
        apart: are the phrasings single prompts, each of which has every count vector once?
    """

    class_NVG: IntArray
    counts_NVZ: IntArray
    log_ways_NV: FloatArray
    apart: bool

    def rewards(self, rewards_NVG: FloatArray) -> FloatArray:
        """The reward of every answer that is in a group, 0 elsewhere; shape (N, V, Z)."""
        rewards_NVZ = np.zeros(self.counts_NVZ.shape)
        np.put_along_axis(rewards_NVZ, self.class_NVG, rewards_NVG, axis=-1)
        return rewards_NVZ

    def chances_given(self, p_VZ: FloatArray) -> FloatArray:
        """P(the group is n | its first rollout says z), shape (N, V, Z)."""
        log_p_VZ = np.log(np.maximum(p_VZ, _LEAST))
        log_NV = self.log_ways_NV + (self.counts_NVZ * log_p_VZ).sum(axis=-1)
        if not self.apart:
            log_NV = np.broadcast_to(log_NV.sum(axis=-1, keepdims=True), log_NV.shape)
        share_NVZ = self.counts_NVZ / self.class_NVG.shape[-1]
        return np.asarray(share_NVZ * np.exp(np.where(share_NVZ > 0, log_NV[..., None] - log_p_VZ, -np.inf)))

    def moments(self, rewards_NVZ: FloatArray, p_VZ: FloatArray) -> Moments:
        """Both averages of `alftbench.games.rewards.expectation`."""
        chance_NVZ = self.chances_given(p_VZ)
        total_NV1 = (self.counts_NVZ * rewards_NVZ).sum(axis=-1, keepdims=True)
        others_NVZ = (total_NV1 - rewards_NVZ) / (self.class_NVG.shape[-1] - 1)
        return Moments((chance_NVZ * rewards_NVZ).sum(axis=0), (chance_NVZ * others_NVZ).sum(axis=0))


@lru_cache(maxsize=8)
def count_vectors(group: int, answers: int, phrasings: int, apart: bool = False) -> CountVectors:
    """All orbits of count vectors; `apart`, all groups, in every phrasing at once.

    Raises:
        UsageError: there are more than `LARGEST_ENUMERATION`.
    """
    n_vectors = n_count_vectors(group, answers, 1 if apart else phrasings)
    if n_vectors > LARGEST_ENUMERATION * (1 + 1e-9):
        raise UsageError(f"{n_vectors:.0f} count vectors are too many to sum; at most {LARGEST_ENUMERATION}")
    counts_CZ = compositions(group, answers)
    log_ways_C = gammaln(group + 1) - gammaln(counts_CZ + 1).sum(axis=1)
    each = np.arange(len(counts_CZ))
    choices_NV = np.tile(each[:, None], phrasings) if apart else np.array(list(product(each, repeat=phrasings)))
    counts_NVZ = counts_CZ[choices_NV]
    class_NVG = (np.arange(group)[:, None] >= counts_NVZ.cumsum(axis=-1)[..., None, :]).sum(axis=-1)
    return CountVectors(class_NVG, counts_NVZ, log_ways_C[choices_NV], apart)


def enumerated_advantage(
    rule: Rule, p_VZ: FloatArray, correct_Z: BoolArray, group: int, scale: str = "none"
) -> FloatArray:
    """a(z) = E[(r_1 − mean) / deviation | z_1 = z] of an orbit, over all count vectors of its groups.

    Args:
        rule: takes a batch of orbits.
        p_VZ: answer marginals.
        correct_Z: whether an answer is right.
        group: G.
        scale: "std" divides by the group's standard deviation + `DEVIATION_FLOOR`, "none" does not.

    Raises:
        UsageError: there are more than `LARGEST_ENUMERATION` count vectors.
    """
    V, Z = p_VZ.shape
    orbits = count_vectors(group, Z, V)
    rewards_NVZ = orbits.rewards(rule(GroupRecord(orbits.class_NVG, correct_Z)))
    share_NVZ = orbits.counts_NVZ / group
    centred_NVZ = rewards_NVZ - (share_NVZ * rewards_NVZ).sum(axis=-1, keepdims=True)
    if scale == "std":
        variance = (share_NVZ * centred_NVZ**2).sum(axis=-1, keepdims=True)
        centred_NVZ = centred_NVZ / (np.sqrt(variance) + DEVIATION_FLOOR)
    return np.asarray((orbits.chances_given(p_VZ) * centred_NVZ).sum(axis=0))


def compositions(total: int, parts: int) -> IntArray:
    """All ways to write `total` as an ordered sum of `parts` counts, shape (C, parts)."""
    if parts == 1:
        return np.array([[total]])
    blocks = []
    for first in range(total + 1):
        rest = compositions(total - first, parts - 1)
        blocks.append(np.hstack([np.full((len(rest), 1), first), rest]))
    return np.vstack(blocks)
