"""What every solver returns: the equilibrium, its certificate, and an honest word on how it ended."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.games.game import Game
from alftbench.games.traces import lift


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
    Status.LOCAL: "The objective is not convex: this is a stationary point, not a certified minimum.",
    Status.RESTRICTED: "No direction within the policy class improves; the gap is what the class costs.",
    Status.ITERATION_LIMIT: "The iteration limit was reached; {more}.",
    Status.STALLED: "Rounding stopped the progress before the tolerance was reached{reached}.",
    Status.CYCLES: "The dynamics return to where they were and never settle; use --method {rivals}.",
    Status.DIVERGES: "The dynamics move away from the equilibrium; use --method {rivals}.",
    Status.APPROXIMATE: "The one-shot method is not exact for this objective; the gap says by how much. "
    "Use --method {rivals}.",
}
_SUCCESSES = frozenset({Status.CONVERGED, Status.LOCAL, Status.RESTRICTED})


@dataclass(frozen=True)
class History:
    """Nash gap and value at every recorded iteration."""

    gap_T: tuple[float, ...] = ()
    value_T: tuple[float, ...] = ()


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
        reached = f"; --tolerance {1.1 * self.gap:.1e} is within reach" if math.isfinite(self.gap) else ""
        return f"{_MESSAGES[self.status].format(rivals=rivals, more=more, reached=reached)} {self.detail}".strip()

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
        }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _named(answers: tuple[str, ...], p_Z: FloatArray) -> dict[str, float]:
    return {answer: float(p) for answer, p in zip(answers, p_Z, strict=True)}
