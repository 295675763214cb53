"""What each phrasing is like and which of them agree: where problems share phrasings by name, as MGSM's languages.

The mean over phrasings hides what a reader of an orbit wants to know: is it one language that fails, or all of
them a little? How often two draws of one phrasing agree is what to hold its agreement with others against.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.base.jsonio import read_json
from alftbench.errors import BadInput
from alftbench.metrics.base import counts_VZ
from alftbench.metrics.coherence import agreements
from alftbench.metrics.summary import metric_value, revived
from alftbench.types import AnswerPartition, MetricValue, Orbit

PHRASING_METRICS = ("accuracy", "rate_answered", "agreement_within", "agreement_across")


@dataclass(frozen=True, eq=False)
class Phrasings:
    """Values per phrasing and problem, NaN where a problem lacks the phrasing.

    values_VP: for each of `PHRASING_METRICS`. together_VVP: chance that two draws, one of each phrasing, give the
    same answer; the diagonal has two different draws of one phrasing. n: samples per phrasing.
    """

    names_V: tuple[str, ...]
    values_VP: Mapping[str, FloatArray]
    together_VVP: FloatArray
    n: int

    def rows(self) -> Iterator[tuple[str, MetricValue]]:
        """Every phrasing's metrics with their intervals over problems."""
        for v, phrasing in enumerate(self.names_V):
            for name, values in self.values_VP.items():
                yield phrasing, self._value(name, values[v])

    def pairs(self) -> Iterator[tuple[tuple[str, str], MetricValue]]:
        """How often every two phrasings agree, with the interval over problems."""
        for v, w in combinations(range(len(self.names_V)), 2):
            yield (self.names_V[v], self.names_V[w]), self._value("agreement", self.together_VVP[v, w], 2)

    def to_json(self) -> dict[str, Any]:
        """What metrics.json holds."""
        return {
            "names": list(self.names_V),
            "metrics": [{"phrasing": phrasing, **asdict(row)} for phrasing, row in self.rows()],
            "pairs": [{"phrasings": list(pair), **asdict(row)} for pair, row in self.pairs()],
            "per_problem": {name: values.tolist() for name, values in self.values_VP.items()},
        }

    def _value(self, name: str, values_P: FloatArray, phrasings: int = 1) -> MetricValue:
        n_samples = int(np.isfinite(values_P).sum()) * self.n * phrasings
        return metric_value(name, values_P[None], (0.0, 1.0), "probability", n_samples)


def measure_phrasings(partitions: Iterable[AnswerPartition], orbits: Sequence[Orbit], n: int) -> Phrasings | None:
    """The phrasings that problems share; None where there are fewer than two.

    Args:
        partitions: one for every orbit, in any order, not kept; their rows are the orbit's phrasings.
        orbits: in the order that values per problem have.
        n: samples per phrasing.
    """
    names = shared_names(orbits)
    if len(names) < 2:
        return None
    place = {name: v for v, name in enumerate(names)}
    order = {orbit.problem.id: p for p, orbit in enumerate(orbits)}
    together_VVP = np.full((len(names), len(names), len(orbits)), np.nan)
    values_VP = {name: np.full((len(names), len(orbits)), np.nan) for name in PHRASING_METRICS}
    for partition in partitions:
        p = order[partition.problem_id]
        variants = orbits[p].variants
        kept = [i for i, variant in enumerate(variants) if variant.name in place]
        at = [place[variants[i].name] for i in kept]
        values_V, together_VV = of_problem(partition, kept)
        together_VVP[np.ix_(at, at, [p])] = together_VV[:, :, None]
        for name, value_V in values_V.items():
            values_VP[name][at, p] = value_V
    return Phrasings(names, values_VP, together_VVP, n)


def read_phrasings(path: Path) -> dict[str, list[MetricValue]]:
    """Every phrasing's metrics of a metrics.json; empty where problems share no phrasings."""
    metrics: dict[str, list[MetricValue]] = {}
    try:
        for row in (read_json(path).get("phrasings") or {}).get("metrics", []):
            metric = {key: value for key, value in row.items() if key != "phrasing"}
            metrics.setdefault(row["phrasing"], []).append(revived(metric))
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path}: not a metrics file ({error!r})") from None
    return metrics


def shared_names(orbits: Sequence[Orbit]) -> tuple[str, ...]:
    """The phrasings that more than one problem has, in the order in which they come."""
    counts: dict[str, int] = {}
    for orbit in orbits:
        for variant in orbit.variants:
            counts[variant.name] = counts.get(variant.name, 0) + 1
    return tuple(name for name, count in counts.items() if count > 1)


def of_problem(partition: AnswerPartition, kept: Sequence[int]) -> tuple[dict[str, FloatArray], FloatArray]:
    """One problem's `PHRASING_METRICS`, shape (V,) each, and how often its phrasings agree, shape (V, V)."""
    n_V = np.array([len(partition.class_VN[v]) for v in kept], dtype=float)
    shares_VZ = counts_VZ(partition)[kept] / n_V[:, None]
    together_VV = agreements(counts_VZ(partition)[kept], n_V)
    others_VV = np.where(np.eye(len(kept), dtype=bool), 0.0, together_VV)
    across_V = others_VV.sum(axis=1) / (len(kept) - 1) if len(kept) > 1 else np.full(len(kept), np.nan)
    right_V = shares_VZ @ np.array(partition.correct_Z, dtype=float)
    values = (right_V, shares_VZ.sum(axis=1), np.diag(together_VV), across_V)
    return dict(zip(PHRASING_METRICS, values, strict=True)), together_VV
