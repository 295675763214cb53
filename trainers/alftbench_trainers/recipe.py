"""What a recipe is: a reward rule with its name, source, options and game, run by the loop that all share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from alftbench.base.arrays import FloatArray
from alftbench.base.settings import options_of, read_settings
from alftbench.errors import UnknownName, UsageError
from alftbench.games import Objective
from alftbench.games.rewards import GroupRecord, baselines, predicted
from alftbench.training.trainer import TrainerInfo, TrainRequest, TrainResult, TrainSuite
from alftbench.types import Budget
from alftbench_trainers.loop.options import GroupOptions
from alftbench_trainers.loop.schedule import check_plan

OptionsT = TypeVar("OptionsT", bound=GroupOptions)

UNIFORM = "uniform"
NEEDS = ("log_prob", "reference_log_prob", "cross_log_prob", UNIFORM)
"""What a rule may ask of rollouts beyond what was drawn; fields of `GroupRecord`, the first three cost passes."""


@dataclass(frozen=True)
class Recipe(Generic[OptionsT]):
    """A trainer as a value, to be registered under the entry point group `alftbench.trainers`.

    Args:
        name: as registered.
        description: one line.
        options: a frozen dataclass of all its options; `GroupOptions` or a subclass with more fields.
        rule: (record, options) → rewards of an orbit's rollouts, shape (V, G), finite.
        game: (options, correct_Z) → the objective that the rule plays, of `alftbench.games`, on a problem whose
            answer class z is right where correct_Z[z], or None where it is not known.
        needs_orbits: it compares phrasings and cannot train on problems that have one.
        figures: (record, options) → figures of its own by name, finite; their means over a step's problems are
            logged as `extra` in updates.jsonl.
        needs: of `NEEDS`, what its rule reads of a record; it finds None where it did not say so.
        paper: where it comes from, such as "arXiv 2402.03300"; empty for a method of one's own.
    """

    name: str
    description: str
    options: type[OptionsT]
    rule: Callable[[GroupRecord, OptionsT], FloatArray]
    game: Callable[[OptionsT, NDArray[np.bool_]], Objective | None] | None = None
    needs_orbits: bool = False
    paper: str = ""
    needs: frozenset[str] = frozenset()
    figures: Callable[[GroupRecord, OptionsT], Mapping[str, float]] | None = None

    def __post_init__(self) -> None:
        """Refuse a need that nothing fills."""
        for need in sorted(self.needs - {*NEEDS}):
            raise UnknownName("need", need, NEEDS)

    def __call__(self, options: Mapping[str, str]) -> RecipeTrainer[OptionsT]:
        """A trainer with options of the command line.

        Raises:
            UsageError: an option is unknown or cannot train.
        """
        return RecipeTrainer(self, read_settings(self.options, options, "option"))

    @property
    def info(self) -> TrainerInfo:
        """Description, source and options."""
        return TrainerInfo(self.description, self.paper, options_of(self.options))


@dataclass(frozen=True)
class RecipeTrainer(Generic[OptionsT]):
    """A recipe with its options set."""

    recipe: Recipe[OptionsT]
    options: OptionsT

    @property
    def needs_orbits(self) -> bool:
        """As the recipe says."""
        return self.recipe.needs_orbits

    def check(self, suites: Sequence[TrainSuite], budget: Budget, seed: int) -> None:
        """Refuse a budget below one step, and more suites than a step has problems."""
        check_plan(self.options, suites, budget, seed)

    def config(self) -> Mapping[str, Any]:
        """Every option with its value."""
        return asdict(self.options)

    def reward(self, record: GroupRecord) -> FloatArray:
        """The reward of every rollout of an orbit, shape (V, G)."""
        return self.recipe.rule(record, self.options)

    def figures(self, record: GroupRecord) -> Mapping[str, float]:
        """What the recipe logs of an orbit beside what all log."""
        return self.recipe.figures(record, self.options) if self.recipe.figures else {}

    def game(self, correct_Z: NDArray[np.bool_]) -> tuple[Objective, float] | None:
        """The recipe's objective and β; None where it declares none, or scaling or tempering changes the game."""
        if self.recipe.game is None or not self.options.closed:
            return None
        objective = self.recipe.game(self.options, correct_Z)
        return None if objective is None else (objective, self.options.beta)

    def baseline(self, record: GroupRecord, rewards_VG: FloatArray) -> FloatArray:
        """What is subtracted from every reward of an orbit, shape (V, G)."""
        return baselines(self.reward, record, rewards_VG, self.options.baseline)

    def predicted(
        self, log_p0_VZ: FloatArray, correct_Z: NDArray[np.bool_], unanswered: int | None
    ) -> FloatArray | None:
        """Where the expected update at this G, estimator and baseline vanishes; None where no formula says so.

        That is where scaling or tempering changes the game, where a memory makes the update one of the past, where
        a rule asks for what answers alone do not have, and where the iteration finds no fixed point. Of a reward
        at random the rates are enough: no expected update sees its numbers.
        """
        if not self.options.closed or self.options.remembers or self.recipe.needs - {UNIFORM}:
            return None
        options = self.options
        try:
            point = predicted(
                self.reward, log_p0_VZ, correct_Z, options.beta, options.group, options.baseline, unanswered
            )
        except UsageError:
            return None
        return point.log_p_PZ if point.settled else None

    def train(self, request: TrainRequest) -> TrainResult:
        """Train until the budget is used up."""
        from alftbench_trainers.loop.loop import Judging, train_group  # torch, which a list does without

        judging = Judging(self.reward, self.baseline, self.recipe.needs, self.figures)
        return train_group(request, self.options, self.recipe.name, judging)
