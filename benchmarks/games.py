"""Speed of the game core: against a general convex solver, and on a million traces.

Both solvers get the same answer marginals in memory. The general solver is CVXPY with Clarabel: its whole
call, as a user makes it, and Clarabel's own time alone. Run `python benchmarks/games.py` with
OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import cvxpy as cp
import numpy as np

from alftbench.games import Coherence, Diversity, Game, Objective, Prompt, Solution, solve

ANSWERS, PROMPTS = 50, 8
BETA, LAMBDA = 0.5, 1.0
REPEATS = 7


def seconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall time."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def convex_problem(p0_PZ: np.ndarray, name: str) -> cp.Problem:
    w = np.full(PROMPTS, 1 / PROMPTS)
    p = cp.Variable(p0_PZ.shape)
    cost = BETA * (w @ cp.sum(cp.rel_entr(p, p0_PZ), axis=1))
    if name == "coherence":
        q = cp.vstack([w @ p] * PROMPTS)
        cost += LAMBDA * (w @ cp.sum(cp.rel_entr(p, q), axis=1))
    else:
        cost += LAMBDA * (w @ cp.sum(-cp.entr(p), axis=1))
    return cp.Problem(cp.Minimize(cost), [cp.sum(p, axis=1) == 1])


def against_clarabel() -> None:
    p0 = np.random.default_rng(0).dirichlet(np.ones(ANSWERS), size=PROMPTS)
    objectives: dict[str, Objective] = {
        "coherence": Coherence(LAMBDA),
        "diversity": Diversity(LAMBDA, np.zeros(ANSWERS)),
    }
    print(f"{ANSWERS} answers x {PROMPTS} prompts, median of {REPEATS}")
    for name, objective in objectives.items():
        inner = []

        def general(name: str = name, inner: list[float] = inner) -> float:
            problem = convex_problem(p0, name)
            problem.solve(solver=cp.CLARABEL)
            inner.append(problem.solver_stats.solve_time)
            return float(problem.value)

        # A fresh game each time: nothing that one solve cached may serve the next.
        games = iter([Game.from_marginals(p0, objective, BETA) for _ in range(10 * REPEATS)])
        theirs, ours = seconds(general), seconds(lambda games=games: solve(next(games)), 10 * REPEATS)
        excess = general() - solve(Game.from_marginals(p0, objective, BETA)).value
        print(
            f"  {name:10s} exact {1e3 * ours:7.3f} ms"
            f"   cvxpy+Clarabel {1e3 * theirs:7.1f} ms  x{theirs / ours:6.0f}"
            f"   Clarabel alone {1e3 * np.median(inner):7.1f} ms  x{np.median(inner) / ours:5.0f}"
            f"   their excess value {excess:.1e}"
        )


def many_traces(traces: int, answers: int, prompts: int, objective: Objective) -> tuple[float, float, Solution]:
    """Seconds from raw traces to lifted policy, peak bytes per trace, and the solution."""
    rng = np.random.default_rng(1)
    each = traces // prompts
    orbit = tuple(Prompt(rng.integers(0, answers, each), rng.normal(size=each)) for _ in range(prompts))
    names = tuple(map(str, range(answers)))

    def whole() -> Solution:
        solution = solve(Game(BETA, objective, names, orbit))
        _ = solution.policy
        return solution

    took = seconds(whole, 3)
    tracemalloc.start()
    solution = whole()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return took, peak / traces, solution


def traces() -> None:
    answers = 10_000
    print(f"traces on {answers} answers, from log-probabilities to lifted policy")
    for prompts, objective in ((1, Diversity(LAMBDA, np.zeros(answers))), (8, Coherence(LAMBDA))):
        for count in (1_000_000, 2_000_000):
            took, bytes_each, solution = many_traces(count, answers, prompts, objective)
            print(
                f"  {objective.name:10s} {prompts} prompts {count:9,d} traces  {took:6.3f} s"
                f"   gap {solution.gap:.1e}   peak {bytes_each:5.1f} bytes per trace"
            )


if __name__ == "__main__":
    against_clarabel()
    traces()
