"""Policies whose every trace is enumerated: what they are worth and how far from the equilibrium they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.errors import BadInput
from alftbench.games.exact import exact
from alftbench.games.game import Game
from alftbench.games.numerics import log_normalise, total_variation
from alftbench.games.traces import marginalise, trace_drift


@dataclass(frozen=True, eq=False)
class TracePolicy:
    """One policy per prompt of a game, on traces.

    Args:
        game: whose prompts list the traces.
        log_traces: log π(y) of every trace, one array per prompt, normalised.
    """

    game: Game
    log_traces: tuple[FloatArray, ...]

    @cached_property
    def log_p_PZ(self) -> FloatArray:
        """Log answer marginals."""
        pairs = zip(self.game.prompts, self.log_traces, strict=True)
        return np.stack([marginalise(x.answer_Y, log_pi_Y, len(self.game.answers)) for x, log_pi_Y in pairs])

    @cached_property
    def drift(self) -> float:
        """Σ_i w_i trace drift, in nats; see `trace_drift`."""
        Z, pairs = len(self.game.answers), zip(self.game.prompts, self.log_traces, strict=True)
        each = [trace_drift(x.answer_Y, log_pi_Y, x.log_prob_Y, Z) for x, log_pi_Y in pairs]
        return float(self.game.weights_P @ each)

    @property
    def value(self) -> float:
        """J = β Σ_i w_i KL(π_i‖π0_i) + F(p), in units of reward: that of the marginals plus β times the drift."""
        return self.game.value(self.log_p_PZ) + self.game.beta * self.drift

    @property
    def gap(self) -> float:
        """The Nash gap against policies on traces: that of the marginals plus β times the drift."""
        return self.game.gap(self.log_p_PZ) + self.game.beta * self.drift


@dataclass(frozen=True)
class TraceQuality:
    """How far an enumerated policy is from the equilibrium; all three are 0 there.

    gap: the Nash gap, reward. marginal_error: Σ_i w_i TV(p_i, p*_i). drift: trace drift, nats.
    """

    gap: float
    marginal_error: float
    drift: float


def trace_quality(game: Game, log_policy: Sequence[FloatArray]) -> TraceQuality:
    """The equilibrium quality of a policy that is known on every trace, exactly.

    Args:
        game: the game, its references listed trace by trace.
        log_policy: log π(y), one array per prompt in the order of its traces; normalised here.

    Raises:
        BadInput: the arrays do not fit the traces, or no policy has a finite value.

    Source: arXiv 2604.27166 (gap, answer marginal, chain rule); the names are ours.
    """
    sizes = [np.shape(row) for row in log_policy]
    if sizes != [x.log_prob_Y.shape for x in game.prompts]:
        raise BadInput("log_policy must be one array per prompt with one entry per trace")
    policy = TracePolicy(game, tuple(log_normalise(np.asarray(row, dtype=float)) for row in log_policy))
    error = float(game.weights_P @ total_variation(policy.log_p_PZ, exact(game).log_p_PZ))
    return TraceQuality(policy.gap, error, policy.drift)
