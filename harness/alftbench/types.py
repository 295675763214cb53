"""The frozen records of the flow: suite → orbits → samples → answers → classes → metrics → comparison.

Axes in names: P problems, V variants of an orbit, G rollouts of a group, Z answer classes, T tokens.
`reference` is the gold answer, `target` belongs to the target player; a `Sample` is a completion;
a `group` is GRPO's G rollouts of one prompt, an `orbit` the prompts that ask the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Message = Mapping[str, str]
PLAIN = "plain"  # the role of a message that is a whole prompt, to be encoded as it stands
SampleKey = tuple[str, str, int]  # problem, phrasing, draw
NO_ANSWER = -1  # the class index of a sample without a final answer


@dataclass(frozen=True)
class Problem:
    """One item of a suite; `reference` holds every right answer (usually one)."""

    id: str
    question: str
    reference: tuple[str, ...]
    answer_kind: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """One phrasing of a problem, as the chat messages that a model receives.

    A single message of the role PLAIN is a whole prompt: no chat template is put around it.
    """

    problem_id: str
    name: str
    messages: tuple[Message, ...]


def plain_prompt(messages: Sequence[Message]) -> str | None:
    """The text of a prompt that is to be encoded as it stands, None for chat messages."""
    return messages[0]["content"] if len(messages) == 1 and messages[0]["role"] == PLAIN else None


@dataclass(frozen=True)
class Orbit:
    """A problem and the V phrasings that ask the same thing."""

    problem: Problem
    variants: tuple[Variant, ...]


@dataclass(frozen=True)
class SamplingParams:
    """How completions are drawn; temperature 0 is greedy. A completion ends before the first of `stop`."""

    n: int = 8
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One completion; `draw` counts the samples of one variant.

    finish_reason: stop, length, content_filter, or error where the engine could not take the prompt (no text).
    n_tokens, logprob: of the drawn tokens, the end token or stop string included. logprob: log π(y|x) = Σ_t log
    π(y_t|x, y_<t) under the model at temperature 1, in nats, on request: that of the distribution they were drawn
    from where temperature and top_p are 1. n_tokens_estimated: the server did not count; n_tokens is a quarter of
    the text's bytes.
    """

    problem_id: str
    variant: str
    draw: int
    text: str
    finish_reason: str
    n_tokens: int
    logprob: float | None = None
    n_tokens_estimated: bool = False

    @property
    def key(self) -> SampleKey:
        """What makes a sample one of a kind within a run."""
        return (self.problem_id, self.variant, self.draw)


class Outcome(StrEnum):
    """What became of a completion's final answer; only ANSWERED carries an answer."""

    ANSWERED = "answered"
    ABSTAINED = "abstained"
    UNPARSED = "unparsed"
    TRUNCATED = "truncated"
    TIMEOUT = "timeout"
    BACKEND_ERROR = "backend_error"


@dataclass(frozen=True)
class Answer:
    """The final answer of a completion.

    raw: as written. canonical: the key that says which answers are the same. rule: what found it. span: where
    `raw` stands in the completion's text, text[start:end] = raw; None where no one place is known. read: what the
    key was made of, where that is not `raw`: a decimal comma as a point, several boxes as one list.
    """

    outcome: Outcome
    raw: str | None = None
    canonical: str | None = None
    rule: str | None = None
    span: tuple[int, int] | None = None
    read: str | None = None


@dataclass(frozen=True)
class AnswerPartition:
    """An orbit's answers grouped into classes.

    classes_Z: canonical keys, sorted. correct_Z: which classes are right. class_VN: the class of every
    sample of every variant, NO_ANSWER where there is none. outcomes: samples by outcome. conflicts: pairs of
    keys in one class that were found different. unresolved: pairs of keys whose comparison hit a limit; they
    are in one class only if other pairs join them. guessed_VN: was the answer a guess (the last number of a
    text that names no answer); empty where none was.
    """

    problem_id: str
    classes_Z: tuple[str, ...]
    correct_Z: tuple[bool, ...]
    class_VN: tuple[tuple[int, ...], ...]
    outcomes: Mapping[str, int]
    conflicts: int = 0
    unresolved: int = 0
    guessed_VN: tuple[tuple[bool, ...], ...] = ()

    @property
    def n_samples(self) -> int:
        """Samples over all variants, unanswered ones included."""
        return sum(map(len, self.class_VN))


@dataclass(frozen=True)
class GradedOrbit:
    """The classes of an orbit's answers, and the answer of every sample, N of each of V phrasings."""

    partition: AnswerPartition
    answers_VN: tuple[tuple[Answer, ...], ...]


@dataclass(frozen=True)
class MetricValue:
    """A metric with its interval; never reported without the counts behind it."""

    name: str
    value: float
    low: float
    high: float
    level: float
    n_problems: int
    n_samples: int
    unit: str
    higher_is_better: bool | None


@dataclass(frozen=True)
class QualityValue:
    """A figure of equilibrium quality with its interval.

    bound: value and interval are of a lower bound, so the figure is at least `low`, and `high` limits nothing.
    no_power: why these samples say nothing of the figure; empty where they do.
    """

    name: str
    value: float
    low: float
    high: float
    bound: bool = False
    no_power: str = ""


@dataclass(frozen=True)
class Comparison:
    """A paired difference candidate − baseline on the same problems.

    p_adjusted: Holm's, over the suite's tests. error, freedom: standard error of the difference and its degrees of
    freedom. n_seeds: where it is 1, p speaks of two checkpoints and not of two methods.
    """

    suite: str
    metric: str
    baseline: str
    candidate: str
    difference: float
    low: float
    high: float
    p_value: float
    p_adjusted: float
    n_pairs: int
    n_seeds: int
    error: float = float("nan")
    freedom: float = float("nan")


@dataclass(frozen=True)
class Cost:
    """What a training run spent. FLOPs are an estimate from parameter and token counts.

    trained_tokens: of completions with gradient. scored_tokens: of those without, under whatever model and prompt.
    """

    prompt_tokens: int = 0
    generated_tokens: int = 0
    trained_tokens: int = 0
    forward_passes: int = 0
    backward_passes: int = 0
    flops: float = 0.0
    seconds: float = 0.0
    scored_tokens: int = 0


@dataclass(frozen=True)
class Budget:
    """When training stops: at most this many generated tokens or optimiser steps, whichever comes first."""

    tokens: int | None = None
    steps: int | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A model folder a trainer hands back, with the digest of its weights."""

    path: str
    step: int
    sha256: str


@dataclass(frozen=True)
class Progress:
    """What a long piece of work is doing and how far it is; bars, live views and trackers all hear this.

    done, total: in the work's own units, such as samples; total None where nobody knows. fields: what else is
    worth showing, such as the step's reward; `tokens` counts those generated so far. notes: lines that stay on the
    screen.
    """

    doing: str
    done: float
    total: float | None = None
    fields: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """The share that is done, 0 where the total is unknown."""
        return self.done / self.total if self.total else 0.0


Listener = Callable[[Progress], None]


def nobody(progress: Progress) -> None:
    """The listener of work that nobody watches."""


@dataclass(frozen=True)
class RunRecord:
    """What a finished or unfinished evaluation was and what it found: the content of run.json.

    config identifies the run: the same config gives the same samples and the same metrics.
    seconds: sampling time, summed over attempts. samples_sha256, answers_sha256: of the uncompressed lines of
    samples and of their answers; None for the latter where the run was measured before answers were recorded.
    metrics_sha256: of metrics.json, which is made of those answers. secret: 32 hexadecimal digits, drawn when the
    run began: its verdicts are confirmed at points that follow from them; None in runs from before there were any.
    record_sha256: of all else in run.json, None of a run from before records had it.
    """

    schema_version: int
    id: str
    status: Literal["running", "complete"]
    name: str
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]
    seconds: float = 0.0
    n_samples: int = 0
    generated_tokens: int = 0
    samples_sha256: str | None = None
    metrics_sha256: str | None = None
    answers_sha256: str | None = None
    secret: str | None = None
    record_sha256: str | None = None
