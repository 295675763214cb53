"""What a backend is: it turns prompts into samples, portion by portion."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from alftbench.base.validate import Count, at_most
from alftbench.types import Message, Sample, SampleKey, SamplingParams, Variant


@runtime_checkable
class Backend(Protocol):
    """An engine that samples completions; registered under the entry point group `alftbench.backends`.

    A class may say `served = True`: its models have names of a server's own, not files; and name in `pace` the
    settings that change no sample, which an evaluation may go on with others of. An instance may have a mapping
    `about`, which a new run's provenance takes in: what it computes on, as chosen and not as asked for.
    What is drawn for a (prompt, draw) never depends on what else is done already, so an interrupted evaluation
    ends like an unbroken one.
    """

    def sample(
        self, variants: Sequence[Variant], params: SamplingParams, done: Container[SampleKey] = ()
    ) -> Iterator[Sequence[Sample]]:
        """Yield the `params.n` draws of every prompt, less those in `done`, in portions as they finish.

        The caller keeps a portion before it asks for the next. A portion may hold samples that are done
        already; they are dropped.
        """
        ...


@runtime_checkable
class Scorer(Protocol):
    """What a backend may offer besides: the log-probabilities of given samples."""

    def log_probs(self, variants: Sequence[Variant], samples: Sequence[Sample]) -> NDArray[np.float64]:
        """Log π(y|x) of every sample at temperature 1, in nats, shape (R,)."""
        ...


@dataclass(frozen=True)
class TraceBounds:
    """How far completions are listed: until at most `mass` is left, or more than `prefixes` were extended."""

    mass: float = 0.01
    prefixes: int = 50_000


@dataclass(frozen=True, eq=False)
class Traces:
    """The listed completions of a prompt, and log π of each under the policy and the reference, shape (2, Y)."""

    samples: tuple[Sample, ...]
    log_prob_MY: NDArray[np.float64]

    @property
    def left(self) -> NDArray[np.float64]:
        """What is not listed of the policy and of the reference, 1 − Σ π(y), up to rounding."""
        return np.asarray(1 - np.exp(self.log_prob_MY).sum(axis=1))


@runtime_checkable
class Enumerator(Protocol):
    """What a backend may offer besides: the likeliest completions of a prompt with their probabilities."""

    def traces(
        self, reference: Any, variant: Variant, params: SamplingParams, bounds: TraceBounds
    ) -> Traces | None:
        """Whatever this model or the reference, a backend of the same kind, is likely to give, under both.

        None where the bounds do not suffice.

        Raises:
            BadInput: the two models do not share a tokenizer.
        """
        ...


@runtime_checkable
class Divisible(Protocol):
    """What a backend says of itself where prompts go through it together: without it, each goes alone."""

    def units(self, variants: Sequence[Variant], params: SamplingParams) -> Sequence[Sequence[Variant]]:
        """Every prompt once, in groups that must stay together: sampled alone, a group gives the same samples."""
        ...


@dataclass(frozen=True)
class BackendOptions:
    """What the command line lets a user choose for every backend; None leaves the choice to the backend.

    logprobs: record log π(y|x) of every sample. args: settings that only one backend knows, as text.
    """

    device: str = "auto"
    dtype: str = "auto"
    batch_size: int | None = None
    logprobs: bool = False
    args: Mapping[str, str] = field(default_factory=dict)


DEFAULT_OPTIONS = BackendOptions()
ARGS = "--backend-args"  # how messages name the option whose settings only one backend knows


FinishReason = Literal["stop", "length", "content_filter", "error", "unknown"]
UNKNOWN = "unknown"  # lm-eval records neither why a completion ended nor its tokens


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What a file of completions may say of one beside its text."""

    finish_reason: FinishReason = "unknown"
    n_tokens: Count = 0
    logprob: Annotated[float, at_most(0)] | None = None
    n_tokens_estimated: bool = False


def plain_text(messages: Sequence[Message]) -> str:
    """A prompt as plain text, for models without a chat template."""
    return "\n\n".join(message["content"] for message in messages)


# Entry points of `alftbench.backends` are factories: (model folder or id, options) → backend.
BackendFactory = Callable[[str, BackendOptions], Backend]
