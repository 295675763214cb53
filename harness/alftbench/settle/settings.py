"""What is run: the language, the games, and the grid of arms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

from alftbench.errors import UsageError
from alftbench.games.estimators import LARGEST_K

GAMES = ("diversity", "correctness", "coherence", "quadratic")
TABLES = ("plug-in", "digamma", "minimax", "variance-optimal")
"""Estimators of log p from the counts of one group."""
TARGETS = (*TABLES, "memory", "oracle")
"""Target players of a logarithmic reward: the tables, a running estimate of p, and the true p."""
POWER_TARGETS = ("plug-in", "u-statistic", "memory", "oracle")
"""Target players of the quadratic game, whose reward is linear in p."""
GROUPS = (4, 8, 16)


@dataclass(frozen=True)
class Arm:
    """One run: a game, a way to play it, a seed.

    Args:
        game: one of `GAMES`.
        method: "mirror", "alternating" or "direct" (tabular), "exact" (neural policy, exact gradients) or
            "sampled" (neural policy, group-relative rewards).
        seed: of the language and of every draw.
        target: of a sampled arm, how the target player knows p; one of `TARGETS` or, for the quadratic game, of
            `POWER_TARGETS`; "none" for correctness.
        group: rollouts per group G.
        scale: "none", or "std" to divide a group's advantages by their standard deviation.
        anchor: where β KL(π‖π0) acts: "reward" (−β log π/π0 joins the reward before the group is centred and
            scaled) or "loss" (its exact gradient is added afterwards).
        decay: of a memory, ρ per visit; None takes the settings'.
        every: of a memory, how many steps pass from one visit of a prompt to its next.
    """

    game: str
    method: str
    seed: int
    target: str = "none"
    group: int = 0
    scale: str = "none"
    anchor: str = "reward"
    decay: float | None = None
    every: int = 1

    @property
    def variant(self) -> str:
        """The arm's name without its seed."""
        if self.method != "sampled":
            return f"{self.game}/{self.method}"
        scaled = "" if self.scale == "none" else f"/{self.scale}-in-{self.anchor}"
        moved = "/anchor-in-loss" if self.scale == "none" and self.anchor == "loss" else ""
        decay = "" if self.decay is None else f"-{self.decay:g}"
        rare = "" if self.every == 1 else f"-every-{self.every}"
        return f"{self.game}/sampled/{self.target}{decay}{rare}/G{self.group}{scaled}{moved}"

    @property
    def name(self) -> str:
        """The arm's unique name."""
        return f"{self.variant}/seed{self.seed}"


@dataclass(frozen=True)
class SettleSettings:
    """Settings of the whole experiment; the defaults take a few minutes on one core.

    Args:
        seed: first seed; seeds: how many, each with its own language and draws.
        full: the whole grid of group sizes, estimators and scalings.
        vocabulary, length, answers: the traces (see `TraceTree`).
        prompts: P, phrasings of one question; for diversity and correctness they are P games in one network.
        width: hidden units. skew: wanted max p0 / min p0 of every prompt.
        beta: strength of the KL anchor; lambda_: of all games but correctness; eta: of correctness, in reward.
        rollouts: per prompt and step, in rollouts / G groups.
        steps: of a sampled arm; exact_steps: of an arm with exact gradients.
        learning_rate: Adam's, falling to zero along a cosine; exact_learning_rate: likewise.
        decay: ρ of the running estimate, per step.
        checkpoints: measurements along a run.
    """

    seed: int = 0
    seeds: int = 3
    full: bool = False
    vocabulary: int = 6
    length: int = 4
    answers: int = 8
    prompts: int = 3
    width: int = 96
    skew: float = 12.0
    beta: float = 0.5
    lambda_: float = 1.0
    eta: float = 1.0
    rollouts: int = 128
    steps: int = 600
    exact_steps: int = 800
    learning_rate: float = 1e-2
    exact_learning_rate: float = 1e-2
    decay: float = 0.98
    checkpoints: int = 20

    def __post_init__(self) -> None:
        """Refuse settings that make no experiment."""
        for name in ("seeds", "prompts", "width", "rollouts", "steps", "exact_steps", "checkpoints", "length"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("beta", "lambda_", "eta", "learning_rate", "exact_learning_rate"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name.strip('_')} is {getattr(self, name)}; it must be positive")
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}; it must not be negative")
        if not 0 <= self.decay < 1:
            raise UsageError(f"decay is {self.decay}; it must be in [0, 1)")
        self._check_traces()
        self._check_groups()

    def _check_traces(self) -> None:
        traces = self.vocabulary**self.length
        if self.vocabulary < 2 or self.answers < 2:
            raise UsageError("vocabulary and answers must be at least 2")
        if traces > 20_000:
            raise UsageError(
                f"{self.vocabulary} tokens and length {self.length} make {traces} traces; at most 20000"
            )
        if self.answers > self.length * (self.vocabulary - 1) + 1:
            raise UsageError(
                f"sums of {self.length} tokens do not reach {self.answers} answers; use fewer answers"
            )
        if not self.skew >= 5:
            raise UsageError(f"skew is {self.skew}; a reference with less than 5 settles nothing")

    def _check_groups(self) -> None:
        for group in self.groups:
            if self.rollouts % group:
                raise UsageError(f"rollouts is {self.rollouts}; it must be a multiple of the group size {group}")
        if self.prompts * max(self.groups) > LARGEST_K:
            raise UsageError(f"prompts is {self.prompts}; tables end at orbits of {LARGEST_K} rollouts")

    @property
    def groups(self) -> tuple[int, ...]:
        """Group sizes of the grid."""
        return GROUPS if self.full else GROUPS[:2]

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds, each of a language and its draws."""
        return tuple(range(self.seed, self.seed + self.seeds))

    def to_json(self) -> dict[str, Any]:
        """The settings as plain data."""
        return asdict(self)

    def whole_grid(self) -> SettleSettings:
        """The settings of `--full`: all group sizes and scalings, whole batches as one group, five seeds."""
        return replace(self, full=True, seeds=max(self.seeds, 5))


def arms(settings: SettleSettings) -> Iterator[Arm]:
    """Every arm once, the cheap and the decisive first, all seeds of a variant together.

    The default grid is a part of the full one, so that a full run continues a default run.
    """
    variants = [*_decisive(settings), *(_whole(settings) if settings.full else ())]
    return (replace(arm, seed=seed) for arm in dict.fromkeys(variants) for seed in settings.seed_list)


def _decisive(settings: SettleSettings) -> Iterator[Arm]:
    """The bars, every estimator for diversity, and one arm for every other question."""
    for method in ("mirror", "direct", "alternating", "exact"):
        yield from (Arm(game, method, 0) for game in GAMES[:3])
    for group in settings.groups:
        yield from (Arm("diversity", "sampled", 0, target, group) for target in TARGETS)
    yield from (Arm("diversity", "sampled", 0, target, 8, "std", "reward") for target in ("plug-in", "oracle"))
    yield from (Arm("diversity", "sampled", 0, "plug-in", 8, scale, "loss") for scale in ("none", "std"))
    for scale, anchor in (("none", "reward"), ("std", "reward"), ("std", "loss")):
        yield Arm("correctness", "sampled", 0, "none", 8, scale, anchor)
    chosen = ("plug-in", "variance-optimal", "memory", "oracle")
    yield from (Arm("coherence", "sampled", 0, target, 8) for target in chosen)


def _whole(settings: SettleSettings) -> Iterator[Arm]:
    """Every game, estimator, group size and scaling; then what only some arms are asked."""
    yield from (Arm("quadratic", method, 0) for method in ("mirror", "direct", "alternating", "exact"))
    for game, scale, group in product(GAMES, ("none", "std"), GROUPS):
        yield from (Arm(game, "sampled", 0, target, group, scale) for target in players(game))
    for scale, group in product(("none", "std"), GROUPS):
        yield Arm("correctness", "sampled", 0, "none", group, scale, "loss")
    yield from (Arm("diversity", "sampled", 0, "oracle", 8, scale, "loss") for scale in ("none", "std"))
    yield from _memories()
    yield from _large_groups(settings)


def players(game: str) -> tuple[str, ...]:
    """The target players that a game's reward can have."""
    return {"correctness": ("none",), "quadratic": POWER_TARGETS}.get(game, TARGETS)


def _memories() -> Iterator[Arm]:
    """Other decays, and prompts that come back every few steps only."""
    for decay in (0.5, 0.8, 0.9, 0.95, 0.99, 0.995):
        yield Arm("diversity", "sampled", 0, "memory", 8, decay=decay)
    for every in (4, 16):
        for decay in (0.5, 0.8, 0.9, 0.95, 0.98):
            yield Arm("diversity", "sampled", 0, "memory", 8, decay=decay, every=every)


def _large_groups(settings: SettleSettings) -> Iterator[Arm]:
    """Groups as large as tables and rollouts allow: how many samples stand in for a memory."""
    for group in (32, 64, 128):
        if settings.rollouts % group == 0:
            chosen = ("plug-in", "digamma", "variance-optimal", "oracle")
            yield from (Arm("diversity", "sampled", 0, target, group) for target in chosen)
