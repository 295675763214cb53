"""The embedded model as an experiment sees it: its answers listed, and trained for a while by a trainer's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from alftbench.backends.base import BackendOptions, TraceBounds
from alftbench.backends.hf.backend import HfBackend
from alftbench.backends.model_files import locate
from alftbench.base.arrays import FloatArray
from alftbench.equilibrium.from_traces import REFERENCE, OrbitTraces, common_answers
from alftbench.equilibrium.quality import orbit_traces
from alftbench.equilibrium.stages import told_answers
from alftbench.equilibrium.traces import OrbitListing
from alftbench.errors import AlftbenchError
from alftbench.suites.arithmetic import SUMS
from alftbench.suites.grade import graded
from alftbench.suites.load import Selection
from alftbench.training.train import TrainJob, checkpoint_path, plan_training, run_training
from alftbench.training.trainer import parse_spec
from alftbench.types import Budget, Orbit

MODEL = "tiny-sums"
BOUNDS = TraceBounds(mass=0.05, prefixes=200_000)
OPTIONS = BackendOptions("cpu", "float32")


@dataclass(frozen=True, eq=False)
class BaseAnswers:
    """What the base answers to a problem: log p₀ of every phrasing over the answers told, shape (V, Z)."""

    log_p0_VZ: FloatArray
    correct_Z: NDArray[np.bool_]


@lru_cache(maxsize=1)
def base_model() -> HfBackend:
    """The model that training starts from; it remembers what it listed."""
    return HfBackend(locate(MODEL), OPTIONS)


def problems(split: str, number: int) -> Sequence[Orbit]:
    """The first problems of a split of `sums`."""
    return SUMS.orbits(split)[:number]


def listed(model: HfBackend, orbit: Orbit) -> OrbitTraces:
    """The completions that a model or the base is likely to give to a problem.

    Raises:
        AlftbenchError: there are too many to list.
    """
    traces = model.traces(base_model(), orbit.variants, SUMS.info.sampling, BOUNDS)
    if traces is None:
        raise AlftbenchError(f"problem {orbit.problem.id}: more than {BOUNDS.prefixes} prefixes to list")
    listing = OrbitListing.of(traces)
    return orbit_traces(graded(SUMS, orbit, listing.samples, None), listing, BOUNDS.mass)


@lru_cache(maxsize=64)
def base_answers(split: str, index: int) -> BaseAnswers:
    """The base's answers to one problem, without silence and those that it hardly gives."""
    traces = listed(base_model(), problems(split, index + 1)[index])
    told_VZ = common_answers(traces) & (np.arange(traces.correct_Z.size) < traces.correct_Z.size - 1)
    log_p0_VZ, _ = told_answers(traces, told_VZ, REFERENCE)
    kept_Z = told_VZ.all(axis=0)
    return BaseAnswers(log_p0_VZ[:, kept_Z], traces.correct_Z[kept_Z])


def train(method: str, number: int, tokens: int, seed: int) -> HfBackend:
    """The model that a trainer makes of the base on the first problems of `sums`, within so many tokens."""
    job = TrainJob(
        parse_spec(method), MODEL, ("sums",), Budget(tokens=tokens), Selection("train", limit=number), seed, "cpu",
        "float32",
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        run_training(plan_training(job), Path(folder))
        return HfBackend(str(checkpoint_path(Path(folder))), OPTIONS)
