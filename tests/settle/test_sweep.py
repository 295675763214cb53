import numpy as np
import pytest

from alftbench.settle.settings import SettleSettings
from alftbench.settle.sweep import HETEROGENEITY, references, sweep


@pytest.fixture(scope="module")
def points():
    return {(p.method, p.heterogeneity): p for p in sweep(SettleSettings())}


def test_references_run_from_equal_to_disjoint():
    equal, apart = references(3, 0.0), references(3, 1.0)
    assert np.ptp(equal, axis=0).max() == 0
    assert ((apart > 0).sum(axis=0) <= 1).all()
    for h in HETEROGENEITY:
        np.testing.assert_allclose(references(3, h).sum(axis=1), 1)


def test_equal_references_need_no_agreement(points):
    for (method, h), point in points.items():
        if h == 0 and "consensus" not in method:
            assert point.disagreement < 1e-10, method
            assert point.right == pytest.approx(0.4, abs=3e-6), method


def test_geometric_agreement_keeps_the_right_answer_longer_than_arithmetic(points):
    for h in (0.4, 0.8, 0.9):
        geometric, arithmetic = (points[f"{name}", h] for name in ("two-step, geometric", "two-step, arithmetic"))
        assert geometric.right > arithmetic.right
        assert geometric.disagreement == pytest.approx(0, abs=1e-12)


def test_agreement_never_moves_away_from_a_truth_on_which_all_could_agree(points):
    for h in HETEROGENEITY[1:-1]:
        before = points["reference", h].to_truth
        for method in ("two-step, geometric", "two-step, arithmetic", "soft coherence, λ = 2β"):
            assert points[method, h].to_truth < before, (method, h)


def test_disjoint_references_cannot_agree_and_the_reason_is_given(points):
    refused = points["hard coherence (geometric)", 1.0]
    assert np.isnan(refused.right)
    assert "no answer has positive probability under every prompt" in refused.status
    soft = points["soft coherence, λ = 20β", 1.0]
    assert soft.disagreement == pytest.approx(np.log(3), abs=1e-9)
