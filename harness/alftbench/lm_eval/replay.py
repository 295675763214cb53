"""The `replay` backend: the samples of an earlier run, or of a samples file of lm-eval; no model."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from alftbench.backends.base import ARGS, BackendInfo, BackendOptions, refuse_engine_options
from alftbench.base.settings import read_settings
from alftbench.errors import BadInput, UsageError
from alftbench.evaluation.run_folder import read_samples
from alftbench.evaluation.verify import verify_samples
from alftbench.lm_eval.rows import draws, read_rows
from alftbench.types import Sample, SampleKey, SamplingParams, Variant

PORTION = 256  # prompts kept at a time


def locate(model: str) -> str:
    """The path of a run folder or of a samples file.

    Raises:
        UsageError: it is neither.
    """
    path = Path(model)
    if not path.is_file() and not (path / "run.json").is_file():
        raise UsageError(
            f"--model {model}: the replay backend needs a run folder or a samples_*.jsonl file of lm-eval"
        )
    return model


@dataclass(frozen=True)
class ReplaySettings:
    """What --backend-args may say to this backend."""

    filter: Annotated[str | None, "whose lines of a samples file of lm-eval to take; the file's first"] = None


class ReplayBackend:
    """Hands out samples that are there already."""

    info = BackendInfo(locate)
    about: Mapping[str, Any] = {}

    def __init__(self, model: str, options: BackendOptions) -> None:
        refuse_engine_options(options, "replay")
        settings = read_settings(ReplaySettings, options.args, ARGS)
        self.source = model
        self.samples = {sample.key: sample for sample in read_source(Path(model), settings.filter)}

    def sample(
        self, variants: Sequence[Variant], params: SamplingParams, done: Container[SampleKey] = ()
    ) -> Iterator[list[Sample]]:
        """The recorded samples of the prompts.

        Raises:
            BadInput: one is not recorded.
        """
        for start in range(0, len(variants), PORTION):
            keys = [
                (variant.problem_id, variant.name, draw)
                for variant in variants[start : start + PORTION]
                for draw in range(params.n)
            ]
            missing = [key for key in keys if key not in self.samples]
            if missing:
                problem, variant, draw = missing[0]
                raise BadInput(f"{self.source}: holds no draw {draw} of problem {problem}, phrasing {variant}")
            yield [self.samples[key] for key in keys if key not in done]


def read_source(path: Path, filter_name: str | None = None) -> list[Sample]:
    """The samples of a complete run, verified, or of a samples file of lm-eval."""
    if path.is_dir():
        if filter_name is not None:
            raise UsageError("--backend-args filter: a run folder has none; leave it out")
        verify_samples(path)
        return read_samples(path)
    return [sample for row in read_rows(path, filter_name) for sample in draws(row)]
