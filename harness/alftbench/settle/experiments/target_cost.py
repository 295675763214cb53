"""What does knowing the target cost: counts of one visit, a memory per prompt, or a network over prompts?

Diversity, λ = 2β, on many prompts at once. At every visit a prompt's policy draws G answers, a target player looks
at the counts and says what it takes for p, p̂, and the policy moves the share s towards its best response to
u = λ log p̂. What a player knows:

    table       this visit's counts                         p̂ = (n + ½) / (G + Z/2)
    memory      counts of all visits, older ones ρ times    the same with n ← ρ n + new
    amortised   a network q(z|x) of the prompt's features, a few Adam steps of cross-entropy to each visit's counts
    nothing     u = 0, the control: what a player that never looks is worth
    oracle      p itself

The half added to every count keeps u finite where an answer was not drawn. Reference: log p₀ is a fixed random
network's value at the features of the prompt, plus a share `own` that the features do not tell.

The measure is the true gap of the pair (policy, p̂), by `alftbench.games.two_player_gap`: what the policy could
gain against this target, and what the target could gain against this policy.

Source: the auxiliary answer distribution of arXiv 2604.27166, as its abstract describes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.base.seeds import integer_seed, stream
from alftbench.base.tables import Number, Table, columns
from alftbench.games import Diversity, Game, solve, total_variation, two_player_gap
from alftbench.games.dynamics import toward
from alftbench.games.numerics import log_normalise
from alftbench.settle.experiments.base import Choice, Experiment, PlainArm, distinct, over, where
from alftbench.settle.runner import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BETA, LAMBDA, ANSWERS, GROUP = 0.5, 1.0, 8, 8
FEATURES, WIDTH, SPREAD = 4, 32, 0.8
VISITS = (1, 2, 4, 8, 16, 32, 64)
PLAYERS = ("table", "memory-0.9", "memory-1", "amortised", "nothing", "oracle")
_BATCH, _STEPS, _RATE = 16, 4, 1e-2


@dataclass(frozen=True)
class Arm(PlainArm):
    """One target player over 64 visits of every prompt.

    own: the share of log p₀'s spread that features do not tell. share: s, of the policy; 0 for one that stands
    still.
    """

    player: str
    own: float
    share: float
    prompts: int
    seed: int
    visits: int = VISITS[-1]


def arms(choice: Choice) -> Iterator[Arm]:
    """Every player, for features that tell everything, half and nothing, and policies that move or stand still."""
    sizes = (16, 64, 256) if choice.full else (64,)
    for prompts in sizes:
        for own in (0.0, 0.5, 1.0):
            for share in (0.1, 0.0):
                seeds = choice.seed_list(2, 5)
                yield from (Arm(player, own, share, prompts, seed) for player in PLAYERS for seed in seeds)


class Counting:
    """A table or a memory: discounted counts with a half added to each.

    Args:
        decay: ρ per visit; 0 is a table.
    """

    def __init__(self, decay: float, prompts: int) -> None:
        self.decay = decay
        self.counts_PZ = np.zeros((prompts, ANSWERS))

    def see(self, counts_PZ: IntArray) -> FloatArray:
        """Log p̂ after a visit."""
        self.counts_PZ = self.decay * self.counts_PZ + counts_PZ
        return log_normalise(np.log(self.counts_PZ + 0.5))


class Amortised:
    """The head q(z|x): one hidden layer over features, fitted to each visit's counts."""

    def __init__(self, features_PF: FloatArray, seed: int) -> None:
        self.rng = stream(seed, "batches")
        self.features = torch.from_numpy(features_PF).float()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(integer_seed(seed, "head"))
            self.head = nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.Tanh(), nn.Linear(WIDTH, ANSWERS))
        self.optimiser = torch.optim.Adam(self.head.parameters(), lr=_RATE)

    @property
    def numbers(self) -> int:
        """Parameters."""
        return sum(parameter.numel() for parameter in self.head.parameters())

    def see(self, counts_PZ: IntArray) -> FloatArray:
        """Log q(·|x) of every prompt after steps on batches of this visit's counts."""
        shares = torch.from_numpy(counts_PZ / counts_PZ.sum(axis=1, keepdims=True)).float()
        for _ in range(_STEPS):
            for batch in np.array_split(self.rng.permutation(len(counts_PZ)), max(1, len(counts_PZ) // _BATCH)):
                log_q = torch.log_softmax(self.head(self.features[batch]), dim=-1)
                loss = -(shares[batch] * log_q).sum(dim=-1).mean()
                self.optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                self.optimiser.step()
        with torch.no_grad():
            return log_normalise(torch.log_softmax(self.head(self.features), dim=-1).double().numpy())


def references(arm: Arm) -> tuple[FloatArray, FloatArray]:
    """Features (P, F) and log p₀ (P, Z), both drawn by the seed; half the variance is the prompt's own at ½."""
    rng = stream(arm.seed, "prompts", arm.prompts)
    features_PF = rng.standard_normal((arm.prompts, FEATURES))
    hidden = np.tanh(features_PF @ rng.standard_normal((FEATURES, WIDTH)))
    told_PZ = hidden @ rng.standard_normal((WIDTH, ANSWERS))
    told_PZ /= told_PZ.std()
    own_PZ = rng.standard_normal((arm.prompts, ANSWERS))
    return features_PF, log_normalise(SPREAD * (np.sqrt(1 - arm.own) * told_PZ + np.sqrt(arm.own) * own_PZ))


def player_of(arm: Arm, features_PF: FloatArray) -> tuple[Callable[[IntArray], FloatArray] | None, float]:
    """What answers to counts, None for the oracle, and how many numbers it keeps for each prompt."""
    if arm.player == "oracle":
        return None, 0.0
    if arm.player == "amortised":
        head = Amortised(features_PF, arm.seed)
        return head.see, head.numbers / arm.prompts
    if arm.player == "nothing":
        return np.zeros_like, 0.0
    decay = 0.0 if arm.player == "table" else float(arm.player.removeprefix("memory-"))
    return Counting(decay, arm.prompts).see, float(ANSWERS if decay else 0)


def play(arm: Arm) -> Row:
    """Gap and distance of the pair (policy, p̂) after 1, 2, 4, … visits of every prompt."""
    features_PF, log_p_PZ = references(arm)
    game = Game.from_log_marginals(log_p_PZ, Diversity(LAMBDA, np.zeros(ANSWERS)), BETA)
    star, (see, numbers) = solve(game).log_p_PZ, player_of(arm, features_PF)
    rng, marks, spent = stream(arm.seed, "draws", arm.player), [], 0.0
    for visit in range(1, arm.visits + 1):
        started = time.perf_counter()
        log_target_PZ = log_p_PZ if see is None else see(rng.multinomial(GROUP, np.exp(log_p_PZ)))
        spent += time.perf_counter() - started
        if visit in VISITS:
            marks.append({"visits": visit, **_measured(game, star, log_p_PZ, log_target_PZ)})
        log_p_PZ = toward(log_p_PZ, game.best_response(LAMBDA * log_target_PZ), arm.share)
    return {"marks": marks, "numbers": numbers, "milliseconds": round(1000 * spent / arm.visits, 3)}


def _measured(game: Game, log_star_PZ: FloatArray, log_p_PZ: FloatArray, log_target_PZ: FloatArray) -> Row:
    """The pair's gap in its two parts, reward, and the policy's total variation to p*."""
    pair = two_player_gap(game, log_p_PZ, LAMBDA * log_target_PZ)
    return {
        "gap": pair.gap,
        "target_regret": pair.target_regret,
        "policy_regret": pair.policy_regret,
        "tv": float(total_variation(log_p_PZ, log_star_PZ).mean()),
    }


def marked(rows: Sequence[Row], visits: int, key: str) -> list[Row]:
    """The rows with one figure after so many visits, under its own name."""
    return [{**row, key: next(m[key] for m in row["marks"] if m["visits"] == visits)} for row in rows]


def tables(rows: Sequence[Row]) -> list[Table]:
    """Moving policies: the pair's gap. Policies that stand still: what the target could gain."""
    return [
        _table(rows, 0.1, "gap", "Gap of policy and target, policies that move", "mean ± sd over seeds, reward"),
        _table(rows, 0.1, "tv", "Distance to equilibrium, policies that move", "TV, mean ± sd over seeds"),
        _table(rows, 0.0, "target_regret", "What the target could gain, policies that stand still", "reward"),
    ]


def _table(rows: Sequence[Row], share: float, key: str, title: str, caption: str) -> Table:
    chosen = where(rows, share=share)
    visits = [mark["visits"] for mark in chosen[0]["marks"]] if chosen else []
    lines = []
    for prompts, own, player in distinct(chosen, "prompts", "own", "player"):
        runs = where(chosen, prompts=prompts, own=own, player=player)
        cells = [str(over(marked(runs, n, key), key)) for n in visits]
        numbers, cost = over(runs, "numbers"), over(runs, "milliseconds")
        spent = (Number(numbers.mean, ".1f"), Number(cost.mean, ".2g"))
        lines.append((prompts, Number(own, "g"), player, *cells, *spent))
    after = (f"{n} visits" for n in visits)
    headings = columns("prompts", "own", "player", *after, "numbers a prompt", "ms a visit")
    return Table(title, headings, tuple(lines), caption, keys=3)


def answer(rows: Sequence[Row]) -> str:
    """The gap that each player leaves after the first, eighth and last visits, features telling all or nothing."""

    def gap(player: str, own: float, visits: int) -> float:
        runs = where(rows, share=0.1, own=own, player=player, prompts=64)
        return over(marked(runs, visits, "gap"), "gap").mean

    late = max(mark["visits"] for mark in rows[0]["marks"])
    early = min(8, late)
    return (
        f"With 64 prompts and G = {GROUP} the gap of policy and target after {early} visits a prompt is "
        f"{gap('table', 0.0, early):.2f} with counts of the visit, {gap('memory-1', 0.0, early):.2f} with a "
        f"memory, {gap('amortised', 0.0, early):.2f} with a network whose features tell the answers "
        f"({gap('amortised', 1.0, early):.2f} where they tell nothing) and {gap('nothing', 0.0, early):.2f} with "
        f"a target that never looks; after {late} visits {gap('table', 0.0, late):.2f}, "
        f"{gap('memory-1', 0.0, late):.3f}, {gap('amortised', 0.0, late):.3f} "
        f"({gap('amortised', 1.0, late):.2f}) and {gap('nothing', 0.0, late):.2f}."
    )


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """The gap against visits, a panel for each share that features do not tell."""
    moving = where(rows, share=0.1, prompts=64)
    shares = [own for (own,) in distinct(moving, "own")]
    for axes, own in zip(np.atleast_1d(figure.subplots(1, len(shares), sharey=True)), shares, strict=True):
        for i, player in enumerate(PLAYERS):
            runs = where(moving, own=own, player=player)
            visits = [mark["visits"] for mark in runs[0]["marks"]]
            means = [over(marked(runs, n, "gap"), "gap").mean for n in visits]
            axes.loglog(visits, means, "o-", ms=3, color=f"C{i}", label=player)
        axes.set(xlabel="visits of every prompt", title=f"features tell {1 - own:.0%} of log p₀", ylim=(1e-3, 3))
    figure.axes[0].set_ylabel("two-player gap (reward)")
    figure.axes[0].legend(frameon=False, fontsize=8)


TARGET_COST = Experiment(
    name="target-cost",
    question="What does knowing the target cost: counts, a memory per prompt, or a network over prompts?",
    cost="30 seconds; --full 5 minutes",
    version=1,
    arms=arms,
    play=play,
    tables=tables,
    answer=answer,
    draw=draw,
)
