"""Estimators against brute force, and every shipped table against its certificate."""

from itertools import product

import clarabel
import numpy as np
import pytest
from interior_point import least_norm_in_tube
from make_tables import VARIANCE_FACTORS, arcsine_grid, make_entry, optimal_bias
from scipy import sparse
from scipy.special import psi, xlogy

from alftbench.errors import BadInput, UnknownName
from alftbench.games import ESTIMATORS, certificate, log_reward, log_table, power_reward
from alftbench.games.estimators import LARGEST_K, TABLE_PATH, bernstein

POLYNOMIAL = ("minimax", "variance-optimal")


def bias_and_variance(table, p):
    """E g_N − log p and Var g_N with N ~ Bin(K−1, p), in nats and nats²."""
    chance = bernstein(table.size, p)
    mean = chance @ table
    return mean - np.log(p), chance @ table**2 - mean**2


def weighted_bias(table, p):
    return np.abs(p * bias_and_variance(table, p)[0]).max()


@pytest.mark.parametrize("K", [4, 8, 16])
def test_minimax_bias_is_the_optimum(K):
    """0.32/K² against the plug-in's 0.5/K."""
    assert certificate(K, "minimax")["bias"] * K**2 <= 0.33


@pytest.mark.parametrize("K", range(2, 65))
def test_minimax_bias_up_to_64(K):
    """Half of 1/K² and a proven bound below."""
    shipped = certificate(K, "minimax")
    assert shipped["optimal_bias"] <= shipped["bias"] <= 0.5 / K**2


@pytest.mark.parametrize("estimator", POLYNOMIAL)
@pytest.mark.parametrize("K", range(2, LARGEST_K + 1))
def test_every_table_keeps_its_certificate(K, estimator):
    """Bias and variance evaluated anew, on points the solver and the certificate did not use."""
    shipped, table = certificate(K, estimator), log_table(K, estimator)
    rng = np.random.default_rng(K)
    p = np.concatenate([np.sin(rng.uniform(0, np.pi / 2, 500)) ** 2, 10 ** rng.uniform(-8, 0, 100), [1.0]])
    bias, variance = bias_and_variance(table, p)
    assert np.abs(p * bias).max() <= shipped["bias"] * 1.002 + shipped["rounding"]
    assert (p * variance).max() <= shipped["variance"] * 1.01
    assert shipped["rounding"] <= 0.01 * shipped["bias"]
    assert shipped["bias"] <= 1.01 * shipped["factor"] * shipped["optimal_bias"]
    if estimator == "variance-optimal":
        assert shipped["variance"] <= 0.5


@pytest.mark.parametrize("estimator", POLYNOMIAL)
def test_the_order_of_estimators(estimator):
    """Both tables are closer to unbiased than digamma, and digamma than plug-in, from K = 4 on."""
    for K in (4, 8, 16, 32, 64, 128):
        p = arcsine_grid(50 * K)
        plug_in, digamma, table = (
            weighted_bias(log_table(K, name), p) for name in ("plug-in", "digamma", estimator)
        )
        assert table < digamma < plug_in


def test_known_constants_of_the_simple_estimators():
    """sup p·|bias| as measured by independent code."""
    for K, plug_in, digamma in [
        (4, 0.122, 0.0755),
        (8, 0.066, 0.0365),
        (16, 0.034, 0.0179),
        (64, 0.0089, 0.0044),
    ]:
        p = arcsine_grid(100 * K)
        assert weighted_bias(log_table(K, "plug-in"), p) == pytest.approx(plug_in, rel=0.02)
        assert weighted_bias(log_table(K, "digamma"), p) == pytest.approx(digamma, rel=0.02)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_bias_is_what_enumeration_says(estimator):
    """All 3^4 draws of four samples from three answers: E[ĝ(n_z) | first draw is z] − log p(z)."""
    p, K = np.array([0.5, 0.3, 0.2]), 4
    expected = np.zeros(3)
    for rest in product(range(3), repeat=K - 1):
        for z in range(3):
            count = 1 + rest.count(z)
            expected[z] += np.prod(p[list(rest)]) * log_reward(count, K, estimator)
    bias, _ = bias_and_variance(log_table(K, estimator), p)
    assert np.allclose(expected - np.log(p), bias)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_powers_are_unbiased(degree):
    """E of the U-statistic is p^d exactly."""
    K, p = 5, np.linspace(0.01, 0.99, 20)
    table = power_reward(np.arange(1, K + 1), K, degree)
    assert np.allclose(bernstein(K, p) @ table, p**degree, rtol=1e-12)


def test_optimal_bias_is_a_linear_program():
    """K = 2 by hand: a line a + b p against log p, weighted by p; scanned."""
    lower, upper = optimal_bias(2)
    p = arcsine_grid(2000)
    a, b = np.meshgrid(np.linspace(-2.2, -1.2, 101), np.linspace(1.2, 2.2, 101))
    errors = np.abs(p * (a[..., None] + b[..., None] * p) - xlogy(p, p)).max(axis=-1)
    assert lower == pytest.approx(upper, rel=1e-8)
    assert lower <= errors.min() <= 1.05 * lower


@pytest.mark.parametrize(("N", "K"), [(1, 1), (40, 8), (200, 16)])
def test_the_least_norm_in_a_tube_is_clarabels(N, K):
    """minimise ½‖x‖² subject to G x ≤ r + 1 and −G x ≤ 1 − r, by a solver of its own kind."""
    rng = np.random.default_rng(N)
    tube = rng.normal(size=(N, K))
    centre = tube @ rng.normal(size=K) * 10 + rng.uniform(-0.5, 0.5, N)
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    solver = clarabel.DefaultSolver(
        sparse.eye(K, format="csc"), np.zeros(K), sparse.csc_matrix(np.vstack([tube, -tube])),
        np.concatenate([1 + centre, 1 - centre]), [clarabel.NonnegativeConeT(2 * N)], settings,
    )  # fmt: skip
    shortest = least_norm_in_tube(tube, centre)
    assert np.abs(tube @ shortest - centre).max() <= 1 + 1e-8
    assert np.allclose(shortest, solver.solve().x, atol=1e-6)


def test_tables_can_be_made_again():
    """The shipped entry is what the script makes today."""
    entry, factor = make_entry(8, VARIANCE_FACTORS, {"variance": 0.5})
    assert factor == certificate(8, "variance-optimal")["factor"]
    assert np.allclose(entry["table"], log_table(8, "variance-optimal"), atol=1e-6)


def test_lookup_is_vectorised_and_simple():
    """Any shape; closed forms as they are written."""
    counts = np.array([[1, 2], [3, 4]])
    assert np.array_equal(log_reward(counts, 4, "plug-in"), np.log(counts / 4))
    assert np.allclose(log_reward(counts, 4, "digamma"), psi(counts) - psi(4))
    assert log_reward(counts, 4).shape == (2, 2)
    assert np.array_equal(power_reward(counts, 4, 1), (counts - 1) / 3)
    assert not log_table(4, "minimax").flags.writeable
    assert TABLE_PATH.stat().st_size < 500_000


def test_bad_requests_are_refused():
    """Counts that no sampled answer has, sizes without a table, names that are not."""
    with pytest.raises(BadInput, match=r"1\.\.4"):
        log_reward(np.array([0, 1]), 4)
    with pytest.raises(BadInput, match=r"1\.\.4"):
        log_reward(5, 4)
    with pytest.raises(BadInput, match="integers"):
        log_reward(1.5, 4)
    with pytest.raises(BadInput, match=r"2\.\.128"):
        log_reward(1, 129)
    with pytest.raises(BadInput, match=r"2\.\.128"):
        log_reward(1, 1, "minimax")
    with pytest.raises(BadInput, match="K = 0"):
        log_reward(1, 0, "digamma")
    with pytest.raises(UnknownName, match="did you mean 'minimax'"):
        log_reward(1, 4, "minmax")
    with pytest.raises(BadInput, match="degree 4"):
        power_reward(1, 4, 4)
    with pytest.raises(BadInput, match="no table of 'digamma'"):
        certificate(4, "digamma")
