"""Does coherence training reduce incoherence, or does it make a model surer of itself?

Agreement across phrasings rises with sharpness alone. Of answer distributions p_v of V phrasings

    within w = mean_v Σ p_v²,   across a = mean_{v≠u} Σ p_v p_u,   disagreement w − a,   coherence a/w:

disagreement is half the mean squared distance of two phrasings. Here it stands against entropy, an arrow from the
base to where each method leads. The base is what `tiny-sums` answers to a few problems of `sums`; its mistakes
belong to the phrasing. `scale` multiplies the odds of a mistake in every phrasing, from 0 (always right) over 1
(as it is) to 2. Ends of arrows: the declared equilibrium, and the fixed point predicted at the trainer's group
size, estimator and baseline. The control is the base tempered until it agrees with itself as often as the declared
equilibrium of coherence: what sharpening alone would do.

Tabular and exact; nothing is trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq

from alftbench.base.arrays import BoolArray, FloatArray
from alftbench.base.tables import Number, Table, columns
from alftbench.equilibrium.quality import declared_game
from alftbench.equilibrium.stages import declared_answers, predicted_answers
from alftbench.games.numerics import log_normalise, log_of
from alftbench.settle.experiments.base import Choice, Experiment, PlainArm, distinct, where
from alftbench.settle.experiments.embedded import BaseAnswers, base_answers
from alftbench.settle.runner import Row
from alftbench.training.train import make_trainer
from alftbench.training.trainer import parse_spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPERED, COHERENCE = "tempered", "coherence"
METHODS = {
    "vanilla": "vanilla-grpo:beta=0.2",
    COHERENCE: "coherence-grpo:beta=0.2,coherence=0.6",
    "consensus": "coherence-grpo:beta=0.2,coherence=0.6,objective=consensus",
    "diversity": "diversity-game:beta=0.2,diversity=0.1",
}
MEASURES = ("entropy", "disagreement", "coherence", "accuracy")
STAGES = ("base", "declared", "predicted")


@dataclass(frozen=True)
class Arm(PlainArm):
    """A method from a base whose mistakes are so many times as likely; means over so many problems."""

    method: str
    scale: float
    problems: int


def arms(choice: Choice) -> Iterator[Arm]:
    """Every method and the control at every scale."""
    scales = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0) if choice.full else (0.0, 0.5, 1.0, 2.0)
    for scale in scales:
        yield from (Arm(method, scale, 12 if choice.full else 4) for method in (*METHODS, TEMPERED))


def play(arm: Arm) -> Row:
    """The measures of base, declared and predicted answers."""
    rows = [stages(arm.method, scaled(base_answers("train", i), arm.scale)) for i in range(arm.problems)]
    return {
        stage: {key: float(np.mean([measures(*row[stage])[key] for row in rows])) for key in MEASURES}
        for stage in STAGES
    }


def scaled(base: BaseAnswers, scale: float) -> BaseAnswers:
    """The base with the odds of a mistake `scale` times as high in every phrasing."""
    p_VZ = np.exp(base.log_p0_VZ) * np.where(base.correct_Z, 1.0, scale)
    return BaseAnswers(log_of(p_VZ / p_VZ.sum(axis=1, keepdims=True)), base.correct_Z)


def stages(method: str, base: BaseAnswers) -> dict[str, tuple[FloatArray, BoolArray]]:
    """Answers p(z) at every stage, with which are right; those that nobody gives are left out."""
    given_Z = np.isfinite(base.log_p0_VZ).all(axis=0)
    log_p0_VZ, correct_Z = log_normalise(base.log_p0_VZ[:, given_Z]), base.correct_Z[given_Z]
    trainer = make_trainer(parse_spec(METHODS[COHERENCE if method == TEMPERED else method]))
    game = declared_game(trainer, correct_Z)
    assert game is not None, "these methods declare a game"
    declared_VZ = declared_answers(log_p0_VZ, game)
    if method == TEMPERED:
        declared_VZ = predicted_VZ = tempered(log_p0_VZ, measures(declared_VZ, correct_Z)["within"])
    else:
        silent_VZ = np.column_stack([log_p0_VZ, np.full(len(log_p0_VZ), -np.inf)])  # the last class is no answer
        predicted_VZ = predicted_answers(silent_VZ, np.append(correct_Z, False), game, trainer)[:, :-1]
    each = {"base": np.exp(log_p0_VZ), "declared": declared_VZ, "predicted": predicted_VZ}
    return {stage: (p_VZ, correct_Z) for stage, p_VZ in each.items()}


def tempered(log_p0_VZ: FloatArray, within: float) -> FloatArray:
    """The base at the temperature at which it agrees with itself so often; as it is where no temperature does."""

    def excess(log_power: float) -> float:
        return float((np.exp(log_normalise(np.exp(log_power) * log_p0_VZ)) ** 2).sum(axis=1).mean()) - within

    low, high = np.log(0.05), np.log(50.0)
    power = brentq(excess, low, high) if excess(low) < 0 < excess(high) else 0.0
    return np.exp(log_normalise(np.exp(power) * log_p0_VZ))


def measures(p_VZ: FloatArray, correct_Z: BoolArray) -> dict[str, float]:
    """Entropy (nats), agreement within and across, disagreement, coherence and accuracy."""
    V = len(p_VZ)
    within = float((p_VZ**2).sum(axis=1).mean())
    across = float(((p_VZ.sum(axis=0) ** 2).sum() - V * within) / (V * (V - 1)))
    entropy = float(-(p_VZ * log_of(np.where(p_VZ > 0, p_VZ, 1.0))).sum(axis=1).mean())
    right = float(p_VZ[:, correct_Z].sum(axis=1).mean())
    figures = {"entropy": entropy, "disagreement": within - across, "coherence": across / within}
    return {**figures, "accuracy": right, "within": within}


def tables(rows: Sequence[Row]) -> list[Table]:
    """Every measure at the base and at both ends of the arrow."""
    lines = []
    for scale, method in distinct(rows, "scale", "method"):
        [row] = where(rows, scale=scale, method=method)
        cells = [" → ".join(_figure(row[stage][key]) for stage in STAGES) for key in MEASURES]
        lines.append((Number(scale, "g"), method, *cells))
    note = f"Base → declared equilibrium → predicted fixed point; means over {rows[0]['problems']} problems."
    headings = columns("mistakes ×", "method", "entropy, nats", *MEASURES[1:])
    return [Table("Where methods lead", headings, tuple(lines), note, keys=2)]


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def answer(rows: Sequence[Row]) -> str:
    """Coherence, its control and the other methods at the base as it is."""
    at = {row["method"]: row for row in where(rows, scale=1.0)}

    def shown(method: str) -> str:
        return f"{at[method]['declared']['disagreement']:.3f}"

    start, end = at[COHERENCE]["base"], at[COHERENCE]["declared"]
    return (
        f"Soft coherence takes disagreement from {start['disagreement']:.3f} to {end['disagreement']:.3f} at its "
        f"declared equilibrium ({at[COHERENCE]['predicted']['disagreement']:.3f} predicted at its group size), "
        f"where the base tempered to the same sureness has {shown(TEMPERED)}; consensus {shown('consensus')}, "
        f"correctness {shown('vanilla')} and diversity {shown('diversity')}; entropy goes from "
        f"{start['entropy']:.2f} to {end['entropy']:.2f} nats and accuracy, without labels, from "
        f"{start['accuracy']:.2f} to {end['accuracy']:.2f} (tempered {at[TEMPERED]['declared']['accuracy']:.2f})."
    )


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """An arrow a method from the base to the declared equilibrium, a panel a scale; a dot at the predicted one."""
    scales = [scale for (scale,) in distinct(rows, "scale") if scale > 0][-3:]
    top = max(row["base"]["disagreement"] for row in rows)
    for axes, scale in zip(np.atleast_1d(figure.subplots(1, len(scales), sharey=True)), scales, strict=True):
        for i, row in enumerate(where(rows, scale=scale)):
            points = [(row[stage]["entropy"], row[stage]["disagreement"]) for stage in STAGES]
            arrow = {"arrowstyle": "->", "color": f"C{i}", "lw": 1.5}
            axes.annotate("", xytext=points[0], xy=points[1], arrowprops=arrow)
            axes.plot(*points[1], "s", color=f"C{i}", ms=4, label=row["method"])
            axes.plot(*points[2], "o", mfc="none", color=f"C{i}", ms=6)
            axes.plot(*points[0], "k*", ms=9)
        axes.set(xlabel="entropy (nats)", title=f"odds of a mistake × {scale:g}", ylim=(-0.02, 1.15 * top))
    figure.axes[0].set_ylabel("disagreement w − a")
    figure.axes[0].legend(frameon=False, fontsize=8)


INCOHERENCE = Experiment(
    name="incoherence",
    question="Does coherence training reduce incoherence?",
    cost="30 seconds; --full 2 minutes",
    version=2,
    arms=arms,
    play=play,
    tables=tables,
    answer=answer,
    draw=draw,
    inches=(11.0, 3.6),
)
