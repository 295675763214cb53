"""The `scripted` backend: completions from a JSONL file or a function; no model.

Each line holds a `text`, and may hold `problem_id` and `variant` to say which prompt it answers, `finish_reason`
("stop" if not given), `n_tokens` (0), `n_tokens_estimated` (false) and `logprob`. Lines that name a prompt's
problem and phrasing come before those that name its problem, and those before lines for all. Draws take the lines
in the order of the file and begin anew when it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alftbench.backends.base import ARGS, BackendOptions
from alftbench.backends.stops import until
from alftbench.base.checks import SCRIPT, check
from alftbench.base.jsonio import read_jsonl
from alftbench.base.settings import NoSettings, read_settings
from alftbench.errors import BadInput, UsageError
from alftbench.types import Sample, SampleKey, SamplingParams, Variant

Script = Callable[[Variant, int], str]  # prompt and draw → completion
Lines = Mapping[tuple[str | None, str | None], Sequence[Mapping[str, Any]]]  # by problem and phrasing


class ScriptedBackend:
    """Says what a file says."""

    def __init__(self, model: str, options: BackendOptions) -> None:
        read_settings(NoSettings, options.args, ARGS)
        self.path, self.lines = model, read_script(Path(model))

    @staticmethod
    def locate(model: str) -> str:
        """The script's path."""
        if not Path(model).is_file():
            raise UsageError(
                f"--model {model}: no such file; the scripted backend reads completions from a JSONL file"
            )
        return model

    def sample(
        self, variants: Sequence[Variant], params: SamplingParams, done: Container[SampleKey] = ()
    ) -> Iterator[list[Sample]]:
        """Prompt after prompt, what is not done."""
        for variant in variants:
            lines = self._lines(variant)
            draws = [d for d in range(params.n) if (variant.problem_id, variant.name, d) not in done]
            said = [scripted(variant, draw, lines[draw % len(lines)]) for draw in draws]
            yield [ended(sample, params.stop) for sample in said]

    def _lines(self, variant: Variant) -> Sequence[Mapping[str, Any]]:
        """The lines for a prompt: those that name it most exactly."""
        for key in (
            (variant.problem_id, variant.name),
            (variant.problem_id, None),
            (None, variant.name),
            (None, None),
        ):
            if key in self.lines:
                return self.lines[key]
        raise BadInput(f"{self.path}: no line for the problem {variant.problem_id}, phrasing {variant.name}")


class FunctionBackend:
    """Says what a function says: for tests of what comes after sampling."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def sample(
        self, variants: Sequence[Variant], params: SamplingParams, done: Container[SampleKey] = ()
    ) -> Iterator[list[Sample]]:
        """Prompt after prompt, what is not done."""
        for variant in variants:
            draws = [d for d in range(params.n) if (variant.problem_id, variant.name, d) not in done]
            yield [scripted(variant, draw, {"text": self.script(variant, draw)}) for draw in draws]


def read_script(path: Path) -> Lines:
    """The lines of a script by problem and phrasing.

    Raises:
        BadInput: a line has no text, a field that nobody would read, or one that cannot be what it says.
    """
    lines: dict[tuple[str | None, str | None], list[Mapping[str, Any]]] = {}
    for number, row in read_jsonl(path, by_model=True):
        try:
            check(row, SCRIPT, ("text",))
        except ValueError as error:
            raise BadInput(f"{path}, line {number}: {error}") from None
        if unknown := sorted(row.keys() - SCRIPT):
            raise BadInput(f"{path}, line {number}: no field {unknown[0]!r}; known: {', '.join(sorted(SCRIPT))}")
        lines.setdefault((row.get("problem_id"), row.get("variant")), []).append(row)
    return lines


def ended(sample: Sample, stop: Sequence[str]) -> Sample:
    """A completion up to the first stop string, as an engine would have ended it."""
    text = until(sample.text, stop)
    return sample if text == sample.text else replace(sample, text=text, finish_reason="stop")


def scripted(variant: Variant, draw: int, line: Mapping[str, Any]) -> Sample:
    """A line as the completion of a prompt."""
    return Sample(
        problem_id=variant.problem_id,
        variant=variant.name,
        draw=draw,
        text=line["text"],
        finish_reason=line.get("finish_reason", "stop"),
        n_tokens=line.get("n_tokens", 0),
        logprob=line.get("logprob"),
        n_tokens_estimated=line.get("n_tokens_estimated", False),
    )
