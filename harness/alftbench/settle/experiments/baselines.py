"""Which count rewards survive their own baseline?

A group's mean is not a fixed baseline: the other rollouts' rewards count this rollout's answer. A reward whose
expectation is f(p) pulls with f − p f′/(G−1) (`alftbench.games.rewards.baselines`), so a power p^{α−1} keeps the
share

    (G − α)/(G − 1)

of its weight, the logarithm (α = 1) all of it. Ways to play the same game, Tsallis-α, F = λ/(α(α−1)) Σ p^α:

    mean           the mean of the group
    corrected      the same, λ raised by (G−1)/(G−α): right for an estimate that is exact on average
    leave-one-out  the mean of the others: the same fixed point as the mean, which shrinks reward and KL alike
    jackknife      the mean of the others with this rollout's answer not counted

For each G the fixed point of the expected update is exact (`predicted`), and the measure is its total variation to
the declared equilibrium. Rewards are −λ p̂^{α−1}/(α−1), for α = 1 −λ log p̂, with p̂ the plug-in n/G, or the
U-statistic where α is 2 or 3. The declared equilibrium of every α is the fixed point of the exact reward, found
here by the same iteration. Sampled tabular policies, trained with the very rules, are the check.

Source: the share is derived here; α = 2 is `QuadraticDiversity`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.base.seeds import stream
from alftbench.base.tables import Number, Table, columns
from alftbench.games import power_reward, total_variation
from alftbench.games.numerics import log_normalise
from alftbench.games.rewards import U_STATISTIC, FromCounts, GroupRecord, baselines, entropy, predicted
from alftbench.games.rewards.fixed_point import centred, iterate
from alftbench.settle.experiments.base import Choice, Experiment, PlainArm, distinct, over, where
from alftbench.settle.language import skewed_marginals
from alftbench.settle.runner import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BETA, LAMBDA, PROMPTS, ANSWERS, SKEW = 0.5, 1.0, 3, 8, 12.0
PLUG_IN = "plug-in"
REWARDS = ((1.0, PLUG_IN), (1.5, PLUG_IN), (2.0, PLUG_IN), (2.0, U_STATISTIC), (3.0, PLUG_IN), (3.0, U_STATISTIC))
WAYS = ("mean", "corrected", "leave-one-out", "jackknife")
_GROUPS_A_STEP, _RATE = 64, 2.0


@dataclass(frozen=True)
class Arm(PlainArm):
    """A reward with a baseline at a group size; steps > 0 also trains a tabular policy with it."""

    alpha: float
    estimator: str
    way: str
    group: int
    seed: int
    steps: int = 0


def arms(choice: Choice) -> Iterator[Arm]:
    """Every reward and way at every group size; trained at a small one, in the full size at three."""
    groups = (4, 5, 6, 8, 12, 16, 24, 32) if choice.full else (4, 6, 8, 16, 32)
    trained, steps = ((4, 6, 8), 4000) if choice.full else ((4,), 2000)
    for alpha, estimator in REWARDS:
        for way in WAYS:
            for group in groups:
                for seed in choice.seed_list(1, 3):
                    yield Arm(alpha, estimator, way, group, seed, steps if group in trained else 0)


def share_kept(alpha: float, group: int) -> float:
    """The share (G − α)/(G − 1) of a power reward's weight that the group's mean leaves."""
    return (group - alpha) / (group - 1)


def reward(alpha: float, estimator: str, weight: float, record: GroupRecord) -> FloatArray:
    """The rule −w p̂^{α−1}/(α−1), for α = 1 −w log p̂, of every rollout."""
    if alpha == 1:
        return weight * entropy(record, FromCounts(estimator))
    K = record.group
    if estimator == U_STATISTIC:
        power = power_reward(record.own_VG, K, degree=round(alpha) - 1)
    else:
        power = (record.own_VG / K) ** (alpha - 1)
    return np.asarray(-weight / (alpha - 1) * power)


def declared(alpha: float, log_p0_PZ: FloatArray) -> FloatArray:
    """The log p* of Tsallis-α: where −u − β log p/p₀ is the same for every answer, u = λ p^{α−1}/(α−1)."""

    def field(log_p_PZ: FloatArray) -> FloatArray:
        u_PZ = log_p_PZ if alpha == 1 else np.exp((alpha - 1) * log_p_PZ) / (alpha - 1)
        return centred(-LAMBDA * u_PZ - BETA * (log_p_PZ - log_p0_PZ), log_p_PZ)

    return iterate(field, log_p0_PZ, step=0.5 / (BETA + LAMBDA)).log_p_PZ


def play(arm: Arm) -> Row:
    """The predicted fixed point's distance to p*, and a trained policy's distance to both."""
    log_p0_PZ = skewed_marginals(PROMPTS, ANSWERS, SKEW, arm.seed)
    weight = LAMBDA / share_kept(arm.alpha, arm.group) if arm.way == "corrected" else LAMBDA
    rule = partial(reward, arm.alpha, arm.estimator, weight)
    baseline = "mean" if arm.way == "corrected" else arm.way
    star_PZ, nothing = declared(arm.alpha, log_p0_PZ), np.zeros(ANSWERS, dtype=bool)
    rows = [predicted(rule, row[None], nothing, BETA, arm.group, baseline) for row in log_p0_PZ]
    fixed_PZ = np.concatenate([point.log_p_PZ for point in rows])
    figures: Row = {
        "tv": float(total_variation(fixed_PZ, star_PZ).mean()),
        "reference_tv": float(total_variation(log_p0_PZ, star_PZ).mean()),
        "settled": all(point.settled for point in rows),
        "trained_tv": None,
        "from_prediction": None,
    }
    if arm.steps:
        reached_PZ = trained(rule, baseline, log_p0_PZ, arm)
        figures["trained_tv"] = float(total_variation(reached_PZ, star_PZ).mean())
        figures["from_prediction"] = float(total_variation(reached_PZ, fixed_PZ).mean())
    return figures


def trained(
    rule: Callable[[GroupRecord], FloatArray], baseline: str, log_p0_PZ: FloatArray, arm: Arm
) -> FloatArray:
    """Log of the mean policy over the last half of a tabular policy gradient with this rule.

    Logits ascend Σ (r − b) (1[z] − p), r with −β log p/p₀ in it; the KL has the plain mean of the others, or of
    the group, as its baseline.
    """
    rng, logits_PZ = stream(arm.seed, "rollouts", arm.name), log_p0_PZ.copy()
    total_PZ = np.zeros_like(logits_PZ)
    for step in range(arm.steps):
        log_p_PZ = log_normalise(logits_PZ)
        drawn_RPG = drawn(log_p_PZ, _GROUPS_A_STEP, arm.group, rng)
        ratio_RPG = np.take_along_axis((log_p_PZ - log_p0_PZ)[None], drawn_RPG, axis=-1)
        credit_RPG = advantages(rule, baseline, drawn_RPG) - BETA * (
            ratio_RPG - other_mean(ratio_RPG, include=baseline == "mean")
        )
        gained_PZ = np.stack([(credit_RPG * (drawn_RPG == z)).sum(axis=(0, 2)) for z in range(ANSWERS)], axis=1)
        gained_PZ = gained_PZ - credit_RPG.sum(axis=(0, 2))[:, None] * np.exp(log_p_PZ)
        rate = _RATE * 0.5 * (1 + np.cos(np.pi * step / arm.steps))
        logits_PZ = log_p_PZ + rate * gained_PZ / (_GROUPS_A_STEP * arm.group)
        total_PZ += np.exp(log_p_PZ) * (step >= arm.steps // 2)
    return log_normalise(np.log(total_PZ))


def drawn(log_p_PZ: FloatArray, groups: int, group: int, rng: np.random.Generator) -> IntArray:
    """Answers drawn from every prompt's policy, shape (R, P, G)."""
    edges_PZ = np.exp(log_p_PZ).cumsum(axis=1)
    u_RPG = rng.random((groups, len(log_p_PZ), group)) * edges_PZ[:, -1:]
    return np.asarray((u_RPG[..., None] > edges_PZ[None, :, None]).sum(axis=-1))


def advantages(rule: Callable[[GroupRecord], FloatArray], baseline: str, drawn_RPG: IntArray) -> FloatArray:
    """Rewards less their baseline, the prompts' groups each on its own."""
    record = GroupRecord(drawn_RPG, np.zeros(ANSWERS, dtype=bool))
    rewards_RPG = rule(record)
    if baseline != "jackknife":
        return np.asarray(rewards_RPG - other_mean(rewards_RPG, include=baseline == "mean"))
    alone = GroupRecord(drawn_RPG[:, :, None], record.correct_Z)  # each group an orbit of its own
    return np.asarray(rewards_RPG - baselines(rule, alone, rewards_RPG[:, :, None], "jackknife")[:, :, 0])


def other_mean(values_RPG: FloatArray, include: bool) -> FloatArray:
    """The mean of a group, or of the others in it."""
    if include:
        return np.asarray(values_RPG.mean(axis=-1, keepdims=True))
    return np.asarray((values_RPG.sum(axis=-1, keepdims=True) - values_RPG) / (values_RPG.shape[-1] - 1))


def tables(rows: Sequence[Row]) -> list[Table]:
    """Predicted distances by group size, then what training found."""
    groups = sorted({row["group"] for row in rows})
    lines = []
    for alpha, estimator, way in distinct(rows, "alpha", "estimator", "way"):
        chosen = where(rows, alpha=alpha, estimator=estimator, way=way)
        cells = [Number(over(where(chosen, group=G), "tv").mean, ".2g") for G in groups]
        lines.append((Number(alpha, "g"), estimator, way, *cells))
    headings = columns("α", "estimate", "baseline", *(f"G = {G}" for G in groups))
    base = over(rows, "reference_tv").mean
    caption = f"TV of the exact fixed point to p*, mean over prompts and seeds; the reference is {base:.2g} away"
    predicted_table = Table(
        "Predicted distance to the declared equilibrium", headings, tuple(lines), caption, keys=3
    )
    return [predicted_table, _trained_table([row for row in rows if row["steps"]])]


def _trained_table(rows: Sequence[Row]) -> Table:
    lines = []
    for alpha, estimator, way, G in distinct(rows, "alpha", "estimator", "way", "group"):
        chosen = where(rows, alpha=alpha, estimator=estimator, way=way, group=G)
        cells = [str(over(chosen, key)) for key in ("tv", "trained_tv", "from_prediction")]
        lines.append((Number(alpha, "g"), estimator, way, G, *cells))
    headings = columns("α", "estimate", "baseline", "G", "predicted", "trained", "trained to predicted")
    return Table("Trained tabular policies", headings, tuple(lines), "TV, mean ± sd over seeds", keys=4)


def answer(rows: Sequence[Row]) -> str:
    """Tsallis-2 at G = 4 in three ways, entropy beside it, and how far training was from the prediction."""

    def tv(alpha: float, estimator: str, way: str) -> float:
        least = min(row["group"] for row in rows)
        return over(where(rows, alpha=alpha, estimator=estimator, way=way, group=least), "tv").mean

    G = min(row["group"] for row in rows)
    off = over(rows, "from_prediction").mean
    raw, corrected, jackknife = (tv(2.0, U_STATISTIC, way) for way in ("mean", "corrected", "jackknife"))
    logs = [tv(1.0, PLUG_IN, way) for way in ("mean", "jackknife")]
    return (
        f"At G = {G} an unbiased Tsallis-2 reward ends {raw:.3f} (TV) from its equilibrium with the mean of the "
        f"group, {corrected:.1g} with λ raised by (G−1)/(G−α) and {jackknife:.1g} with the jackknife, while "
        f"leave-one-out changes nothing; the plug-in's entropy is {logs[0]:.2f} off with the mean and "
        f"{logs[1]:.2f} with the jackknife, for its own bias; trained policies ended {off:.3f} from their "
        f"prediction."
    )


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """Distance against G: Tsallis-2 and -3 with exact estimates, then entropy, then trained against predicted."""
    left, middle, right = figure.subplots(1, 3)
    for axes, rewards in ((left, REWARDS[3::2]), (middle, (REWARDS[0], REWARDS[2]))):
        for (alpha, estimator), line in zip(rewards, ("-", "--"), strict=True):
            for i, way in enumerate(("mean", "corrected", "jackknife")):
                _line(axes, where(rows, alpha=alpha, estimator=estimator, way=way), f"C{i}{line}",
                      f"α = {alpha:g}, {way}")  # fmt: skip
        axes.set(xscale="log", yscale="symlog", xlabel="group size G", title=rewards[0][1], ylim=(0, 0.3))
        axes.set_yscale("symlog", linthresh=1e-3)
        axes.legend(frameon=False, fontsize=7)
    left.set_ylabel("TV of the fixed point to p*")
    runs = [row for row in rows if row["steps"]]
    right.plot([row["tv"] for row in runs], [row["trained_tv"] for row in runs], "k.", ms=4)
    right.axline((0, 0), slope=1, color="0.7", lw=1)
    right.set(xlabel="predicted TV to p*", ylabel="trained TV to p*", title="tabular runs")


def _line(axes: Axes, rows: Sequence[Row], style: str, label: str) -> None:
    groups = sorted({row["group"] for row in rows})
    axes.plot(groups, [over(where(rows, group=G), "tv").mean for G in groups], style, label=label, lw=1.2)


BASELINES = Experiment(
    name="baselines",
    question="Which count rewards survive their own baseline?",
    cost="2 minutes; --full 10 minutes",
    version=1,
    arms=arms,
    play=play,
    tables=tables,
    answer=answer,
    draw=draw,
    inches=(12.0, 3.8),
)
