"""Every table of an evaluation, a comparison or a board, laid out once; renderers only set them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from alftbench.base.tables import Cell, Column, Interval, Lines, Links, Number, Quantity, Table, columns
from alftbench.base.wording import ONE_SEED, short
from alftbench.publish.comparison import (
    ENUMERATED,
    MIXED,
    RANK_BY,
    SAMPLED,
    Alike,
    Compared,
    MethodRow,
    by_measure,
    shown_names,
)
from alftbench.publish.cost import Steps
from alftbench.publish.evidence import BASE
from alftbench.publish.ranking import of_metric, ranked, resolution
from alftbench.publish.tempered import Gain, share_of
from alftbench.types import Comparison, MetricValue

FIGURES = {
    "kl": "KL",
    "trace_drift": "trace drift",
    "marginal_error": "marginal error",
    "nash_gap": "Nash gap",
}
ALWAYS = "rate_answered"  # the outcome that is told even where it is 0
MOST = 0.5  # of the completions: from here on a reader is told of the token limit
PHRASING_NOTE = (
    "Within is the chance that two draws of the phrasing give the same answer, across that a draw of it and one "
    "of another do."
)
SAMPLED_NOTE = (
    "Estimates from samples. KL is unbiased; marginal error is an estimate where the game has a fixed target. At "
    "least: a lower bound at 97.5% confidence; trace drift reads the less of the truth the wider the answers, "
    "so it does not compare methods. No power: these samples say nothing of the figure, which may be large, "
    "because the target of the game depends on the policy, or because answers that the target is made of "
    "were never drawn."
)
ENUMERATED_NOTE = (
    "Of the likeliest completions, with intervals over problems and seeds. What is left unlisted may move "
    "marginal error by its mass, and Nash gap by more where the target depends on the policy; it lowers KL "
    "and trace drift."
)
BEYOND_NOTE = (
    "Beside the untrained model at the sampling temperature (a share of the others') at which two draws of one "
    "phrasing agree as often as the method's, interpolated between its rows: what sharpening alone would give is "
    "taken off."
)
DIFFERENCE_NOTE = (
    "p is two-sided and belongs to the interval; Holm's is adjusted for all tests of the suite: every pair of "
    "methods in every tested metric."
)
PAIR_NOTE = "The method of the row less that of the column."
ONE_SEED_NOTE = f"{ONE_SEED} one seed: p speaks of two checkpoints, not of two methods"
STAGE_NOTE = (
    "Answers of the model before training; at the equilibrium of the game that the method states; where its "
    "expected update leads at its own group size, estimator and baseline; of the trained model. Shares are of the "
    "answers that the list of the model before training tells: the same ones for every method."
)
COST_NOTE = (
    "FLOPs are estimated from parameter and token counts. Shortened: steps whose gradient reached the limit on "
    "its norm. Silent: steps in which no two rollouts of a group differed in reward: nothing to learn from."
)


@dataclass(frozen=True)
class BoardLayout:
    """What a board shows: metrics by its names, ranks, phrasings of some suites, links to runs below a path."""

    metrics: tuple[str, ...]
    rank_by: str
    phrasings: tuple[str, ...]
    results: str


def metric_table(title: str, metrics: Sequence[MetricValue]) -> Table:
    """Every metric of one evaluation, a line each; an outcome that never came about has none."""
    rows: list[tuple[Cell, ...]] = [
        (m.name, short(m.value), Interval(m.low, m.high), m.unit, m.n_problems, m.n_samples)
        for m in metrics
        if m.name == ALWAYS or not m.name.startswith("rate_") or m.value > 0
    ]
    headings = columns("metric", "value", "95% interval", "unit", "problems", "samples")
    return Table(title, headings, tuple(rows))


def truncation_hint(metrics: Sequence[MetricValue]) -> str | None:
    """What to do where most completions were cut off before they gave an answer."""
    for metric in metrics:
        if metric.name == "rate_truncated" and metric.value >= MOST:
            return (
                f"{metric.value:.0%} of completions reached the token limit without an answer; raise --max-tokens"
            )
    return None


def comparison_tables(compared: Compared, layout: BoardLayout | None = None) -> list[Table]:
    """Everything there is to say of a comparison, the metrics that its runs show where there is no board's layout.

    A note is said once, by the first table that needs it.
    """
    suites = list(dict.fromkeys(row.suite for row in compared.rows))
    rows = {suite: [row for row in compared.rows if row.suite == suite] for suite in suites}
    tables = [
        table for suite in suites for table in suite_tables(suite, rows[suite], compared.comparisons, layout)
    ]
    tables += [equilibrium_table(suite, alike) for suite in suites for alike in by_measure(rows[suite])]
    tables += [table for suite in suites for table in stage_tables(suite, rows[suite])]
    for suite in suites:
        tables += difference_tables(rows[suite], compared.comparisons, layout)
    tables += beyond_tables(compared.gains)
    if any(row.cost for row in compared.rows):
        tables.append(cost_table(compared.rows))
    said = [table.note for table in tables]
    return [replace(t, note="") if t.note in said[:place] else t for place, t in enumerate(tables)]


def suite_tables(
    suite: str, rows: Sequence[MethodRow], comparisons: Sequence[Comparison], layout: BoardLayout | None
) -> Iterator[Table]:
    """A suite's methods side by side, and their phrasings where they are asked for."""
    if layout is None:
        yield suite_table(suite, rows, shown_names(rows))
        return
    methods = [row for row in rows if share_of(row.method) is None]
    controls = [(None, row) for row in rows if share_of(row.method) is not None]
    places = [*ranked(methods, comparisons, layout.rank_by), *controls]
    in_order = [row for _, row in places]
    yield with_evidence(suite_table(suite, in_order, layout.metrics), places, layout.results)
    if suite in layout.phrasings:
        yield phrasing_table(suite, rows)


def suite_table(suite: str, rows: Sequence[MethodRow], names: Sequence[str]) -> Table:
    """Every method's metrics."""
    headings = [next((m.name for row in rows if (m := row.metric(name))), name) for name in names]
    first, drawn = rows[0].metrics[0], rows[0].sampling
    return Table(
        title=suite,
        columns=columns("method", *headings),
        rows=tuple((row.method, *map(row.metric, names)) for row in rows),
        caption=f"{first.n_problems} problems, {first.n_samples} samples a method, {drawn}, 95% intervals",
    )


def with_evidence(table: Table, places: Sequence[tuple[int | None, MethodRow]], results: str) -> Table:
    """A suite's table with every row's rank, seeds and links to its runs; the tempered base has no rank."""
    cells = [
        (rank, *cells, len(row.seeds), run_links(row, results))
        for (rank, row), cells in zip(places, table.rows, strict=True)
    ]
    headings = (Column("rank"), *table.columns, Column("seeds"), Column("runs by seed"))
    return replace(table, columns=headings, rows=tuple(cells), keys=2)


def run_links(row: MethodRow, results: str) -> Links:
    """A row's seeds, each with its run."""
    runs = zip(row.seeds, row.runs, strict=True)
    return Links(tuple((str(seed), f"{results}/{run}/run.json") for seed, run in runs))


def phrasing_table(suite: str, rows: Sequence[MethodRow]) -> Table:
    """Phrasing after phrasing, what it is like for every method."""
    names = dict.fromkeys(name for row in rows for name in row.phrasings)
    apart = [(name, row) for name in names for row in rows if name in row.phrasings]
    cells = [(name, row.method, *phrasing_cells(row.phrasings[name])) for name, row in apart]
    headings = phrasing_headings(next(iter(rows[0].phrasings.values()), ()))
    return Table(f"{suite} by phrasing", columns("phrasing", "method", *headings), tuple(cells),
                 "95% intervals", PHRASING_NOTE, keys=2)  # fmt: skip


def evaluation_phrasings(phrasings: Mapping[str, Sequence[MetricValue]]) -> Table:
    """What each phrasing of one evaluation is like."""
    headings = phrasing_headings(next(iter(phrasings.values())))
    cells = [(name, *phrasing_cells(metrics)) for name, metrics in phrasings.items()]
    return Table("by phrasing", columns("phrasing", *headings), tuple(cells), "95% intervals")


def phrasing_headings(metrics: Sequence[MetricValue]) -> list[str]:
    """The headings of a phrasing's cells."""
    return [*(metric.name.removeprefix("rate_").replace("_", " ") for metric in metrics), "problems"]


def phrasing_cells(metrics: Sequence[MetricValue]) -> tuple[Cell, ...]:
    """A phrasing's metrics, and the problems behind them."""
    return (*metrics, problems(metrics))


def problems(metrics: Sequence[MetricValue]) -> str:
    """How many problems stand behind metrics; where that differs, for the first and for the last."""
    first, last = metrics[0].n_problems, metrics[-1].n_problems
    return str(first) if first == last else f"{first}, {last} {metrics[-1].name.rpartition('_')[2]}"


def equilibrium_table(suite: str, alike: Alike) -> Table:
    """How far each method is from the equilibrium of its game, of methods that were measured in the same way."""
    rows: list[tuple[Cell, ...]] = []
    for place, row in enumerate(alike.rows):
        figures = {figure.name: figure for figure in row.equilibrium}
        count = tuple(f"{count} problems" for count in alike.counts[place : place + 1])
        rows.append((Lines(row.method, count), *map(figures.get, FIGURES)))
    notes = {SAMPLED: SAMPLED_NOTE, ENUMERATED: ENUMERATED_NOTE, MIXED: ""}
    note = notes[alike.rows[0].measured.how] if alike.rows[0].measured else ""
    headings = columns("method", *FIGURES.values())
    return Table(f"{suite}, equilibrium quality", headings, tuple(rows), alike.note, note)


def stage_tables(suite: str, rows: Sequence[MethodRow]) -> Iterator[Table]:
    """Base, declared, predicted and reached of every method whose completions were enumerated."""
    staged = [row for row in rows if row.stages]
    if not staged:
        return
    shown = [feature for row in staged for stage in row.stages for feature in stage.features if feature]
    counts = sorted({feature.n_problems for feature in shown})
    counted = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    yield Table(
        title=f"{suite}, declared, predicted, reached",
        columns=columns("method", "answers", *dict.fromkeys(feature.name for feature in shown)),
        rows=tuple((row.method, stage.stage, *stage.features) for row in staged for stage in row.stages),
        caption=f"{by_measure(staged)[0].note}, {counted} problems, among the answers that are told",
        note=STAGE_NOTE,
        keys=2,
    )


def difference_tables(
    rows: Sequence[MethodRow], comparisons: Sequence[Comparison], layout: BoardLayout | None
) -> Iterator[Table]:
    """A suite's paired differences: from its first method, the base where there is one, and between the others."""
    rows = [row for row in rows if share_of(row.method) is None]
    if not rows:
        return
    first, rank_by = rows[0], layout.rank_by if layout else RANK_BY
    of_suite = [c for c in comparisons if c.suite == first.suite and not math.isnan(c.difference)]
    if not of_suite:
        return
    adjusted = f"Holm, {sum(not math.isnan(c.p_value) for c in of_suite)} tests"
    marks = [ONE_SEED_NOTE] if any(c.n_seeds == 1 for c in of_suite) else []
    least = resolution(rows, of_suite, rank_by)
    who = "this board resolves" if layout else "these runs resolve"
    power = [f"{who} differences of {least} (80% power at 5%, before Holm)"] if least else []
    said = "; ".join([f"95% intervals, p ({adjusted})", *marks, *power])
    yield from_first(first, [c for c in of_suite if c.baseline == first.method], said)
    others = [c for c in of_metric(rows, of_suite, rank_by) if c.baseline != first.method]
    if others:
        yield pair_table(first.suite, others, f"p ({adjusted})")


def from_first(first: MethodRow, comparisons: Sequence[Comparison], caption: str) -> Table:
    """Every method's paired differences from the first; metrics whose difference is undefined are left out."""
    by_place = {(comparison.candidate, comparison.metric): comparison for comparison in comparisons}
    metrics = dict.fromkeys(metric for _, metric in by_place)
    return Table(
        title=f"{first.suite}, paired differences from {'the base' if first.method == BASE else first.method}",
        columns=columns("method", *metrics),
        rows=crossed(by_place, metrics),
        caption=caption,
        note=DIFFERENCE_NOTE,
    )


def crossed(by_place: Mapping[tuple[str, str], Comparison], across: Iterable[str]) -> tuple[tuple[Cell, ...], ...]:
    """A row for every method of the places, with a cell for each name across."""
    methods = dict.fromkeys(method for method, _ in by_place)
    return tuple((method, *(by_place.get((method, name)) for name in across)) for method in methods)


def pair_table(suite: str, comparisons: Sequence[Comparison], caption: str) -> Table:
    """Every method that is no baseline against every other, in one metric."""
    by_pair = {(comparison.candidate, comparison.baseline): comparison for comparison in comparisons}
    baselines = dict.fromkeys(baseline for _, baseline in by_pair)
    return Table(
        title=f"{suite}, {comparisons[0].metric} of every two methods",
        columns=columns("row − column", *baselines),
        rows=crossed(by_pair, baselines),
        caption=caption,
        note=PAIR_NOTE,
    )


def beyond_tables(gains: Sequence[Gain]) -> Iterator[Table]:
    """What methods gain over the base at the same sharpness, suite by suite."""
    tests = sum(not math.isnan(c.p_value) for gain in gains for c in (gain.coherence, gain.accuracy))
    for suite in dict.fromkeys(gain.suite for gain in gains):
        rows: list[tuple[Cell, ...]] = [
            (gain.method, short(gain.within), Lines(gain.beside, (gain.unmatched,) if gain.unmatched else ()),
             gain.coherence, gain.accuracy)
            for gain in gains
            if gain.suite == suite
        ]  # fmt: skip
        yield Table(
            title=f"{suite}, beyond sharpening",
            columns=columns("method", "agreement_within", "beside", "coherence", "accuracy"),
            rows=tuple(rows),
            caption=f"gains, 95% intervals, p (Holm, {tests} tests)",
            note=BEYOND_NOTE,
        )


def step_cell(steps: Steps | None) -> Cell:
    """How the steps of training went, as whole numbers."""
    if steps is None:
        return None
    return Lines(f"{steps.all:.0f}", (f"{steps.clipped:.0f} shortened", f"{steps.silent:.0f} silent"))


def cost_table(rows: Sequence[MethodRow]) -> Table:
    """What training cost per method; the same for all suites, since one model serves them all."""
    cells: list[tuple[Cell, ...]] = []
    for row in {row.method: row for row in rows}.values():
        if row.cost is not None:
            cost = row.cost
            counts = (cost.generated_tokens, cost.trained_tokens, cost.forward_passes, cost.backward_passes)
            spent = map(Quantity, (*counts, cost.flops))
            cells.append((row.method, *spent, Number(cost.seconds, ".1f"), step_cell(row.steps)))
    headings = (
        "generated tokens",
        "trained tokens",
        "forward passes",
        "backward passes",
        "FLOPs",
        "seconds",
        "steps",
    )
    said = f"mean over {' or '.join(map(str, sorted({len(row.seeds) for row in rows if row.cost})))} seeds"
    return Table("Training cost", columns("method", *headings), tuple(cells), said, COST_NOTE)
