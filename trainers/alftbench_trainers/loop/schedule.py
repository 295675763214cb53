"""What a step trains on, whether the budget holds another, and how far it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alftbench.base.seeds import stream
from alftbench.errors import UsageError
from alftbench.training.trainer import TrainRequest, TrainSuite
from alftbench.types import Budget, Orbit
from alftbench_trainers.loop.options import LoopOptions


@dataclass(frozen=True)
class OrbitItem:
    """A training orbit with the suite that grades it. is_first: it has not been trained on before."""

    orbit: Orbit
    suite: TrainSuite
    is_first: bool = True


def schedule(suites: Sequence[TrainSuite], per_step: int, seed: int, step: int) -> list[OrbitItem]:
    """The orbits of a step: the same number from every suite as far as it divides, in reshuffled passes.

    A function of its arguments alone, so a resumed run meets the same problems.
    """
    share, extra = divmod(per_step, len(suites))
    items = []
    for index, suite in enumerate(suites):
        count = share + (index < extra)
        for position in range(step * count, (step + 1) * count):
            epoch, place = divmod(position, len(suite.orbits))
            order = stream(seed, "schedule", suite.name, epoch).permutation(len(suite.orbits))
            items.append(OrbitItem(suite.orbits[order[place]], suite, epoch == 0))
    return items


def check_plan(options: LoopOptions, suites: Sequence[TrainSuite], budget: Budget, seed: int) -> None:
    """Refuse what cannot train, before the model is loaded.

    Raises:
        UsageError: a step has fewer problems than there are suites, or the budget is below one step.
    """
    if options.orbits < len(suites):
        raise UsageError(f"option orbits={options.orbits}: {len(suites)} suites need one problem each")
    least = longest_step(options, suites, seed, step=0)
    if budget.tokens is not None and budget.tokens < least:
        raise UsageError(f"--budget-tokens {budget.tokens}: one step may take {least}; give more")


def longest_step(options: LoopOptions, suites: Sequence[TrainSuite], seed: int, step: int) -> int:
    """Tokens that a step generates if every one of its rollouts runs to the token limit."""
    items = schedule(suites, options.orbits, seed, step)
    longest = max(item.suite.max_tokens for item in items)
    return options.drawn * longest * sum(len(item.orbit.variants) for item in items)


def has_budget(request: TrainRequest, options: LoopOptions, step: int, tokens: int) -> bool:
    """Does step number `step` fit after `tokens` tokens, however long its rollouts get?"""
    budget = request.budget
    if budget.steps is not None and step >= budget.steps:
        return False
    needed = tokens + longest_step(options, request.suites, request.seed, step)
    return budget.tokens is None or needed <= budget.tokens


def learning_rate(options: LoopOptions, budget: Budget, step: int, tokens: int) -> float:
    """Linear warm-up, then linearly down to a tenth as the budget is used up."""
    warm = min(1.0, (step + 1) / (options.warmup + 1))
    used = max(step / budget.steps if budget.steps else 0.0, tokens / budget.tokens if budget.tokens else 0.0)
    return options.learning_rate * warm * max(0.1, 1 - used)
