"""Reward rules, each standing once: trained with, played by `settle`, and taken expectations of.

    GroupRecord ─ rule ─→ rewards (V, G)
    rewards (V, G) − baselines (V, G) ─→ advantages
    rule ─ expected_update ─→ what a method ascends at group size G
    rule ─ population_reward ─→ what it ascends as G → ∞
    either ─ predicted ─→ where it settles

A rule is a pure function of one `GroupRecord`, or of a batch of them; where it needs to know p it asks a `Target`.
Rules that stand alone carry no weight: a recipe writes λ and η where it adds its terms. `RULES` lists them.
"""

from alftbench.games.rewards.baselines import BASELINES, baselines
from alftbench.games.rewards.catalogue import RULES, rule_info
from alftbench.games.rewards.consensus import coherence, consensus, pairwise_coherence, trace_coherence
from alftbench.games.rewards.correctness import correctness, noisy_verifier, spurious, w_reinforce
from alftbench.games.rewards.diversity import differential_smoothing, entropy, quadratic, tsallis, ucpo
from alftbench.games.rewards.enumeration import enumerated_advantage
from alftbench.games.rewards.expectation import expected_advantage, reward_table
from alftbench.games.rewards.fixed_point import FixedPoint, limit, predicted
from alftbench.games.rewards.frequency import (
    batch_penalty,
    darling,
    frequency,
    gapo,
    inverse_propensity,
    uniqueness,
)
from alftbench.games.rewards.group import GroupRecord, Remembered, Rule, needed, one_by_one
from alftbench.games.rewards.info import RuleInfo
from alftbench.games.rewards.likelihood import mara, rank_bias
from alftbench.games.rewards.made_up import one_of_each
from alftbench.games.rewards.majority import (
    majority,
    majority_elsewhere,
    majority_gain,
    majority_remembered,
    novelty_in_majority,
    self_harmony,
)
from alftbench.games.rewards.population import exact_population_reward, population_reward
from alftbench.games.rewards.success import focal, maxrl, pass_at_k, risk_seeking
from alftbench.games.rewards.targets import U_STATISTIC, Estimates, FromCounts, FromMemory, Target
from alftbench.games.rewards.update import ExpectedUpdate, UpdateOf, Way, expected_update

__all__ = [
    "BASELINES",
    "RULES",
    "U_STATISTIC",
    "Estimates",
    "ExpectedUpdate",
    "FixedPoint",
    "FromCounts",
    "FromMemory",
    "GroupRecord",
    "Remembered",
    "Rule",
    "RuleInfo",
    "Target",
    "UpdateOf",
    "Way",
    "baselines",
    "batch_penalty",
    "coherence",
    "consensus",
    "correctness",
    "darling",
    "differential_smoothing",
    "entropy",
    "enumerated_advantage",
    "exact_population_reward",
    "expected_advantage",
    "expected_update",
    "focal",
    "frequency",
    "gapo",
    "inverse_propensity",
    "limit",
    "majority",
    "majority_elsewhere",
    "majority_gain",
    "majority_remembered",
    "mara",
    "maxrl",
    "needed",
    "noisy_verifier",
    "novelty_in_majority",
    "one_by_one",
    "one_of_each",
    "pairwise_coherence",
    "pass_at_k",
    "population_reward",
    "predicted",
    "quadratic",
    "rank_bias",
    "reward_table",
    "risk_seeking",
    "rule_info",
    "self_harmony",
    "spurious",
    "trace_coherence",
    "tsallis",
    "ucpo",
    "uniqueness",
    "w_reinforce",
]
