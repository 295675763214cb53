"""What the terminal shows: tables on stdout, progress and errors on stderr."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from alftbench.games import Solution
from alftbench.publish.comparison import COMPARED, Alike, Row, Table, by_measure
from alftbench.publish.wording import FIGURE_HEADINGS, claim, p_text, problems, quantity, resolved, short, signed
from alftbench.types import Comparison, MetricValue, QualityValue

HEADINGS = {
    "distinct_right": "distinct\nright",
    "coherence": "cohe-\nrence",
    "agreement": "agree-\nment",
}
ROOMY = 100  # columns of terminal from which tables are set with more space


def new_table(title: str, columns: Sequence[str]) -> RichTable:
    """A table with its first column to the left and numbers to the right."""
    space = (0, 1, 0, 0) if stdout().width >= ROOMY else (0, 0, 0, 0)
    table = RichTable(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, padding=space)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=bool(place), overflow="fold")
    return table


def compact(value: float) -> str:
    """A value without a leading zero, to fit an interval into a narrow column."""
    text = f"{value:.2f}"
    if text == "1.00":
        return "1.0"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def cell(metric: MetricValue | None) -> Text:
    """The value, and its interval on a second line."""
    if metric is None or math.isnan(metric.value):
        return Text("–")
    return Text.assemble(short(metric.value), "\n", (f"{compact(metric.low)}–{compact(metric.high)}", "dim"))


def metric_table(metrics: Sequence[MetricValue], title: str) -> RichTable:
    """Every metric of one evaluation, a line each."""
    table = new_table(title, ["metric", "value", "95% interval", "unit", "problems", "samples"])
    for metric in metrics:
        undefined = math.isnan(metric.value)
        table.add_row(
            Text(metric.name),
            short(metric.value),
            "–" if undefined else f"{short(metric.low)} – {short(metric.high)}",
            Text(metric.unit),
            str(metric.n_problems),
            str(metric.n_samples),
        )
    return table


def phrasing_table(phrasings: Mapping[str, Sequence[MetricValue]]) -> RichTable:
    """What each phrasing is like, a line each."""
    labels = [metric.name.replace("_", "\n") for metric in next(iter(phrasings.values()))]
    table = new_table("by phrasing, 95% intervals", ["phrasing", *labels, "problems"])
    for name, metrics in phrasings.items():
        table.add_row(Text(name), *map(cell, metrics), problems(metrics))
    return table


def suite_table(suite: str, rows: Sequence[Row]) -> RichTable:
    """One suite's methods side by side."""
    names = ["accuracy", "pass@k", "maj@n", "entropy", "distinct_right", "coherence", "agreement"]
    labels = [HEADINGS.get(name) or getattr(rows[0].metric(name), "name", name) for name in names]
    n_problems = rows[0].metrics[0].n_problems
    title = f"{suite}: {n_problems} problems, {rows[0].metrics[0].n_samples} samples a method, 95% intervals"
    table = new_table(title, ["method", *labels])
    for row in rows:
        table.add_row(Text(row.method), *(cell(row.metric(name)) for name in names))
    return table


def equilibrium_table(suite: str, alike: Alike) -> RichTable:
    """How far each method is from the equilibrium of its game, of methods that were measured in the same way."""
    table = new_table(f"{suite}: equilibrium quality, {alike.note}", ["method", *FIGURE_HEADINGS.values()])
    for place, row in enumerate(alike.rows):
        found = {figure.name: figure for figure in row.equilibrium}
        cells = [figure_cell(found[name]) if name in found else Text("–") for name in FIGURE_HEADINGS]
        # Below the method, for a column of its own would fold the method's name at 80 columns.
        measured = "".join(f"\n{count} problems" for count in alike.counts[place : place + 1])
        table.add_row(Text.assemble(row.method, (measured, "dim")), *cells)
    return table


def figure_cell(figure: QualityValue) -> Text:
    """The value where it is above the noise floor, and what can be said of it on a second line."""
    return Text.assemble(resolved(figure), "\n", (claim(figure), "dim"))


def cost_table(rows: Sequence[Row]) -> RichTable:
    """What training cost per method; the same for all suites, since one model serves them all."""
    columns = [
        "method",
        "seeds",
        "generated\ntokens",
        "trained\ntokens",
        "forward\npasses",
        "backward\npasses",
    ]
    table = new_table("Training cost, mean over seeds", [*columns, "FLOPs\n(estimate)", "seconds"])
    for row in {row.method: row for row in rows}.values():
        if row.cost is None:
            continue
        cost = row.cost
        counts = (cost.generated_tokens, cost.trained_tokens, cost.forward_passes, cost.backward_passes)
        table.add_row(
            Text(row.method),
            str(len(row.seeds)),
            *map(quantity, counts),
            quantity(cost.flops),
            f"{cost.seconds:.1f}",
        )
    return table


def difference_table(suite: str, comparisons: Sequence[Comparison], n_tests: int) -> RichTable:
    """Paired differences from the base with intervals and adjusted p-values."""
    shown = new_table(
        f"{suite}: paired difference from the base, 95% interval, p (Holm, {n_tests} tests)",
        ["method", *(HEADINGS.get(name, name) for name in COMPARED)],
    )
    for method in dict.fromkeys(c.candidate for c in comparisons):
        found = {c.metric: c for c in comparisons if c.candidate == method}
        cells = [difference_cell(found[name]) if name in found else Text("–") for name in COMPARED]
        shown.add_row(Text(method), *cells)
    return shown


def difference_cell(difference: Comparison) -> Text:
    """The difference, its interval and its adjusted p-value, a line each."""
    ends = "–" if math.isnan(difference.low) else f"{difference.low:+.2f} {difference.high:+.2f}"
    return Text.assemble(
        signed(difference.difference), "\n", (f"{ends}\np {p_text(difference.p_adjusted)}", "dim")
    )


def comparison_tables(table: Table) -> Iterable[RichTable]:
    """Everything that `alftbench compare` shows."""
    suites = list(dict.fromkeys(row.suite for row in table.rows))
    for suite in suites:
        yield suite_table(suite, [row for row in table.rows if row.suite == suite])
    for suite in suites:
        for alike in by_measure([row for row in table.rows if row.suite == suite]):
            yield equilibrium_table(suite, alike)
    for suite in suites:
        if found := [c for c in table.comparisons if c.suite == suite]:
            yield difference_table(suite, found, len(table.comparisons))
    if any(row.cost for row in table.rows):
        yield cost_table(table.rows)


def solution_tables(solution: Solution, width: int) -> Iterable[RichTable]:
    """Reference, policy and target per answer, as many prompts side by side as fit: no number is ever cut."""
    number, answer = len("reference") + 2, 12
    at_once = max(1, (width - answer - number) // (2 * number))
    P = len(solution.game.prompts)
    for first in range(0, P, at_once):
        yield _prompts_table(solution, range(first, min(first + at_once, P)))


def _prompts_table(solution: Solution, prompts: Sequence[int]) -> RichTable:
    reference_PZ, policy_PZ, target_Z = np.exp(solution.game.log_reference_PZ), solution.p_PZ, solution.target_Z
    columns = [f"{name}\nprompt {i}" for i in prompts for name in ("reference", "policy")]
    table = new_table(f"{solution.game.objective.name}, {solution.method}", ["answer", *columns, "target"])
    for z, answer in enumerate(solution.game.answers):
        cells = [f"{p[i, z]:.6f}" for i in prompts for p in (reference_PZ, policy_PZ)]
        table.add_row(Text(answer), *cells, "–" if target_Z is None else f"{target_Z[z]:.6f}")
    return table


def stdout() -> Console:
    """Where results go."""
    return Console()


def stderr() -> Console:
    """Where progress and errors go."""
    return Console(stderr=True)
