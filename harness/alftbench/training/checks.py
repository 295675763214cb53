"""What a training run is refused for: no budget, problems that it is tested on, a cost beyond its budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from alftbench.errors import AlftbenchError, UsageError
from alftbench.suites.base import Suite
from alftbench.suites.load import TEST, Selection
from alftbench.suites.tables.table import TableSuite
from alftbench.types import Budget, Cost, Orbit


def check_budget(budget: Budget) -> None:
    """Refuse a budget that says nothing or nothing positive."""
    if budget.tokens is None and budget.steps is None:
        raise UsageError("give a budget: --budget-tokens T or --steps N")
    for name, value in (("--budget-tokens", budget.tokens), ("--steps", budget.steps)):
        if value is not None and value < 1:
            raise UsageError(f"{name} {value}: must be at least 1")


def check_not_tested(suite: Suite, orbits: Sequence[Orbit], selection: Selection) -> None:
    """Training on test problems measures memory.

    Raises:
        UsageError: the file is the recorded one of the test split, or problems are also in the test split.
    """
    name, data = suite.info.name, selection.data
    if TEST.split not in suite.info.splits:
        return
    is_file = data is not None and Path(data).is_file()
    if is_file and isinstance(suite, TableSuite) and suite.is_recorded(TEST.split, Path(str(data))):
        raise UsageError(f"--data {data}: this is the recorded test split of {name}; train on other problems")
    if is_file:
        return  # one file holds one split: there is no other to compare it with
    try:
        tested = {orbit.problem.question for orbit in suite.orbits(TEST.split, data)}
    except AlftbenchError:
        return  # the test problems are not at hand
    if shared := tested & {orbit.problem.question for orbit in orbits}:
        raise UsageError(
            f"suite {name}: {len(shared)} training problems are in its test split too, such as "
            f"{min(shared)[:80]!r}; train on other problems"
        )


def beyond(cost: Cost, steps: int, budget: Budget) -> str:
    """What no training run within its budget costs; empty where all is well."""
    if not all(math.isfinite(spent) and spent >= 0 for spent in asdict(cost).values()):
        return "its cost is negative or not finite"
    if budget.tokens is not None and cost.generated_tokens > budget.tokens:
        return f"it generated {cost.generated_tokens} tokens with a budget of {budget.tokens}"
    if budget.steps is not None and steps > budget.steps:
        return f"it took {steps} steps with a budget of {budget.steps}"
    return ""
