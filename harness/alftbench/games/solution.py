"""What every solver returns: the equilibrium, its certificate, and an honest word on how it ended."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.games.duality import TwoPlayerGap, conjugate, dual_value, two_player_gap
from alftbench.games.game import Game
from alftbench.games.history import History
from alftbench.games.traces import lift, trace_drift


class Status(StrEnum):
    """How a solver ended."""

    CONVERGED = "converged"
    LOCAL = "local solution"
    RESTRICTED = "stationary in the policy class"
    ITERATION_LIMIT = "iteration limit"
    STALLED = "stalled"
    CYCLES = "cycles"
    DIVERGES = "diverges"
    APPROXIMATE = "approximate"


_MESSAGES = {
    Status.CONVERGED: "The Nash gap is within tolerance.",
    Status.LOCAL: "The objective is not convex: this is a stationary point, not a certified minimum.{certify}",
    Status.RESTRICTED: "No direction within the policy class improves; the gap is what the class costs.",
    Status.ITERATION_LIMIT: "The iteration limit was reached; {more}.",
    Status.STALLED: "Rounding stopped the progress before the tolerance was reached{reached}.",
    Status.CYCLES: "The dynamics return to where they were and never settle; use --method {rivals}.",
    Status.DIVERGES: "The dynamics move away from the equilibrium; use --method {rivals}.",
    Status.APPROXIMATE: "The one-shot method is not exact for this objective; the gap says by how much. "
    "Use --method {rivals}.",
}
_SUCCESSES = frozenset({Status.CONVERGED, Status.LOCAL, Status.RESTRICTED})


@dataclass(frozen=True, eq=False)
class Solution:
    """A solved (or honestly unsolved) game.

    Args:
        game: what was solved.
        method: the solver's name.
        status: how it ended.
        log_p_PZ: log answer marginals, prompts by answers.
        log_target_Z: the target player's answer distribution, where the objective has one.
        value: J at the policies, in units of reward.
        gap: the Nash gap: a bound on J(π) − J(π*) where the objective is convex, else stationarity.
        iterations: steps taken; 0 for a closed form.
        history: gaps and values on the way.
        log_traces: trace log-probabilities where they are not the lift of the marginals.
        detail: what the solver has to add to its status.
        learned_u_PZ: the target that was played, where it is not the answer to these policies.
    """

    game: Game
    method: str
    status: Status
    log_p_PZ: FloatArray
    log_target_Z: FloatArray | None
    value: float
    gap: float
    iterations: int
    history: History = field(default_factory=History)
    log_traces: tuple[FloatArray, ...] | None = None
    detail: str = ""
    learned_u_PZ: FloatArray | None = None

    @property
    def converged(self) -> bool:
        """Whether the solver reached what its status promises within tolerance."""
        return self.status in _SUCCESSES

    @property
    def certified(self) -> bool:
        """Whether the gap proves that this is the equilibrium, within tolerance."""
        return self.status is Status.CONVERGED

    @property
    def message(self) -> str:
        """One sentence on how the solver ended and what to do."""
        rivals = "exact" if self.method in ("mirror", "two-step") else "exact or mirror"
        more = "allow more with --max-iterations or use --method exact"
        if self.method == "exact":
            more = f"use --method mirror with --max-iterations above {self.iterations}"
        if not self.game.objective.convex:
            more = "more would not certify it, as the objective is not convex"
        certify = "" if self.method == "exact" else " With lambda below beta --method exact certifies it."
        reached = f"; --tolerance {1.1 * self.gap:.1e} is within reach" if math.isfinite(self.gap) else ""
        text = _MESSAGES[self.status].format(rivals=rivals, more=more, reached=reached, certify=certify)
        return f"{text} {self.detail}".strip()

    @property
    def p_PZ(self) -> FloatArray:
        """Answer marginals."""
        return np.asarray(np.exp(self.log_p_PZ))

    @property
    def target_Z(self) -> FloatArray | None:
        """The target's answer distribution, where the objective has one."""
        return None if self.log_target_Z is None else np.asarray(np.exp(self.log_target_Z))

    @property
    def policy(self) -> tuple[FloatArray, ...]:
        """The log π(y) of every trace, one array per prompt."""
        if self.log_traces is not None:
            return self.log_traces
        rows = zip(self.game.prompts, self.game.log_reference_PZ, self.log_p_PZ, strict=True)
        return tuple(lift(x.answer_Y, x.log_prob_Y, log_p0_Z, log_p_Z) for x, log_p0_Z, log_p_Z in rows)

    @cached_property
    def u_PZ(self) -> FloatArray:
        """The target's strategy u, in units of reward, up to a constant per prompt: the reward is −u."""
        if self.learned_u_PZ is not None:
            return self.learned_u_PZ
        game = self.game
        return game.objective.best_target(self.log_p_PZ, game.log_admissible_PZ, game.weights_P, game.beta)

    @cached_property
    def pair(self) -> TwoPlayerGap:
        """What the policies and the target u could still gain against one another; trace drift is the policies'.

        Raises:
            UsageError: a free consensus, which is not convex.
        """
        both = two_player_gap(self.game, self.log_p_PZ, self.u_PZ)
        return replace(both, policy_regret=both.policy_regret + self.game.beta * self._drift())

    def _drift(self) -> float:
        """Trace drift, averaged over the orbit."""
        if self.log_traces is None:
            return 0.0
        Z, pairs = len(self.game.answers), zip(self.game.prompts, self.log_traces, strict=True)
        return float(
            self.game.weights_P @ [trace_drift(x.answer_Y, log_pi, x.log_prob_Y, Z) for x, log_pi in pairs]
        )

    def _dual_json(self) -> dict[str, Any]:
        """The target's side: u, F*(u), D(u), and both regrets."""
        game, both = self.game, self.pair
        return {
            "u": [{answer: _finite(u) for answer, u in _named(game.answers, u_Z).items()} for u_Z in self.u_PZ],
            "conjugate": _finite(conjugate(game, self.u_PZ)),
            "value": _finite(dual_value(game, self.u_PZ)),
            "two_player_gap": _finite(both.gap),
            "policy_regret": _finite(both.policy_regret),
            "target_regret": _finite(both.target_regret),
        }

    def _regret_json(self) -> dict[str, list[float]]:
        """The regret curve, thinned: at most a hundred rounds, evenly spaced on a logarithmic scale."""
        policy_T, target_T = self.history.policy_regret_T, self.history.target_regret_T
        rounds = np.unique(np.rint(np.geomspace(1, len(policy_T), 100)).astype(int)) - 1
        return {
            "round": [int(t) + 1 for t in rounds],
            "policy": [policy_T[t] for t in rounds],
            "target": [target_T[t] for t in rounds],
        }

    def to_json(self) -> dict[str, object]:
        """The solution as plain data; numbers that are not finite become null."""
        answers = self.game.answers
        target = None if self.target_Z is None else _named(answers, self.target_Z)
        return {
            "objective": self.game.objective.name,
            "method": self.method,
            "status": str(self.status),
            "message": self.message,
            "converged": self.converged,
            "certified": self.certified,
            "iterations": self.iterations,
            "value": _finite(self.value),
            "gap": _finite(self.gap),
            "answer_marginals": [_named(answers, p_Z) for p_Z in self.p_PZ],
            "target": target,
            "dual": self._dual_json() if self.game.objective.convex else None,
            "regret": self._regret_json() if self.history.policy_regret_T else None,
        }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _named(answers: tuple[str, ...], p_Z: FloatArray) -> dict[str, float]:
    return {answer: float(p) for answer, p in zip(answers, p_Z, strict=True)}
