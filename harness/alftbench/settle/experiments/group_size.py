"""Is the group size a hidden regulariser?

With the plug-in estimate a rollout earns η c(z) − λ log(n(z)/G): the bonus of a rare answer is capped at λ log G.
Where that cap is below the reward η of a right answer, a group of wrong and rare answers cannot outbid one that is
right, whatever λ promises as G grows. So accuracy should depend on λ log G/η and fall where it passes about 1,
while the declared equilibrium p* ∝ (p₀ e^{ηc/β})^{β/(β+λ)} knows of no cap.

Predicted fixed points are exact, from the answers that `tiny-sums` gives to a few problems of `sums`, on a fine
grid of λ log G/η at fixed β. The full size also trains `diversity-game` at a few points of it.

Source: the cap is derived here; the rule is that of arXiv 2604.27166 (Diversity-GRPO).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.base.tables import Number, Table, columns
from alftbench.equilibrium.from_traces import POLICY, common_answers
from alftbench.equilibrium.stages import features, told_answers
from alftbench.games import Diversity, Game, solve
from alftbench.games.objectives import indicator_bonus
from alftbench.games.rewards import FromCounts, GroupRecord, correctness, entropy, predicted
from alftbench.settle.experiments.base import Choice, Experiment, PlainArm, distinct, over, where
from alftbench.settle.experiments.embedded import BaseAnswers, base_answers, listed, problems, train
from alftbench.settle.runner import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUPS, ETA = (4, 8, 16), 1.0
BASELINES = ("mean", "jackknife")
GRID = tuple(round(0.1 * step, 2) for step in range(2, 31))
TRAINED = (0.5, 0.9, 1.1, 1.5, 2.5)


@dataclass(frozen=True)
class Arm(PlainArm):
    """A group size at every λ log G/η of the grid; with tokens, a training run at one.

    caps: λ log G/η. problems: how many of the first training problems the accuracy is a mean over.
    """

    group: int
    baseline: str
    beta: float
    problems: int
    caps: tuple[float, ...] = GRID
    tokens: int = 0
    seed: int = 0


def arms(choice: Choice) -> Iterator[Arm]:
    """Predictions for every group size, baseline and β; in the full size training runs as well."""
    n = 12 if choice.full else 3
    for beta in (0.05, 0.2) if choice.full else (0.1,):
        yield from (Arm(group, baseline, beta, n) for group in GROUPS for baseline in BASELINES)
    if choice.full:
        for seed in choice.seed_list(1, 1):
            for group in GROUPS:
                yield from (Arm(group, "mean", 0.2, 4, (cap,), 200_000, seed) for cap in TRAINED)


def weight_of(cap: float, group: int) -> float:
    """The λ whose cap λ log G is so many η."""
    return float(cap * ETA / np.log(group))


def play(arm: Arm) -> Row:
    """Accuracy predicted, declared and, where trained, reached, along the grid."""
    base = [base_answers("train", index) for index in range(arm.problems)]
    row: Row = {"predicted": [], "declared": [], "reached": []}
    for cap in arm.caps:
        weight = weight_of(cap, arm.group)
        row["predicted"].append(float(np.mean([predicted_accuracy(each, weight, arm) for each in base])))
        row["declared"].append(float(np.mean([declared_accuracy(each, weight, arm.beta) for each in base])))
        if arm.tokens:
            row["reached"].append(_reached(arm, weight))
    return row


def rule(weight: float, record: GroupRecord) -> FloatArray:
    """The reward η c(z) − λ log(n(z)/G)."""
    return ETA * correctness(record) + weight * entropy(record, FromCounts("plug-in"))


def predicted_accuracy(base: BaseAnswers, weight: float, arm: Arm) -> float:
    """Of the fixed points of the expected update next to the base, phrasing by phrasing."""
    log_p_VZ = predicted(
        lambda record: rule(weight, record), base.log_p0_VZ, base.correct_Z, arm.beta, arm.group, arm.baseline
    ).log_p_PZ
    return float(np.exp(log_p_VZ[:, base.correct_Z]).sum(axis=1).mean())


def declared_accuracy(base: BaseAnswers, weight: float, beta: float) -> float:
    """Of the equilibrium with exact targets."""
    objective = Diversity(weight, indicator_bonus(base.correct_Z, ETA))
    solution = solve(Game.from_log_marginals(base.log_p0_VZ, objective, beta))
    return float(solution.p_PZ[:, base.correct_Z].sum(axis=1).mean())


def _reached(arm: Arm, weight: float) -> float:
    """Of a model trained on 64 problems, on those of them that are listed."""
    options = f"diversity={weight:.6g},estimator=plug-in,group={arm.group},baseline={arm.baseline},beta={arm.beta}"
    model = train(f"diversity-game:{options}", 64, arm.tokens, arm.seed)
    values = []
    for orbit in problems("train", arm.problems):
        traces = listed(model, orbit)
        log_p_VZ, _ = told_answers(traces, common_answers(traces), POLICY)
        values.append(features(np.exp(log_p_VZ), traces.correct_Z)["accuracy"])
    return float(np.mean(values))


def cliff(row: Row) -> float:
    """The λ log G/η between whose neighbours the predicted accuracy falls most."""
    fall = -np.diff(row["predicted"])
    at = int(fall.argmax())
    return float((row["caps"][at] + row["caps"][at + 1]) / 2)


def half_way(row: Row) -> float:
    """The λ log G/η at which the predicted accuracy has fallen half of its way, linear between points."""
    accuracy = np.array(row["predicted"])
    middle = (accuracy.max() + accuracy.min()) / 2
    below = int(np.flatnonzero(accuracy < middle)[0])
    share = (accuracy[below - 1] - middle) / (accuracy[below - 1] - accuracy[below])
    return float(row["caps"][below - 1] + share * (row["caps"][below] - row["caps"][below - 1]))


def tables(rows: Sequence[Row]) -> list[Table]:
    """Accuracy along the grid, where it falls, and the training runs."""
    curves = [row for row in rows if not row["tokens"]]
    shown = [cap for cap in (0.5, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0) if cap in curves[0]["caps"]]
    lines = []
    for row in curves:
        places = [list(row["caps"]).index(cap) for cap in shown]
        pairs = [f"{row['predicted'][i]:.2f} / {row['declared'][i]:.2f}" for i in places]
        ends = (Number(cliff(row), ".2f"), Number(half_way(row), ".2f"))
        lines.append((row["group"], row["baseline"], Number(row["beta"], "g"), *pairs, *ends))
    headings = columns("G", "baseline", "β", *(f"λ log G/η = {cap:g}" for cap in shown), "steepest", "half way")
    caption = "accuracy predicted / declared, mean over problems and phrasings"
    table = Table("Accuracy against the cap of the bonus", headings, tuple(lines), caption, keys=3)
    return [table, *_trained_table([row for row in rows if row["tokens"]])]


def _trained_table(rows: Sequence[Row]) -> list[Table]:
    lines = []
    for group, caps in distinct([{**row, "caps": tuple(row["caps"])} for row in rows], "group", "caps"):
        runs = [row for row in where(rows, group=group) if tuple(row["caps"]) == caps]
        means = [over([{"x": run[key][0]} for run in runs], "x") for key in ("predicted", "declared", "reached")]
        lines.append((group, Number(caps[0], "g"), *map(str, means)))
    headings = columns("G", "λ log G/η", "predicted", "declared", "reached")
    caption = "200,000 tokens, accuracy on 4 of 64 training problems"
    return [Table("Trained", headings, tuple(lines), caption, keys=2)] if lines else []


def answer(rows: Sequence[Row]) -> str:
    """Where each group's accuracy has fallen half of the way, by λ log G/η and by λ."""
    curves = [row for row in rows if not row["tokens"] and row["baseline"] == "mean"]
    least = min(row["beta"] for row in curves)
    chosen = where(curves, beta=least)
    places = ", ".join(f"{half_way(row):.2f} (G = {row['group']})" for row in chosen)
    at_one = ", ".join(f"{row['predicted'][list(row['caps']).index(1.0)]:.2f}" for row in chosen)
    declared = ", ".join(f"{row['declared'][list(row['caps']).index(1.0)]:.2f}" for row in chosen)
    return (
        f"At β = {least:g} the predicted accuracy has fallen half of its way at λ log G/η = {places}; at "
        f"λ log G/η = 1 it is {at_one} where the equilibrium with exact targets has {declared}."
    )


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """Predicted and declared accuracy against λ log G/η, and trained points; then against λ."""
    by_cap, by_weight = figure.subplots(1, 2, sharey=True)
    curves = [row for row in rows if not row["tokens"] and row["baseline"] == "mean"]
    beta = max(row["beta"] for row in curves)
    for i, row in enumerate(where(curves, beta=beta)):
        caps = np.array(row["caps"])
        for axes, across in ((by_cap, caps), (by_weight, caps * ETA / np.log(row["group"]))):
            axes.plot(across, row["predicted"], "-", color=f"C{i}", label=f"predicted, G = {row['group']}")
            axes.plot(across, row["declared"], ":", color=f"C{i}", label="declared")
        for run in where([row for row in rows if row["tokens"]], group=row["group"]):
            by_cap.plot(run["caps"], run["reached"], "o", color=f"C{i}", ms=4)
    by_cap.axvline(1, color="0.7", lw=1)
    by_cap.set(xlabel="λ log G/η", ylabel="accuracy", title=f"β = {beta:g}")
    by_weight.set(xlabel="λ (reward per nat)")
    by_weight.legend(frameon=False, fontsize=8)


GROUP_SIZE = Experiment(
    name="group-size",
    question="Is the group size a hidden regulariser of rewards that count answers?",
    cost="1 minute; --full 20 minutes, with training runs",
    version=1,
    arms=arms,
    play=play,
    tables=tables,
    answer=answer,
    draw=draw,
)
