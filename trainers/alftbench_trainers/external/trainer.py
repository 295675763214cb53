"""The trainer `external`: hands a request to a command, waits, and checks what it hands back."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from alftbench.backends.model_files import fingerprint
from alftbench.base.jsonio import drop_torn_line, read_json, reporting, write_json
from alftbench.base.settings import options_of, read_settings
from alftbench.training.trainer import TrainerInfo, TrainRequest, TrainResult, TrainSuite
from alftbench.types import Budget, Checkpoint
from alftbench_trainers.external.command import check_command, digests_of, run, words_of
from alftbench_trainers.external.files import (
    CostFile,
    Places,
    UpdatesFile,
    check_checkpoint,
    read_cost,
    write_request,
)

SAVE_SECONDS = 5.0  # between two times that the clock is written down, lest a kill lose what was spent


@dataclass(frozen=True)
class ExternalOptions:
    """Options of external."""

    command: Annotated[str, "what trains; takes all that follows, so it stands last; gets the request file"] = ""


@dataclass(frozen=True)
class ExternalTrainer:
    """A trainer whose work a command does."""

    options: ExternalOptions

    @property
    def needs_orbits(self) -> bool:
        """Nobody knows what a command compares; it gets every phrasing there is."""
        return False

    @cached_property
    def words(self) -> list[str]:
        """The command's words."""
        return words_of(self.options.command)

    def config(self) -> Mapping[str, Any]:
        """The command, and the digests of the files it names."""
        return {"command": self.options.command, "files": digests_of(self.words) or None}

    def check(self, suites: Sequence[TrainSuite], budget: Budget, seed: int) -> None:
        """Refuse a command that cannot be started."""
        check_command(self.words)

    def train(self, request: TrainRequest) -> TrainResult:
        """Run the command until it ends, log its steps, and take its checkpoint.

        Raises:
            PluginError: it failed, or what it hands back is missing or wrong.
        """
        places = Places.below(request.folder)
        if not request.checkpoint.exists():  # else a kill came after the checkpoint and before the record
            self._attempt(request, places)
        told = accept(request, places)
        checkpoint = Checkpoint(str(request.checkpoint), told.steps or 0, fingerprint(request.checkpoint))
        return TrainResult(checkpoint, told.cost(clock(places)))

    def _attempt(self, request: TrainRequest, places: Places) -> None:
        shutil.rmtree(places.checkpoint, ignore_errors=True)
        places.cost.unlink(missing_ok=True)
        drop_torn_line(places.updates)
        write_request(request, places)
        steps, spent, started = UpdatesFile(places.updates), clock(places), time.perf_counter()
        saved = started

        def meanwhile() -> None:
            nonlocal saved
            for update in steps.new():
                request.on_update(update)
            if time.perf_counter() - saved > SAVE_SECONDS:
                saved = time.perf_counter()
                write_json(places.clock, {"seconds": spent + saved - started})

        log = request.checkpoint.with_name("external.log")
        try:
            run([*self.words, str(places.request)], log, log.with_suffix(".err"), meanwhile)
        finally:
            write_json(places.clock, {"seconds": spent + time.perf_counter() - started})


def accept(request: TrainRequest, places: Places) -> CostFile:
    """Check cost and checkpoint, and move the latter where it belongs."""
    steps = UpdatesFile(places.updates)
    told = read_cost(places.cost, request.budget, max((update.step for update in steps.new()), default=0))
    if not request.checkpoint.exists():
        check_checkpoint(places.checkpoint)
        with reporting(request.checkpoint):
            places.checkpoint.rename(request.checkpoint)
    return told


def clock(places: Places) -> float:
    """Seconds that all attempts took so far."""
    return float(read_json(places.clock)["seconds"]) if places.clock.exists() else 0.0


class External:
    """A command of your own trains: it gets a request file and hands back a checkpoint and a cost file."""

    info = TrainerInfo(
        "A command of your own trains; it gets a request file and hands back a checkpoint and its cost.",
        "",
        options_of(ExternalOptions),
    )

    def __call__(self, options: Mapping[str, str]) -> ExternalTrainer:
        """A trainer with a command.

        Raises:
            UsageError: an option is unknown, or the command cannot be split into words.
        """
        trainer = ExternalTrainer(read_settings(ExternalOptions, options, "option"))
        words_of(trainer.options.command)
        return trainer


EXTERNAL = External()
