"""What training gains beyond sharpening: each method beside the untrained model at a lower temperature.

Whatever makes a model surer of its answers raises agreement, and where problems are unequal also coherence and
accuracy; a lower sampling temperature does so without any training. So the base is sampled at some lower
temperatures too, and a method is compared with the base at the temperature at which two draws of one phrasing
agree as often as the method's (`agreement_within`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.base.ratios import linearised
from alftbench.base.stats import holm
from alftbench.publish.difference import Names, tested_difference
from alftbench.publish.evidence import BASE, Evidence, table_of
from alftbench.types import Comparison

WITHIN, ACROSS, ACCURACY, COHERENCE = "agreement_within", "agreement", "accuracy", "coherence"
LARGEST = 1.0  # difference of two shares
SHARPER, DULLER = "sharper than any of its rows", "less sharp than the base"


def tempered_name(share: float) -> str:
    """What tables call the base at a share of the suite's sampling temperature."""
    return f"{BASE}@{share:g}"


def share_of(method: str) -> float | None:
    """The share of the sampling temperature that a row of the tempered base has; None for any other method."""
    match = re.fullmatch(rf"{BASE}@(0?\.\d+)", method)
    return float(match[1]) if match else None


@dataclass(frozen=True)
class Gain:
    """A method beside the base at the same `agreement_within`, interpolated between two of its temperatures.

    within: the method's. beside: the base that it is compared with. unmatched: why there is none as sharp, so that
    the differences are those from the nearest; empty where there is one.
    """

    suite: str
    method: str
    within: float
    beside: str
    unmatched: str
    coherence: Comparison
    accuracy: Comparison


@dataclass(frozen=True)
class Line:
    """The base from its own temperature down: shares of it, and the values of metrics, shape (T, S, P) each."""

    shares: tuple[float, ...]
    values: Mapping[str, FloatArray]

    def match(self, within: float) -> tuple[int, float, str]:
        """Where the base is as sharp: a share of the way from temperature i to the next; else the nearest end.

        Returns:
            i, the share of the way α, and why there is no match (empty where there is one).
        """
        within_T = [mean(table_SP) for table_SP in self.values[WITHIN]]
        for i, (low, high) in enumerate(pairwise(within_T)):
            if min(low, high) <= within <= max(low, high) and low != high:
                return i, float((within - low) / (high - low)), ""
        sharpest = within > within_T[0]
        return (len(within_T) - 2, 1.0, SHARPER) if sharpest else (0, 0.0, DULLER)


def beyond_sharpening(groups: Mapping[tuple[str, str], Sequence[Evidence]]) -> tuple[Gain, ...]:
    """Every trained method on every suite where the base was sampled at lower temperatures; p-values with Holm's.

    Args:
        groups: the runs of every suite and method, by seed.
    """
    lines: dict[str, dict[float, Sequence[Evidence]]] = {}
    for (suite, method), runs in groups.items():
        if share := 1.0 if method == BASE else share_of(method):
            lines.setdefault(suite, {})[share] = runs
    gains = [
        gain
        for (suite, _), runs in groups.items()
        if runs[0].training and len(line := lines.get(suite, {})) > 1 and 1.0 in line
        if (gain := gain_of(runs, line))
    ]
    adjusted = iter(holm([c.p_value for gain in gains for c in (gain.coherence, gain.accuracy)]))
    return tuple(
        replace(
            gain,
            coherence=replace(gain.coherence, p_adjusted=next(adjusted)),
            accuracy=replace(gain.accuracy, p_adjusted=next(adjusted)),
        )
        for gain in gains
    )


def gain_of(runs: Sequence[Evidence], base: Mapping[float, Sequence[Evidence]]) -> Gain | None:
    """One method's gain over the seeds that it shares with every row of the base; None where none can be told."""
    shares = tuple(sorted(base, reverse=True))
    groups = (runs, *(base[share] for share in shares))
    seeds = set.intersection(*({run.seed for run in group} for group in groups))
    mine, *line = ([run for run in group if run.seed in seeds] for group in groups)
    names = (WITHIN, ACROSS, ACCURACY)
    if not seeds or any(name not in run.per_problem for group in (mine, *line) for run in group for name in names):
        return None
    method = {name: table_of(mine, name) for name in names}
    values = {name: np.array([table_of(group, name) for group in line]) for name in names}
    if np.isnan(method[WITHIN]).all():  # a single draw a phrasing says nothing of sharpness
        return None
    return compared(runs[0].suite, runs[0].method, method, Line(shares, values), len(seeds))


def compared(suite: str, name: str, method: Mapping[str, FloatArray], line: Line, n_seeds: int) -> Gain:
    """A method's values per seed and problem beside those of the base, matched in `agreement_within`."""
    within = mean(method[WITHIN])
    i, alpha, unmatched = line.match(within)
    share = (1 - alpha) * line.shares[i] + alpha * line.shares[i + 1]
    beside = BASE if share == 1 else tempered_name(round(share, 2))

    def comparison(metric: str, table_SP: FloatArray) -> Comparison:
        names, nothing_SP = Names(suite, metric, beside, name), np.zeros_like(table_SP)
        return tested_difference(names, table_SP, nothing_SP, n_seeds, LARGEST)

    coherence_SP, accuracy_SP = differences(method, line, i, alpha, matched=not unmatched)
    return Gain(
        suite, name, within, beside, unmatched,
        comparison(COHERENCE, coherence_SP), comparison(ACCURACY, accuracy_SP),
    )  # fmt: skip


def differences(
    method: Mapping[str, FloatArray], line: Line, i: int, alpha: float, matched: bool
) -> tuple[FloatArray, FloatArray]:
    """Differences of coherence and accuracy per seed and problem, shape (S, P): their means are the gains.

    The base's figure is (1 − α) x_i + α x_{i+1}, x its coherence or accuracy at two temperatures. α is estimated
    from the same problems, so its own error is part of the spread, to first order: the values of a difference get
    −(x_{i+1} − x_i)(w_method − w_base)/Δw̄ on top, w `agreement_within`, whose mean is 0.
    """
    shift_SP = np.zeros_like(method[WITHIN])
    if matched:
        lower_SP, upper_SP = line.values[WITHIN][i], line.values[WITHIN][i + 1]
        between_SP = (1 - alpha) * lower_SP + alpha * upper_SP
        shift_SP = (method[WITHIN] - between_SP) / mean(upper_SP - lower_SP)

    def difference(mine_SP: FloatArray, lower_SP: FloatArray, upper_SP: FloatArray) -> FloatArray:
        step = mean(upper_SP) - mean(lower_SP) if matched else 0.0
        return mine_SP - ((1 - alpha) * lower_SP + alpha * upper_SP) - step * shift_SP

    ends = [{name: values_TSP[t] for name, values_TSP in line.values.items()} for t in (i, i + 1)]
    tables = (method, *ends)
    coherence = difference(*(linearised(table[ACROSS], table[WITHIN]) for table in tables))
    return coherence, difference(*(table[ACCURACY] for table in tables))


def mean(values_SP: FloatArray) -> float:
    """The mean of the values that are defined, NaN where none is."""
    known = values_SP[~np.isnan(values_SP)]
    return float(known.mean()) if len(known) else float("nan")
