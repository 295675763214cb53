"""What a backend is: it turns prompts into samples, one whole batch after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from alftbench.types import Sample, SamplingParams, Variant


@runtime_checkable
class Backend(Protocol):
    """An engine that samples completions; registered under the entry point group `alftbench.backends`.

    A batch is the unit of work and of resumption: the same prompts always fall into the same batches, and
    a batch gives the same samples whenever it is run, so an interrupted evaluation ends like an unbroken one.
    """

    def batches(self, variants: Sequence[Variant], params: SamplingParams) -> Sequence[Sequence[Variant]]:
        """Split the prompts into batches; depends on the arguments alone."""
        ...

    def sample(self, batch: Sequence[Variant], params: SamplingParams) -> list[Sample]:
        """All `params.n` draws for every prompt of a batch."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """What a backend may offer besides: the log-probabilities of given samples."""

    def log_probs(self, variants: Sequence[Variant], samples: Sequence[Sample]) -> NDArray[np.float64]:
        """Log π(y|x) of every sample at temperature 1, in nats, shape (R,)."""
        ...


@dataclass(frozen=True)
class BackendOptions:
    """What the command line lets a user choose for every backend; None leaves the choice to the backend."""

    device: str = "auto"
    dtype: str = "auto"
    batch_size: int | None = None


DEFAULT_OPTIONS = BackendOptions()

# Entry points of `alftbench.backends` are factories: (model folder or id, options) → backend.
BackendFactory = Callable[[str, BackendOptions], Backend]
