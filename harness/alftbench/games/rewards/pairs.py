"""What a rule rewards on average that compares phrasings in pairs and adds up what it sees.

Let a be an answer's leave-one-out count in its own group and b_j the one in another phrasing's. The reward is then

    R(a; b) = R(a; 0) + Σ_j (R(a; b_j) − R(a; 0)),

R(a; b_j) with all others 0. Each term has one binomial of its own, so the expectation is exact for any number of
answers and phrasings, and costs as much as that of a rule of two phrasings.
"""

from __future__ import annotations

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.errors import UsageError
from alftbench.games.estimators import bernstein
from alftbench.games.rewards.expectation import KINDS, rewards_of_counts
from alftbench.games.rewards.group import Rule
from alftbench.games.rewards.made_up import counts_in_orbits

_PROBES = 64


def pair_table(rule: Rule, group: int, phrasings: int) -> FloatArray:
    """The reward R_c(a, b): a others of the group give the same answer, and b of one other phrasing.

    Args:
        rule: takes a batch of orbits.
        group: G.
        phrasings: V.

    Returns:
        Shape (3, G, G + 1): c wrong, right or no answer.

    Raises:
        UsageError: the reward is no such sum over the other phrasings, or there are none.
    """
    if phrasings < 2:
        raise UsageError("there is no pair of phrasings")
    pair_ABV = counts_in_orbits(group, phrasings, spread=False)[:, : group + 1]
    rng = np.random.default_rng(0)
    probes_NV = rng.integers(group + 1, size=(_PROBES, phrasings))
    probes_NV[:, 0] = rng.integers(1, group + 1, size=_PROBES)
    tables = []
    for kind in KINDS:
        table_AB = rewards_of_counts(rule, group, kind, (pair_ABV,) * 3)[0]
        own_N1, others_NJ = probes_NV[:, :1] - 1, probes_NV[:, 1:]
        sum_N = table_AB[own_N1, others_NJ].sum(axis=1) - (phrasings - 2) * table_AB[own_N1[:, 0], 0]
        for seen in rewards_of_counts(rule, group, kind, (probes_NV,) * 3):
            if not np.allclose(seen, sum_N, rtol=1e-11, atol=1e-11):
                raise UsageError("the rule is no sum over pairs of phrasings")
        tables.append(table_AB)
    return np.stack(tables)


def counts_by_pairs(p_VZ: FloatArray, group: int) -> FloatArray:
    """The weights of b in the expectation over all pairs, Σ_{j≠v} Bin(b; G, p_j) − (V−2) 1{b=0}.

    Shape (V, Z, G + 1). They add up to 1, and are no distribution: where b = 0 is unlikely its weight is negative.
    """
    binomial_VZB = bernstein(group + 1, p_VZ.ravel()).reshape(*p_VZ.shape, group + 1)
    weight_VZB = binomial_VZB.sum(axis=0) - binomial_VZB
    weight_VZB[..., 0] -= len(p_VZ) - 2
    return np.asarray(weight_VZB)
