"""The loop that the reference trainers share; a trainer is this loop with a reward.

    orbits → rollouts → answers → classes → reward − β log(π/π₀) → group-centred advantage → policy step

With the reward of a fixed game the expected gradient is that of its value for the policy, times 1 − 1/G because
the group's mean holds the rollout itself: rollouts are on-policy and used once, and the KL to the reference is in
the reward, so both shrink alike. AdamW and the limit on the gradient's norm decide how long a step is.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alftbench.base.settings import Usual, read_settings
from alftbench.errors import UsageError
from alftbench.training.trainer import TrainRequest, TrainResult, Update
from alftbench.types import AnswerPartition, Budget
from alftbench_trainers.loop.cost import spent
from alftbench_trainers.loop.policy import Batch, Policy, batch_of
from alftbench_trainers.loop.rollouts import OrbitRollouts, sample_orbits, schedule
from alftbench_trainers.rewards import correctness

Reward = Callable[[AnswerPartition], NDArray[np.float64]]


@dataclass(frozen=True)
class GroupConfig:
    """Options of every group-relative trainer.

    beta: strength of the KL to the reference model, in reward units per nat.
    group: G, rollouts per phrasing. orbits: problems per step, over all suites together.
    learning_rate: at the start; it falls linearly to a tenth as the budget is used up. The default suits the
        embedded model of 0.15M parameters; for a billion parameters start near 1e-6.
    temperature: of the policy that is trained, in sampling and in log-probabilities alike.
    scale: "none", or "std" to divide advantages by their group's standard deviation.
    rows: completions per forward and backward pass. save_every: steps between resumable states.
    warmup: steps over which the learning rate rises, while AdamW's second moments are still rough.
    """

    learning_rate: Annotated[float, Usual(1e-7, 1e-2)] = 7e-4
    beta: float = 0.02
    group: int = 4
    orbits: int = 6
    temperature: float = 1.0
    scale: str = "none"
    max_grad_norm: float = 1.0
    rows: int = 512
    save_every: int = 10
    warmup: int = 10

    def __post_init__(self) -> None:
        """Refuse values that cannot train."""
        if self.scale not in ("none", "std"):
            raise UsageError(f"option scale={self.scale}: use none or std")
        check_finite(self)
        for name in ("learning_rate", "temperature", "max_grad_norm", "orbits", "rows", "save_every"):
            if not getattr(self, name) > 0:
                raise UsageError(f"option {name}={getattr(self, name)}: must be above 0")
        for name in ("beta", "warmup"):
            if getattr(self, name) < 0:
                raise UsageError(f"option {name}={getattr(self, name)}: must not be negative")
        if self.group < 2:
            raise UsageError(f"option group={self.group}: a group needs at least 2 rollouts")

    @property
    def closed(self) -> bool:
        """Is the update that of a game with a known equilibrium? Scaling and tempering change the game."""
        return self.beta > 0 and self.scale == "none" and self.temperature == 1


def check_finite(config: GroupConfig) -> None:
    """Refuse an option that is NaN or infinite."""
    for field in fields(config):
        value = getattr(config, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"option {field.name}={value}: must be a finite number")


class GroupTrainer(ABC):
    """A trainer that is this loop with a reward: a subclass gives `reward` and perhaps options."""

    config_type: ClassVar[type[GroupConfig]] = GroupConfig
    needs_orbits = False
    settings: GroupConfig

    def __init__(self, options: Mapping[str, str]) -> None:
        self.settings = read_settings(self.config_type, options, "option")

    @abstractmethod
    def reward(self, partition: AnswerPartition) -> NDArray[np.float64]:
        """The reward of every rollout of an orbit, shape (V, G)."""

    def config(self) -> Mapping[str, Any]:
        """Every option with its value."""
        return asdict(self.settings)

    def train(self, request: TrainRequest) -> TrainResult:
        """Train until the budget is used up."""
        return train_group(request, self.settings, self.reward)


def train_group(request: TrainRequest, config: GroupConfig, reward: Reward) -> TrainResult:
    """Train until the budget is used up; resumes from the newest state in the request's folder."""
    check_request(request, config)
    policy = Policy(request, config.beta > 0, config.rows, config.max_grad_norm, config.temperature)
    while has_budget(request, config, policy):
        started = time.perf_counter()
        update = train_step(request, config, policy, reward)
        policy.cost = replace(policy.cost, seconds=policy.cost.seconds + time.perf_counter() - started)
        request.on_update(update)
        if policy.step % config.save_every == 0:
            policy.save_state()
    policy.save_state()
    return TrainResult(policy.save_checkpoint(), policy.cost)


def train_step(request: TrainRequest, config: GroupConfig, policy: Policy, reward: Reward) -> Update:
    """One batch of rollouts and one optimiser step on it."""
    items = schedule(request.suites, config.orbits, request.seed, policy.step)
    rollouts = sample_orbits(
        policy.model, policy.tokenizer, items, config.group, config.temperature, request.seed, policy.step
    )
    batch = as_batch(rollouts)
    rewards_R = flatten(rollouts, reward)
    kl, norm = policy.update(
        batch, rewards_R, config.beta, config.scale, learning_rate(request.budget, config, policy)
    )
    count(policy, batch)
    return Update(
        step=policy.step,
        generated_tokens=policy.cost.generated_tokens,
        reward=float(rewards_R.mean()),
        accuracy=float(flatten(rollouts, correctness).mean()),  # logged, not used
        kl=kl,
        grad_norm=norm,
    )


def check_request(request: TrainRequest, config: GroupConfig) -> None:
    """Refuse what cannot train, before the model is loaded.

    Raises:
        UsageError: a step has fewer problems than there are suites, or the budget is below one step.
    """
    if config.orbits < len(request.suites):
        raise UsageError(f"option orbits={config.orbits}: {len(request.suites)} suites need one problem each")
    least = longest_step(request, config, step=0)
    if request.budget.tokens is not None and request.budget.tokens < least:
        raise UsageError(f"--budget-tokens {request.budget.tokens}: one step may take {least}; give more")


def longest_step(request: TrainRequest, config: GroupConfig, step: int) -> int:
    """Tokens that a step generates if every one of its rollouts runs to the token limit."""
    items = schedule(request.suites, config.orbits, request.seed, step)
    longest = max(item.suite.max_tokens for item in items)
    return config.group * longest * sum(len(item.orbit.variants) for item in items)


def has_budget(request: TrainRequest, config: GroupConfig, policy: Policy) -> bool:
    """Does the next step fit, however long its rollouts get?"""
    budget = request.budget
    if budget.steps is not None and policy.step >= budget.steps:
        return False
    needed = policy.cost.generated_tokens + longest_step(request, config, policy.step)
    return budget.tokens is None or needed <= budget.tokens


def learning_rate(budget: Budget, config: GroupConfig, policy: Policy) -> float:
    """Linear warm-up, then linearly down to a tenth as the budget is used up."""
    warm = min(1.0, (policy.step + 1) / (config.warmup + 1))
    return config.learning_rate * warm * max(0.1, 1 - progress(budget, policy))


def progress(budget: Budget, policy: Policy) -> float:
    """Share of the budget that is used up."""
    steps = policy.step / budget.steps if budget.steps else 0.0
    tokens = policy.cost.generated_tokens / budget.tokens if budget.tokens else 0.0
    return max(steps, tokens)


def as_batch(rollouts: list[OrbitRollouts]) -> Batch:
    """All prompts and completions of a step in order."""
    return batch_of(
        [prompt for orbit in rollouts for prompt in orbit.prompts_V],
        [done.token_ids for orbit in rollouts for group in orbit.completions_VG for done in group],
    )


def flatten(rollouts: list[OrbitRollouts], reward: Reward) -> Tensor:
    """The rewards of all rollouts of a step in order, shape (R,)."""
    return torch.from_numpy(np.concatenate([reward(orbit.partition).ravel() for orbit in rollouts])).float()


def count(policy: Policy, batch: Batch) -> None:
    """Add a step's tokens and passes to the policy's cost."""
    policy.cost = spent(
        policy.cost,
        policy.model,
        prompts=len(batch.prompts),
        prompt_tokens=sum(map(len, batch.prompts)),
        completion_tokens=sum(map(len, batch.completions)),
        rows=len(batch.completions),
        reference=policy.reference is not None,
    )
