"""The files between alftbench and a command: what it is asked, and what it must hand back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from alftbench.backends.model_files import locate
from alftbench.base.jsonio import parse_json, read_json, write_json, write_text
from alftbench.base.names import folder_name
from alftbench.base.validate import Count, at_least, read
from alftbench.errors import AlftbenchError, BadInput, PluginError
from alftbench.training.checks import beyond
from alftbench.training.trainer import TrainRequest, TrainSuite, Update
from alftbench.types import Budget, Cost, Orbit

SCHEMA_VERSION = 1
Amount = Annotated[float, at_least(0)]


@dataclass(frozen=True)
class Places:
    """Where everything lies in a trainer's folder.

    state is the command's own and there again after a kill; checkpoint and cost are cleared before each attempt.
    """

    request: Path
    problems: Path
    state: Path
    checkpoint: Path
    cost: Path
    updates: Path
    clock: Path

    @classmethod
    def below(cls, folder: Path) -> Places:
        """The places in a folder."""
        names = ("request.json", "problems", "state", "checkpoint", "cost.json", "updates.jsonl", "clock.json")
        return cls(*(folder.absolute() / name for name in names))


@dataclass(frozen=True)
class CostFile:
    """The content of the cost file: fields of `Cost` that the command knows, and the optimiser steps it took.

    seconds: of training, summed over attempts; measured from outside where it is left out. steps: those of the
    updates file where left out.
    """

    generated_tokens: Count
    steps: Count | None = None
    prompt_tokens: Count = 0
    trained_tokens: Count = 0
    scored_tokens: Count = 0
    forward_passes: Count = 0
    backward_passes: Count = 0
    flops: Amount = 0.0
    seconds: Amount | None = None

    def cost(self, clock: float) -> Cost:
        """As `Cost`, with the seconds of the clock where the command did not say."""
        spent = {field.name: getattr(self, field.name) for field in fields(Cost)}
        return Cost(**{**spent, "seconds": clock if self.seconds is None else self.seconds})


def write_request(request: TrainRequest, places: Places) -> None:
    """Write request.json and the problems of every suite."""
    places.state.mkdir(parents=True, exist_ok=True)
    suites = []
    for suite in request.suites:
        path = places.problems / f"{folder_name(suite.name)}.jsonl"
        write_text(path, "".join(json.dumps(row(orbit), ensure_ascii=False) + "\n" for orbit in suite.orbits))
        suites.append({**about(suite), "problems": str(path)})
    asked = {
        "schema_version": SCHEMA_VERSION,
        "model": request.model,
        "suites": suites,
        "budget": asdict(request.budget),
        "seed": request.seed,
        "device": request.device,
        "dtype": request.dtype,
        "trust_remote_code": request.trust_remote_code,
        **{name: str(getattr(places, name)) for name in ("state", "checkpoint", "cost", "updates")},
    }
    write_json(places.request, asked)


def about(suite: TrainSuite) -> dict[str, Any]:
    """A suite's name, how its completions are drawn, and how an answer is to be written."""
    info = suite.suite.info
    sampling = info.sampling
    return {
        "name": info.name,
        "max_tokens": suite.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop": list(sampling.stop),
        "answer_rules": list(info.answer_rules),
    }


def row(orbit: Orbit) -> dict[str, Any]:
    """A problem with all its phrasings, as a line of JSON."""
    problem = orbit.problem
    return {
        "id": problem.id,
        "question": problem.question,
        "answer_kind": problem.answer_kind,
        "answers": list(problem.reference),
        "phrasings": [
            {"name": variant.name, "messages": [dict(message) for message in variant.messages]}
            for variant in orbit.variants
        ],
    }


def read_cost(path: Path, budget: Budget, updates: int) -> CostFile:
    """The cost file, checked; `updates` are the steps that the updates file says.

    Raises:
        PluginError: it is missing, no such JSON, or more than the budget.
    """
    if not path.is_file():
        raise PluginError(f"the command of external ended without its cost file; it must write {path}")
    try:
        told = read(CostFile, read_json(path), str(path))
    except BadInput as error:
        raise PluginError(f"the cost file of external is wrong: {error}") from error
    steps = updates if told.steps is None else told.steps
    if fault := beyond(told.cost(0.0), steps, budget):
        raise PluginError(f"the command of external broke its budget: {fault}; remove the run to train anew")
    return CostFile(**{**asdict(told), "steps": steps})


def check_checkpoint(path: Path) -> None:
    """Refuse what is no model that can be measured.

    Raises:
        PluginError: no folder, or no model with safetensors and a tokenizer in it.
    """
    if path.is_symlink() or not path.is_dir():
        raise PluginError(f"the command of external ended without a checkpoint; it must write the folder {path}")
    try:
        locate(str(path))
    except AlftbenchError as error:
        raise PluginError(f"the checkpoint of external cannot be loaded: {error}") from error
    for pattern, what in (("*.safetensors", "weights as safetensors"), ("tokenizer*", "a tokenizer")):
        if not any(path.glob(pattern)):
            raise PluginError(f"the checkpoint of external lacks {what}; save model and tokenizer in {path}")


class UpdatesFile:
    """The steps that a command appends to its updates file, read as they come.

    Attributes:
        step: the last one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.step = 0

    def new(self) -> Iterator[Update]:
        """The steps since the last call.

        Raises:
            PluginError: a line is no step.
        """
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, _, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + 1 if whole else 0
        for line in whole.splitlines():
            if line.strip():
                update = self._read(line)
                self.step = update.step
                yield update

    def _read(self, line: bytes) -> Update:
        try:
            told = parse_json(line.decode())
            known = {"accuracy": None, "kl": None, **told} if isinstance(told, dict) else told
            return read(Update, known, str(self._path))
        except ValueError as error:
            raise PluginError(f"the updates file of external has a line that is no step: {error}") from error
