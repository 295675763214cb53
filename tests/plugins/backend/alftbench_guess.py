"""A backend without a model: it answers with one of the numbers in the question."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from alftbench.backends.base import ARGS, BackendInfo, BackendOptions
from alftbench.base.seeds import stream
from alftbench.base.settings import NoSettings, read_settings
from alftbench.types import Sample, SampleKey, SamplingParams, Variant


class GuessBackend:
    """Guesses a number of the question."""

    info = BackendInfo(locate=None)  # any name will do for its model

    def __init__(self, model: str, options: BackendOptions) -> None:
        read_settings(NoSettings, options.args, ARGS)
        self.about: Mapping[str, Any] = {"engine": {"guesses": model}}

    def sample(
        self, variants: Sequence[Variant], params: SamplingParams, done: Container[SampleKey] = ()
    ) -> Iterator[list[Sample]]:
        """Prompt after prompt, what is not done."""
        for variant in variants:
            numbers = re.findall(r"\d+", variant.messages[-1]["content"]) or ["0"]
            keys = [(variant.problem_id, variant.name, draw) for draw in range(params.n)]
            yield [guess(numbers, params.seed, key) for key in keys if key not in done]


def guess(numbers: Sequence[str], seed: int, key: SampleKey) -> Sample:
    """A draw: its random stream is its own, so that no other draw changes it."""
    text = f"Answer: {stream(seed, *key).choice(numbers)}"
    return Sample(*key, text=text, finish_reason="stop", n_tokens=2)
