"""Every registered family of metrics: names of its own, values within bounds, NaN where undefined."""

from __future__ import annotations

from math import isfinite, isnan

import numpy as np
import pytest

from alftbench.base import entry_points
from alftbench.metrics.base import Metric
from alftbench.metrics.summary import metrics_for, metrics_of, per_problem, recorded
from alftbench.types import NO_ANSWER, AnswerPartition

FAMILIES = list(entry_points.available("metric"))
SIZES = (1, 2, 4, 9)


def partitions(n: int, count: int = 60) -> list[AnswerPartition]:
    """Problems with 1 to 4 phrasings of n samples, some without any answer, some without a right class."""
    rng = np.random.default_rng(n)
    drawn = []
    for place in range(count):
        n_classes, n_variants = int(rng.integers(0, 5)), int(rng.integers(1, 5))
        class_VN = rng.integers(NO_ANSWER, n_classes, size=(n_variants, n)).tolist()
        used = sorted({z for row in class_VN for z in row if z != NO_ANSWER})
        rank = {z: place for place, z in enumerate(used)} | {NO_ANSWER: NO_ANSWER}
        answered = sum(z != NO_ANSWER for row in class_VN for z in row)
        drawn.append(
            AnswerPartition(
                problem_id=f"p{place}",
                classes_Z=tuple(str(z) for z in used),
                correct_Z=tuple(bool(rng.integers(2)) for _ in used),
                class_VN=tuple(tuple(rank[z] for z in row) for row in class_VN),
                outcomes={"answered": answered, "unparsed": n * n_variants - answered},
                guessed_VN=tuple(tuple(bool(rng.integers(2)) for _ in row) for row in class_VN),
            )
        )
    return drawn


def family(name: str, n: int) -> list[Metric]:
    return metrics_of(name, entry_points.load("metric", name), n)


def test_no_two_metrics_have_one_name():
    for n in SIZES:
        names = [metric.name for name in FAMILIES for metric in family(name, n)]
        assert len(set(names)) == len(names)
        assert sorted(names) == sorted(metric.name for metric in metrics_for(n))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("n", SIZES)
def test_values_lie_within_bounds_or_are_undefined(name, n):
    problems = partitions(n)
    for metric in family(name, n):
        low, high = metric.bounds
        assert low < high
        if metric.per_problem is None:
            assert {*metric.ratio_of} <= {other.name for other in metrics_for(n)}
            continue
        if metric.unbiased:
            low, high = -np.inf, np.inf
        for partition in problems:
            value = metric.per_problem(partition)
            assert isinstance(value, float)
            assert isnan(value) or low - 1e-9 <= value <= high + 1e-9, (metric.name, partition)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_metric_is_defined_somewhere_and_gives_the_same_again(name):
    problems = partitions(9)
    for metric in (metric for metric in family(name, 9) if metric.per_problem):
        values = [metric.per_problem(partition) for partition in problems]
        assert any(map(isfinite, values)), metric.name
        assert np.array_equal(values, [metric.per_problem(p) for p in problems], equal_nan=True)


@pytest.mark.parametrize("name", FAMILIES)
def test_undefined_problems_are_left_out_of_mean_and_count(name):
    problems = partitions(4)
    metrics = family(name, 4)
    values = per_problem(problems, metrics, [p.problem_id for p in problems])
    for row in (row for row in recorded(values, metrics, 4) if "ratio_of" not in row):
        defined = values[row["name"]][~np.isnan(values[row["name"]])]
        assert row["n_problems"] == len(defined)
        assert row["value"] == pytest.approx(defined.mean())
