"""Distributional alignment games: objectives, equilibria, dynamics and estimators.

    traces ─ marginalise ─→ Game ─ solve ─→ Solution ─ lift ─→ policy over traces
    policies, target u ─ two_player_gap ─→ what either player could still gain
    counts of one group ─ log_reward, power_reward ─→ rewards

Source: arXiv 2604.27166, 2605.02435 and 2511.08440.
"""

from alftbench.games.duality import TwoPlayerGap, conjugate, dual_value, two_player_gap, two_player_value
from alftbench.games.estimators import ESTIMATORS, certificate, log_reward, log_table, power_reward
from alftbench.games.game import Game, Prompt
from alftbench.games.history import History
from alftbench.games.loading import load_game
from alftbench.games.numerics import kl, total_variation
from alftbench.games.objectives import (
    BetaDivergence,
    Coherence,
    Consensus,
    Constraint,
    Correctness,
    Diversity,
    HardCoherence,
    Objective,
    PairwiseCoherence,
    QuadraticDiversity,
    TargetMatching,
    TsallisDiversity,
    best_response,
)
from alftbench.games.plotting import check_picture, plot
from alftbench.games.policies import TracePolicy, TraceQuality, trace_quality
from alftbench.games.solution import Solution, Status
from alftbench.games.solvers import SOLVERS, solve
from alftbench.games.traces import lift, marginalise, trace_drift

__all__ = [
    "ESTIMATORS",
    "SOLVERS",
    "BetaDivergence",
    "Coherence",
    "Consensus",
    "Constraint",
    "Correctness",
    "Diversity",
    "Game",
    "HardCoherence",
    "History",
    "Objective",
    "PairwiseCoherence",
    "Prompt",
    "QuadraticDiversity",
    "Solution",
    "Status",
    "TargetMatching",
    "TracePolicy",
    "TraceQuality",
    "TsallisDiversity",
    "TwoPlayerGap",
    "best_response",
    "certificate",
    "check_picture",
    "conjugate",
    "dual_value",
    "kl",
    "lift",
    "load_game",
    "log_reward",
    "log_table",
    "marginalise",
    "plot",
    "power_reward",
    "solve",
    "total_variation",
    "trace_drift",
    "trace_quality",
    "two_player_gap",
    "two_player_value",
]
