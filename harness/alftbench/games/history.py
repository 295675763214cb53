"""What a solver saw on its way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class History:
    """Nash gap and value at every recorded iteration; of two learning players also their average regrets.

    The sum of the two regrets is never below the gap of the averaged pair.
    """

    gap_T: tuple[float, ...] = ()
    value_T: tuple[float, ...] = ()
    policy_regret_T: tuple[float, ...] = ()
    target_regret_T: tuple[float, ...] = ()
