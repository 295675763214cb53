"""What a backend is: it turns prompts into samples, portion by portion."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from alftbench.backends.model_files import locate
from alftbench.base.validate import Count, at_most
from alftbench.errors import UsageError
from alftbench.types import Message, Sample, SampleKey, SamplingParams, Variant


@dataclass(frozen=True)
class BackendInfo:
    """What a backend can, known before a model is loaded; every backend class states it as `info`.

    locate: from the name of a model to where it lies, or a UsageError; None where names are a server's own and no
        file says which model it is. Without one, `model_files.locate`: a folder, an embedded model, a hub id.
    check: whether a model that was found may be loaded, its code too where that is True, or a ModelRefused; asked
        before anything else is done. None where loading says all.
    pace: the settings that change no sample, so that an evaluation may go on with others of them.
    scores: it is a Scorer. enumerates: it is an Enumerator. divides: it is Divisible.
    """

    locate: Callable[[str], str] | None = locate
    check: Callable[[str, bool], None] | None = None
    pace: frozenset[str] = frozenset()
    scores: bool = False
    enumerates: bool = False
    divides: bool = False


@runtime_checkable
class Backend(Protocol):
    """An engine that samples completions, with a model loaded.

    What is drawn for a (prompt, draw) never depends on what else is done already, so an interrupted evaluation
    ends like an unbroken one.
    """

    @property
    def info(self) -> BackendInfo:
        """What it can: an attribute of the class."""
        ...

    @property
    def about(self) -> Mapping[str, Any]:
        """What it computes on, as chosen and not as asked for; a new run's provenance takes it in."""
        ...

    def sample(
        self, variants: Sequence[Variant], params: SamplingParams, done: Container[SampleKey] = ()
    ) -> Iterator[Sequence[Sample]]:
        """Yield the `params.n` draws of every prompt, less those in `done`, in portions as they finish.

        The caller keeps a portion before it asks for the next. A portion may hold samples that are done
        already; they are dropped.
        """
        ...


class Scorer(Protocol):
    """What a backend may offer besides, `info.scores`: the log-probabilities of given samples."""

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


class Enumerator(Protocol):
    """What a backend may offer besides, `info.enumerates`: a problem's likeliest completions, each with log π."""

    def traces(
        self, reference: Any, variants: Sequence[Variant], params: SamplingParams, bounds: TraceBounds
    ) -> Sequence[Traces] | None:
        """Per phrasing whatever this model or the reference, a backend of the same kind, is likely to give to it.

        What is listed of one phrasing may stand in the lists of the others too, however rare it is there. None
        where the bounds do not suffice for one of them.

        Raises:
            BadInput: the two models do not share a tokenizer.
        """
        ...


class Divisible(Protocol):
    """What a backend may offer besides, `info.divides`: which prompts go together; else each goes alone."""

    def units(self, variants: Sequence[Variant], params: SamplingParams) -> Sequence[Sequence[Variant]]:
        """Every prompt once, in groups that must stay together: sampled alone, a group gives the same samples."""
        ...


@dataclass(frozen=True)
class BackendOptions:
    """What the command line lets a user choose for every backend; None leaves the choice to the backend.

    logprobs: record log π(y|x) of every sample. args: settings that only one backend knows, as text.
    trust_remote_code: run Python code that came with the model, where it needs some.
    """

    device: str = "auto"
    dtype: str = "auto"
    batch_size: int | None = None
    logprobs: bool = False
    args: Mapping[str, str] = field(default_factory=dict)
    trust_remote_code: bool = False


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


def refuse_engine_options(options: BackendOptions, backend: str) -> None:
    """Refuse what would be accepted and ignored by a backend that computes nothing.

    Raises:
        UsageError: an option of an engine was given.
    """
    if (options.device, options.dtype, options.batch_size) != ("auto", "auto", None):
        raise UsageError(
            f"--device, --dtype and --batch-size: the {backend} backend computes nothing; leave them out"
        )
    if options.trust_remote_code:
        raise UsageError(f"--trust-remote-code: the {backend} backend loads no model; leave it out")


def plain_text(messages: Sequence[Message]) -> str:
    """A prompt as plain text, for models without a chat template."""
    return "\n\n".join(message["content"] for message in messages)


@runtime_checkable
class BackendClass(Protocol):
    """What an entry point of the group `alftbench.backends` is: a class that loads a model when it is called."""

    info: BackendInfo

    def __call__(self, model: str, options: BackendOptions) -> Backend:
        """A backend with the model, which `info.locate` has found."""
        ...
