"""Reward rules, each standing once: trained with, played by `settle`, and taken expectations of.

    GroupRecord ─ rule ─→ rewards (V, G)
    rewards (V, G) − baselines (V, G) ─→ advantages
    rule ─ reward_table ─→ R_c(a, b) ─ expected_advantage ─→ what a method ascends at group size G
    what it ascends ─ predicted ─→ where it settles

A rule is a pure function of one `GroupRecord`; where it needs to know p it asks a `Target`. Rules carry no weight:
a recipe writes λ and η where it adds its terms.
"""

from alftbench.games.rewards.baselines import BASELINES, baselines
from alftbench.games.rewards.consensus import coherence, consensus
from alftbench.games.rewards.correctness import correctness
from alftbench.games.rewards.diversity import entropy, quadratic
from alftbench.games.rewards.expectation import enumerated_advantage, expected_advantage, one_of_each, reward_table
from alftbench.games.rewards.fixed_point import FixedPoint, predicted
from alftbench.games.rewards.group import GroupRecord, Remembered, Rule, one_by_one
from alftbench.games.rewards.targets import U_STATISTIC, Estimates, FromCounts, FromMemory, Target

__all__ = [
    "BASELINES",
    "U_STATISTIC",
    "Estimates",
    "FixedPoint",
    "FromCounts",
    "FromMemory",
    "GroupRecord",
    "Remembered",
    "Rule",
    "Target",
    "baselines",
    "coherence",
    "consensus",
    "correctness",
    "entropy",
    "enumerated_advantage",
    "expected_advantage",
    "one_by_one",
    "one_of_each",
    "predicted",
    "quadratic",
    "reward_table",
]
