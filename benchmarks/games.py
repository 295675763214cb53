"""Speed of the game core: against a general convex solver, and on a million traces.

Both solvers get the same answer marginals in memory. The general solver is CVXPY with Clarabel, its whole call to
solve; what is timed on either side begins with the problem made and ends with the solution. Times are of the
processor, not of the clock, and the two take turns, so that other work on the machine falls on both. Run
`python benchmarks/games.py` with OMP_NUM_THREADS=1; `--quick` takes fewer turns and the smaller traces only.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial

import cvxpy as cp
import numpy as np

from alftbench.games import (
    Coherence,
    Consensus,
    Constraint,
    Correctness,
    Diversity,
    Game,
    HardCoherence,
    Objective,
    PairwiseCoherence,
    Prompt,
    QuadraticDiversity,
    Solution,
    TargetMatching,
    solve,
)

ANSWERS, PROMPTS = 50, 8
BETA, LAMBDA = 0.5, 1.0
REPEATS, REPEATS_QUICK = 9, 3
TRACES = (1_000_000, 2_000_000)
OURS_PER_TURN = 20


def seconds(call: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def constraints(p0_PZ: np.ndarray, rng: np.random.Generator) -> dict[str, Constraint]:
    """Random half-spaces that cut off the references' average; an equality; rows given twice."""
    A = rng.normal(size=(4, ANSWERS))
    inside = p0_PZ.mean(axis=0)
    b = A @ inside - 0.05
    equal = np.vstack([A[:2], -A[:2]])
    return {
        "constraint, 4 rows": Constraint(A, b),
        "constraint, 2 equalities": Constraint(equal, equal @ inside),
        "constraint, 4 rows twice": Constraint(np.vstack([A, A]), np.concatenate([b, b])),
    }


def objectives(p0_PZ: np.ndarray) -> dict[str, Objective]:
    rng = np.random.default_rng(1)
    bonus = (rng.random(ANSWERS) < 0.3).astype(float)
    log_q = np.log(rng.dirichlet(np.ones(ANSWERS)))
    return {
        "correctness": Correctness(bonus),
        "diversity": Diversity(LAMBDA, np.zeros(ANSWERS)),
        "diversity + correctness": Diversity(LAMBDA, bonus),
        "quadratic diversity": QuadraticDiversity(LAMBDA, np.zeros(ANSWERS)),
        "target matching": TargetMatching(LAMBDA, log_q),
        "coherence": Coherence(LAMBDA),
        "hard coherence": HardCoherence(),
        "frozen consensus": Consensus(LAMBDA, log_q),
        "pairwise coherence": PairwiseCoherence(LAMBDA),
        **constraints(p0_PZ, rng),
    }


def convex_problem(p0_PZ: np.ndarray, F: Objective) -> cp.Problem:
    p = cp.Variable(p0_PZ.shape)
    rules = [cp.sum(p, axis=1) == 1]
    if isinstance(F, HardCoherence):
        rules.append(p[1:] == p[:-1])
    if isinstance(F, Constraint):
        rules.append(p @ F.A_CZ.T <= np.tile(F.b_C, (PROMPTS, 1)))
    anchor = BETA / PROMPTS * cp.sum(cp.rel_entr(p, p0_PZ))
    return cp.Problem(cp.Minimize(anchor + cost(F, p) / PROMPTS), rules)


def cost(F: Objective, p: cp.Variable) -> cp.Expression:
    """P times F."""
    match F:
        case Correctness():
            return -cp.sum(p @ F.bonus_Z)
        case Diversity():
            return -LAMBDA * cp.sum(cp.entr(p)) - cp.sum(p @ F.bonus_Z)
        case QuadraticDiversity():
            return LAMBDA / 2 * cp.sum_squares(p)
        case TargetMatching():
            return LAMBDA * cp.sum(cp.rel_entr(p, np.tile(np.exp(F.log_q_Z), (PROMPTS, 1))))
        case Consensus():
            return -LAMBDA * cp.sum(p @ F.log_q_Z)
        case Coherence():
            return LAMBDA * cp.sum(cp.rel_entr(p, cp.vstack([cp.sum(p, axis=0) / PROMPTS] * PROMPTS)))
        case PairwiseCoherence():
            pairs = [(i, j) for i in range(PROMPTS) for j in range(PROMPTS) if i != j]
            here, there = (p[[pair[side] for pair in pairs]] for side in (0, 1))
            return LAMBDA / PROMPTS * cp.sum(cp.rel_entr(here, there))
    return cp.Constant(0.0)


def race(p0_PZ: np.ndarray, F: Objective, repeats: int) -> tuple[float, float, float]:
    """Median seconds of ours and of theirs, taking turns, and their excess value."""
    ours, theirs = [], []

    for _ in range(repeats):
        # A fresh problem each time: nothing that one solve remembered may serve the next. Neither is timed.
        problem = convex_problem(p0_PZ, F)
        theirs.append(seconds(partial(problem.solve, solver=cp.CLARABEL)))
        for _ in range(OURS_PER_TURN):
            game = Game.from_marginals(p0_PZ, fresh(F), BETA)
            ours.append(seconds(partial(solve, game)))
    return float(np.median(ours)), float(np.median(theirs)), float(problem.value) - solve(game).value


def fresh(F: Objective) -> Objective:
    return Constraint(F.A_CZ, F.b_C) if isinstance(F, Constraint) else F


def against_clarabel(repeats: int) -> None:
    p0 = np.random.default_rng(0).dirichlet(np.ones(ANSWERS), size=PROMPTS)
    print(f"{ANSWERS} answers x {PROMPTS} prompts, processor time, medians of {repeats} turns")
    for name, F in objectives(p0).items():
        ours, theirs, excess = race(p0, F, repeats)
        print(
            f"  {name:24s} exact {1e3 * ours:6.3f} ms"
            f"   cvxpy+Clarabel {1e3 * theirs:7.1f} ms  x{theirs / ours:5.0f}"
            f"   their excess value {excess:.1e}",
            flush=True,
        )


def many_traces(traces: int, answers: int, prompts: int, objective: Objective) -> tuple[float, float, Solution]:
    """Processor seconds from raw traces to lifted policy, peak bytes per trace, and the solution."""
    rng = np.random.default_rng(1)
    each = traces // prompts
    orbit = tuple(Prompt(rng.integers(0, answers, each), rng.normal(size=each)) for _ in range(prompts))
    names = tuple(map(str, range(answers)))

    def whole() -> Solution:
        solution = solve(Game(BETA, objective, names, orbit))
        _ = solution.policy
        return solution

    took = float(np.median([seconds(whole) for _ in range(3)]))
    tracemalloc.start()
    solution = whole()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return took, peak / traces, solution


def traces(counts: Sequence[int]) -> None:
    answers = 10_000
    print(f"traces on {answers} answers, from log-probabilities to lifted policy")
    for prompts, objective in ((1, Diversity(LAMBDA, np.zeros(answers))), (8, Coherence(LAMBDA))):
        for count in counts:
            took, bytes_each, solution = many_traces(count, answers, prompts, objective)
            print(
                f"  {objective.name:10s} {prompts} prompts {count:9,d} traces  {took:6.3f} s"
                f"   gap {solution.gap:.1e}   peak {bytes_each:5.1f} bytes per trace"
            )


if __name__ == "__main__":
    quick = "--quick" in sys.argv
    against_clarabel(REPEATS_QUICK if quick else REPEATS)
    traces(TRACES[:1] if quick else TRACES)
