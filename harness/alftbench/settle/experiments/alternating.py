"""When does alternating best response converge if a policy takes only a share of the reply?

A round: the target answers the policy with u = λ log p, the policy moves the share s towards its best response,

    log p ← log p + s (log p_u − log p),    log p_u = log p₀ − u/β + const.

With d = log p − log p* and, at the equilibrium, log p* = log p₀ − (λ/β) log p* + const, a round is

    d ← (1 − s (1 + λ/β)) d + const,

exact at any distance. So it converges from everywhere where |1 − s (1 + λ/β)| < 1, that is for

    0 < s < 2 / (1 + λ/β),

in one round at s = 1/(1 + λ/β), and the full reply s = 1 only for λ < β. K steps of mirror descent with step η on
a target that stands still are the share s = 1 − (1 − ηβ)^K. A network's K gradient steps move directions by
different shares; what is measured there is the share along the reply, ⟨move, reply⟩ / ⟨reply, reply⟩ under p.

Source: arXiv 2604.27166 (alternating best response); the condition is derived here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from alftbench.base.arrays import FloatArray
from alftbench.base.tables import Number, Table, columns
from alftbench.games import Diversity, Game, solve, total_variation
from alftbench.games.dynamics import toward
from alftbench.games.numerics import log_normalise
from alftbench.settle.descent import ascend, policy_weights
from alftbench.settle.experiments.base import Choice, Experiment, PlainArm, distinct, over, where
from alftbench.settle.language import CausalPolicy, marginals, skewed_marginals
from alftbench.settle.measure import Settled
from alftbench.settle.run import language_of
from alftbench.settle.runner import Row
from alftbench.settle.settings import SettleSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BETA = 0.5
LEARNING_RATE = {"adam": 3e-3, "sgd": 0.2}
TABULAR, ROUNDS, LONG = "tabular", 24, 3000
PRECISION = 1e-3
QUICK_STEPS, FULL_STEPS = (4, 16, 64), (4, 8, 16, 32, 64, 128)
_FAR = 100.0


@dataclass(frozen=True)
class Arm(PlainArm):
    """Alternating best response at one λ/β.

    policy: "tabular" looks for the largest share that converges; "adam" and "sgd" are networks that take `steps`
    gradient steps a round.
    """

    policy: str
    ratio: float
    seed: int
    steps: int = 0
    rounds: int = ROUNDS


def critical_share(ratio: float) -> float:
    """The share below which alternating best response converges for diversity, 2/(1 + λ/β)."""
    return 2 / (1 + ratio)


def arms(choice: Choice) -> Iterator[Arm]:
    """The boundary in tables, then networks on both of its sides."""
    seeds = choice.seed_list(1, 2)
    for ratio in (0.5, 1.0, 2.0, 4.0, 8.0):
        yield from (Arm(TABULAR, ratio, seed) for seed in seeds)
    for policy in LEARNING_RATE:
        for ratio in (1.0, 2.0, 4.0, 8.0):
            steps = FULL_STEPS if choice.full else QUICK_STEPS
            yield from (Arm(policy, ratio, seed, K) for K in steps for seed in seeds)


def play(arm: Arm) -> Row:
    """The share that a run took and whether it converged; for a table the largest share that does."""
    return _boundary(arm) if arm.policy == TABULAR else _rounds(arm)


def converges(game: Game, log_star_PZ: FloatArray, share: float, rounds: int) -> bool:
    """Does the share bring tabular policies from the reference nearer to the equilibrium?"""
    log_p_PZ = game.log_reference_PZ
    start = np.abs(log_p_PZ - log_star_PZ).max()
    for _ in range(rounds):
        log_p_PZ = toward(log_p_PZ, game.best_response(game.objective.gradient(log_p_PZ, game.weights_P)), share)
        distance = np.abs(log_p_PZ - log_star_PZ).max()
        if not 1e-10 < distance < _FAR:
            break
    return bool(distance < start)


def _boundary(arm: Arm) -> Row:
    """Bisection between a share that converges and one that does not; above 2 a reply is overshot twice over."""
    p0_PZ = np.exp(skewed_marginals(3, 8, 12.0, arm.seed))
    game = Game.from_marginals(p0_PZ, Diversity(arm.ratio * BETA, np.zeros(8)), BETA)
    star, low, high = solve(game).log_p_PZ, 0.0, 2.0
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if converges(game, star, middle, LONG) else (low, middle)
    return {"share": (low + high) / 2, "converged": None, "tv": None}


def _rounds(arm: Arm) -> Row:
    """A network: the mean share of its first two rounds, and whether it converged.

    It did where the last four rounds are nearer to p* than a quarter of the start, or still come nearer: a fifth
    nearer than the four from the first third on.
    """
    settings = SettleSettings(beta=BETA, lambda_=BETA * arm.ratio)
    language = language_of(arm.seed, settings)
    game = Game(BETA, Diversity(settings.lambda_, np.zeros(8)), tuple("01234567"), language.prompts)
    solution = solve(game)
    posed = Settled(language, game, solution.log_p_PZ, solution.value)
    policy = language.policy().float()
    kind = torch.optim.Adam if arm.policy == "adam" else torch.optim.SGD
    optimiser = kind(policy.parameters(), lr=LEARNING_RATE[arm.policy])
    start = float(total_variation(language.log_p0_PZ, solution.log_p_PZ).mean())
    rounds = [_round(posed, policy, optimiser, arm.steps) for _ in range(arm.rounds)]
    ended, earlier = (
        float(np.mean([tv for tv, _ in part])) for part in (rounds[-4:], rounds[len(rounds) // 3 :][:4])
    )
    share = float(np.mean([share for _, share in rounds[:2]]))  # later ones may be those of a run that ran away
    history = [round(tv, 4) for tv, _ in rounds]
    converged = ended < start / 4 or ended < 0.8 * earlier
    return {"share": share, "converged": converged, "tv": ended, "start": start, "history": history}


def _round(
    posed: Settled, policy: CausalPolicy, optimiser: torch.optim.Optimizer, steps: int
) -> tuple[float, float]:
    """The target's reply and K gradient steps towards the best response to it: TV to p* after, and the share."""
    tree, game = posed.language.tree, posed.game
    before_PZ = marginals(tree, _log_probs(policy))
    u_PZ = game.objective.gradient(before_PZ, game.weights_P)
    for _ in range(steps):
        ascend(policy, optimiser, lambda log_pi_PY: policy_weights(posed, log_pi_PY, -u_PZ[:, tree.answer_Y]))
    after_PZ = marginals(tree, _log_probs(policy))
    share = share_taken(before_PZ, after_PZ, game.best_response(u_PZ))
    return float(total_variation(after_PZ, posed.log_star_PZ).mean()), share


def share_taken(before_PZ: FloatArray, after_PZ: FloatArray, reply_PZ: FloatArray) -> float:
    """The share of the way from `before` to `reply` that was gone: a regression of log-ratios under p."""
    p_PZ = np.exp(before_PZ)

    def centred(x_PZ: FloatArray) -> FloatArray:
        return np.asarray(x_PZ - (p_PZ * x_PZ).sum(axis=1, keepdims=True))

    way, move = centred(reply_PZ - before_PZ), centred(after_PZ - before_PZ)
    return float((p_PZ * way * move).sum() / (p_PZ * way * way).sum())


def _log_probs(policy: CausalPolicy) -> FloatArray:
    with torch.no_grad():
        return log_normalise(policy().double().numpy())


def tables(rows: Sequence[Row]) -> list[Table]:
    """The boundary: by theory, in tables, and between which shares networks change sides."""
    lines = []
    for (ratio,) in distinct(rows, "ratio"):
        tabular = over(where(rows, policy=TABULAR, ratio=ratio), "share")
        theory = Number(critical_share(ratio), ".4f")
        ends = [cell for policy in LEARNING_RATE for cell in _sides(where(rows, policy=policy, ratio=ratio))]
        lines.append((Number(ratio, "g"), theory, Number(tabular.mean, ".4f"), *ends))
    sides = [f"{name}: {side}" for name in LEARNING_RATE for side in ("converged up to", "did not from")]
    headings = columns("λ/β", "theory 2/(1 + λ/β)", "tables", *sides)
    note = "Shares of the reply a round. Networks: the mean of the first two rounds."
    return [Table("Largest share that converges", headings, tuple(lines), note), _runs_table(rows)]


def _runs_table(rows: Sequence[Row]) -> Table:
    lines = []
    for policy, ratio, K in distinct([r for r in rows if r["policy"] != TABULAR], "policy", "ratio", "steps"):
        runs = where(rows, policy=policy, ratio=ratio, steps=K)
        settled = f"{sum(run['converged'] for run in runs)} of {len(runs)}"
        figures = (str(over(runs, "share")), Number(critical_share(ratio), ".3f"))
        lines.append((policy, Number(ratio, "g"), K, *figures, settled, str(over(runs, "tv"))))
    headings = columns("optimiser", "λ/β", "K", "share", "critical", "converged", "TV to p* at the end")
    return Table("Networks", headings, tuple(lines), "", keys=3)


def _sides(runs: Sequence[Row]) -> tuple[Number | None, Number | None]:
    """The largest share of a run that converged, the least of one that did not."""
    converged = [run["share"] for run in runs if run["converged"]]
    others = [run["share"] for run in runs if not run["converged"]]
    top, bottom = max(converged, default=None), min(others, default=None)
    return (None if top is None else Number(top, ".2f"), None if bottom is None else Number(bottom, ".2f"))


def sorted_rightly(runs: Sequence[Row]) -> int:
    """How many networks converged exactly where their share is below the critical one."""
    return sum((run["share"] < critical_share(run["ratio"])) == run["converged"] for run in runs)


def answer(rows: Sequence[Row]) -> str:
    """The largest error of the formula in tables, and how many networks it sorts rightly."""
    worst = max(abs(row["share"] - critical_share(row["ratio"])) for row in where(rows, policy=TABULAR))
    networks = {policy: where(rows, policy=policy) for policy in LEARNING_RATE}
    counts = [
        f"{sorted_rightly(runs)} of {len(runs)} {policy} networks" for policy, runs in networks.items() if runs
    ]
    early = [
        run
        for runs in networks.values()
        for run in runs
        if not run["converged"] and run["share"] < critical_share(run["ratio"])
    ]
    return (
        f"A policy that takes the share s of its best response a round converges for s < 2/(1 + λ/β): tables "
        f"change sides within {worst:.1g} of it at λ/β = 0.5 to 8, and by the share measured along the reply it "
        f"sorts {' and '.join(counts)} rightly; {len(early)} that did not converge lie below it."
    )


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """Shares against λ/β with the boundary; then distance by rounds at λ/β = 4."""
    left, right = figure.subplots(1, 2)
    grid = np.geomspace(0.5, 9.0, 100)
    left.plot(grid, [critical_share(ratio) for ratio in grid], "k-", lw=1, label="2/(1 + λ/β)")
    tabular = where(rows, policy=TABULAR)
    left.plot([r["ratio"] for r in tabular], [r["share"] for r in tabular], "k+", ms=9, label="tables")
    for policy, color in zip(LEARNING_RATE, ("C0", "C1"), strict=True):
        for converged, mark in ((True, "o"), (False, "x")):
            runs = where(rows, policy=policy, converged=converged)
            label = f"{policy}, {'converged' if converged else 'did not'}"
            left.plot([r["ratio"] for r in runs], [r["share"] for r in runs], mark, color=color, ms=5, label=label)
    left.set(xscale="log", xlabel="λ/β", ylabel="share of the reply a round", ylim=(0, 1.5))
    left.legend(frameon=False, fontsize=8)
    for run in where(rows, policy="adam", ratio=4.0, seed=min(row["seed"] for row in rows)):
        right.semilogy(run["history"], label=f"K = {run['steps']}, s = {run['share']:.2f}")
    right.set(xlabel="round", ylabel="TV to p*", title=f"λ/β = 4: critical s = {critical_share(4.0):.2f}")
    right.legend(frameon=False, fontsize=8)


ALTERNATING = Experiment(
    name="alternating",
    question="When does alternating best response converge if the policy takes K gradient steps a round?",
    cost="2 minutes; --full 10 minutes",
    version=2,
    arms=arms,
    play=play,
    tables=tables,
    answer=answer,
    draw=draw,
)
