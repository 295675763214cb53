"""The contract between harness and trainer: what a trainer is asked, and what it must hand back.

A trainer turns a model and orbits of training problems into a checkpoint within a budget. It never evaluates
itself. It may be killed at any time; called again with the same request it goes on from its last saved state
and ends with the same checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from alftbench.base.arrays import FloatArray
from alftbench.base.names import unfit
from alftbench.base.settings import OptionInfo, parse_pairs
from alftbench.errors import UsageError
from alftbench.games import Objective
from alftbench.games.rewards import GroupRecord
from alftbench.suites.base import Suite
from alftbench.types import Budget, Checkpoint, Cost, Orbit


@dataclass(frozen=True)
class TrainSuite:
    """A suite, which grades what is sampled on it, and its training problems in their phrasings.

    limit: tokens of a rollout at most; None for the suite's own.
    """

    suite: Suite
    orbits: tuple[Orbit, ...]
    limit: int | None = None

    @property
    def name(self) -> str:
        """The suite's name."""
        return self.suite.info.name

    @property
    def max_tokens(self) -> int:
        """Tokens of a rollout at most."""
        return self.suite.info.sampling.max_tokens if self.limit is None else self.limit


@dataclass(frozen=True)
class Update:
    """One optimiser step as logged: running totals and the step's means; None for what was not sampled.

    clipped: was the gradient shortened to a limit? informative: share of the groups whose rewards differ.
    skipped: rollouts whose advantage is exactly 0, so that no pass was made to learn from them.
    agreement: chance that two rollouts of a prompt give the same answer. held_out: accuracy that nothing taught,
    of problems met for the first time, or of all where the reward reads no labels; None where there is none.
    effective: effective number of samples that a weighted fit learned from, as a share of all it has.
    kl_limit: nats beyond which a KL costs more than the step's rewards can give; None without a KL.
    halved: how often passes were made half as large so far, because memory ran out.
    extra: figures of the trainer's own, by name; finite.
    """

    step: int
    generated_tokens: int
    reward: float
    accuracy: float | None
    kl: float | None
    grad_norm: float
    clipped: bool = False
    informative: float = 1.0
    skipped: int = 0
    agreement: float | None = None
    held_out: float | None = None
    kl_limit: float | None = None
    effective: float | None = None
    halved: int = 0
    extra: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainRequest:
    """One training run.

    folder: the trainer's own, kept between attempts, removed once the checkpoint is verified.
    checkpoint: where the final model goes, as a folder that transformers can load. on_update: logs a step.
    secret: the run's own, for `suites.grade.grade`: nobody can know where its answers are confirmed.
    trust_remote_code: run Python code that came with the model, where it needs some.
    """

    model: str
    suites: tuple[TrainSuite, ...]
    budget: Budget
    seed: int
    folder: Path
    checkpoint: Path
    on_update: Callable[[Update], None]
    device: str = "auto"
    dtype: str = "auto"
    secret: str | None = None
    trust_remote_code: bool = False


@dataclass(frozen=True)
class TrainResult:
    """The final checkpoint and what it cost; seconds count training alone, summed over attempts."""

    checkpoint: Checkpoint
    cost: Cost


@runtime_checkable
class Trainer(Protocol):
    """A training method; one that needs orbits is refused a suite without them."""

    @property
    def needs_orbits(self) -> bool:
        """Does it compare the phrasings of a problem?"""
        ...

    def config(self) -> Mapping[str, Any]:
        """Every option with its value; goes into the run record and its identity."""
        ...

    def train(self, request: TrainRequest) -> TrainResult:
        """Train until the budget is used up and save the final checkpoint."""
        ...


@runtime_checkable
class ChecksPlan(Protocol):
    """What a trainer may offer besides: to say, before anything is loaded, that it cannot train like this."""

    def check(self, suites: Sequence[TrainSuite], budget: Budget, seed: int) -> None:
        """Refuse these suites or this budget.

        Raises:
            UsageError: such as a budget below one step.
        """
        ...


@runtime_checkable
class PlaysGame(Protocol):
    """What a trainer may offer besides: the game it plays, so that its distance from equilibrium is measured."""

    def game(self, correct_Z: NDArray[np.bool_]) -> tuple[Objective, float] | None:
        """Objective and β on a problem whose answer class z is right where correct_Z[z]; None where unknown.

        The last class may be "no answer", which is never right.
        """
        ...


@runtime_checkable
class PredictsOutcome(Protocol):
    """What a trainer may offer besides: where its update leads at its own group size, estimator and baseline."""

    def predicted(
        self, log_p0_VZ: FloatArray, correct_Z: NDArray[np.bool_], unanswered: int | None
    ) -> FloatArray | None:
        """Log answer marginals of the fixed point of the expected update next to the reference's, shape (V, Z).

        Args:
            log_p0_VZ: log answer marginals of the reference, one row per phrasing.
            correct_Z: which answer classes are right.
            unanswered: the class that is no answer, if any.

        Returns:
            None where it is not known.
        """
        ...


@runtime_checkable
class ShowsRewards(Protocol):
    """What a trainer may offer besides: its reward and baseline, so that `trainers check` sees its update."""

    def reward(self, record: GroupRecord) -> FloatArray:
        """The reward of every rollout of an orbit, shape (V, G)."""
        ...

    def baseline(self, record: GroupRecord, rewards_VG: FloatArray) -> FloatArray:
        """What is subtracted from every reward, shape (V, G)."""
        ...


# Entry points of the group `alftbench.trainers` are factories: options of the command line → trainer.
TrainerFactory = Callable[[Mapping[str, str]], Trainer]


@dataclass(frozen=True)
class TrainerInfo:
    """What a trainer says of itself before it is made: in a line, where it comes from, its options."""

    description: str
    paper: str
    options: tuple[OptionInfo, ...]


@runtime_checkable
class DescribesTrainer(Protocol):
    """What a factory may offer besides: what its trainers are and which options they take."""

    @property
    def info(self) -> TrainerInfo:
        """For lists of trainers; nothing is made or loaded."""
        ...


COMMAND = "command"
"""The option that takes all that follows it, commas and equals signs too."""
BEFORE_COMMAND = re.compile(rf"(?:^|,)\s*{COMMAND}\s*=")


@dataclass(frozen=True)
class TrainerSpec:
    """A trainer with options, written `name` or `name:key=value,key=value`; `command=` takes the rest as it is."""

    name: str
    options: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """The spelling that `parse_spec` reads."""
        last = sorted(self.options, key=lambda option: option[0] == COMMAND)
        options = ",".join(f"{key}={value}" for key, value in last)
        return f"{self.name}:{options}" if options else self.name


def parse_spec(text: str) -> TrainerSpec:
    """Read `name:key=value,...`; options are sorted, so one method has one spelling."""
    if why := unfit(text):
        raise UsageError(f"trainer {text!r}: as a method's name it {why}")
    name, _, rest = text.partition(":")
    options = rest
    command = BEFORE_COMMAND.search(rest)
    if command:
        options = rest[: command.start()]
    pairs = parse_pairs(f"trainer {text!r}", options)
    if command:
        pairs[COMMAND] = rest[command.end() :].strip()
    return TrainerSpec(name, tuple(sorted(pairs.items())))
