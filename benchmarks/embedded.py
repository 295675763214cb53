"""What making phrasings agree is worth on the embedded model, and how it depends on the mistakes in common.

Nothing is sampled: answer distributions are enumerated, of a model or of its demonstrators, and equilibria solved.
`python benchmarks/embedded.py` with OMP_NUM_THREADS=1 prints

    what the embedded base does, per phrasing, and at lower temperatures;
    the equilibria of soft coherence, of correctness and of entropy with correctness from there;
    the gain of soft coherence, without labels, against the share of mistakes that all phrasings have in common.

The sweep is over the demonstrators' own distributions; `--train SHARE ...` also trains a model at each of these
shares (two minutes each) and enumerates it. `--model M` measures another model, `--quick` a third of the problems.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from alftbench.backends.base import BackendOptions, TraceBounds
from alftbench.backends.hf.backend import HfBackend
from alftbench.backends.model_files import fingerprint, locate
from alftbench.base.arrays import FloatArray
from alftbench.equilibrium.quality import orbit_traces
from alftbench.equilibrium.traces import OrbitListing
from alftbench.games import Coherence, Correctness, Diversity, Game, Objective, solve
from alftbench.suites.arithmetic import SPLITS, SUM_PHRASINGS, SUMS, sum_pairs
from alftbench.suites.base import Suite
from alftbench.suites.grade import graded
from alftbench.types import Orbit, SamplingParams
from alftbench_trainers.tiny.demonstrators import SHARE_IN_COMMON, sum_answers
from alftbench_trainers.tiny.pretrain import PretrainConfig, pretrain

BETA = 0.1
RATIOS = (1.0, 2.0, 5.0)  # λ/β of soft coherence
TEMPERATURES = (1.0, 0.85, 0.7, 0.55, 0.4, 0.25, 0.1)
SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0)
BOUNDS = TraceBounds(mass=0.02, prefixes=200_000)
PROBLEMS = {"sums": 12, "splits": 6}
DRAWS = 16


@dataclass(frozen=True, eq=False)
class Answers:
    """What the V phrasings of a problem answer: p(z) of each, shape (V, Z); no answer is the last class."""

    p_VZ: FloatArray
    correct_Z: FloatArray


@dataclass(frozen=True)
class Figures:
    """Over problems: accuracy, agreement within and across phrasings, distinct right answers in 16 draws."""

    accuracy: float
    within: float
    across: float
    distinct_right: float

    @property
    def coherence(self) -> float:
        """How often two phrasings agree, relative to how often one agrees with itself."""
        return self.across / self.within


def figures(problems: Sequence[Answers]) -> Figures:
    """The figures of answer distributions, means over problems."""
    rows = []
    for problem in problems:
        p_VZ, V = problem.p_VZ, len(problem.p_VZ)
        answered_VZ = p_VZ[:, :-1]
        within = float((answered_VZ**2).sum(axis=1).mean())
        across = float(((answered_VZ.sum(axis=0) ** 2).sum() - V * within) / (V * (V - 1)))
        distinct = (1 - (1 - p_VZ) ** DRAWS) @ problem.correct_Z
        rows.append((float((p_VZ @ problem.correct_Z).mean()), within, across, float(distinct.mean())))
    return Figures(*np.mean(rows, axis=0).tolist())


def enumerated(model: HfBackend, suite: Suite, orbits: Iterable[Orbit], temperature: float) -> list[Answers]:
    """The answer distributions of a model; what was not listed counts as no answer."""
    params = replace(suite.info.sampling, temperature=temperature)
    return [listed(model, suite, orbit, params) for orbit in orbits]


def listed(model: HfBackend, suite: Suite, orbit: Orbit, params: SamplingParams) -> Answers:
    """The answer distributions of one orbit."""
    lists = model.traces(model, orbit.variants, params, BOUNDS)
    assert lists is not None, f"{orbit.problem.id}: more prefixes than {BOUNDS.prefixes}"
    listing = OrbitListing.of(lists)
    traces_V = orbit_traces(graded(suite, orbit, listing.samples, None), listing, BOUNDS.mass)
    Z = traces_V.correct_Z.size
    p_VZ = np.stack(
        [
            np.bincount(answer_Y, weights=np.exp(log_prob_MY[0]), minlength=Z)
            for answer_Y, log_prob_MY in zip(traces_V.answer_V, traces_V.log_prob_V, strict=True)
        ]
    )
    p_VZ[:, -1] += 1 - p_VZ.sum(axis=1)
    return Answers(p_VZ, traces_V.correct_Z.astype(float))


def equilibrium(problems: Sequence[Answers], game: Callable[[FloatArray], Objective]) -> list[Answers]:
    """The policies that solve a game from here, problem by problem."""
    solved = []
    for problem in problems:
        solution = solve(Game.from_marginals(problem.p_VZ, game(problem.correct_Z), BETA))
        assert solution.converged, solution.message
        solved.append(Answers(solution.p_PZ, problem.correct_Z))
    return solved


def soft_coherence(ratio: float) -> Callable[[FloatArray], Objective]:
    """The game of soft coherence at this λ/β."""
    return lambda correct_Z: Coherence(ratio * BETA)


def games() -> dict[str, Callable[[FloatArray], Objective]]:
    """What is solved from the base, by name."""
    coherence = {f"soft coherence, λ/β = {ratio:g}, no labels": soft_coherence(ratio) for ratio in RATIOS}
    return {
        **coherence,
        "correctness, η = 1": lambda correct_Z: Correctness(correct_Z),
        "entropy, λ = 0.1, η = 1": lambda correct_Z: Diversity(0.1, correct_Z),
    }


def demonstrated(share: float, step: int) -> list[Answers]:
    """The demonstrators' answers to every `step`-th test problem of `sums`, some mistakes in common."""
    return [
        as_answers([sum_answers(a, b, phrasing, share) for phrasing in SUM_PHRASINGS], str(a + b))
        for a, b in sum_pairs("test")[::step]
    ]


def as_answers(rows: Sequence[dict[str, float]], right: str) -> Answers:
    """Distributions by name as one array, with a last class that nobody gives."""
    names = sorted(set().union(*rows))
    p_VZ = np.array([[*(row.get(name, 0.0) for name in names), 0.0] for row in rows])
    return Answers(p_VZ, np.array([float(name == right) for name in [*names, None]]))


def sharpened(problems: Sequence[Answers], temperature: float) -> list[Answers]:
    """Every distribution to the power 1/T, normalised: the demonstrators surer of what they say."""
    return [
        Answers(power / power.sum(axis=1, keepdims=True), problem.correct_Z)
        for problem in problems
        for power in [problem.p_VZ ** (1 / temperature)]
    ]


def at_within(line: Sequence[Figures], within: float) -> float:
    """The accuracy of the base tempered until it agrees with itself so often; linear between temperatures."""
    ordered = sorted(line, key=lambda figure: figure.within)
    return float(np.interp(within, [f.within for f in ordered], [f.accuracy for f in ordered]))


def row(name: str, figure: Figures, *more: str) -> str:
    """A line of a table."""
    cells = (figure.accuracy, figure.coherence, figure.within, figure.across)
    numbers = [*(f"{cell:.3f}" for cell in cells), f"{figure.distinct_right:.1f}", *more]
    return f"| {name} | {' | '.join(numbers)} |"


def print_model(model: HfBackend, suite: Suite, limit: int) -> None:
    """What the model does on a suite, tempered, and the equilibria from there."""
    orbits = suite.orbits("test", None)[:limit]
    base = enumerated(model, suite, orbits, 1.0)
    line = [figures(base), *(figures(enumerated(model, suite, orbits, T)) for T in TEMPERATURES[1:])]
    print(f"\n{suite.info.name}: {limit} test problems, enumerated but for {BOUNDS.mass}, β = {BETA}\n")
    print_phrasings(base, [variant.name for variant in orbits[0].variants])
    print(f"\n| | accuracy | coherence | within | across | right@{DRAWS} | tempered to the same within | TV |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for T, figure in zip(TEMPERATURES, line, strict=True):
        print(row(f"base at temperature {T}", figure, "", ""))
    for name, game in games().items():
        solved = equilibrium(base, game)
        figure = figures(solved)
        print(row(name, figure, f"{at_within(line, figure.within):.3f}", f"{distance(base, solved):.3f}"))


def print_phrasings(problems: Sequence[Answers], names: Sequence[str]) -> None:
    """Each phrasing's accuracy, and how often its likeliest answer is right."""
    print("| phrasing | accuracy | likeliest answer right |\n| --- | ---: | ---: |")
    for v, name in enumerate(names):
        accuracy = np.mean([x.p_VZ[v] @ x.correct_Z for x in problems])
        mode = np.mean([x.correct_Z[x.p_VZ[v].argmax()] for x in problems])
        print(f"| {name} | {accuracy:.3f} | {mode:.2f} |")


def distance(before: Sequence[Answers], after: Sequence[Answers]) -> float:
    """Total variation between answer distributions, mean over phrasings and problems."""
    pairs = zip(before, after, strict=True)
    return float(np.mean([np.abs(x.p_VZ - y.p_VZ).sum(axis=1).mean() / 2 for x, y in pairs]))


def print_sweep(sources: Iterable[tuple[str, list[Answers], list[Figures]]]) -> None:
    """The gain of soft coherence for each base: its name, its answers and its figures when tempered."""
    print("\n| mistakes in common | base: accuracy, coherence | λ/β = 1: accuracy, gain | 2: | 5: |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, base, line in sources:
        start = figures(base)
        cells = [f"{start.accuracy:.3f}, {start.coherence:.3f}"]
        for ratio in RATIOS:
            figure = figures(equilibrium(base, soft_coherence(ratio)))
            beyond = figure.accuracy - at_within(line, figure.within)
            cells.append(f"{figure.accuracy:.3f}, {figure.accuracy - start.accuracy:+.3f} ({beyond:+.3f})")
        print(f"| {name} | {' | '.join(cells)} |")
    print("\nIn brackets: beyond the base tempered until its phrasings agree with themselves as often,")
    print("and beyond the base as it is where that is less often.")


def tabular(step: int) -> Iterable[tuple[str, list[Answers], list[Figures]]]:
    """The demonstrators at every share."""
    for share in SHARES:
        base = demonstrated(share, step)
        yield f"{share:g}", base, [figures(sharpened(base, T)) for T in TEMPERATURES]


def trained(shares: Sequence[float], limit: int) -> Iterable[tuple[str, list[Answers], list[Figures]]]:
    """A model taught at each share, enumerated on the first test problems of `sums`."""
    orbits = SUMS.orbits("test", None)[:limit]
    for share in shares:
        with tempfile.TemporaryDirectory() as folder:
            if share != SHARE_IN_COMMON:
                pretrain(PretrainConfig(share_in_common=share), Path(folder))
            model = HfBackend(locate("tiny-sums") if share == SHARE_IN_COMMON else folder, BackendOptions())
            at = [enumerated(model, SUMS, orbits, T) for T in TEMPERATURES]
        yield f"{share:g}, trained", at[0], [figures(answers) for answers in at]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tiny-sums")
    parser.add_argument("--train", type=float, nargs="*", metavar="SHARE", default=[])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    part = 3 if options.quick else 1
    folder = locate(options.model)
    print(f"{options.model}, sha256 {fingerprint(folder)}", flush=True)
    model = HfBackend(folder, BackendOptions())
    for suite in (SUMS, SPLITS):
        print_model(model, suite, PROBLEMS[suite.info.name] // part)
    print_sweep(tabular(part))
    if options.train:
        print_sweep(trained(options.train, PROBLEMS["sums"] // part))


if __name__ == "__main__":
    main()
