"""Coverage of intervals, size and power of paired tests, by simulation where the truth is known.

    python benchmarks/intervals.py [repetitions]

A cell has S seeds, P problems, n samples. Problem p is solved at seed s with the chance logit⁻¹(a_p + b_s + c_sp),
with a of standard deviation 1.5 and, where seeds differ, b of 0.15 and c of 0.3 (points of accuracy: about 3 and
6). The candidate and the baseline share a_p and nothing else. Asked of each cell: does the interval of the mean
hold the true mean, is a difference of 0 called one, and, in one cell, is one of 6 points found.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from alftbench.base.arrays import FloatArray
from alftbench.base.stats import mean_interval, paired_difference

PROBLEM_SD, SEED_SD, BOTH_SD = 1.5, 0.15, 0.3
COVERAGE = {0.5: 0.93, 0.92: 0.90}  # at least, by accuracy
SIZE, POWER = 0.07, 0.45  # at most, at least
ERRORS = 3  # of simulation, that a bar may be missed by
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(61)


@dataclass(frozen=True)
class Cell:
    """What is simulated: `accuracy` is the true mean, `gain` what the candidate has more."""

    accuracy: float
    seeds_differ: bool
    n_seeds: int
    n_problems: int
    n_samples: int
    gain: float = 0.0


CELLS = [
    Cell(accuracy, differ, S, P, n)
    for accuracy, differ, S, P, n in product(COVERAGE, (False, True), (1, 3, 5), (30, 100, 500), (1, 4, 16))
    if S > 1 or not differ
]
POWER_CELL = Cell(0.5, False, 3, 100, 4, gain=0.06)


@dataclass(frozen=True)
class Found:
    """How often the interval held the truth, and how often the test called a difference."""

    cell: Cell
    repetitions: int
    coverage: float
    called: float

    @property
    def power(self) -> float:
        """How often the difference was called, where there is one."""
        return self.called

    def slack(self, share: float) -> float:
        """So many standard errors of a share in this many repetitions."""
        return ERRORS * sqrt(share * (1 - share) / self.repetitions)

    def faults(self) -> list[str]:
        """The bars that were missed by more than simulation errors."""
        least = COVERAGE[self.cell.accuracy]
        missed = []
        if self.coverage < least - self.slack(least):
            missed.append(f"coverage {self.coverage:.3f} is below {least}")
        if self.cell.gain:
            if self.called < POWER - self.slack(POWER):
                missed.append(f"power {self.called:.3f} is below {POWER}")
        elif self.called > SIZE + self.slack(SIZE):
            missed.append(f"size {self.called:.3f} is above {SIZE}")
        return missed


def centre(accuracy: float, deviation: float) -> float:
    """The mean logit at which the mean chance is `accuracy`."""
    return float(brentq(lambda mean: expit(mean + deviation * NODES) @ WEIGHTS / WEIGHTS.sum() - accuracy, -9, 9))


def tables(cell: Cell, rng: np.random.Generator) -> Iterator[FloatArray]:
    """The shares of right answers of the baseline and of the candidate, each of shape (S, P)."""
    S, P = cell.n_seeds, cell.n_problems
    seed_sd, both_sd = (SEED_SD, BOTH_SD) if cell.seeds_differ else (0.0, 0.0)
    problem_P = rng.normal(0, PROBLEM_SD, P)
    for accuracy in (cell.accuracy, cell.accuracy + cell.gain):
        mean = centre(accuracy, sqrt(PROBLEM_SD**2 + seed_sd**2 + both_sd**2))
        logits_SP = mean + problem_P + rng.normal(0, seed_sd, (S, 1)) + rng.normal(0, both_sd, (S, P))
        yield rng.binomial(cell.n_samples, expit(logits_SP)) / cell.n_samples


def simulate(cell: Cell, repetitions: int, seed: int = 0) -> Found:
    """Repeat a cell."""
    rng, held, called = np.random.default_rng(seed), 0, 0
    for _ in range(repetitions):
        baseline_SP, candidate_SP = tables(cell, rng)
        interval = mean_interval(baseline_SP, (0.0, 1.0))
        held += interval.low <= cell.accuracy <= interval.high
        called += paired_difference(candidate_SP, baseline_SP).p_value < 0.05
    return Found(cell, repetitions, held / repetitions, called / repetitions)


def main(repetitions: int) -> int:
    """Print every cell; 1 where a bar is missed."""
    bad = 0
    for cell in (*CELLS, POWER_CELL, replace(POWER_CELL, n_seeds=1), replace(POWER_CELL, n_seeds=5)):
        found = simulate(cell, repetitions)
        faults = found.faults() if cell.n_seeds == POWER_CELL.n_seeds or not cell.gain else []
        bad += len(faults)
        seeds = "seeds differ" if cell.seeds_differ else "seeds alike"
        what = f"power at +{cell.gain}" if cell.gain else "size"
        print(
            f"accuracy {cell.accuracy:.2f}, {seeds}, "
            f"S {cell.n_seeds}, P {cell.n_problems:3d}, n {cell.n_samples:2d}: "
            f"coverage {found.coverage:.3f}, {what} {found.called:.3f}  {'; '.join(faults)}"
        )
    print(f"{bad} bars missed")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
