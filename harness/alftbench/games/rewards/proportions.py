"""A group so large that it holds every answer in proportion: what a rule rewards as G → ∞, in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.games.rewards.group import BoolArray, GroupRecord, Rule
from alftbench.games.rewards.made_up import one_text_each

LARGE = 2**40


@dataclass(frozen=True, eq=False)
class Proportions(GroupRecord):
    """One rollout of every answer, each of which stands for p G that say the same; counts are no whole numbers.

    Right for rules that see a group through its counts; one that ranks its rollouts would take them for Z.
    """

    p_VZ: FloatArray | None = None

    @property
    def group(self) -> int:
        """A number that is large beside everything."""
        return LARGE

    @property
    def counts_VZ(self) -> IntArray:
        """The share of every answer times the size of the group; none for no answer."""
        assert self.p_VZ is not None
        return np.asarray(self.p_VZ * LARGE)


def reward_in_proportion(
    rule: Rule, p_VZ: FloatArray, correct_Z: BoolArray, unanswered: int | None, log_p0_VZ: FloatArray | None = None
) -> FloatArray:
    """What a rule of counts rewards every answer with as G → ∞, shape (V, Z), but for 1/LARGE.

    Args:
        rule: takes a record.
        p_VZ: answer marginals.
        correct_Z: whether an answer is right.
        unanswered: the class that stands for no answer, if any.
        log_p0_VZ: the reference's answer marginals, for rules that look at them.
    """
    class_VZ = np.tile(np.arange(correct_Z.size), (len(p_VZ), 1))
    texts = one_text_each(class_VZ, correct_Z, unanswered, p_VZ, log_p0_VZ)
    answered_Z = np.arange(correct_Z.size) != (-1 if unanswered is None else unanswered)
    fields = {name: getattr(texts, name) for name in texts.__dataclass_fields__}
    return rule(Proportions(**fields, p_VZ=p_VZ * answered_Z))
