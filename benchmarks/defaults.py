"""Where trainers with given options should end and will: declared and predicted answers on training problems.

The embedded base's answers are listed, games solved and expected updates followed to their fixed points; nothing
is trained. `python benchmarks/defaults.py` with OMP_NUM_THREADS=1 prints what the defaults were chosen from;
`python benchmarks/defaults.py diversity-game:diversity=0.2,group=4 …` any others. `--half 2` takes the second half
of the training problems, on which a choice made on the first is checked; no test problem is looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch

from alftbench.backends.base import BackendOptions, TraceBounds
from alftbench.backends.hf.backend import HfBackend
from alftbench.backends.model_files import locate
from alftbench.equilibrium.from_traces import OrbitTraces
from alftbench.equilibrium.quality import declared_game, orbit_traces
from alftbench.equilibrium.stages import StageValues, stage_values
from alftbench.equilibrium.traces import OrbitListing
from alftbench.suites.arithmetic import SPLITS, SUMS
from alftbench.suites.base import Suite
from alftbench.suites.grade import graded
from alftbench.training.train import make_trainer
from alftbench.training.trainer import parse_spec

COHERENT = "coherence-grpo:coherence={},estimator={},pooled={},group={},baseline={}"
DIVERSE = "diversity-game:diversity={},estimator={},group={},baseline={}"
OPTIMAL, JACKKNIFE = "variance-optimal", "jackknife"
SPECS = (
    "vanilla-grpo",
    DIVERSE.format(0.1, "plug-in", 4, "mean"),
    DIVERSE.format(0.1, "plug-in", 8, JACKKNIFE),
    DIVERSE.format(0.1, OPTIMAL, 4, JACKKNIFE),
    DIVERSE.format(0.1, OPTIMAL, 8, "mean"),
    DIVERSE.format(0.1, OPTIMAL, 8, JACKKNIFE),
    DIVERSE.format(0.2, OPTIMAL, 8, JACKKNIFE),
    COHERENT.format(0.2, OPTIMAL, "digamma", 8, JACKKNIFE),
    COHERENT.format(0.4, "plug-in", "plug-in", 4, "mean"),
    COHERENT.format(0.4, "plug-in", "plug-in", 8, JACKKNIFE),
    COHERENT.format(0.4, "digamma", "digamma", 8, JACKKNIFE),
    COHERENT.format(0.4, OPTIMAL, "plug-in", 8, JACKKNIFE),
    COHERENT.format(0.4, OPTIMAL, "digamma", 4, JACKKNIFE),
    COHERENT.format(0.4, OPTIMAL, "digamma", 8, "mean"),
    COHERENT.format(0.4, OPTIMAL, "digamma", 8, JACKKNIFE),
    COHERENT.format(0.6, OPTIMAL, "digamma", 8, JACKKNIFE),
    COHERENT.format(0.8, OPTIMAL, "digamma", 8, JACKKNIFE),
)
MASS = {"sums": 0.02, "splits": 0.05}


def listed(suite: Suite, model: HfBackend, half: int, problems: int) -> list[OrbitTraces]:
    """What the base answers to the first problems of a half of the training problems."""
    orbits = list(suite.orbits("train"))
    middle = len(orbits) // 2
    traces = []
    for orbit in (orbits[:middle] if half == 1 else orbits[middle:])[:problems]:
        bounds = TraceBounds(MASS[suite.info.name], 200_000)
        lists = model.traces(model, orbit.variants, suite.info.sampling, bounds)
        assert lists is not None
        listing = OrbitListing.of(lists)
        traces.append(orbit_traces(graded(suite, orbit, listing.samples, None), listing, bounds.mass))
    return traces


def line(values: Sequence[StageValues]) -> str:
    """The means of a suite's problems in a line of a table."""
    mean = {name: float(np.mean([row[name] for row in values])) for name in values[0]}

    def stage(name: str) -> str:
        within = mean[f"{name}_agreement_within"]
        parts = (mean[f"{name}_accuracy"], mean[f"{name}_agreement"] / within, within)
        return " ".join(f"{part:.2f}" for part in parts) + f" {mean[f'{name}_distinct_right']:.1f}"

    away, bias = mean["base_to_declared"], mean["predicted_to_declared"]
    return f"{stage('declared')} | {stage('predicted')} | {away:.3f} | {bias:.3f} ({bias / away:.0%})"


def main() -> None:
    """Print a table per suite."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*", default=SPECS)
    parser.add_argument("--half", type=int, choices=(1, 2), default=1)
    parser.add_argument("--problems", type=int, default=8, help="of sums; half as many of splits")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = HfBackend(str(locate("tiny-sums")), BackendOptions("cpu", "float32"))
    for suite, problems in ((SUMS, options.problems), (SPLITS, max(1, options.problems // 2))):
        traces = listed(suite, model, options.half, problems)
        what = "accuracy, coherence, agreement within, distinct right of 8"
        print(f"\n{suite.info.name}, {len(traces)} training problems: {what}\n")
        print("| options | declared | predicted | TV base to declared | predicted to declared |")
        print("| --- | --- | --- | --- | --- |")
        for spec in options.specs:
            trainer = make_trainer(parse_spec(spec))
            games = [(each, declared_game(trainer, each.correct_Z)) for each in traces]
            print(f"| `{spec}` | {line([stage_values(each, game, trainer) for each, game in games if game])} |")


if __name__ == "__main__":
    main()
