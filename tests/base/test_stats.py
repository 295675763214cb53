from __future__ import annotations

import numpy as np
import pytest
from benchmarks.intervals import CELLS, POWER_CELL, Cell, simulate
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from alftbench.base.stats import (
    defined,
    holm,
    mean_interval,
    mean_squares,
    paired_difference,
    resolvable,
    score_interval,
    spread,
)

UNIT = (0.0, 1.0)


def test_interval_matches_the_normal_one_for_many_problems():
    values = np.random.default_rng(1).normal(0.3, 0.2, size=(1, 400))
    found = mean_interval(values, (-np.inf, np.inf))
    half = 1.96 * values.std(ddof=1) / 20
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), rel=0.01)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(200):
        found = mean_interval(rng.beta(2, 3, size=(1, 60)), UNIT)
        hits += found.low <= 0.4 <= found.high
    assert 180 <= hits <= 199


def test_seeds_that_differ_widen_the_interval():
    rng = np.random.default_rng(3)
    base = rng.uniform(size=(1, 200))
    same = mean_interval(np.repeat(base, 3, axis=0), (-np.inf, np.inf))
    shifted = mean_interval(base + np.array([[-0.2], [0.0], [0.2]]), (-np.inf, np.inf))
    assert shifted.high - shifted.low > 2 * (same.high - same.low)


def test_equal_values_between_the_bounds_are_not_certainty_either():
    found = mean_interval(np.full((1, 4), 0.25), UNIT)
    wilson = reference.binomtest(1, 4).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high))
    assert mean_interval(np.full((1, 4), 0.25), (-np.inf, np.inf)).high == 0.25
    assert mean_interval(np.full((3, 7), 0.1), UNIT).high > 0.3  # whose mean is not 0.1 to the last digit


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_right_or_all_wrong_is_not_certainty(value):
    found = mean_interval(np.full((1, 50), value), UNIT)
    wilson = reference.binomtest(int(50 * value), 50).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), abs=1e-9)


def test_the_score_interval_is_all_means_that_are_not_too_far():
    """By its definition, on a grid: (p − μ)² ≤ t² v μ(1 − μ) / p(1 − p), for bounds of any place and width."""
    rng = np.random.default_rng(7)
    values = 2 + 3 * rng.beta(8, 1, size=(3, 12))
    between, p = spread(values), (values.mean() - 2) / 3
    low, high = score_interval(values.mean(), between, 12, (2.0, 5.0))
    grid = np.linspace(0, 1, 100_001)
    t = reference.t.isf(0.025, between.freedom)
    inside = grid[(p - grid) ** 2 <= t**2 * between.variance / 9 * grid * (1 - grid) / (p * (1 - p))]
    assert (low, high) == pytest.approx((2 + 3 * inside.min(), 2 + 3 * inside.max()), abs=1e-4)


def test_linearised_values_beyond_the_bounds_keep_students_interval():
    values = np.array([[0.9, 1.2, 1.0, 0.8, 0.97]])
    found = mean_interval(values, UNIT)
    low, _ = reference.t.interval(0.95, 4, values.mean(), reference.sem(values[0]))
    assert (found.low, found.high) == (pytest.approx(low), 1.0)


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(2, 12))
def test_intervals_hold_their_value_and_stay_within_bounds(seed, n_seeds, n_problems):
    values = np.random.default_rng(seed).integers(0, 3, size=(n_seeds, n_problems)) / 2
    found = mean_interval(values, UNIT)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


def test_mean_squares_by_their_definition():
    table = np.random.default_rng(8).normal(size=(4, 7))
    seeds, problems, mean = table.mean(1), table.mean(0), table.mean()
    found = mean_squares(table)
    assert found.seeds == pytest.approx(7 * sum((seeds - mean) ** 2) / 3)
    assert found.problems == pytest.approx(4 * sum((problems - mean) ** 2) / 6)
    noise = sum((table[s, p] - seeds[s] - problems[p] + mean) ** 2 for s in range(4) for p in range(7))
    assert found.residual == pytest.approx(noise / 18)


@pytest.mark.parametrize("seed", range(3))
def test_components_are_those_of_statsmodels_mixed_model(seed):
    """REML with crossed random effects of seeds and problems is the analysis of variance on a balanced table."""
    import pandas as pd
    from statsmodels.regression.mixed_linear_model import MixedLM

    rng = np.random.default_rng(seed)
    S, P = 4, 25
    table = 0.5 + rng.normal(0, 0.5, (S, 1)) + rng.normal(0, 0.3, (1, P)) + rng.normal(0, 0.25, (S, P))
    frame = pd.DataFrame({"y": table.ravel(), "seed": np.repeat(range(S), P)})
    frame["problem"] = np.tile(range(P), S)
    effects = {"seed": "0 + C(seed)", "problem": "0 + C(problem)"}
    model = MixedLM.from_formula("y ~ 1", frame, groups=np.ones(S * P), vc_formula=effects, re_formula="0")
    fitted = model.fit(reml=True, method="lbfgs")
    ours = mean_squares(table)
    components = {"seed": (ours.seeds - ours.residual) / P, "problem": (ours.problems - ours.residual) / S}
    assert dict(zip(model.exog_vc.names, fitted.vcomp, strict=True)) == pytest.approx(components, rel=0.02)
    assert fitted.scale == pytest.approx(ours.residual, rel=0.01)
    assert fitted.bse_fe.iloc[0] == pytest.approx(ours.spread.error, rel=0.01)


def test_satterthwaites_freedom_by_hand():
    """One component alone has its own freedom, equal ones share theirs; never below S − 1."""
    only_seeds = np.repeat([[0.1], [0.4], [0.3]], 9, axis=1)
    assert spread(only_seeds).freedom == pytest.approx(2)
    assert spread(only_seeds).error == pytest.approx(np.std([0.1, 0.4, 0.3], ddof=1) / np.sqrt(3))
    only_problems = np.repeat(np.arange(9.0)[None], 3, axis=0)
    assert spread(only_problems).freedom == pytest.approx(8)
    both = np.array([[0.0], [1.0]]) + np.array([0.0, 1.0])  # no residual, MS_S = MS_P = 1
    assert (mean_squares(both).seeds, mean_squares(both).problems) == (1.0, 1.0)
    assert (spread(both).variance, spread(both).freedom) == (pytest.approx(0.5), pytest.approx(2))
    noise = np.random.default_rng(1).normal(size=(5, 50))
    assert spread(noise).freedom >= 4


def test_what_is_resolvable_is_found_with_the_power_that_is_said():
    rng, trials = np.random.default_rng(9), 2000
    least = resolvable(0.1, 11)
    found = rng.normal(least, 0.1, trials) / (0.1 * np.sqrt(rng.chisquare(11, trials) / 11))
    power = np.mean(np.abs(found) > reference.t.isf(0.025, 11))
    assert power == pytest.approx(0.8, abs=0.03)
    assert resolvable(0.1, 2) > 1.5 * least


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.n_problems == 30 or cell.n_samples == 4][::3])
def test_coverage_and_size_where_the_truth_is_known(cell: Cell):
    """Every third of the smaller cells with few repetitions; benchmarks/intervals.py runs all with many."""
    found = simulate(cell, 250)
    assert found.faults() == []


def test_power_with_three_seeds_is_not_below_that_of_one():
    found = simulate(POWER_CELL, 500)
    assert found.power >= 0.45
    one = Cell(**{**vars(POWER_CELL), "n_seeds": 1})
    assert found.power > simulate(one, 500).power


def test_undefined_problems_are_left_out():
    found = mean_interval(np.array([[0.0, np.nan, 1.0, 1.0]]), UNIT)
    assert (found.value, found.n_problems) == (pytest.approx(2 / 3), 3)
    nothing = mean_interval(np.full((1, 3), np.nan), UNIT)
    assert np.isnan(nothing.value)
    assert nothing.n_problems == 0


def test_pairing_finds_what_unpaired_intervals_hide():
    rng = np.random.default_rng(4)
    base = rng.uniform(size=(1, 80))
    candidate = np.clip(base + rng.normal(0.03, 0.02, size=base.shape), 0, 1)
    apart = mean_interval(candidate, UNIT).low > mean_interval(base, UNIT).high
    found = paired_difference(candidate, base)
    assert not apart
    assert found.p_value < 0.001
    assert found.low > 0


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.floats(-0.2, 0.2))
def test_p_is_below_five_percent_exactly_where_the_interval_leaves_out_zero(seed, shift):
    rng = np.random.default_rng(seed)
    found = paired_difference(rng.normal(shift, 0.3, size=(1, 40)), np.zeros((1, 40)))
    if abs(found.p_value - 0.05) > 0.002:
        assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)


@pytest.mark.parametrize(
    ("seeds", "seed_sd", "problem_sd"), [(1, 0.0, 0.2), (3, 0.05, 0.0), (3, 0.05, 0.1), (3, 0.0, 0.2)]
)
def test_the_null_is_rejected_no_more_often_than_it_should_be(seeds, seed_sd, problem_sd):
    """Differences with true mean 0 that vary by seed, by problem and by both; 3 seeds must not look like 300."""
    rng, rejected, trials = np.random.default_rng(5), 0, 1500
    for _ in range(trials):
        table = (
            rng.normal(0, seed_sd, (seeds, 1))
            + rng.normal(0, problem_sd, (1, 60))
            + rng.normal(0, 0.15, (seeds, 60))
        )
        rejected += paired_difference(table, np.zeros_like(table)).p_value < 0.05
    assert rejected / trials <= 0.07 + 3 * np.sqrt(0.07 * 0.93 / trials)


def test_one_seed_is_students_paired_test():
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(2, 1, 30))
    assert paired_difference(a, b).p_value == pytest.approx(reference.ttest_rel(a[0], b[0]).pvalue)


def test_a_single_problem_shows_no_precision():
    found = mean_interval(np.array([[0.5]]), UNIT)
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)
    assert np.isnan(paired_difference(np.array([[0.5]]), np.array([[0.2]])).p_value)


def test_no_difference_at_all_has_p_1():
    assert paired_difference(np.ones((2, 9)), np.ones((2, 9))).p_value == 1.0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, float("nan"), 0.9])[::2] == pytest.approx([1.0, 1.0])
    assert np.isnan(holm([float("nan")])[0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_between_raw_and_bonferroni(p_values):
    for raw, adjusted in zip(p_values, holm(p_values), strict=True):
        assert raw - 1e-12 <= adjusted <= min(1.0, raw * len(p_values)) + 1e-12 or adjusted <= 1.0


def test_defined_drops_a_problem_that_one_seed_lacks():
    assert defined(np.array([[1.0, np.nan], [2.0, 3.0]])).shape == (2, 1)
