"""Short training runs on the probe: what the checks look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from alftbench.backends.model_files import fingerprint, locate
from alftbench.errors import UsageError
from alftbench.training.conformance.probe import Graded, ProbeSuite
from alftbench.training.train import make_trainer
from alftbench.training.trainer import (
    ChecksPlan,
    Trainer,
    TrainerSpec,
    TrainRequest,
    TrainResult,
    TrainSuite,
    Update,
)
from alftbench.types import Budget

MODEL = "tiny-sums"
SMALL = {
    "group": "4",
    "orbits": "1",
    "warmup": "0",
    "learning_rate": "2e-3",
    "max_grad_norm": "1e9",
    "save_every": "1",
}
"""Options that make a step quick, its movement legible and its state kept, for trainers that have them."""
STEPS = Budget(steps=2)
TOKENS = (2_500, 10_000, 40_000, 160_000)
"""Token budgets that are tried, the first that one step fits into."""


@dataclass(frozen=True)
class ProbeRun:
    """What one run left."""

    result: TrainResult
    graded: tuple[Graded, ...]
    updates: tuple[Update, ...]
    checkpoint: Path

    @property
    def sha256(self) -> str:
        """Of the checkpoint as it lies there."""
        return fingerprint(self.checkpoint)

    @property
    def tokens(self) -> int:
        """Tokens that were graded."""
        return sum(graded.tokens for graded in self.graded)


class Stopped(BaseException):
    """What stops a run, as a kill would, while it tells of its last step."""


class Laboratory:
    """A trainer and its runs, each made once, when a check asks for it.

    Args:
        spec: the trainer, with the options that it is asked with.
        folder: gets the runs.
        make: how a spec becomes a trainer.
    """

    def __init__(
        self, spec: TrainerSpec, folder: Path, make: Callable[[TrainerSpec], Trainer] = make_trainer
    ) -> None:
        self.spec, self.make, self._folder = spec, make, folder
        offered = make(spec).config()
        asked = dict(spec.options)
        small = {name: value for name, value in SMALL.items() if name in offered} | self._kl(offered)
        options = {**small, **asked}
        self.trainer = make(TrainerSpec(spec.name, tuple(sorted(options.items()))))
        self.config = dict(self.trainer.config())

    @staticmethod
    def _kl(offered: Mapping[str, object]) -> dict[str, str]:
        """A KL that weighs as much as the rewards after one step, where the trainer has one."""
        return {"beta": "1"} if offered.get("beta") else {}

    def run(self, name: str, budget: Budget = STEPS, seed: int = 0, stop: bool = False) -> ProbeRun:
        """One run in a folder of its own; stopped in its last step and asked again if so wished."""
        probe, updates = ProbeSuite(), list[Update]()

        def on_update(update: Update) -> None:
            updates.append(update)
            if stop and len(updates) == STEPS.steps:
                raise Stopped

        folder = self._folder / name
        (folder / "state").mkdir(parents=True)
        suites = (TrainSuite(probe, tuple(probe.orbits())),)
        if isinstance(self.trainer, ChecksPlan):
            self.trainer.check(suites, budget, seed)
        request = TrainRequest(
            locate(MODEL), suites, budget, seed, folder / "state", folder / "checkpoint", on_update, device="cpu"
        )
        try:
            result = self.trainer.train(request)
        except Stopped:
            result = self.trainer.train(request)
        return ProbeRun(result, tuple(probe.graded), tuple(updates), request.checkpoint)

    @cached_property
    def first(self) -> ProbeRun:
        """One step."""
        return self.run("first", Budget(steps=1))

    @cached_property
    def both(self) -> ProbeRun:
        """Two steps."""
        return self.run("both")

    @cached_property
    def again(self) -> ProbeRun:
        """The same two steps."""
        return self.run("again")

    @cached_property
    def reseeded(self) -> ProbeRun:
        """Two steps with another seed."""
        return self.run("reseeded", seed=1)

    @cached_property
    def resumed(self) -> ProbeRun:
        """Two steps, stopped in the second."""
        return self.run("resumed", stop=True)

    @cached_property
    def limited(self) -> tuple[int, ProbeRun]:
        """A run that only a token budget ends, and the budget."""
        for tokens in TOKENS[:-1]:
            try:
                return tokens, self.run(f"limited-{tokens}", Budget(tokens=tokens))
            except UsageError:  # a step of it may take more
                continue
        return TOKENS[-1], self.run("limited", Budget(tokens=TOKENS[-1]))
