"""Are the figures of equilibrium quality from samples right, and do they say where they are not?

Boards of 100 synthetic problems of correctness in 6 phrasings whose truth is known, judged as `alftbench compare`
does: how far the ratio estimate is from the true marginal error, which boards say "no power", and how often a
policy at its equilibrium is called off it. Accuracies of the reference are Beta distributed over prompts. Run
`python benchmarks/quality.py`, an hour; `--quick` takes a few boards of some cells. OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import itertools
import sys

import numpy as np

from alftbench.equilibrium.from_samples import OrbitDraws, estimate
from alftbench.games import Correctness, total_variation
from alftbench.games.numerics import log_normalise
from alftbench.publish.comparison import LEAST, Drawn, quality_value
from alftbench.types import QualityValue

PROBLEMS, PHRASINGS, WRONG, TRACES = 100, 6, 11, 4
BOARDS, QUICK_BOARDS = 50, 3
ACCURACIES = {0.6: (6, 4), 0.9: (9, 1), 0.33: (3.3, 6.7), 0.1: (1, 9)}
UNEVEN = {0.6: (0.6, 0.4), 0.9: (0.9, 0.1), 0.33: (0.33, 0.67), 0.1: (0.1, 0.9)}
BETAS, DRAWS = (0.1, 0.5), (4, 8, 16)
MOVED = (0.0, 0.15, 0.3, 1.0)  # of the way from the reference to the equilibrium, in log-probability; 1 is there
DRIFT = (0.0, 0.5)  # standard deviation of log π/π₀ among the traces of an answer


def problem(cell: dict, rng: np.random.Generator) -> tuple[OrbitDraws, float]:
    """Draws of a problem, the right answer first, and the true error."""
    right_V = rng.beta(*cell["law"], size=(PHRASINGS, 1))
    wrong_VZ = (1 - right_V) * rng.dirichlet(np.full(WRONG, 0.3), size=PHRASINGS)
    log_p0_VZ = log_normalise(np.log(np.maximum(np.hstack([right_V, wrong_VZ]), 1e-12)))
    correct_Z = np.arange(WRONG + 1) == 0
    log_star_VZ = log_normalise(log_p0_VZ + correct_Z / cell["beta"])
    log_p_VZ = log_normalise((1 - cell["moved"]) * log_p0_VZ + cell["moved"] * log_star_VZ)
    shape = (PHRASINGS, WRONG + 1, TRACES)
    within0 = log_normalise(np.log(rng.dirichlet(np.ones(TRACES), size=shape[:2])))
    within = log_normalise(within0 + cell["drift"] * rng.normal(size=shape))
    policy_VN = np.stack([rng.choice(WRONG + 1, cell["n"], p=np.exp(row)) for row in log_p_VZ])
    reference_VN = np.stack([rng.choice(WRONG + 1, cell["n"], p=np.exp(row)) for row in log_p0_VZ])
    cumulative = np.exp(within).cumsum(-1)[np.arange(PHRASINGS)[:, None], policy_VN]
    trace_VN = np.minimum((rng.random((*policy_VN.shape, 1)) > cumulative).sum(-1), TRACES - 1)
    ratio_VN = np.take_along_axis(log_p_VZ - log_p0_VZ, policy_VN, axis=1)
    ratio_VN += (within - within0)[np.arange(PHRASINGS)[:, None], policy_VN, trace_VN]
    draws = OrbitDraws(policy_VN, reference_VN, ratio_VN, correct_Z)
    return draws, float(total_variation(log_p_VZ, log_star_VZ).mean())


def board(cell: dict, rng: np.random.Generator) -> tuple[QualityValue, float]:
    """What a table says of the marginal error, and the truth."""
    pairs = [problem(cell, rng) for _ in range(PROBLEMS)]
    figures = [estimate(draws, (Correctness(draws.correct_Z * 1.0), cell["beta"])) for draws, _ in pairs]
    drawn = Drawn(cell["n"], True, float(np.mean([figure.blind for figure in figures])))
    error = quality_value("marginal_error", np.array([[figure.marginal_error for figure in figures]]), drawn)
    return error, float(np.mean([truth for _, truth in pairs]))


def judge(cell: dict, boards: int) -> str:
    """A row: mean estimate and truth, the largest miss of boards with power, boards without, false calls."""
    rng = np.random.default_rng(
        (0, *(int(1000 * cell[name]) for name in ("accuracy", "beta", "moved", "drift", "n")))
    )
    pairs = [board(cell, rng) for _ in range(boards)]
    misses = [abs(error.value - truth) for error, truth in pairs if not error.no_power]
    false = sum(error.low > LEAST and not error.no_power for error, _ in pairs) if cell["moved"] == 1 else "–"
    names = ("accuracy", "uneven", "beta", "drift", "n", "moved")
    value, truth = (np.mean([pair[0].value for pair in pairs]), np.mean([truth for _, truth in pairs]))
    worst = f"{max(misses):.3f}" if misses else "–"
    cells = [*(cell[name] for name in names), f"{value:.3f}", f"{truth:.3f}", worst, boards - len(misses), false]
    return "| " + " | ".join(map(str, cells)) + " |"


def main(quick: bool) -> None:
    """Print the table; `quick` leaves out other n and all drift but at the equilibrium."""
    boards = QUICK_BOARDS if quick else BOARDS
    print(
        f"| accuracy | uneven | β | drift | n | moved | estimate | truth | worst | no power of {boards} | false |"
    )
    print("| --- " * 11 + "|")
    for laws, beta, drift, n in itertools.product((ACCURACIES, UNEVEN), BETAS, DRIFT, DRAWS):
        if quick and (n != 8 or drift or beta != BETAS[0]):
            continue
        for (accuracy, law), moved in itertools.product(laws.items(), MOVED):
            cell = {"accuracy": accuracy, "law": law, "beta": beta, "drift": drift, "n": n, "moved": moved}
            print(judge({**cell, "uneven": "yes" if laws is UNEVEN else "no"}, boards), flush=True)


if __name__ == "__main__":
    main("--quick" in sys.argv)
