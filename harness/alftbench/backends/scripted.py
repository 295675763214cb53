"""The `scripted` backend: completions from a JSONL file or a function; no model.

Each line holds a `text`, and may hold `problem_id` and `variant` to say which prompt it answers, `finish_reason`
("stop" if not given), `n_tokens` (0), `n_tokens_estimated` (false) and `logprob`. Lines that name a prompt's
problem and phrasing come before those that name its problem, and those before lines for all. Draws take the lines
in the order of the file and begin anew when it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alftbench.backends.base import ARGS, BackendInfo, BackendOptions, Drawn, FinishReason, refuse_engine_options
from alftbench.backends.stops import until
from alftbench.base.jsonio import read_jsonl
from alftbench.base.settings import NoSettings, read_settings
from alftbench.base.validate import read
from alftbench.errors import BadInput, UsageError
from alftbench.types import Sample, SampleKey, SamplingParams, Variant

Script = Callable[[Variant, int], str]  # prompt and draw → completion


@dataclass(frozen=True, kw_only=True)
class ScriptLine(Drawn):
    """A completion, and which prompts it is for; all if it does not say."""

    text: str
    problem_id: str | None = None
    variant: str | None = None
    finish_reason: FinishReason = "stop"


ScriptLines = Mapping[tuple[str | None, str | None], Sequence[ScriptLine]]  # by problem and phrasing


def locate(model: str) -> str:
    """The script's path.

    Raises:
        UsageError: there is no such file.
    """
    if not Path(model).is_file():
        raise UsageError(f"--model {model}: no such file; the scripted backend reads a JSONL file of completions")
    return model


class ScriptedBackend:
    """Says what a file says."""

    info = BackendInfo(locate)
    about: Mapping[str, Any] = {}

    def __init__(self, model: str, options: BackendOptions) -> None:
        refuse_engine_options(options, "scripted")
        read_settings(NoSettings, options.args, ARGS)
        self.path, self.lines = model, read_script(Path(model))

    def sample(
        self, variants: Sequence[Variant], params: SamplingParams, done: Container[SampleKey] = ()
    ) -> Iterator[list[Sample]]:
        """Prompt after prompt, what is not done."""
        for variant in variants:
            lines = self._lines(variant)
            draws = [d for d in range(params.n) if (variant.problem_id, variant.name, d) not in done]
            said = [scripted(variant, draw, lines[draw % len(lines)]) for draw in draws]
            yield [ended(sample, params.stop) for sample in said]

    def _lines(self, variant: Variant) -> Sequence[ScriptLine]:
        """The lines for a prompt: those that name it most exactly."""
        problem, phrasing = variant.problem_id, variant.name
        for key in ((problem, phrasing), (problem, None), (None, phrasing), (None, None)):
            if key in self.lines:
                return self.lines[key]
        raise BadInput(f"{self.path}: no line for the problem {problem}, phrasing {phrasing}")


class FunctionBackend:
    """Says what a function says: for tests of what comes after sampling."""

    info = BackendInfo(locate=None)
    about: Mapping[str, Any] = {}

    def __init__(self, script: Script) -> None:
        self.script = script

    def sample(
        self, variants: Sequence[Variant], params: SamplingParams, done: Container[SampleKey] = ()
    ) -> Iterator[list[Sample]]:
        """Prompt after prompt, what is not done."""
        for variant in variants:
            draws = [d for d in range(params.n) if (variant.problem_id, variant.name, d) not in done]
            yield [scripted(variant, draw, ScriptLine(text=self.script(variant, draw))) for draw in draws]


def read_script(path: Path) -> ScriptLines:
    """The lines of a script by problem and phrasing.

    Raises:
        BadInput: a line has no text, a field that nobody would read, or one that cannot be what it says.
    """
    lines: dict[tuple[str | None, str | None], list[ScriptLine]] = {}
    for number, row in read_jsonl(path, by_model=True):
        line = read(ScriptLine, row, f"{path}, line {number}")
        lines.setdefault((line.problem_id, line.variant), []).append(line)
    return lines


def ended(sample: Sample, stop: Sequence[str]) -> Sample:
    """A completion up to the first stop string, as an engine would have ended it."""
    text = until(sample.text, stop)
    return sample if text == sample.text else replace(sample, text=text, finish_reason="stop")


def scripted(variant: Variant, draw: int, line: ScriptLine) -> Sample:
    """A line as the completion of a prompt."""
    return Sample(
        problem_id=variant.problem_id,
        variant=variant.name,
        draw=draw,
        text=line.text,
        finish_reason=line.finish_reason,
        n_tokens=line.n_tokens,
        logprob=line.logprob,
        n_tokens_estimated=line.n_tokens_estimated,
    )
