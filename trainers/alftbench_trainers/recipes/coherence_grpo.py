"""coherence-grpo: phrasings of one question should get one answer; no labels.

objective=consensus   reward λ log q̂(z), q̂ the answers of the whole orbit. The paper's policy step
                      π ∝ π₀ q^{λ/β}; q follows the policy, so it sharpens towards a shared answer.
objective=coherence   reward λ (log q̂(z) − log p̂_v(z)): the convex soft coherence, which moves the phrasings'
                      answer distributions together and does not sharpen them.

`correctness=η` adds η for a right answer, which does use labels. At the defaults the declared equilibrium makes
the embedded model agree with itself without making it much surer; docs/design/defaults.md says how they were
chosen. Source: Distributional Alignment Games, arXiv 2604.27166.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from alftbench.base.arrays import FloatArray
from alftbench.errors import UsageError
from alftbench.games import Coherence, Consensus, Objective
from alftbench.games.rewards import FromCounts, FromMemory, GroupRecord, Target, coherence, consensus, correctness
from alftbench_trainers.loop.options import AUTO, CountOptions
from alftbench_trainers.recipe import Recipe


@dataclass(frozen=True)
class CoherenceOptions(CountOptions):
    """Options of coherence-grpo."""

    coherence: Annotated[float, "λ, weight of agreement over the orbit"] = 0.6
    correctness: Annotated[float, "η, reward of a right answer; 0 trains without labels"] = 0.0
    objective: Annotated[Literal["consensus", "coherence"], "the first sharpens, the second does not"] = (
        "coherence"
    )
    pooled: Annotated[Literal["plug-in", "digamma"], "how log q is estimated from the counts of the orbit"] = (
        "digamma"
    )

    def __post_init__(self) -> None:
        """Refuse an estimator that is not asked, and one that would be asked for what it is not made for."""
        super().__post_init__()
        if self.objective == "consensus" and self.estimator != AUTO:
            raise UsageError(
                f"option estimator={self.estimator}: consensus needs log q alone, and such tables are for "
                f"draws of one distribution, which phrasings are not; use pooled=plug-in or pooled=digamma"
            )

    @property
    def target(self) -> Target:
        """Log p_v by `estimator`, log q by `pooled`; or both from the memory."""
        return FromMemory() if self.memory else FromCounts(self.own_estimator, self.pooled)


def reward(record: GroupRecord, options: CoherenceOptions) -> FloatArray:
    """λ log q̂(z) or λ (log q̂(z) − log p̂_v(z)), and η c(z)."""
    agreement = consensus if options.objective == "consensus" else coherence
    return options.coherence * agreement(record, options.target) + options.correctness * correctness(record)


def game(options: CoherenceOptions, correct_Z: NDArray[np.bool_]) -> Objective | None:
    """Consensus with a free target, or soft coherence; with correctness besides there is no closed form."""
    if options.correctness:
        return None
    return (Consensus if options.objective == "consensus" else Coherence)(options.coherence)


COHERENCE_GRPO = Recipe(
    name="coherence-grpo",
    description="Group-relative policy optimisation of coherence over an orbit.",
    paper="arXiv 2604.27166",
    options=CoherenceOptions,
    rule=reward,
    game=game,
    needs_orbits=True,
)


@dataclass(frozen=True)
class ConsensusOptions(CoherenceOptions):
    """Options of consensus-grpo: λ below β, where the game has one equilibrium; from β on it collapses."""

    coherence: Annotated[float, "λ, weight of agreement over the orbit"] = 0.1
    objective: Annotated[Literal["consensus", "coherence"], "the first sharpens, the second does not"] = (
        "consensus"
    )


CONSENSUS_GRPO = replace(
    COHERENCE_GRPO,
    name="consensus-grpo",
    description="Coherence-grpo with objective=consensus: what the orbit says earns more, and it sharpens.",
    options=ConsensusOptions,
)
