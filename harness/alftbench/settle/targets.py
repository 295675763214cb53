"""The target players of sampled games, and the rule of `alftbench.games.rewards` that each game plays.

Axes: P prompts, R groups of a prompt in one step, G rollouts of a group, Z answers. Group r of every prompt
belongs to one orbit, and neither a table nor a memory looks beyond it: R groups stand for a batch of R orbits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.games.numerics import log_of, log_sum_exp
from alftbench.games.rewards import Estimates, FromCounts, Rule, Target, coherence, correctness, entropy, quadratic
from alftbench.games.rewards.expectation import DEVIATION_FLOOR
from alftbench.games.rewards.group import BoolArray
from alftbench.settle.settings import Arm, SettleSettings


class TargetPlayer(ABC):
    """Watches a game step by step, and says what it takes for the answer distributions."""

    @abstractmethod
    def observe(self, counts_PRZ: IntArray, log_p_PZ: FloatArray) -> None:
        """See one step's counts; log_p_PZ is the truth, for the oracle alone."""

    @abstractmethod
    def target(self) -> Target:
        """Its estimates for the step observed last, for records with the axes R, P, G."""


class CountTable(TargetPlayer):
    """Knows the step's own counts alone.

    Args:
        estimator: of `alftbench.games.ESTIMATORS`, or "u-statistic".
    """

    def __init__(self, estimator: str) -> None:
        self.estimator = estimator

    def observe(self, counts_PRZ: IntArray, log_p_PZ: FloatArray) -> None:
        """The record of the step says the same."""

    def target(self) -> Target:
        """A table look-up."""
        return FromCounts(self.estimator)


class EstimatingPlayer(TargetPlayer):
    """Has estimates of its own of log p_i(z) and of log q(z), q = mean_i p_i."""

    @abstractmethod
    def log_p(self) -> FloatArray:
        """Estimates of log p_i(z), broadcastable to (P, R, Z); finite, meaningless where z was not drawn."""

    @abstractmethod
    def log_q(self) -> FloatArray:
        """Estimates of log q(z), broadcastable to (P, R, Z)."""

    def target(self) -> Target:
        """The estimates, orbit by orbit."""
        log_p_PRZ = self.log_p()
        log_q_PRZ = np.broadcast_to(self.log_q(), log_p_PRZ.shape)
        return Estimates(log_p_PRZ.swapaxes(0, 1), log_q_PRZ.swapaxes(0, 1))


class Oracle(EstimatingPlayer):
    """The truth: what is left of the error is not the estimator's."""

    def __init__(self) -> None:
        self.log_p_PZ = np.zeros((1, 1))

    def observe(self, counts_PRZ: IntArray, log_p_PZ: FloatArray) -> None:
        """Keep the truth."""
        self.log_p_PZ = log_p_PZ

    def log_p(self) -> FloatArray:
        """The true log p_i."""
        return self.log_p_PZ[:, None]

    def log_q(self) -> FloatArray:
        """The true log q."""
        return np.asarray(log_sum_exp(self.log_p_PZ, axis=0) - np.log(len(self.log_p_PZ)))


class Memory(EstimatingPlayer):
    """A running estimate of every group's p: m ← ρ m + (1−ρ) n/G, p̂ = m / (1 − ρ^t).

    The auxiliary answer distribution of arXiv 2604.27166 (as its abstract describes it), kept per prompt over
    steps. It is worth G (1+ρ)/(1−ρ) samples of a policy that stands still, and lags 1/(1−ρ) steps behind one that
    moves. The current group is included, so a drawn answer never has probability 0.

    Args:
        decay: ρ per step.
        group: G.
    """

    def __init__(self, decay: float, group: int) -> None:
        self.decay, self.group = decay, group
        self.mean_PRZ = np.zeros((1, 1, 1))
        self.weight = 0.0

    def observe(self, counts_PRZ: IntArray, log_p_PZ: FloatArray) -> None:
        """Fold one step's counts in."""
        self.mean_PRZ = self.decay * self.mean_PRZ + (1 - self.decay) * counts_PRZ / self.group
        self.weight = self.decay * self.weight + (1 - self.decay)

    @property
    def estimate_PRZ(self) -> FloatArray:
        """The estimate p̂ of every group's answer marginal."""
        return np.asarray(self.mean_PRZ / self.weight)

    def log_p(self) -> FloatArray:
        """From each group's own memory."""
        return _finite_log(self.estimate_PRZ)

    def log_q(self) -> FloatArray:
        """From the memories of the orbit."""
        return _finite_log(self.estimate_PRZ.mean(axis=0))


class Rotation(EstimatingPlayer):
    """Prompts that take turns: step t meets the player of turn t mod T, which knows its own prompts only.

    Args:
        players: one per turn.
    """

    def __init__(self, players: Sequence[EstimatingPlayer]) -> None:
        self.players, self.step = players, -1

    @property
    def current(self) -> EstimatingPlayer:
        """The player of the step that was observed last."""
        return self.players[self.step % len(self.players)]

    def observe(self, counts_PRZ: IntArray, log_p_PZ: FloatArray) -> None:
        """The next turn's player sees the step."""
        self.step += 1
        self.current.observe(counts_PRZ, log_p_PZ)

    def log_p(self) -> FloatArray:
        """The current player's."""
        return self.current.log_p()

    def log_q(self) -> FloatArray:
        """The current player's."""
        return self.current.log_q()


def _finite_log(p: FloatArray) -> FloatArray:
    """The logarithm, with 0 where p = 0: such an answer was never drawn and earns nothing."""
    return np.where(p > 0, log_of(np.where(p > 0, p, 1.0)), 0.0)


def target_player(arm: Arm, settings: SettleSettings) -> TargetPlayer:
    """The target player that a sampled arm names; correctness needs none, and gets the oracle."""
    if arm.target in ("oracle", "none"):
        return Oracle()
    if arm.target == "memory":
        decay = settings.decay if arm.decay is None else arm.decay
        return Rotation([Memory(decay, arm.group) for _ in range(arm.every)])
    return CountTable(arm.target)


def right_answers(settings: SettleSettings) -> BoolArray:
    """Every fourth answer is right."""
    return np.asarray(np.arange(settings.answers) % 4 == 0)


def rule_of(arm: Arm, settings: SettleSettings, target: Target) -> Rule:
    """The arm's reward rule, −u(z) at the target's estimates, with its weight λ or η."""
    if arm.game == "correctness":
        return lambda record: settings.eta * correctness(record)
    response = {"diversity": entropy, "quadratic": quadratic, "coherence": coherence}[arm.game]
    return lambda record: settings.lambda_ * response(record, target)


def advantages(rewards_PRG: FloatArray, scale: str) -> FloatArray:
    """Rewards less their group's mean; "std" divides by its standard deviation too, plus `DEVIATION_FLOOR`."""
    centred = rewards_PRG - rewards_PRG.mean(axis=-1, keepdims=True)
    if scale == "std":
        return np.asarray(centred / (centred.std(axis=-1, keepdims=True) + DEVIATION_FLOOR))
    return np.asarray(centred)
