"""Are the verdicts of equilibrium quality honest? Boards of synthetic problems whose truth is known.

Every cell is a kind of problem (answers, their law, phrasings, samples, objective) with a policy that is at the
equilibrium, halfway to it in log-probability, or still the reference. A board judges 30 fresh problems as
`alftbench compare` does. Run `python benchmarks/quality.py OUT.jsonl`; cells come in random order, so it can be
stopped at any time, and `python benchmarks/quality.py OUT.jsonl --tables` shows what there is; `--quick` in place
of OUT.jsonl judges a few cells and shows them. OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from alftbench.equilibrium.from_samples import Declared, OrbitDraws, estimate
from alftbench.games import Coherence, Consensus, Correctness, Diversity, Game, solve, total_variation
from alftbench.games.numerics import log_normalise
from alftbench.publish.comparison import quality_value

PROBLEMS, BOARDS = 30, {"equilibrium": 3, "halfway": 1, "reference": 1}
MOVED = {"equilibrium": 1.0, "halfway": 0.5, "reference": 0.0}
QUICK_PARTS = 48
FIGURES = ("marginal_error", "nash_gap")
GRID = {
    "objective": ("correctness", "diversity", "coherence", "consensus"),
    "law": ("zipf 0.8", "zipf 1.2", "zipf 1.5", "dirichlet"),
    "V": (1, 3, 6),
    "Z": (5, 20, 200, 1000),
    "n": (8, 16, 64),
}
DECLARED: dict[str, Callable[[np.ndarray, np.ndarray], Declared]] = {
    "correctness": lambda correct_Z, log_q_Z: (Correctness(correct_Z * 1.0), 0.5),
    "diversity": lambda correct_Z, log_q_Z: (Diversity(0.3, correct_Z * 1.0), 0.3),
    "coherence": lambda correct_Z, log_q_Z: (Coherence(1.0), 0.1),
    "consensus": lambda correct_Z, log_q_Z: (Consensus(0.3, log_q_Z), 0.3),
}


def reference(law: str, V: int, Z: int, rng: np.random.Generator) -> np.ndarray:
    """Log answer marginals of V phrasings that resemble each other."""
    if law == "dirichlet":
        p_VZ = 0.7 * rng.dirichlet(np.full(Z, 0.3)) + 0.3 * rng.dirichlet(np.full(Z, 0.3), size=V)
    else:
        p_VZ = rng.permutation(1 / np.arange(1, Z + 1) ** float(law.split()[1])) * rng.gamma(2, 1, (V, Z))
    return log_normalise(np.log(np.maximum(p_VZ, 1e-9)))


def sample(log_p_VZ: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    p_VZ = np.exp(log_normalise(log_p_VZ))
    return np.stack([rng.choice(p_Z.size, size=n, p=p_Z) for p_Z in p_VZ])


def problem(cell: dict, moved: float, rng: np.random.Generator) -> dict:
    """Figures of one problem and the truth."""
    log_p0_VZ = reference(cell["law"], cell["V"], cell["Z"], rng)
    correct_Z = np.arange(cell["Z"]) == log_p0_VZ.mean(0).argmax()
    log_q_Z = log_normalise(np.log(np.exp(log_p0_VZ).mean(0)))
    declared = DECLARED[cell["objective"]]
    game = Game.from_log_marginals(log_p0_VZ, *declared(correct_Z, log_q_Z))
    log_star_VZ = solve(game).log_p_PZ
    log_p_VZ = log_normalise(moved * log_star_VZ + (1 - moved) * log_p0_VZ)
    policy_VN, reference_VN = sample(log_p_VZ, cell["n"], rng), sample(log_p0_VZ, cell["n"], rng)
    seen, renamed = np.unique(np.concatenate([policy_VN.ravel(), reference_VN.ravel()]), return_inverse=True)
    renamed = renamed.reshape(2, *policy_VN.shape)
    ratio_VN = np.take_along_axis(log_p_VZ - log_p0_VZ, policy_VN, axis=1)
    draws = OrbitDraws(renamed[0], renamed[1], ratio_VN, correct_Z[seen])
    quality = estimate(draws, declared(correct_Z[seen], log_q_Z[seen]), rng)
    truth = float(total_variation(log_p_VZ, log_star_VZ).mean()), game.gap(log_p_VZ)
    return {name: (getattr(quality, name), exact) for name, exact in zip(FIGURES, truth, strict=True)}


def boards(cell: dict, rng: np.random.Generator) -> dict:
    """Per policy and figure the verdicts of the boards: value, low, resolved, truth."""
    verdicts: dict = {}
    for policy, count in BOARDS.items():
        for _ in range(count):
            problems = [problem(cell, MOVED[policy], rng) for _ in range(PROBLEMS)]
            for name in FIGURES:
                values_P, truth_P = np.array([p[name] for p in problems]).T
                quality = quality_value(name, values_P[None])
                verdict = (quality.value, quality.low, quality.resolved, float(truth_P.mean()))
                verdicts.setdefault(policy, {}).setdefault(name, []).append(verdict)
    return verdicts


def run(out: Path, seed: int = 0, parts: int = 1) -> None:
    """Append a line per cell, in random order; part `seed` of `parts`."""
    cells = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    order = np.random.default_rng(0).permutation(len(cells))
    for place in order[seed::parts]:
        line = {**cells[place], "boards": boards(cells[place], np.random.default_rng((1, int(place))))}
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def rates(lines: Sequence[dict], name: str) -> list[str]:
    """False verdicts at the equilibrium; halfway and at the reference power and value ÷ truth; coverage."""
    verdicts = {p: [tuple(v) for line in lines for v in line["boards"][p][name]] for p in BOARDS}
    false = [resolved for _, _, resolved, _ in verdicts["equilibrium"]]
    covered = [low <= truth + 1e-6 for rows in verdicts.values() for _, low, resolved, truth in rows if resolved]
    cells = [f"{sum(false)}/{len(false)}"]
    for policy in ("halfway", "reference"):
        off = [v for v in verdicts[policy] if v[3] > 1e-3]
        cells.append(f"{sum(v[2] for v in off)}/{len(off)}")
        shares = [v[0] / v[3] for v in off if v[2]]
        cells.append(f"{np.median(shares):.2f}" if shares else "–")
    return [*cells, f"{sum(covered)}/{len(covered)}"]


def tables(out: Path) -> None:
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    print(f"{len(lines)} cells")
    for name in FIGURES:
        for keys in (("objective", "n"), ("objective", "Z"), ("objective", "V"), ("objective", "law")):
            print(f"\n{name}\n| {' | '.join(keys)} | false | halfway | ÷ truth | reference | ÷ truth | covered |")
            print("| --- " * (len(keys) + 6) + "|")
            for values in itertools.product(*(GRID[key] for key in keys)):
                group = [line for line in lines if tuple(line[key] for key in keys) == values]
                if group:
                    print("| " + " | ".join([*map(str, values), *rates(group, name)]) + " |")


def quick() -> None:
    """One cell in `QUICK_PARTS` of the grid, by the same draws as in the whole of it."""
    with tempfile.TemporaryDirectory() as scratch:
        run(Path(scratch) / "cells.jsonl", 0, QUICK_PARTS)
        tables(Path(scratch) / "cells.jsonl")


if __name__ == "__main__":
    if "--quick" in sys.argv:
        quick()
    elif "--tables" in sys.argv:
        tables(Path(sys.argv[1]))
    else:
        run(Path(sys.argv[1]), *map(int, sys.argv[2:4]))
