"""Options of every group-relative trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from alftbench.base.settings import Usual
from alftbench.base.validate import Positive, above, at_least, at_most, one_of
from alftbench.errors import UsageError
from alftbench.games import ESTIMATORS
from alftbench.games.estimators import LARGEST_K
from alftbench.games.rewards import BASELINES, FromCounts, FromMemory, Target
from alftbench.games.rewards.baselines import checked_group

LearningRate = Annotated[
    float, above(0), Usual(1e-7, 1e-2), "at the start; it falls linearly to a tenth as the budget is used up"
]
Baseline = Annotated[
    str,
    one_of(BASELINES),
    "subtracted from a reward; only jackknife leaves what counts answers as it is",
]
MOST_MEMORY = 0.9999  # of ρ: what is nearer to 1 forgets nothing within any run
AUTO = "auto"
LEAST_COUNTED = 3  # rollouts of a group whose answers are counted
Estimator = Annotated[
    str, one_of((AUTO, *ESTIMATORS)), "of log p from counts; auto: variance-optimal, where G has such a table"
]


@dataclass(frozen=True)
class LoopOptions:
    """Options that all trainers have; one with more of them adds fields to a subclass.

    The default learning rate suits the embedded model of 0.15M parameters; for a billion start near 1e-6.
    """

    learning_rate: LearningRate = 5e-4
    beta: Annotated[
        float, at_least(0), "β, strength of the KL to the reference model, in reward units per nat"
    ] = 0.2
    group: Annotated[int, at_least(2), "G, rollouts per phrasing"] = 8
    orbits: Annotated[int, at_least(1), "problems per step, over all suites together"] = 2
    temperature: Annotated[Positive, "of the policy that is trained, in sampling and log-probabilities alike"] = (
        1.0
    )
    max_grad_norm: Annotated[Positive, "longer gradients are shortened to this norm"] = 10.0
    rows: Annotated[int, at_least(1), "completions per forward and backward pass; lower it if memory runs out"] = (
        512
    )
    micro_tokens: Annotated[
        int, at_least(0), "tokens per pass: completions times longest prompt plus longest completion; 0: any"
    ] = 0
    checkpointing: Annotated[bool, "compute activations again in the backward pass: slower, less memory"] = False
    master: Annotated[bool, "of weights in half precision AdamW steps on float32 copies"] = False
    lora_rank: Annotated[int, at_least(0), "rank of adapters (LoRA); 0 trains all weights"] = 0
    lora_alpha: Annotated[Positive, "α of adapters, which count α/rank"] = 32.0
    lora_targets: Annotated[str, "layers that get an adapter: all-linear, or names joined by +"] = "all-linear"
    save_every: Annotated[int, at_least(1), "steps between resumable states"] = 10
    warmup: Annotated[
        int, at_least(0), "steps over which the learning rate rises, while AdamW's moments are rough"
    ] = 10

    @property
    def drawn(self) -> int:
        """Completions that a step draws of each phrasing."""
        return self.group

    @property
    def remembers(self) -> float:
        """ρ, how much of what earlier steps drew counts in this one's rewards; 0 for nothing."""
        return 0.0


@dataclass(frozen=True)
class GroupOptions(LoopOptions):
    """Options of all recipes with a reward: what is subtracted from it, and by what it is divided."""

    scale: Annotated[Literal["none", "std"], "std divides advantages by their group's standard deviation"] = "none"
    baseline: Baseline = "mean"

    def __post_init__(self) -> None:
        """Refuse a group too small for its baseline."""
        if self.baseline == "jackknife":
            checked_group(self.group)

    @property
    def closed(self) -> bool:
        """Is the update that of a game with a known equilibrium? Scaling and tempering change the game."""
        return self.beta > 0 and self.scale == "none" and self.temperature == 1


@dataclass(frozen=True)
class CountOptions(GroupOptions):
    """Options of a recipe whose reward counts answers: how it takes p_v and q from the rollouts."""

    estimator: Estimator = AUTO
    baseline: Baseline = "jackknife"
    memory: Annotated[
        float,
        at_least(0),
        at_most(MOST_MEMORY),
        "ρ, what earlier steps drew counts ρ times less at each; 0: none",
    ] = 0.0

    def __post_init__(self) -> None:
        """Refuse an estimator that a memory would not ask, and a group whose baseline cancels the reward."""
        super().__post_init__()
        if self.group < LEAST_COUNTED and not self.memory:
            raise UsageError(
                f"option group={self.group}: of one other rollout a reward that counts answers is linear in the "
                f"count, and a group's baseline cancels it; it needs at least {LEAST_COUNTED}, or a memory"
            )
        if self.memory and self.estimator != AUTO:
            raise UsageError(f"option estimator={self.estimator}: a memory estimates log p itself; leave it out")

    @property
    def remembers(self) -> float:
        """As the option says."""
        return self.memory

    @property
    def target(self) -> Target:
        """What the reward takes for p_v and q."""
        return FromMemory() if self.memory else FromCounts(self.own_estimator)

    @property
    def own_estimator(self) -> str:
        """The estimator of log p_v from a phrasing's own group."""
        if self.estimator != AUTO:
            return self.estimator
        return "variance-optimal" if self.group <= LARGEST_K else "digamma"
