"""coherence-grpo: phrasings of one question should get one answer; no labels.

objective=consensus   reward λ log q̂(z), q̂ the answers of the whole orbit. The paper's policy step
                      π ∝ π₀ q^{λ/β}; q follows the policy, so it sharpens towards a shared answer.
objective=coherence   reward λ (log q̂(z) − log p̂_v(z)): the convex soft coherence, which moves the phrasings'
                      answer distributions together and does not sharpen them.

`correctness=η` adds η for a right answer, which does use labels. Accuracy has to be read beside coherence:
a model can be coherent and wrong. Source: Distributional Alignment Games, arXiv 2604.27166.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from alftbench.base.settings import Usual
from alftbench.errors import UsageError
from alftbench.games import Coherence, Consensus, Objective
from alftbench.types import AnswerPartition
from alftbench_trainers import rewards
from alftbench_trainers.loop.loop import GroupConfig, GroupTrainer

OBJECTIVES = {"consensus": rewards.consensus, "coherence": rewards.coherence}


@dataclass(frozen=True)
class CoherenceConfig(GroupConfig):
    """coherence: λ. correctness: η, 0 for label-free training. estimator: of log p from counts."""

    learning_rate: Annotated[float, Usual(1e-7, 1e-2)] = (
        4e-4  # at 7e-4 the embedded model turns coherent and wrong
    )
    coherence: float = 0.25
    correctness: float = 0.0
    objective: str = "consensus"
    estimator: str = "plug-in"

    def __post_init__(self) -> None:
        """Refuse values that cannot train."""
        super().__post_init__()
        rewards.check_estimator(self.estimator)
        if self.objective not in OBJECTIVES:
            raise UsageError(f"option objective={self.objective}: use {' or '.join(OBJECTIVES)}")


class CoherenceGrpo(GroupTrainer):
    """Group-relative policy optimisation of coherence over an orbit."""

    needs_orbits = True
    config_type = CoherenceConfig
    settings: CoherenceConfig

    def game(self, correct_Z: NDArray[np.bool_]) -> tuple[Objective, float] | None:
        """Consensus with a free target, or soft coherence; with correctness besides there is no closed form."""
        config = self.settings
        if config.correctness or not config.closed:
            return None
        game = Consensus if config.objective == "consensus" else Coherence
        return game(config.coherence), config.beta

    def reward(self, partition: AnswerPartition) -> NDArray[np.float64]:
        """λ × coherence reward + η × correctness, shape (V, G)."""
        config = self.settings
        target = OBJECTIVES[config.objective](partition, config.estimator)
        return config.coherence * target + config.correctness * rewards.correctness(partition)
