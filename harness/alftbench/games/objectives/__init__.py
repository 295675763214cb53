"""Answer-level objectives: one prompt at a time, tied over an orbit, or linear constraints."""

from alftbench.games.objectives.base import Objective, best_response
from alftbench.games.objectives.bregman import LARGEST_INDEX, LEAST_INDEX, BetaDivergence, TsallisDiversity
from alftbench.games.objectives.constraint import Constraint
from alftbench.games.objectives.orbit import (
    Coherence,
    Consensus,
    HardCoherence,
    PairwiseCoherence,
    arithmetic_mean,
    common_support,
    geometric_mean,
)
from alftbench.games.objectives.single import (
    Correctness,
    Diversity,
    QuadraticDiversity,
    TargetMatching,
    distribution,
    indicator_bonus,
)

__all__ = [
    "LARGEST_INDEX",
    "LEAST_INDEX",
    "BetaDivergence",
    "Coherence",
    "Consensus",
    "Constraint",
    "Correctness",
    "Diversity",
    "HardCoherence",
    "Objective",
    "PairwiseCoherence",
    "QuadraticDiversity",
    "TargetMatching",
    "TsallisDiversity",
    "arithmetic_mean",
    "best_response",
    "common_support",
    "distribution",
    "geometric_mean",
    "indicator_bonus",
]
