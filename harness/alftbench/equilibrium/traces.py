"""The completions that a run's model and the model it was trained from are likely to give, in its folder.

traces.jsonl      while listing: which models and which distribution, then a line per problem as it is done
traces.jsonl.gz   the same when every problem is done
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from alftbench.backends.base import Enumerator, TraceBounds, Traces
from alftbench.backends.load import backend_class
from alftbench.backends.model_files import locate, model_digest
from alftbench.base.jsonio import append_jsonl, drop_torn_line, read_jsonl, write_gzip
from alftbench.equilibrium.scores import is_whole, models_header
from alftbench.errors import BadInput, UsageError
from alftbench.evaluation.plan import Plan
from alftbench.types import Listener, Orbit, Progress, Sample, Variant, nobody

LISTING_VERSION = 2
DIGITS = 6  # of a log-probability on file
SLACK = 1e-4  # of a sum of probabilities that were added up in float32
OPEN, LISTED = "traces.jsonl", "traces.jsonl.gz"


@dataclass(frozen=True, eq=False)
class OrbitListing:
    """The listed completions of a problem's phrasings; empty where the bounds did not suffice.

    log_prob_V: per phrasing log π of each under policy and reference, shape (2, Y).
    """

    samples: tuple[Sample, ...]
    log_prob_V: tuple[NDArray[np.float64], ...]

    @classmethod
    def of(cls, traces_V: Sequence[Traces]) -> OrbitListing:
        """What a backend listed of each phrasing."""
        samples = tuple(sample for traces in traces_V for sample in traces.samples)
        return cls(samples, tuple(traces.log_prob_MY for traces in traces_V))

    @property
    def n_traces(self) -> float:
        """Completions per phrasing."""
        return len(self.samples) / max(1, len(self.log_prob_V))


@dataclass(frozen=True)
class ListJob:
    """A complete run whose first problems are to be listed, and how far."""

    plan: Plan
    folder: Path
    problems: int
    bounds: TraceBounds

    @property
    def orbits(self) -> Sequence[Orbit]:
        """The problems, in the order of the suite."""
        return self.plan.orbits[: self.problems]

    def header(self, reference: str) -> dict[str, Any]:
        """Which policy, reference, problems and distribution, and how far they are listed."""
        params = self.plan.params
        drawn = {"temperature": params.temperature, "top_p": params.top_p, "max_tokens": params.max_tokens}
        return {
            **models_header(LISTING_VERSION, self.plan, reference),
            "suite_sha256": self.plan.config["suite_sha256"],
            "sampling": {**drawn, "stop": list(params.stop)},
            "problems": len(self.orbits),
            **asdict(self.bounds),
        }


def list_runs(jobs: Sequence[ListJob], reference: str, listen: Listener = nobody) -> None:
    """Write the completions of complete runs of one model; what is there already is kept.

    Raises:
        UsageError: the backend cannot enumerate.
        BadInput: model and reference do not share a tokenizer.
    """
    missing = []
    for job in jobs:
        if is_whole(job.folder / LISTED, job.header(reference), len(job.orbits)):
            (job.folder / OPEN).unlink(missing_ok=True)  # left by a kill after it was compressed
        else:
            missing.append(job)
    if not missing:
        return
    first = missing[0].plan
    policy, start = enumerator(first, first.model), reference_model(first, locate(reference))
    for job in missing:
        done = open_listing(job.folder / OPEN, job.header(reference))
        for place, orbit in enumerate(job.orbits):
            if orbit.problem.id not in done:
                rows = phrasings(job.plan, orbit, policy, start, job.bounds)
                append_jsonl(job.folder / OPEN, [{"problem_id": orbit.problem.id, "phrasings": rows}])
            listen(Progress(f"listing completions of {job.plan.suite.info.name}", place + 1, len(job.orbits)))
        write_gzip(job.folder / LISTED, (job.folder / OPEN).read_bytes())
        (job.folder / OPEN).unlink()


references: dict[Any, Enumerator] = {}
"""Models that training started from, kept in a process: each remembers what it listed, whatever trial asks."""


def reference_model(plan: Plan, model: str) -> Enumerator:
    """The engine with a reference loaded, the same for all runs of a process."""
    options = plan.request.options
    key = (plan.request.backend, model, model_digest(model), options.device, options.batch_size, str(options.args))
    if key not in references:
        references[key] = enumerator(plan, model)
    return references[key]


def enumerator(plan: Plan, model: str) -> Enumerator:
    """The engine with a model loaded, in float32 as for scores.

    Raises:
        UsageError: it cannot enumerate.
    """
    request = plan.request
    kind = backend_class(request.backend)
    if not kind.info.enumerates:
        raise UsageError(f"backend {request.backend!r} cannot enumerate completions; use --equilibrium sampled")
    return cast("Enumerator", kind(model, replace(request.options, dtype="float32")))


def open_listing(path: Path, header: Mapping[str, Any]) -> set[str]:
    """The problems that an open listing has already; one of other models or bounds begins anew."""
    drop_torn_line(path)
    rows = [row for _, row in read_jsonl(path)] if path.exists() else []
    if rows and rows[0] == header:
        return {row["problem_id"] for row in rows[1:]}
    path.unlink(missing_ok=True)
    append_jsonl(path, [header])
    return set()


def phrasings(
    plan: Plan, orbit: Orbit, policy: Enumerator, reference: Enumerator, bounds: TraceBounds
) -> dict[str, Any] | None:
    """The lists of an orbit as a line holds them; None where one of its phrasings takes more than the bounds."""
    listed = policy.traces(reference, orbit.variants, plan.params, bounds)
    if listed is None:
        return None
    return {variant.name: as_rows(traces) for variant, traces in zip(orbit.variants, listed, strict=True)}


def as_rows(traces: Traces) -> list[list[Any]]:
    """Text, finish reason, tokens, log π and log π₀ of each completion; null for −inf."""
    pairs = np.round(traces.log_prob_MY, DIGITS).T.tolist()
    return [
        [sample.text, sample.finish_reason, sample.n_tokens, *(None if x == -np.inf else x for x in pair)]
        for sample, pair in zip(traces.samples, pairs, strict=True)
    ]


def read_listing(path: Path, orbits: Sequence[Orbit]) -> Iterator[tuple[Orbit, OrbitListing]]:
    """Every problem with its completions, one problem in memory at a time.

    Raises:
        BadInput: the file is not a listing of these problems.
    """
    by_id = {orbit.problem.id: orbit for orbit in orbits}
    mass = 0.0
    for number, row in read_jsonl(path):
        if number == 1:
            mass, listed = float(row["mass"]), int(row.get("problems", len(orbits)))
            by_id = {orbit.problem.id: orbit for orbit in orbits[:listed]}
            continue
        try:
            orbit = by_id.pop(row["problem_id"])
            yield orbit, whole(orbit_listing(orbit.variants, row["phrasings"]), mass)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise BadInput(
                f"{path}, line {number}: not listed completions ({error!r}); remove it, and they are listed again"
            ) from None
    if by_id:
        raise BadInput(f"{path}: lacks {len(by_id)} problems; remove it, and they are listed again")


def whole(listing: OrbitListing, mass: float) -> OrbitListing:
    """A listing that lacks no more than it may, as texts.

    Raises:
        ValueError: it is not.
    """
    for log_prob_MY in listing.log_prob_V:
        sums_M = np.exp(log_prob_MY).sum(axis=1)
        if not (1 - mass - SLACK <= sums_M.min() and sums_M.max() <= 1 + SLACK):
            raise ValueError(f"its probabilities add up to {sums_M.min():.3g} and {sums_M.max():.3g}")
    if not all(isinstance(sample.text, str) for sample in listing.samples):
        raise ValueError("a completion is no text")
    return listing


def orbit_listing(variants: Sequence[Variant], rows: Mapping[str, Any] | None) -> OrbitListing:
    """The completions of one line."""
    if rows is None:
        return OrbitListing((), ())
    samples = [
        Sample(variant.problem_id, variant.name, draw, text, reason, n_tokens)
        for variant in variants
        for draw, (text, reason, n_tokens, *_) in enumerate(rows[variant.name])
    ]
    log_probs = [
        np.array([[-np.inf if x is None else x for x in row[3:5]] for row in rows[variant.name]], dtype=float).T
        for variant in variants
    ]
    return OrbitListing(tuple(samples), tuple(log_probs))
