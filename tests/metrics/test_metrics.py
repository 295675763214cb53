from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import combinations
from math import isnan, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alftbench.base.jsonio import write_json
from alftbench.errors import BadInput
from alftbench.metrics import accuracy, coherence, diversity, outcomes
from alftbench.metrics.phrasings import measure_phrasings, of_problem, read_phrasings
from alftbench.metrics.summary import metrics_for, per_problem, recorded
from alftbench.publish.tables import problems
from alftbench.types import NO_ANSWER, AnswerPartition, Orbit, Problem, Variant

CLASSES = 4
rows = st.integers(1, 4).flatmap(
    lambda v: st.integers(1, 6).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(NO_ANSWER, CLASSES - 1), min_size=n, max_size=n), min_size=v, max_size=v
        )
    )
)


def made(class_VN, correct=(True, False, False, True)) -> AnswerPartition:
    answered = sum(z >= 0 for row in class_VN for z in row)
    total = sum(map(len, class_VN))
    return AnswerPartition(
        "p",
        tuple("abcd"),
        correct,
        tuple(map(tuple, class_VN)),
        {"answered": answered, "unparsed": total - answered},
    )


def value(name: str, class_VN, **kwargs) -> float:
    n = len(class_VN[0])
    values = per_problem([made(class_VN, **kwargs)], metrics_for(n), ["p"])
    return next(m for m in recorded(values, metrics_for(n), 1) if m["name"] == name)["value"]


def test_guesses_count_in_accuracy_and_not_in_strict_accuracy():
    partition = replace(
        made([[0, 3, 1, -1], [0, 0, 0, 1]]), guessed_VN=((True, False, True, False), (True, False, False, True))
    )
    by_name = {m.name: m.per_problem(partition) for m in metrics_for(4) if m.per_problem}
    assert by_name["accuracy"] == (2 / 4 + 3 / 4) / 2
    assert by_name["strict_accuracy"] == (1 / 4 + 2 / 4) / 2
    assert by_name["rate_guessed"] == 4 / 8
    assert value("strict_accuracy", [[0, 1]]) == 0.5


@given(rows, st.integers(1, 6))
def test_pass_at_k_is_the_share_of_subsets_with_a_right_answer(class_VN, k):
    partition = made(class_VN)
    for row in class_VN:
        if k <= len(row):
            subsets = list(combinations(row, k))
            hits = sum(any(z in (0, 3) for z in subset) for subset in subsets)
            assert accuracy.pass_at_k(row, partition, k) == pytest.approx(hits / len(subsets))


def test_pass_at_4_with_one_right_of_four_is_1():
    assert value("pass@4", [[0, 1, 1, 1]]) == 1.0


@given(rows)
def test_accuracy_is_pass_at_1(class_VN):
    partition = made(class_VN)
    for row in class_VN:
        assert accuracy.accuracy(row, partition) == pytest.approx(accuracy.pass_at_k(row, partition, 1))


@pytest.mark.parametrize(
    ("row", "expected"),
    [([0, 0, 1], 1.0), ([0, 1, 1], 0.0), ([0, 1], 0.5), ([0, 1, 2], 1 / 3), ([-1, -1, 0], 1.0), ([-1, -1], 0.0)],
)
def test_majority_vote(row, expected):
    assert accuracy.majority(row, made([row])) == pytest.approx(expected)


def test_entropy_is_the_plug_in_plus_miller_madow():
    expected = -(0.5 * log(0.5) + 2 * 0.25 * log(0.25)) + (3 - 1) / (2 * 4)
    assert value("entropy", [[0, 0, 1, 2]]) == pytest.approx(expected)


def test_miller_madow_takes_out_most_of_the_bias():
    p = np.array([0.4, 0.3, 0.2, 0.1])
    truth, rng = -(p * np.log(p)).sum(), np.random.default_rng(0)
    draws = rng.choice(4, size=(4000, 16), p=p)
    estimates = [diversity.entropy(list(row), made([row])) for row in draws]
    counts = [np.bincount(row, minlength=4) / 16 for row in draws]
    plug_in = [-(c[c > 0] * np.log(c[c > 0])).sum() for c in counts]
    assert abs(np.mean(estimates) - truth) < 0.2 * abs(np.mean(plug_in) - truth)


def test_distinct_answers_count_classes_not_samples():
    assert value("distinct@4", [[0, 0, 3, -1]]) == 2
    assert value("distinct_right@4", [[0, 0, 3, 1]]) == 2


@given(rows, st.integers(1, 6))
def test_distinct_at_m_is_the_mean_over_subsets_of_m_draws(class_VN, m):
    partition = made(class_VN)
    for row in class_VN:
        if m <= len(row):
            subsets = [[z for z in subset if z >= 0] for subset in combinations(row, m)]
            assert diversity.distinct_at(row, partition, m) == pytest.approx(np.mean([len({*s}) for s in subsets]))
            right = [len({*s} & {0, 3}) for s in subsets]
            assert diversity.distinct_right_at(row, partition, m) == pytest.approx(np.mean(right))


def test_a_suite_with_one_right_answer_bounds_how_many_are_counted():
    by_name = {metric.name: metric for metric in metrics_for(8)}
    assert by_name["distinct_right@8"].on(1).bounds == (0.0, 1.0)
    assert by_name["distinct_right@2"].on(5).bounds == (0.0, 2.0)
    assert by_name["distinct_right@8"].on(None).bounds == by_name["distinct@8"].on(1).bounds == (0.0, 8.0)


@given(rows)
def test_simpson_is_the_share_of_pairs_of_answers_that_repeat(class_VN):
    for row in class_VN:
        pairs = [a == b for a, b in combinations([z for z in row if z >= 0], 2)]
        read = diversity.simpson(row, made([row]))
        assert read == pytest.approx(np.mean(pairs)) if pairs else isnan(read)


def test_figures_of_diversity_mean_the_same_for_any_number_of_samples():
    p, rng = np.array([0.4, 0.3, 0.1, 0.1, 0.05, 0.05]), np.random.default_rng(0)
    partition = made([[]], correct=(True, False, True, False, False, True))
    draws = {n: rng.choice(6, size=(4000, n), p=p).tolist() for n in (4, 8, 16)}
    unseen = 1 - (1 - p) ** 4
    for rows_ in draws.values():
        for score, truth in (
            (diversity.simpson, (p**2).sum()),
            (partial(diversity.distinct_at, m=4), unseen.sum()),
            (partial(diversity.distinct_right_at, m=4), unseen[[0, 2, 5]].sum()),
        ):
            values = [score(row, partition) for row in rows_]
            assert abs(np.mean(values) - truth) < 4 * np.std(values) / np.sqrt(len(values))


@given(rows)
def test_agreement_is_the_share_of_agreeing_pairs_of_draws(class_VN):
    across = [x == y and x != NO_ANSWER for a, b in combinations(class_VN, 2) for x in a for y in b]
    within = [x == y and x != NO_ANSWER for row in class_VN for x, y in combinations(row, 2)]
    partition = made(class_VN)
    for read, pairs in (
        (coherence.agreement(partition), across),
        (coherence.agreement_within(partition), within),
        (coherence.disagreement(partition), across and within and [np.mean(within) - np.mean(across)]),
    ):
        assert read == pytest.approx(np.mean(pairs)) if pairs else isnan(read)


def test_a_phrasing_of_one_draw_leaves_both_sides():
    whole = [[0, 0, 1], [0, 1, 1]]
    for score in (coherence.agreement, coherence.agreement_within, coherence.disagreement):
        assert score(made([*whole, [3]])) == score(made(whole))
    assert coherence.agreement(made([[0], [0]])) == 1
    assert isnan(coherence.disagreement(made([[0], [0]])))


@pytest.mark.parametrize(
    ("class_VN", "expected"),
    [([[0, 0], [0, 0]], 1.0), ([[0, 0], [1, 1]], 0.0), ([[0, 0, 1], [0, 0, 1]], 5 / 3)],
)
def test_coherence_of_one_problem(class_VN, expected):
    """The last is 5/9 across and 1/3 within: an unbiased estimate may pass 1, its interval may not."""
    assert value("coherence", class_VN) == pytest.approx(expected)
    values = per_problem([made(class_VN)], metrics_for(2), ["p"])
    row = next(m for m in recorded(values, metrics_for(2), 1) if m["name"] == "coherence")
    assert 0 <= row["low"] <= row["high"] <= 1


def test_coherence_is_a_ratio_of_means_over_problems():
    """A problem on which a phrasing never repeats itself counts, and counts little."""
    problems_ = [replace(made(rows), problem_id=str(i)) for i, rows in enumerate(
        ([[0, 0], [0, 0]], [[0, 1], [2, 1]], [[-1, -1], [-1, -1]], [[0, 1, 1], [1, 1, 1]]))]  # fmt: skip
    metrics = metrics_for(2)
    values = per_problem(problems_, metrics, list("0123"))
    row = next(m for m in recorded(values, metrics, 1) if m["name"] == "coherence")
    assert row["value"] == pytest.approx(values["agreement"].sum() / values["agreement_within"].sum())
    assert row["n_problems"] == 4
    assert row["ratio_of"] == ["agreement", "agreement_within"]
    assert "coherence" not in values


def test_coherence_means_nothing_for_one_phrasing_or_without_answers():
    assert isnan(value("coherence", [[0, 0, 1]]))
    assert isnan(value("coherence", [[-1, -1], [-1, -1]]))


def test_a_model_that_never_answers_is_neither_right_nor_diverse():
    silent = [[-1, -1], [-1, -1]]
    for name in ("accuracy", "maj@2", "entropy", "distinct@2", "agreement", "agreement_within", "rate_answered"):
        assert value(name, silent) == 0.0
    assert isnan(value("simpson", silent))


@given(rows)
def test_outcome_rates_add_up_to_one(class_VN):
    partition = made(class_VN)
    assert sum(m.per_problem(partition) for m in outcomes.metrics(1)) == pytest.approx(1.0)


@given(rows)
def test_every_metric_stays_within_its_bounds(class_VN):
    partition = made(class_VN)
    for metric in metrics_for(len(class_VN[0])):
        if metric.per_problem and not metric.unbiased:
            read = metric.per_problem(partition)
            assert isnan(read) or metric.bounds[0] - 1e-12 <= read <= metric.bounds[1] + 1e-12


@given(rows)
def test_phrasings_agree_as_their_pairs_of_draws_do(class_VN):
    """By enumeration: one draw of each of two phrasings, or two different draws of one."""
    values, together_VV = of_problem(made(class_VN), range(len(class_VN)))
    for v, one in enumerate(class_VN):
        for w, other in enumerate(class_VN):
            pairs = list(combinations(one, 2)) if v == w else [(a, b) for a in one for b in other]
            if pairs:
                assert together_VV[v, w] == pytest.approx(np.mean([a == b >= 0 for a, b in pairs]))
            else:
                assert isnan(together_VV[v, w])
        rest = [together_VV[v, w] for w in range(len(class_VN)) if w != v]
        assert values["agreement_across"][v] == pytest.approx(np.mean(rest) if rest else np.nan, nan_ok=True)
        assert values["accuracy"][v] == pytest.approx(accuracy.accuracy(one, made(class_VN)))
    if len(class_VN) > 1:
        assert values["agreement_across"].mean() == pytest.approx(coherence.agreement(made(class_VN)))


def orbit(name, phrasings):
    problem = Problem(name, "q", ("1",), "number")
    return Orbit(
        problem, tuple(Variant(name, phrasing, ({"role": "user", "content": "q"},)) for phrasing in phrasings)
    )


def test_a_problem_that_lacks_a_phrasing_is_left_out_of_it():
    """`only` belongs to one problem and is no phrasing to average over; `de` has two problems, `en` three."""
    orbits = [orbit("p", ["en", "de"]), orbit("q", ["en", "only"]), orbit("r", ["de", "en"])]
    found = [replace(made(rows), problem_id=name) for name, rows in (
        ("r", [[1, 1], [0, 0]]), ("p", [[0, 3], [0, 1]]), ("q", [[1, 2], [0, 0]]))]  # fmt: skip
    phrasings = measure_phrasings(found, orbits, 2)
    assert phrasings.names_V == ("en", "de")
    accuracies = {name: m for name, m in phrasings.rows() if m.name == "accuracy"}
    assert accuracies["en"].value == pytest.approx((1 + 0 + 1) / 3)
    assert accuracies["de"].value == pytest.approx((0.5 + 0) / 2)
    assert [accuracies[name].n_problems for name in ("en", "de")] == [3, 2]
    assert [accuracies[name].n_samples for name in ("en", "de")] == [6, 4]
    assert accuracies["en"].low < accuracies["en"].value < accuracies["en"].high
    [(pair, metric)] = phrasings.pairs()
    assert (pair, metric.value, metric.n_problems) == (("en", "de"), pytest.approx(0.25 / 2), 2)


def test_a_phrasing_says_when_its_agreement_is_of_fewer_problems():
    orbits = [orbit("p", ["en", "de"]), orbit("q", ["en"]), orbit("r", ["de", "en"])]
    found = [replace(made(rows), problem_id=name) for name, rows in zip(
        "pqr", ([[0], [1]], [[1]], [[0], [0]]), strict=True)]  # fmt: skip
    shown = {
        name: [m for n, m in measure_phrasings(found, orbits, 1).rows() if n == name] for name in ("en", "de")
    }
    assert {name: problems(metrics) for name, metrics in shown.items()} == {"en": "3, 2 across", "de": "2"}


def test_without_common_phrasings_there_is_nothing_to_tell():
    assert measure_phrasings([made([[0]])], [orbit("p", ["en"])], 1) is None


def test_phrasings_are_read_as_they_were_written(tmp_path):
    orbits = [orbit("p", ["en", "de"]), orbit("q", ["en", "de"])]
    phrasings = measure_phrasings([replace(made([[0], [1]]), problem_id=name) for name in "pq"], orbits, 1)
    write_json(tmp_path / "metrics.json", {"phrasings": phrasings.to_json()})
    found = read_phrasings(tmp_path / "metrics.json")
    assert [(name, m.name) for name, rows in found.items() for m in rows] == [
        (name, m.name) for name, m in phrasings.rows()
    ]
    assert isnan(next(m for m in found["en"] if m.name == "agreement_within").value)
    write_json(tmp_path / "metrics.json", {"phrasings": {"metrics": [{"phrasing": "en"}]}})
    with pytest.raises(BadInput, match="not a metrics file"):
        read_phrasings(tmp_path / "metrics.json")
    write_json(tmp_path / "metrics.json", {"metrics": []})
    assert read_phrasings(tmp_path / "metrics.json") == {}
