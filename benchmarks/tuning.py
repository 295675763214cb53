"""The learning rate of every recipe of the board `zoo`, chosen at one budget each, on training problems alone.

Each recipe is trained at multiples of its default learning rate on the first half of the training problems; the
answers to problems of the second half are then listed. The rate is taken at which the answers come nearest to
those that the recipe's own expected update leads to (`predicted`, the declared equilibrium where a recipe does not
predict): every recipe is asked how well it plays its own game, none how right it gets. No test problem is looked
at.

`python benchmarks/tuning.py` with OMP_NUM_THREADS=1 appends what is missing to results/zoo/tuning.jsonl and prints
the methods of the board; stopped anywhere, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import torch

from alftbench.backends.base import BackendOptions, TraceBounds
from alftbench.backends.hf.backend import HfBackend
from alftbench.backends.model_files import locate
from alftbench.equilibrium.quality import declared_game, orbit_traces
from alftbench.equilibrium.stages import stage_values
from alftbench.equilibrium.traces import OrbitListing
from alftbench.suites.arithmetic import SPLITS, SUMS
from alftbench.suites.base import Suite
from alftbench.suites.grade import graded
from alftbench.training.train import make_trainer
from alftbench.training.trainer import TrainRequest, TrainSuite, parse_spec
from alftbench.types import Budget

RECORD = Path("results/zoo/tuning.jsonl")
MULTIPLES = (0.5, 1.0, 2.0)
TOKENS = 100_000
SEED = 1_000  # none of the board's
LISTED = ((SUMS, 4, 0.02), (SPLITS, 2, 0.1))  # problems of the second half, and what may stay unlisted
DEFAULT = 1.0


@cache
def reference() -> HfBackend:
    """The base, its lists kept for all that a process is asked."""
    torch.set_num_threads(1)
    return HfBackend(str(locate("tiny-sums")), BackendOptions("cpu", "float32"))


def tuned(name: str, multiple: float) -> dict[str, object]:
    """Train a recipe at a multiple of its learning rate; how far its answers are from where it should lead."""
    rate = multiple * make_trainer(parse_spec(name)).options.learning_rate  # type: ignore[attr-defined]
    spec = parse_spec(f"{name}:learning_rate={rate:g}")
    with tempfile.TemporaryDirectory() as folder:
        suites = [(suite, tuple(suite.orbits("train"))) for suite, *_ in LISTED]
        request = TrainRequest(
            model=str(locate("tiny-sums")),
            suites=tuple(train_suite(suite, orbits) for suite, orbits in suites),
            budget=Budget(tokens=TOKENS),
            seed=SEED,
            folder=Path(folder) / "state",
            checkpoint=Path(folder) / "checkpoint",
            device="cpu",
            on_update=lambda _: None,
        )
        request.folder.mkdir()
        result = make_trainer(spec).train(request)
        policy = HfBackend(str(request.checkpoint), BackendOptions("cpu", "float32"))
        values = {
            suite.info.name: measured(make_trainer(spec), policy, suite, problems, mass)
            for suite, problems, mass in LISTED
        }
    return {
        "recipe": name,
        "multiple": multiple,
        "learning_rate": rate,
        "tokens": result.cost.generated_tokens,
        "seconds": round(result.cost.seconds, 1),
        **values,
    }


def train_suite(suite: Suite, orbits: Sequence) -> TrainSuite:  # type: ignore[type-arg]
    """The first half of a suite's training problems."""
    return TrainSuite(suite, tuple(orbits[: len(orbits) // 2]))


def measured(trainer: object, policy: HfBackend, suite: Suite, problems: int, mass: float) -> dict[str, float]:
    """Means of the stages over problems of the second half."""
    orbits = tuple(suite.orbits("train"))
    rows = []
    for orbit in orbits[len(orbits) // 2 :][:problems]:
        bounds = TraceBounds(mass, 200_000)
        lists = policy.traces(reference(), orbit.variants, suite.info.sampling, bounds)
        if lists is None:
            return {}
        listing = OrbitListing.of(lists)
        traces = orbit_traces(graded(suite, orbit, listing.samples, None), listing, mass)
        game = declared_game(trainer, traces.correct_Z)  # type: ignore[arg-type]
        if game is None:
            return {}
        rows.append(stage_values(traces, game, trainer))  # type: ignore[arg-type]
    return {name: round(float(np.mean([row[name] for row in rows])), 5) for name in rows[0]}


def recorded() -> Iterator[dict[str, object]]:
    """What was trained already."""
    if RECORD.exists():
        yield from map(json.loads, RECORD.read_text(encoding="utf-8").splitlines())


def distance(line: dict[str, object]) -> float:
    """Mean over suites of the distance from where the recipe leads; NaN where neither is known."""
    of_suites = []
    for suite, *_ in LISTED:
        values = line[suite.info.name]
        assert isinstance(values, dict)
        pair = (values.get("reached_to_predicted", np.nan), values.get("reached_to_declared", np.nan))
        of_suites.append(pair[0] if np.isfinite(pair[0]) else pair[1])
    return float(np.mean(of_suites))


def chosen(name: str, lines: Sequence[dict[str, object]]) -> str:
    """The recipe with the nearest of its learning rates, as the board names it; its default if none is known."""
    own = [line for line in lines if line["recipe"] == name and np.isfinite(distance(line))]
    best = min(own, key=distance, default=None)
    if best is None or best["multiple"] == DEFAULT:
        return name
    return f"{name}:learning_rate={best['learning_rate']:g}"


def main() -> None:
    """Train what is missing, then print what was chosen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    names = sorted(each.name for each in entry_points(group="alftbench.trainers"))
    there = {(line["recipe"], line["multiple"]) for line in recorded()}
    missing = [(name, m) for m in MULTIPLES for name in names if (name, m) not in there]
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(options.workers) as pool:
        jobs = {pool.submit(tuned, *pair): pair for pair in missing}
        for job in as_completed(jobs):
            with RECORD.open("a", encoding="utf-8") as out:
                out.write(json.dumps(job.result()) + "\n")
    lines = list(recorded())
    for name in names:
        rates = {line["multiple"]: round(distance(line), 3) for line in lines if line["recipe"] == name}
        print(f"{chosen(name, lines):45} {dict(sorted(rates.items()))}")


if __name__ == "__main__":
    main()
