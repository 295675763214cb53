"""What a fit is: weights of the reference's samples with a name, source, options and game, run by one loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from alftbench.base.arrays import FloatArray
from alftbench.base.settings import options_of, read_settings
from alftbench.games import Objective
from alftbench.games.rewards import GroupRecord
from alftbench.training.trainer import TrainerInfo, TrainRequest, TrainResult, TrainSuite
from alftbench.types import Budget
from alftbench_trainers.loop.options import LoopOptions
from alftbench_trainers.loop.schedule import check_plan

OptionsT = TypeVar("OptionsT", bound=LoopOptions)


@dataclass(frozen=True)
class Fit(Generic[OptionsT]):
    """A trainer by maximum likelihood as a value, registered like a recipe.

    Args:
        name: as registered.
        description: one line.
        paper: where it comes from.
        options: a frozen dataclass of all its options.
        weights: (samples of the reference, rollouts of the policy or None, options) → how much each sample counts,
            shape (V, N), from 0 on; they are scaled to the mean 1 in each prompt.
        on_policy: does the target look at rollouts of the policy?
        game: (options, correct_Z) → the objective whose equilibrium is fitted, or None.
        outcome: (p0_VZ, correct_Z, options) → the answers that are fitted on average at this number of samples,
            shape (V, Z); None where no formula says.
        needs_orbits: it compares phrasings and cannot train on problems that have one.
    """

    name: str
    description: str
    paper: str
    options: type[OptionsT]
    weights: Callable[[GroupRecord, GroupRecord | None, OptionsT], FloatArray]
    on_policy: bool = False
    game: Callable[[OptionsT, NDArray[np.bool_]], Objective | None] | None = None
    outcome: Callable[[FloatArray, NDArray[np.bool_], OptionsT], FloatArray] | None = None
    needs_orbits: bool = False

    def __call__(self, options: Mapping[str, str]) -> FitTrainer[OptionsT]:
        """A trainer with options of the command line.

        Raises:
            UsageError: an option is unknown or cannot train.
        """
        return FitTrainer(self, read_settings(self.options, options, "option"))

    @property
    def info(self) -> TrainerInfo:
        """Description, source and options."""
        return TrainerInfo(self.description, self.paper, options_of(self.options))


@dataclass(frozen=True)
class FitTrainer(Generic[OptionsT]):
    """A fit with its options set."""

    fit: Fit[OptionsT]
    options: OptionsT

    @property
    def needs_orbits(self) -> bool:
        """As the fit says."""
        return self.fit.needs_orbits

    def check(self, suites: Sequence[TrainSuite], budget: Budget, seed: int) -> None:
        """Refuse a budget below one step, and more suites than a step has problems."""
        check_plan(self.options, suites, budget, seed)

    def config(self) -> Mapping[str, Any]:
        """Every option with its value."""
        return asdict(self.options)

    def game(self, correct_Z: NDArray[np.bool_]) -> tuple[Objective, float] | None:
        """The objective and β; None where it declares none, or tempering changes the game."""
        if self.fit.game is None or self.options.temperature != 1:
            return None
        objective = self.fit.game(self.options, correct_Z)
        return None if objective is None else (objective, self.options.beta)

    def predicted(
        self, log_p0_VZ: FloatArray, correct_Z: NDArray[np.bool_], unanswered: int | None
    ) -> FloatArray | None:
        """The answers that are fitted on average at this number of samples; None where no formula says."""
        if self.fit.outcome is None or self.options.temperature != 1:
            return None
        return np.asarray(np.log(self.fit.outcome(np.exp(log_p0_VZ), correct_Z, self.options)))

    def train(self, request: TrainRequest) -> TrainResult:
        """Train until the budget is used up."""
        from alftbench_trainers.loop.fitting import train_fitting  # torch, which a list of trainers does without

        def weights(samples: GroupRecord, rollouts: GroupRecord | None) -> FloatArray:
            return self.fit.weights(samples, rollouts, self.options)

        return train_fitting(request, self.options, self.fit.name, weights, self.fit.on_policy)
