"""Cost floors: the policy is fitted to samples of the reference, chosen or weighted by their labels; no rollouts.

weighted-sft   weights e^{c/β}: with ever more samples the KL-regularised optimum p₀ e^{c/β}, without any RL
best-of-n      of G samples one that is right, or any where none is: p(right) = 1 − (1 − p₀(right))^G

Weights are scaled to the mean 1 among the G samples of a prompt, so what is fitted on average depends on G, and is
known exactly. Source: BOLT, arXiv 2605.02469, of the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from alftbench.base.arrays import FloatArray
from alftbench.base.validate import above, at_least
from alftbench.games import Correctness
from alftbench.games.objectives import indicator_bonus
from alftbench.games.rewards import GroupRecord, correctness
from alftbench_trainers.fit import Fit
from alftbench_trainers.loop.options import LoopOptions


@dataclass(frozen=True)
class SampleOptions(LoopOptions):
    """Options of fits to samples of the reference."""

    beta: Annotated[float, above(0), "β: a right sample counts e^{1/β} times as much as a wrong one"] = 0.2
    group: Annotated[int, at_least(2), "G, samples of the reference per phrasing"] = 16


@dataclass(frozen=True)
class PickedOptions(LoopOptions):
    """Options of best-of-n; β is of no use to it."""

    group: Annotated[int, at_least(2), "G = n, samples of the reference per phrasing"] = 16


def tilted(samples: GroupRecord, rollouts: GroupRecord | None, options: SampleOptions) -> FloatArray:
    """e^{(c − 1)/β}."""
    return np.asarray(np.exp((correctness(samples) - 1) / options.beta))


def picked(samples: GroupRecord, rollouts: GroupRecord | None, options: PickedOptions) -> FloatArray:
    """The chance that a sample is the one that is picked: 1/C of C right ones, 1/G where none is right."""
    right_V1 = samples.right_V1
    among_right = correctness(samples) / np.maximum(right_V1, 1)
    return np.where(right_V1 > 0, among_right, 1 / samples.group)


def fitted(p0_VZ: FloatArray, correct_Z: NDArray[np.bool_], group: int, odds: float) -> FloatArray:
    """p₀(z) E[w/mean w | z] over the G − 1 other samples of a prompt; a right one counts `odds` times a wrong one.

    Args:
        p0_VZ: answer marginals of the reference.
        correct_Z: whether an answer is right.
        group: G.
        odds: e^{1/β}, or infinite where a wrong one counts only if none is right.
    """
    others = np.arange(group)
    chance_VG = binom.pmf(others, group - 1, (p0_VZ @ correct_Z)[:, None])
    share = 1 / odds
    right_V = (chance_VG * group / (1 + others + (group - 1 - others) * share)).sum(axis=1)
    wrong_G = np.where(others == 0, 1.0, group * share / (others + (group - others) * share + (others == 0)))
    return np.asarray(p0_VZ * np.where(correct_Z, right_V[:, None], (chance_VG @ wrong_G)[:, None]))


WEIGHTED_SFT = Fit(
    name="weighted-sft",
    description="Cost floor: supervised on samples of the reference, a right one weighted by its reward.",
    paper="arXiv 2605.02469",
    options=SampleOptions,
    weights=tilted,
    game=lambda options, correct_Z: Correctness(indicator_bonus(correct_Z)),
    outcome=lambda p0_VZ, correct_Z, options: fitted(p0_VZ, correct_Z, options.group, np.exp(1 / options.beta)),
)

BEST_OF_N = Fit(
    name="best-of-n",
    description="Cost floor: supervised on one right sample of n of the reference, where there is one.",
    paper="",
    options=PickedOptions,
    weights=picked,
    outcome=lambda p0_VZ, correct_Z, options: fitted(p0_VZ, correct_Z, options.group, np.inf),
)
