"""alternating: both players answer each other in turn, the policy by a supervised fit. The paper's own algorithm.

    target   q(z) = mean_v p_v(z), the answers of the policy over the orbit; or u(z) = λ log p_v(z) − η c(z)
    policy   fitted to its best response π₀(y) p*_v(E(y))/p₀_v(E(y)) on samples of the reference, weighted

objective=coherence   F = min_q λ Σ_v w_v KL(p_v‖q): p*_v ∝ p₀^{β/(β+λ)} q^{λ/(β+λ)}, so a sample of answer z
                      counts (q(z)/p₀_v(z))^{λ/(β+λ)}, with p₀_v its share of the reference's samples. No labels.
                      Each player minimises the same function in turn, so the rounds converge for any λ.
objective=diversity   F = λ Σ p log p − η Σ c p: p* ∝ p₀ e^{−u/β}, so a sample counts e^{η c(z)/β} p_v(z)^{−λ/β}.
                      From λ = β on the rounds cycle or diverge.

A round is one gradient step on new problems, so the fit is never a whole best response and damps the rounds. What
the reference's samples lack cannot be fitted: an answer must have been drawn in each phrasing. For coherence a
sample without an answer counts nothing.
Source: Distributional Alignment Games, arXiv 2604.27166.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from alftbench.base.arrays import FloatArray
from alftbench.errors import UsageError
from alftbench.games import Coherence, Diversity, Objective
from alftbench.games.objectives import indicator_bonus
from alftbench.games.rewards import GroupRecord, correctness
from alftbench_trainers.fit import Fit
from alftbench_trainers.loop.options import LoopOptions

UNSEEN = 0.5  # rollouts that an answer is counted to have besides those that gave it, where log p must be finite


@dataclass(frozen=True)
class AlternatingOptions(LoopOptions):
    """Options of alternating; G is the number of samples and of rollouts per phrasing."""

    objective: Annotated[Literal["coherence", "diversity"], "what is played"] = "coherence"
    strength: Annotated[float, "λ, weight of coherence or diversity"] = 0.6
    correctness: Annotated[float, "η, reward of a right answer; diversity only"] = 0.0

    def __post_init__(self) -> None:
        """Refuse a game that alternating does not solve, and an option that nothing asks."""
        if self.beta <= 0:
            raise UsageError("option beta: a best response needs a KL to the reference; use more than 0")
        if self.objective == "diversity" and self.strength >= self.beta:
            raise UsageError(
                f"option strength={self.strength:g}: alternating best responses of diversity cycle or diverge "
                f"from λ = β on; use less than beta={self.beta:g}, or diversity-game"
            )
        if self.objective == "coherence" and self.correctness:
            raise UsageError("option correctness: coherence is played without labels; leave it out")

    @property
    def drawn(self) -> int:
        """Samples of the reference and rollouts of the policy."""
        return 2 * self.group


def weights(samples: GroupRecord, rollouts: GroupRecord | None, options: AlternatingOptions) -> FloatArray:
    """How much a sample of the reference counts in the fit of the best response."""
    assert rollouts is not None, "alternating looks at the policy"
    p_VZ: FloatArray = rollouts.counts_VZ / rollouts.group
    if options.objective == "coherence":
        consensus_Z: FloatArray = p_VZ.mean(axis=0)
        consensus = samples.at_own_answer(consensus_Z, 0.0)
        p0_VZ: FloatArray = samples.counts_VZ / samples.group
        own = samples.at_own_answer(p0_VZ, 1.0)
        return np.asarray((consensus / own) ** (options.strength / (options.beta + options.strength)))
    seen_VZ = np.asarray((rollouts.counts_VZ + UNSEEN) / (rollouts.group + UNSEEN), dtype=float)
    log_p = np.log(samples.at_own_answer(seen_VZ, 1.0))
    tilt = options.correctness * correctness(samples) - options.strength * log_p
    return np.asarray(np.exp((tilt - tilt.max(axis=1, keepdims=True)) / options.beta))


def game(options: AlternatingOptions, correct_Z: NDArray[np.bool_]) -> Objective:
    """Soft coherence, or diversity with a bonus."""
    if options.objective == "coherence":
        return Coherence(options.strength)
    return Diversity(options.strength, indicator_bonus(correct_Z, options.correctness))


ALTERNATING = Fit(
    name="alternating",
    description="Alternating best response: target and policy in turn, the policy by a supervised fit.",
    paper="arXiv 2604.27166",
    options=AlternatingOptions,
    weights=weights,
    on_policy=True,
    game=game,
    needs_orbits=True,
)
