"""Who is better than whom: every two methods of a suite, and the ranks that follow."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from alftbench.base.markdown import markdown
from alftbench.base.stats import holm, paired_difference, resolvable
from alftbench.publish.comparison import Compared, MethodRow, compare_runs
from alftbench.publish.evidence import collect
from alftbench.publish.ranking import ranked, resolution
from alftbench.publish.tables import BoardLayout, comparison_tables
from alftbench.types import Comparison, MetricValue
from tests.helpers import ROOT

METHODS = ["base", "vanilla-grpo", "coherence-grpo", "diversity-game"]
LAYOUT = BoardLayout(("accuracy",), "accuracy", (), "../../results/tiny")


@pytest.fixture(scope="module")
def runs():
    """The base and the trained models on test problems; no tempered base, which has no rank."""
    every = collect(sorted((ROOT / "results" / "tiny").iterdir()))
    return [run for run in every if run.suite in ("sums", "splits") and run.method in METHODS]


@pytest.fixture(scope="module")
def compared(runs) -> Compared:
    return compare_runs(runs, ["sums", "splits"], METHODS[1:])


def row(method: str, value: float, higher_is_better: bool | None = True, name: str = "accuracy") -> MethodRow:
    metric = MetricValue(name, value, 0.0, 1.0, 0.95, 10, 40, "probability", higher_is_better)
    return MethodRow(method, "s", (0,), (metric,), None, ())


def pair(baseline: str, candidate: str, difference: float, p: float, name: str = "accuracy") -> Comparison:
    return Comparison("s", name, baseline, candidate, difference, -1.0, 1.0, p, p, 10, 3, 0.01, 9.0)


def test_a_rank_counts_who_is_significantly_better():
    """The middle one is told from neither, so it shares the first rank although it is below the best."""
    rows = [row("a", 0.5), row("b", 0.55), row("c", 0.6)]
    pairs = [pair("a", "b", 0.05, 0.3), pair("a", "c", 0.1, 0.01), pair("b", "c", 0.05, 0.2)]
    places = [(rank, row.method) for rank, row in ranked(rows, pairs, "accuracy")]
    assert places == [(1, "c"), (1, "b"), (2, "a")]
    others = [replace(p, suite="t") for p in pairs] + [replace(p, metric="entropy") for p in pairs]
    assert {rank for rank, _ in ranked(rows, others, "accuracy")} == {1}


def test_less_is_better_where_the_metric_says_so():
    rows = [row("a", 0.1, False, "error"), row("b", 0.3, False, "error")]
    pairs = [pair("a", "b", 0.2, 0.001, "error")]
    assert [(rank, r.method) for rank, r in ranked(rows, pairs, "error")] == [(1, "a"), (2, "b")]


def test_a_difference_that_nobody_knows_ranks_nobody():
    rows = [row("a", 0.1), row("b", 0.9)]
    assert [rank for rank, _ in ranked(rows, [pair("a", "b", 0.8, math.nan)], "accuracy")] == [1, 1]
    assert [rank for rank, _ in ranked(rows, [], "accuracy")] == [1, 1]


def test_every_two_methods_are_tested_on_the_same_problems_and_seeds(runs, compared):
    values = {
        (run.suite, run.method, run.seed): run.per_problem["accuracy"] for run in runs if run.suite == "splits"
    }
    pairs = [c for c in compared.comparisons if (c.suite, c.metric) == ("splits", "accuracy")]
    assert [(c.baseline, c.candidate) for c in pairs] == [
        (METHODS[i], METHODS[j]) for i in range(4) for j in range(i + 1, 4)
    ]
    for found in pairs:
        ours, theirs = (
            np.array([values["splits", method, seed] for seed in range(3)])
            for method in (found.candidate, found.baseline)
        )
        expected = paired_difference(ours, theirs)
        assert (found.difference, found.p_value) == (expected.value, expected.p_value)
    of_suite = [c for c in compared.comparisons if c.suite == "splits"]
    assert [c.p_adjusted for c in of_suite] == holm([c.p_value for c in of_suite])


def test_trained_methods_that_differ_do_not_share_a_rank(compared):
    """On splits vanilla-grpo and diversity-game are above the base, and the base above coherence-grpo."""
    rows = [row for row in compared.rows if row.suite == "splits"]
    places = {row.method: rank for rank, row in ranked(rows, compared.comparisons, "accuracy")}
    assert places == {"vanilla-grpo": 1, "diversity-game": 1, "base": 3, "coherence-grpo": 4}
    first, second = (next(r.metric("accuracy") for r in rows if r.method == m) for m in ("vanilla-grpo", "base"))
    assert first.low > second.high


def test_a_board_says_what_it_resolves(compared):
    rows = [row for row in compared.rows if row.suite == "sums"]
    pairs = [c for c in compared.comparisons if (c.suite, c.metric) == ("sums", "accuracy")]
    least = [resolvable(c.error, c.freedom) for c in pairs]
    found = resolution(rows, compared.comparisons, "accuracy")
    assert (found.half, found.all) == (sorted(least)[2], max(least))
    board = "\n".join(map(markdown, comparison_tables(compared, LAYOUT)))
    said = f"this board resolves differences of at least {100 * found.half:.1f} points of accuracy"
    assert board.count(said) == 1
    assert board.count("this board resolves differences of") == 2
    assert resolution(rows, [replace(c, error=math.nan) for c in pairs], "accuracy") is None


def test_a_metric_that_ranks_is_tested_whatever_records_say(runs):
    some = [run for run in runs if run.suite == "sums" and run.seed == 0]
    assert not [c for c in compare_runs(some, ["sums"], []).comparisons if c.metric == "maj@8"]
    by_vote = [c for c in compare_runs(some, ["sums"], [], "maj@n").comparisons if c.metric == "maj@8"]
    assert len(by_vote) == 6


def test_one_seed_is_marked_and_other_seeds_are_paired_by_problem(runs):
    one = [
        run for run in runs if run.suite == "sums" and (run.method, run.seed) in (("base", 0), ("vanilla-grpo", 1))
    ]
    table = compare_runs(one, ["sums"], [])
    found = next(c for c in table.comparisons if c.metric == "accuracy")
    by_method = {run.method: run.per_problem["accuracy"][None] for run in one}
    assert found.p_value == paired_difference(by_method["vanilla-grpo"], by_method["base"]).p_value
    assert found.n_seeds == 1
    (differences,) = [t for t in comparison_tables(table) if "paired differences" in t.title]
    assert "† one seed: p speaks of two checkpoints" in differences.caption


def test_without_a_base_the_first_method_is_what_others_are_held_against(runs, compared):
    trained = [run for run in runs if run.method != "base" and run.suite == "sums"]
    titles = [table.title for table in comparison_tables(compare_runs(trained, ["sums"], METHODS))]
    assert "sums, paired differences from vanilla-grpo" in titles
    assert "sums, accuracy of every two methods" in titles
    assert not any("every two" in t.title for t in comparison_tables(compare_runs(trained[:2], ["sums"], METHODS)))


def test_an_interval_of_a_difference_does_not_pass_the_largest_that_there_can_be():
    values_SP = np.array([[1.0, 1.0, 0.5]])
    wide, cut = paired_difference(values_SP, 0 * values_SP), paired_difference(values_SP, 0 * values_SP, 1.0)
    assert (wide.high, cut.high) == (pytest.approx(wide.value * 2 - wide.low), 1.0)
    assert wide.high > 1
    assert (cut.value, cut.low, cut.p_value) == (wide.value, wide.low, wide.p_value)
    assert paired_difference(0 * values_SP, values_SP, 1.0).low == -1.0
