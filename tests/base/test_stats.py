from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from alftbench.base.stats import defined, holm, mean_interval, paired_difference, wilson_reach

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
    assert found.low == 0.0
    assert found.high == pytest.approx(0.25 + wilson_reach(4))
    assert mean_interval(np.full((1, 4), 0.25), (-np.inf, np.inf)).high == 0.25


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_right_or_all_wrong_is_not_certainty(value):
    found = mean_interval(np.full((1, 50), value), UNIT)
    wilson = reference.binomtest(int(50 * value), 50).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), abs=1e-9)
    assert wilson_reach(50) == pytest.approx(0.0713, abs=1e-3)


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
    rng, rejected, trials = np.random.default_rng(5), 0, 400
    for _ in range(trials):
        table = (
            rng.normal(0, seed_sd, (seeds, 1))
            + rng.normal(0, problem_sd, (1, 60))
            + rng.normal(0, 0.15, (seeds, 60))
        )
        rejected += paired_difference(table, np.zeros_like(table)).p_value < 0.05
    assert rejected / trials <= 0.08  # 0.05 and three standard errors


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
