"""Do games generalise over prompts?

The declared equilibrium is one of every problem by itself; the network that plays shares its weights. `tiny-sums`
is trained on the first 16 to 256 problems of `sums` at equal generated tokens, so fewer problems come back more
often, and is then listed on problems of either side: those that were trained on (the first ones, so the same at
every size) and held-out ones of the test split. The measure is the total variation from the trained model to the
declared equilibrium of a problem, computed from the listed base: `reached_to_declared` of
`alftbench.equilibrium.stages`. The base's own distance says how far there was to go.

correctness is `vanilla-grpo`, coherence `coherence-grpo` without labels at λ = 3β, both at β = 0.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alftbench.base.tables import Number, Table, columns
from alftbench.equilibrium.quality import declared_game
from alftbench.equilibrium.stages import stage_values
from alftbench.settle.experiments.base import Choice, Experiment, PlainArm, distinct, over, where
from alftbench.settle.experiments.embedded import listed, problems, train
from alftbench.settle.runner import Row
from alftbench.training.train import make_trainer
from alftbench.training.trainer import parse_spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = {"correctness": "vanilla-grpo:beta=0.2", "coherence": "coherence-grpo:beta=0.2,coherence=0.6"}
SIDES = {"trained on": "train", "held out": "test"}
KEPT = ("reached_to_declared", "base_to_declared", "predicted_to_declared", "reached_accuracy", "base_accuracy")


@dataclass(frozen=True)
class Arm(PlainArm):
    """One training run: on so many problems, listed on so many of either side."""

    method: str
    problems: int
    tokens: int
    listed: int
    seed: int


def arms(choice: Choice) -> Iterator[Arm]:
    """Both methods at every number of problems."""
    sizes, tokens, n = ((16, 32, 64, 128, 256), 400_000, 8) if choice.full else ((16, 64, 256), 60_000, 3)
    for size in sizes:
        for seed in choice.seed_list(1, 2):
            yield from (Arm(method, size, tokens, n, seed) for method in METHODS)


def play(arm: Arm) -> Row:
    """Distances and accuracies on both sides, means over the problems listed."""
    method = METHODS[arm.method]
    model, trainer = train(method, arm.problems, arm.tokens, arm.seed), make_trainer(parse_spec(method))
    row: Row = {}
    for side, split in SIDES.items():
        values = []
        for orbit in problems(split, arm.listed):
            traces = listed(model, orbit)
            game = declared_game(trainer, traces.correct_Z)
            assert game is not None, "both methods declare a game"
            values.append(stage_values(traces, game, trainer))
        row[side] = {key: float(np.mean([value[key] for value in values])) for key in KEPT}
    return row


def of_side(rows: Sequence[Row], side: str) -> list[Row]:
    """The rows with the figures of one side under their own names."""
    return [{**row, **row[side]} for row in rows]


def tables(rows: Sequence[Row]) -> list[Table]:
    """Distance to the declared equilibrium on both sides, by number of problems."""
    lines = []
    for method, size in distinct(rows, "method", "problems"):
        runs = where(rows, method=method, problems=size)
        cells = [str(over(of_side(runs, side), "reached_to_declared")) for side in SIDES]
        base = [Number(over(of_side(runs, side), "base_to_declared").mean, ".3f") for side in SIDES]
        right = [str(over(of_side(runs, side), "reached_accuracy")) for side in SIDES]
        lines.append((method, size, *cells, *base, *right))
    sides = [f"{what}: {side}" for what in ("TV", "base's TV", "accuracy") for side in SIDES]
    tokens, n = rows[0]["tokens"], rows[0]["listed"]
    caption = f"{tokens:,} tokens a run, {n} problems a side listed, mean ± sd over seeds"
    headings = columns("method", "problems", *sides)
    return [Table("Distance to the declared equilibrium", headings, tuple(lines), caption, keys=2)]


def answer(rows: Sequence[Row]) -> str:
    """Both methods at the fewest and the most problems."""
    sizes = sorted({row["problems"] for row in rows})
    parts = []
    for method in METHODS:
        ends = []
        for size in (sizes[0], sizes[-1]):
            runs = where(rows, method=method, problems=size)
            near, far = (over(of_side(runs, side), "reached_to_declared").mean for side in SIDES)
            ends.append(f"{far:.2f} held out and {near:.2f} trained on with {size} problems")
        base = over(of_side(where(rows, method=method), "held out"), "base_to_declared").mean
        parts.append(f"{method} (base {base:.2f}) ends {' against '.join(ends)}")
    return f"After {rows[0]['tokens']:,} tokens the TV to the declared equilibrium: {'; '.join(parts)}."


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """Distance against the number of problems, a panel a method."""
    for axes, method in zip(figure.subplots(1, 2), METHODS, strict=True):
        runs = where(rows, method=method)
        sizes = sorted({run["problems"] for run in runs})
        for i, side in enumerate(SIDES):
            chosen = of_side(runs, side)
            means = [over(where(chosen, problems=size), "reached_to_declared").mean for size in sizes]
            axes.plot(sizes, means, "o-", color=f"C{i}", label=side)
            axes.axhline(over(chosen, "base_to_declared").mean, color=f"C{i}", ls=":", lw=1, label=f"base, {side}")
        axes.set(xscale="log", xticks=sizes, xlabel="problems trained on", title=method, ylim=(0, None))
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
    figure.axes[0].set_ylabel("TV to the declared equilibrium")
    figure.axes[0].legend(frameon=False, fontsize=8)


PROMPTS = Experiment(
    name="prompts",
    question="Do games generalise over prompts?",
    cost="2 minutes (60,000 tokens a run); --full 25 minutes (400,000)",
    version=2,
    arms=arms,
    play=play,
    tables=tables,
    answer=answer,
    draw=draw,
)
