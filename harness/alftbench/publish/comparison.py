"""From evidence to a table: rows with intervals, costs, and paired differences between all methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.base.stats import holm, mean_interval
from alftbench.equilibrium.from_samples import BLIND, FIGURES
from alftbench.errors import BadInput
from alftbench.metrics.summary import metric_value
from alftbench.publish.alike import other_method, unlike_runs
from alftbench.publish.choice import chosen, in_all, stands_for
from alftbench.publish.cost import Steps, mean_cost, mean_steps
from alftbench.publish.difference import Names, tested_difference
from alftbench.publish.evidence import BASE, Evidence, table_of
from alftbench.publish.stages import StageRow, stage_rows
from alftbench.publish.tempered import Gain, beyond_sharpening, share_of
from alftbench.types import Comparison, Cost, MetricValue, QualityValue

RANK_BY = "accuracy"  # unless a board says otherwise
SAMPLED, ENUMERATED, MIXED = "sampled", "enumerated", "mixed"
OF_GAME = ("marginal_error", "nash_gap")  # figures that a declared game has
BOUNDS = ("trace_drift", "nash_gap")  # figures that samples give a lower bound of
LEAST = 1e-3  # what the lower end of a bound must exceed to say anything
BLINDNESS = 0.05  # how much of the target may be out of sight, so the error is off by no more


@dataclass(frozen=True)
class Measured:
    """How a row's equilibrium quality was measured: sampled, enumerated, or mixed where seeds differ in that.

    mass: what may be left of either model where its completions were enumerated, else None. problems: how many
    the figures are over, of so many: those whose completions could be listed for every seed.
    """

    how: str
    mass: float | None
    problems: int
    of: int

    @property
    def note(self) -> str:
        """What a table's title says of it."""
        if self.how == MIXED:
            return "not averaged: seeds measured in different ways; run compare again with all of them"
        if self.mass is None:
            return "estimates, 95% confidence"
        return f"enumerated but for {self.mass:g}, 95% confidence"


@dataclass(frozen=True)
class MethodRow:
    """One method on one suite: metrics over seeds and problems, and the mean training cost over seeds.

    equilibrium: empty where it was not measured, or not in the same way for all seeds. phrasings: the metrics of
    each phrasing that all runs have. shown: the names of the metrics that a table shows unless asked for others.
    stages: declared, predicted and reached answers, where completions were enumerated. sampling: how it was
    sampled, in words. steps: how the steps of training went, None for a model as it is.
    """

    method: str
    suite: str
    seeds: tuple[int, ...]
    metrics: tuple[MetricValue, ...]
    cost: Cost | None
    runs: tuple[str, ...]
    equilibrium: tuple[QualityValue, ...] = ()
    phrasings: Mapping[str, tuple[MetricValue, ...]] = field(default_factory=dict)
    measured: Measured | None = None
    shown: tuple[str, ...] = ()
    stages: tuple[StageRow, ...] = ()
    sampling: str = ""
    steps: Steps | None = None

    def metric(self, name: str) -> MetricValue | None:
        """A metric by its name or by what stands for it (`pass@k`, `maj@n`); None where this row lacks it."""
        by_name = {metric.name: metric for metric in self.metrics}
        return by_name.get(stands_for(name, by_name) or "")


@dataclass(frozen=True)
class Alike:
    """Rows whose equilibrium quality was measured in the same way."""

    rows: tuple[MethodRow, ...]

    @property
    def note(self) -> str:
        """The way, for a title."""
        return self.rows[0].measured.note if self.rows[0].measured else ""

    @property
    def counts(self) -> tuple[str, ...]:
        """Per row how many problems its figures are over; none where every problem counts."""
        ways = [row.measured for row in self.rows if row.measured]
        return tuple(f"{way.problems} of {way.of}" for way in ways if way.how == ENUMERATED)


def by_measure(rows: Sequence[MethodRow]) -> list[Alike]:
    """The measured rows, those together that were measured alike: no table mixes two ways."""
    groups: dict[str, list[MethodRow]] = {}
    for row in rows:
        if row.measured:
            groups.setdefault(row.measured.note, []).append(row)
    return [Alike(tuple(group)) for group in groups.values()]


@dataclass(frozen=True)
class Compared:
    """The whole comparison: a row per method and suite, differences of all methods, gains beyond sharpening."""

    rows: tuple[MethodRow, ...]
    comparisons: tuple[Comparison, ...]
    gains: tuple[Gain, ...] = ()

    @property
    def shown(self) -> list[str]:
        """The metrics that any row's runs show."""
        return shown_names(self.rows)

    def to_json(self) -> dict[str, Any]:
        """The object that `--format json` prints."""
        return {
            "rows": [
                {
                    "method": row.method,
                    "suite": row.suite,
                    "seeds": list(row.seeds),
                    "metrics": {metric.name: asdict(metric) for metric in row.metrics},
                    "cost": asdict(row.cost) if row.cost else asdict(Cost()),
                    "steps": asdict(row.steps) if row.steps else None,
                    "sampling": row.sampling,
                    "runs": list(row.runs),
                    "equilibrium": {
                        figure.name: {key: value for key, value in asdict(figure).items() if key != "name"}
                        for figure in row.equilibrium
                    },
                    "measured": asdict(row.measured) if row.measured else None,
                    "stages": {s.stage: {f.name: asdict(f) for f in s.features if f} for s in row.stages},
                }
                for row in self.rows
            ],
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "beyond_sharpening": [asdict(gain) for gain in self.gains],
            "runs": sorted({run for row in self.rows for run in row.runs}),
        }


def shown_names(rows: Sequence[MethodRow]) -> list[str]:
    """The metrics that the rows' runs show; one that is undefined everywhere is left out."""
    names = dict.fromkeys(name for row in rows for name in row.shown)
    return [name for name in names if any(m and not np.isnan(m.value) for m in (r.metric(name) for r in rows))]


def compare_runs(
    evidence: Sequence[Evidence],
    suites: Sequence[str],
    order: Sequence[str],
    rank_by: str = RANK_BY,
    check: bool = True,
) -> Compared:
    """Group runs by suite and method, average over seeds, compare every two methods of a suite.

    Args:
        evidence: verified runs.
        suites: suites in the order of the table.
        order: methods in the order of rows, behind the base; others follow by name.
        rank_by: a metric that is tested whatever the runs' records say.
        check: refuse unlike runs; without, they need the same problems all the same.

    Raises:
        BadInput: runs are unlike, or a seed of a method occurs twice.
    """
    groups: dict[tuple[str, str], list[Evidence]] = {}
    for run in sorted(evidence, key=lambda run: run.seed):
        groups.setdefault((run.suite, run.method), []).append(run)
    place = {method: i for i, method in enumerate((BASE, *order))}
    keys = sorted(groups, key=lambda k: (suites.index(k[0]), *row_order(k[1], place)))
    check_seeds(groups)
    if check and (different := unlike_runs(run for group in groups.values() for run in group)):
        raise BadInput(f"{different[0]}: not comparable")
    by_suite: dict[str, list[Sequence[Evidence]]] = {}
    for suite, method in keys:
        if share_of(method) is None:
            by_suite.setdefault(suite, []).append(groups[suite, method])
    rows = tuple(make_row(method, suite, groups[suite, method]) for suite, method in keys)
    tests = tuple(c for methods in by_suite.values() for c in all_pairs(methods, rank_by))
    return Compared(rows, tests, beyond_sharpening({key: groups[key] for key in keys}))


def row_order(method: str, place: Mapping[str, int]) -> tuple[int, float, str]:
    """Where a method's row stands: the base, the base at falling temperatures, then methods in their order."""
    share = share_of(method)
    return (place[BASE], -share, method) if share else (place.get(method, len(place)), -1.0, method)


def all_pairs(methods: Sequence[Sequence[Evidence]], rank_by: str) -> Iterator[Comparison]:
    """Every two methods of a suite in every tested metric, p adjusted over all."""
    comparisons = [
        difference_from(baseline, candidate, metric)
        for baseline, candidate in combinations(methods, 2)
        for metric in tested([*baseline, *candidate], rank_by)
    ]
    adjusted = holm([comparison.p_value for comparison in comparisons])
    return (replace(c, p_adjusted=p) for c, p in zip(comparisons, adjusted, strict=True))


def tested(runs: Sequence[Evidence], rank_by: str) -> list[str]:
    """The metrics whose difference is tested: those that a run says are, and the ranks' own; if all have them."""
    named = dict.fromkeys(name for run in runs for name in chosen(run.metrics, "compared"))
    if ranks := stands_for(rank_by, {**runs[0].per_problem, **runs[0].ratios}):
        named.setdefault(ranks)
    return [name for name in named if all(name in {**run.per_problem, **run.ratios} for run in runs)]


def check_seeds(groups: Mapping[tuple[str, str], Sequence[Evidence]]) -> None:
    """A method is evaluated once per seed, and is the same in all of them.

    Raises:
        BadInput: it is not.
    """
    for (suite, method), runs in groups.items():
        if len({run.seed for run in runs}) < len(runs):
            raise BadInput(f"{method} on {suite}: a seed occurs twice below {runs[0].folder.parent.parent}")
        for run in runs:
            if faults := other_method(run, runs[0]):
                raise BadInput(
                    f"{run.folder} and {runs[0].folder} are both called {method}, and differ in {faults}"
                )


def make_row(method: str, suite: str, runs: Sequence[Evidence]) -> MethodRow:
    """One row of the table."""
    n_samples = sum(run.record.n_samples for run in runs)
    specs = in_all([run.metrics for run in runs])
    metrics = tuple(
        metric_value(
            spec["name"],
            table_of(runs, spec["name"]),
            runs[0].bounds[spec["name"]],
            spec["unit"],
            n_samples,
            spec["higher_is_better"],
        )
        for spec in specs
    )
    measured = measured_how(runs)
    return MethodRow(
        method=method,
        suite=suite,
        seeds=tuple(run.seed for run in runs),
        metrics=metrics,
        cost=mean_cost([run.training.cost for run in runs if run.training]),
        runs=tuple("/".join(run.folder.parts[-2:]) for run in runs),
        equilibrium=() if measured is None or measured.how == MIXED else quality_values(measured, runs),
        measured=measured,
        shown=tuple(chosen(specs, "shown")),
        stages=stage_rows(runs),
        sampling=sampling_in_words(runs[0].record.config["sampling"]),
        steps=mean_steps([run.training for run in runs if run.training]),
        phrasings={
            name: phrasing_values(name, runs)
            for name in runs[0].phrasings
            if all(name in run.phrasings for run in runs)
        },
    )


def phrasing_values(phrasing: str, runs: Sequence[Evidence]) -> tuple[MetricValue, ...]:
    """The metrics of one phrasing over seeds and problems."""
    values = []
    for metric in runs[0].phrasings[phrasing]:
        values_SP = np.array([run.phrasings[phrasing][metric] for run in runs])
        draws_S = np.array([run.record.config["sampling"]["n"] for run in runs])
        n_samples = int(draws_S @ np.isfinite(values_SP).sum(axis=1))
        values.append(metric_value(metric, values_SP, (0.0, 1.0), "probability", n_samples))
    return tuple(values)


def measured_how(runs: Sequence[Evidence]) -> Measured | None:
    """How the seeds of a method were measured, None where one of them was not."""
    qualities = [run.quality for run in runs if run.quality is not None]
    if len(qualities) < len(runs):
        return None
    masses = {quality.enumerated["mass"] if quality.enumerated else None for quality in qualities}
    of = len(qualities[0].problems)
    if len(masses) > 1:
        return Measured(MIXED, None, 0, of)
    (mass,) = masses
    n_problems = int(np.all([~np.isnan(quality.per_problem["kl"]) for quality in qualities], axis=0).sum())
    return Measured(SAMPLED if mass is None else ENUMERATED, mass, n_problems, of)


def quality_values(measured: Measured, runs: Sequence[Evidence]) -> tuple[QualityValue, ...]:
    """The figures of equilibrium quality over the seeds of a method."""
    qualities = [run.quality for run in runs if run.quality is not None]
    tables = {name: np.array([quality.per_problem[name] for quality in qualities]) for name in FIGURES}
    drawn = None
    if measured.how == SAMPLED:
        plays = any(quality.game for quality in qualities)
        blind_SP = np.array(
            [quality.per_problem.get(BLIND, np.full(measured.of, np.nan)) for quality in qualities]
        )
        blind = mean_interval(blind_SP, (0.0, 1.0)).value
        drawn = Drawn(int(runs[0].record.config["sampling"]["n"]), plays, blind)
    return tuple(quality_value(name, values_SP, drawn) for name, values_SP in tables.items())


@dataclass(frozen=True)
class Drawn:
    """What decides whether samples have the power to tell a figure.

    n: samples per prompt. plays: the trainer declares a game. blind: the share of the game's target that no draw
    could show, as `blind_share`; NaN where the target is not fixed, or the file is from before it was measured.
    """

    n: int
    plays: bool
    blind: float


def quality_value(name: str, values_SP: FloatArray, drawn: Drawn | None = None) -> QualityValue:
    """A figure's mean over seeds and problems with its interval, or why the samples say nothing of it.

    Args:
        name: the figure.
        values_SP: per seed and problem.
        drawn: the samples that it was estimated from; None where completions were enumerated, without noise.
    """
    if drawn is None:
        estimate = mean_interval(values_SP, (0.0, np.inf))
        return QualityValue(name, estimate.value, estimate.low, estimate.high)
    estimate = mean_interval(values_SP, (-np.inf, np.inf) if name in BOUNDS else (0.0, np.inf))
    bound = name in BOUNDS or (name == "marginal_error" and bool(np.isnan(drawn.blind)))
    silent = bound and not estimate.low > LEAST
    return QualityValue(name, estimate.value, estimate.low, estimate.high, bound, no_power(name, silent, drawn))


def no_power(name: str, silent: bool, drawn: Drawn) -> str:
    """Why samples say nothing of a figure; empty where they do, or where there is no game to say it of."""
    if name in OF_GAME and not drawn.plays:
        return ""
    if name in OF_GAME and drawn.blind > BLINDNESS:
        return f"{drawn.blind:.0%} of the target unseen"
    return f"at n = {drawn.n}" if silent else ""


def sampling_in_words(sampling: Mapping[str, Any]) -> str:
    """How many samples of a phrasing, at which temperature, of how many tokens at most."""
    n, temperature, tokens = sampling["n"], sampling["temperature"], sampling["max_tokens"]
    return f"{n} of a phrasing at temperature {temperature:g}, at most {tokens} tokens"


def difference_from(baseline: Sequence[Evidence], candidate: Sequence[Evidence], metric: str) -> Comparison:
    """The paired difference of a metric over the seeds that both have; where they share none, over problems."""
    seeds = sorted({run.seed for run in baseline} & {run.seed for run in candidate})
    tables = [table_of([run for run in runs if run.seed in seeds or not seeds], metric)
              for runs in (candidate, baseline)]  # fmt: skip
    if not seeds:
        tables = [values_SP.mean(axis=0, keepdims=True) for values_SP in tables]
    names = Names(baseline[0].suite, metric, baseline[0].method, candidate[0].method)
    mine, theirs = tables
    low, high = baseline[0].bounds[metric]
    return tested_difference(names, mine, theirs, max(len(seeds), 1), high - low)
