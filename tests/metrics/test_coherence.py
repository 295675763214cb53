"""Coherence measures coherence, not sharpness: simulated worlds with known truth, and the committed boards."""

from __future__ import annotations

import numpy as np
import pytest

from alftbench.answers.partition import by_orbit
from alftbench.base.ratios import linearised
from alftbench.base.stats import mean_interval, paired_difference
from alftbench.evaluation.answers import as_partition, read_answers
from alftbench.evaluation.measure import current_metrics, orbits_of
from alftbench.evaluation.run_folder import read_record
from alftbench.metrics.coherence import agreements, within_across
from alftbench.publish.tempered import ACCURACY, ACROSS, DULLER, SHARPER, WITHIN, Line, compared
from tests.helpers import ROOT

V = 6


def geometric(rate: float, classes: int = 120) -> np.ndarray:
    p = np.exp(-rate * np.arange(classes))
    return p / p.sum()


def drawn(p_VZ, n, problems, rng) -> tuple[np.ndarray, np.ndarray]:
    """Agreement within and across per problem, of n draws a phrasing."""
    counts = np.stack([rng.multinomial(n, p, size=problems) for p in p_VZ], axis=1).astype(float)
    return within_across(agreements(counts, np.full(len(p_VZ), float(n))))


@pytest.mark.parametrize(("rate", "entropy"), [(3.9, 0.1), (1.6, 0.6), (0.36, 2.0), (0.04, 4.1)])
@pytest.mark.parametrize("n", [4, 8, 16])
def test_identical_phrasings_read_one_and_disjoint_ones_none(rate, entropy, n):
    """The plug-in 1 − JSD/log V read 0.99 to 0.2 of the first, by entropy and n."""
    p, rng = geometric(rate), np.random.default_rng(n)
    assert -(p[p > 0] * np.log(p[p > 0])).sum() == pytest.approx(entropy, abs=0.15)
    within, across = drawn(np.tile(p, (V, 1)), n, 4000, rng)
    error = np.std(across - within) / np.sqrt(4000) / within.mean()
    assert abs(across.sum() / within.sum() - 1) < 4 * error
    assert error < 0.02
    apart = np.kron(np.eye(V), p)
    within, across = drawn(apart, n, 200, rng)
    assert across.sum() == 0 < within.sum()


@pytest.mark.parametrize("own", [0.3, 0.7])
def test_a_share_of_answers_of_its_own_is_read_the_same_at_any_entropy_and_n(own):
    expected = (1 - own) ** 2 / ((1 - own) ** 2 + own**2)
    for rate in (1.6, 0.36):
        p = geometric(rate, 60)
        p_VZ = np.hstack([np.tile((1 - own) * p, (V, 1)), np.kron(np.eye(V), own * p)])
        for n in (4, 16):
            within, across = drawn(p_VZ, n, 4000, np.random.default_rng(n))
            ratio = across.sum() / within.sum()
            error = np.std(across - ratio * within) / within.mean() / 4000**0.5
            assert ratio == pytest.approx(expected, abs=4 * error)


def test_disagreement_is_half_the_mean_squared_distance_of_phrasings():
    """Unbiased to 3 standard errors of 10,000 repetitions."""
    rng = np.random.default_rng(3)
    for n in (2, 4, 8):
        p_VZ = rng.dirichlet(np.full(8, 0.5), size=V)
        apart = [((p - q) ** 2).sum() / 2 for i, p in enumerate(p_VZ) for q in p_VZ[:i]]
        within, across = drawn(p_VZ, n, 10_000, rng)
        values = within - across
        assert abs(values.mean() - np.mean(apart)) < 3 * values.std() / 100


def test_a_linearised_ratio_has_the_ratio_as_its_mean_and_the_spread_of_a_jackknife():
    rng = np.random.default_rng(4)
    y = rng.uniform(0, 1, size=(1, 400))
    x = y * rng.uniform(0, 1, size=(1, 400))
    values = linearised(x, y)
    assert values.mean() == pytest.approx(x.sum() / y.sum())
    left_out = (x.sum() - x[0]) / (y.sum() - y[0])
    jackknife = np.sqrt(399 / 400 * ((left_out - left_out.mean()) ** 2).sum())
    assert values.std(ddof=1) / np.sqrt(400) == pytest.approx(jackknife, rel=0.01)
    x[0, 3] = np.nan
    assert np.isnan(linearised(x, y)[0, 3])
    assert np.nanmean(linearised(x, y)) == pytest.approx(np.delete(x, 3).sum() / np.delete(y, 3).sum())
    assert np.isnan(linearised(0 * y, 0 * y)).all()


def test_the_interval_of_coherence_covers():
    within, across = known(world(100_000, np.random.default_rng(6)), 1.0)
    target, rng, held = across.sum() / within.sum(), np.random.default_rng(5), 0
    for _ in range(300):
        rows = metrics_at(world(60, rng), 1.0, 4, 1, rng)
        estimate = mean_interval(linearised(rows[ACROSS], rows[WITHIN]), (0.0, 1.0))
        held += estimate.low <= target <= estimate.high
    assert held >= 300 * 0.95 - 3 * (300 * 0.95 * 0.05) ** 0.5


def world(problems, rng) -> np.ndarray:
    """Logits of phrasings that differ, on problems that are unequal; answer 0 is right."""
    logits = rng.gumbel(size=(problems, V, 10)) * 0.8 + rng.gumbel(size=(problems, 1, 10)) * 1.2
    logits[:, :, 0] += rng.normal(1.5, 1.2, size=(problems, V))
    return logits


def answers_at(logits, temperature) -> np.ndarray:
    p = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
    return p / p.sum(axis=-1, keepdims=True)


def known(logits, temperature):
    p = answers_at(logits, temperature)
    return within_across(p @ np.swapaxes(p, -1, -2))


def metrics_at(logits, temperature, n, seeds, rng) -> dict[str, np.ndarray]:
    p = answers_at(logits, temperature)
    counts = rng.multinomial(n, np.broadcast_to(p, (seeds, *p.shape))).astype(float)
    within, across = within_across(agreements(counts, np.full(V, float(n))))
    return {WITHIN: within, ACROSS: across, ACCURACY: counts[..., 0].mean(axis=-1) / n}


def line_of(rows, shares) -> Line:
    return Line(shares, {name: np.array([row[name] for row in rows]) for name in rows[0]})


SHARES = (1.0, 0.7, 0.45, 0.2)


@pytest.mark.parametrize("temperature", [0.85, 0.57, 0.32])
def test_a_tempered_base_gains_nothing_beyond_sharpening(temperature):
    """Without the control the same model would be found less coherent and more accurate, at p < 0.001."""
    rng = np.random.default_rng(7)
    gains, plain = [], []
    for _ in range(150):
        logits = world(100, rng)
        base = [metrics_at(logits, share, 8, 1, rng) for share in SHARES]
        method = metrics_at(logits, temperature, 8, 1, rng)
        gain = compared("s", "m", method, line_of(base, SHARES), 1)
        assert gain.unmatched == ""
        assert float(gain.beside.removeprefix("base@")) == pytest.approx(temperature, abs=0.1)
        gains.append((gain.coherence, gain.accuracy))
        tables = [linearised(row[ACROSS], row[WITHIN]) for row in (method, base[0])]
        plain.append(paired_difference(*tables).p_value)
    for tests in zip(*gains, strict=True):
        values = np.array([test.difference for test in tests])
        assert abs(values.mean()) < 0.005
        calls = np.mean([test.p_value < 0.05 for test in tests])
        assert calls <= 0.05 + 3 * (0.05 * 0.95 / 150) ** 0.5
        width = np.mean([test.high - test.low for test in tests]) / 2 / 1.98
        assert values.std() == pytest.approx(width, rel=0.25)  # the error of the match is in the interval
    if temperature < 0.5:
        assert np.mean(np.array(plain) < 0.05) > 0.5


def test_phrasings_that_come_to_agree_gain_beyond_sharpening():
    rng = np.random.default_rng(8)
    logits = world(100, rng)
    base = [metrics_at(logits, share, 8, 1, rng) for share in SHARES]
    alike = np.tile(logits.mean(axis=1, keepdims=True), (1, V, 1))
    gain = compared("s", "m", metrics_at(alike, 1.0, 8, 1, rng), line_of(base, SHARES), 1)
    assert gain.coherence.difference > 0.2
    assert gain.coherence.p_value < 0.001


def test_what_is_sharper_or_duller_than_every_row_says_so():
    rng = np.random.default_rng(9)
    logits = world(60, rng)
    base = [metrics_at(logits, share, 8, 1, rng) for share in (1.0, 0.6)]
    for temperature, beside, why in ((0.1, "base@0.6", SHARPER), (3.0, "base", DULLER)):
        method = metrics_at(logits, temperature, 8, 1, rng)
        gain = compared("s", "m", method, line_of(base, (1.0, 0.6)), 1)
        row = base[1] if why == SHARPER else base[0]
        assert (gain.beside, gain.unmatched) == (beside, why)
        assert gain.accuracy.difference == pytest.approx((method[ACCURACY] - row[ACCURACY]).mean())


def test_one_phrasing_gains_accuracy_and_has_no_coherence():
    rng = np.random.default_rng(10)
    tables = [
        {**metrics_at(world(30, rng), t, 4, 1, rng), ACROSS: np.full((1, 30), np.nan)} for t in (1, 0.5, 0.7)
    ]
    gain = compared("s", "m", tables[2], line_of(tables[:2], (1.0, 0.5)), 1)
    assert np.isnan(gain.coherence.difference)
    assert np.isfinite(gain.accuracy.difference)


@pytest.mark.parametrize("suite", ["sums", "splits"])
def test_permuting_phrasing_labels_leaves_no_method_difference(suite):
    """Of the committed board's samples: draws of one problem change places between its phrasings."""
    rng = np.random.default_rng(11)
    pools = {
        method: np.array([permuted(ROOT / f"results/tiny/{method}-seed{seed}/{suite}", rng) for seed in range(3)])
        for method in ("base", "vanilla-grpo", "coherence-grpo", "diversity-game")
    }
    for method, values in pools.items():
        table = linearised(values[:, 1], values[:, 0])
        assert table.mean() == pytest.approx(1, abs=0.05), method
        if method != "base":
            base = linearised(pools["base"][:, 1], pools["base"][:, 0])
            difference = paired_difference(table, base)
            assert abs(difference.value) < 0.06, method
            assert difference.p_value > 0.005, method
        assert paired_difference(values[:, 0], values[:, 1]).p_value > 0.005, method


def permuted(run, rng) -> np.ndarray:
    """Agreement within and across of every problem after the permutation, shape (2, P)."""
    orbits = orbits_of(run, current_metrics(run, read_record(run)))
    values = []
    for orbit, rows in by_orbit(orbits, read_answers(run)):
        partition = as_partition(orbit, rows)
        drawn_ = np.array(partition.class_VN)
        mixed = rng.permutation(drawn_.ravel()).reshape(drawn_.shape)
        counts = (mixed[:, None] == np.arange(len(partition.classes_Z))[:, None]).sum(axis=2).astype(float)
        values.append(within_across(agreements(counts, np.full(len(mixed), float(mixed.shape[1])))))
    return np.array(values, dtype=float).T
