"""The expected update of every rule, group and baseline, against brute force over every sequence of draws."""

from __future__ import annotations

import numpy as np
import pytest

from alftbench.errors import UnknownName, UsageError
from alftbench.games.rewards import (
    BASELINES,
    RULES,
    FromCounts,
    GroupRecord,
    Way,
    coherence,
    expected_update,
    majority,
    needed,
    pairwise_coherence,
    pass_at_k,
)
from tests.games.rules import (
    ALONE,
    NAMES,
    REFERENCE,
    THREE,
    THREE_RIGHT,
    TWO,
    TWO_RIGHT,
    brute_force,
    rule_for,
)


def agrees(rule, p_VZ, correct_Z, group, unanswered=None):
    kinds = [kind for kind in BASELINES if kind != "jackknife" or group > 2]
    truth = brute_force(rule, p_VZ, correct_Z, group, kinds, unanswered)
    for kind in kinds:
        reference = REFERENCE[correct_Z.size][: len(p_VZ)]
        ours = expected_update(rule, p_VZ, correct_Z, group, kind, unanswered, reference)
        assert ours.exact
        assert not ours.error_VZ.any()
        np.testing.assert_allclose(ours.values_VZ, truth[kind], atol=1e-12, rtol=0)


@pytest.mark.parametrize("group", [2, 3, 4])
@pytest.mark.parametrize("name", ALONE)
def test_a_prompt_of_three_answers(name, group):
    agrees(rule_for(name), THREE[:1], THREE_RIGHT, group)


@pytest.mark.parametrize("name", ALONE)
def test_a_prompt_of_two_answers_in_groups_of_eight(name):
    agrees(rule_for(name), TWO[:1], TWO_RIGHT, 8)


@pytest.mark.parametrize("name", NAMES)
def test_an_orbit(name):
    agrees(rule_for(name), THREE, THREE_RIGHT, 2)
    agrees(rule_for(name), TWO, TWO_RIGHT, 3)


@pytest.mark.parametrize("name", NAMES)
def test_rollouts_without_an_answer(name):
    phrasings = RULES[name].phrasings
    agrees(rule_for(name), THREE[:phrasings], THREE_RIGHT, 3 if phrasings == 1 else 2, unanswered=1)


@pytest.mark.parametrize(
    "name", ["consensus", "coherence", "pairwise-coherence", "trace-coherence", "self-harmony"]
)
def test_an_orbit_of_three_phrasings(name):
    agrees(rule_for(name), np.array([[0.3, 0.7], [0.8, 0.2], [0.55, 0.45]]), TWO_RIGHT, 3)


WAYS = {
    "entropy": Way.OWN_COUNTS,
    "coherence": Way.OWN_COUNTS,
    "inverse-propensity": Way.OWN_COUNTS,
    "ucpo": Way.RIGHT_ROLLOUTS,
    "maxrl": Way.RIGHT_ROLLOUTS,
    "focal": Way.RIGHT_ROLLOUTS,
    "gapo": Way.ENUMERATION,
    "majority": Way.ENUMERATION,
    "mara": Way.ENUMERATION,
    "trace-coherence": Way.ENUMERATION,
    "self-harmony": Way.ENUMERATION,
}


@pytest.mark.parametrize(("name", "way"), WAYS.items())
def test_the_cheapest_way_is_taken(name, way):
    assert expected_update(rule_for(name), THREE, THREE_RIGHT, 4, log_p0_VZ=REFERENCE[3]).way is way


def test_right_rollouts_are_counted_among_any_number_of_answers():
    """Forty answers in groups of eight are 3e8 count vectors; of pass@k the formula is c (1 − p_c)^{k−1}."""
    p_VZ = np.random.default_rng(0).dirichlet(np.ones(40), size=2)
    correct_Z = np.arange(40) % 3 == 0
    ours = expected_update(lambda record: pass_at_k(record, k=5), p_VZ, correct_Z, 8, "none")
    assert ours.way is Way.RIGHT_ROLLOUTS
    right_V1 = (p_VZ * correct_Z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ours.values_VZ, correct_Z * (1 - right_V1) ** 4, atol=1e-12)


def among_all_right(record):
    """Looks at how many right answers there are, given or not."""
    return record.correct_VG / max(record.correct_Z.sum(), 1)


def test_a_rule_that_looks_at_answers_which_nobody_gave_has_no_table():
    assert expected_update(among_all_right, THREE, THREE_RIGHT, 3).way is Way.ENUMERATION
    agrees(among_all_right, THREE[:1], THREE_RIGHT, 3)


THREE_PHRASINGS = np.array([[0.5, 0.3, 0.2], [0.25, 0.15, 0.6], [0.1, 0.45, 0.45]])


def test_pairs_of_more_than_two_phrasings_are_summed():
    """How the others' counts are spread over phrasings matters to pairs, and not to coherence."""
    pairs = expected_update(pairwise_coherence, THREE_PHRASINGS, THREE_RIGHT, 2)
    assert pairs.way is Way.PAIRS
    for unanswered in (None, 1):
        agrees(pairwise_coherence, THREE_PHRASINGS, THREE_RIGHT, 2, unanswered)
    pooled = expected_update(
        lambda record: coherence(record, FromCounts("plug-in")), THREE_PHRASINGS, THREE_RIGHT, 2
    )
    assert pooled.way is Way.OWN_COUNTS


def products_of_pairs(record):
    """Looks at two other phrasings at once."""
    counts_VZ = record.counts_VZ
    return record.at_own_answer(np.prod(1.0 + counts_VZ, axis=-2, keepdims=True), 0.0)


def test_what_is_no_sum_over_pairs_is_enumerated():
    assert expected_update(products_of_pairs, THREE_PHRASINGS, THREE_RIGHT, 2).way is Way.ENUMERATION


@pytest.mark.parametrize("baseline", BASELINES)
def test_pairs_of_many_phrasings_and_answers_are_within_four_standard_errors(monkeypatch, baseline):
    p_VZ = np.random.default_rng(2).dirichlet(np.ones(7), size=4)
    asked = (pairwise_coherence, p_VZ, np.arange(7) == 0, 5, baseline, 6)
    exact = expected_update(*asked)
    monkeypatch.setattr("alftbench.games.rewards.update.pair_table", refuse)
    sampled = expected_update(*asked, draws=400)
    assert (exact.way, sampled.way) == (Way.PAIRS, Way.SAMPLING)
    assert (np.abs(sampled.values_VZ - exact.values_VZ) <= 4 * sampled.error_VZ + 1e-12).all()


@pytest.mark.parametrize("group", [2, 3, 4, 8])
@pytest.mark.parametrize("name", NAMES)
def test_sampling_an_orbit_is_within_four_standard_errors(monkeypatch, name, group):
    rule = rule_for(name)
    kinds = [kind for kind in BASELINES if kind != "jackknife" or group > 2]
    asked = {kind: (TWO, TWO_RIGHT, group, kind, None, REFERENCE[2][:2]) for kind in kinds}
    exact = {kind: expected_update(rule, *asked[kind]) for kind in kinds}
    monkeypatch.setattr("alftbench.games.rewards.update.LARGEST_ENUMERATION", 0)
    for table in ("reward_table", "pair_table", "verdict_table"):
        monkeypatch.setattr(f"alftbench.games.rewards.update.{table}", refuse)
    for kind in kinds:
        sampled = expected_update(rule, *asked[kind], draws=1000)
        assert (sampled.way, exact[kind].exact) == (Way.SAMPLING, True)
        away = np.abs(sampled.values_VZ - exact[kind].values_VZ)
        assert (away <= 4 * sampled.error_VZ + 1e-12).all()


def test_four_times_the_draws_halve_the_error(monkeypatch):
    monkeypatch.setattr("alftbench.games.rewards.update.LARGEST_ENUMERATION", 0)
    few, many = (
        expected_update(rule_for("self-harmony"), TWO, TWO_RIGHT, 3, "mean", draws=draws) for draws in (1000, 4000)
    )
    np.testing.assert_allclose(few.error_VZ, 2 * many.error_VZ, rtol=0.1)


def refuse(*_):
    raise UsageError("no table")


def test_large_orbits_are_sampled_and_say_so():
    p_VZ = np.random.default_rng(0).dirichlet(np.ones(6), size=4)
    ours = expected_update(rule_for("self-harmony"), p_VZ, np.arange(6) == 0, 8, "mean", draws=500)
    assert not ours.exact
    assert 0 < ours.error_VZ.max() < 0.05
    again = expected_update(rule_for("self-harmony"), p_VZ, np.arange(6) == 0, 8, "mean", draws=500)
    np.testing.assert_array_equal(ours.values_VZ, again.values_VZ)


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(UsageError, match="at least 3"):
        expected_update(majority, THREE, THREE_RIGHT, 2, "jackknife")
    with pytest.raises(UsageError, match="at least 2"):
        expected_update(majority, THREE, THREE_RIGHT, 1)
    with pytest.raises(UnknownName, match="leave-one-out"):
        expected_update(majority, THREE, THREE_RIGHT, 4, "leave-one-in")
    with pytest.raises(UsageError, match="reference_log_prob_VG"):
        expected_update(rule_for("mara"), THREE, THREE_RIGHT, 4)
    with pytest.raises(UsageError, match="text_length"):
        expected_update(lambda record: needed(None, "text_length"), THREE, THREE_RIGHT, 4)


def test_the_last_digits_of_a_vanishing_answer_are_no_error():
    p_VZ = np.array([[1.0, 1e-320, 0.0]])
    for name in ("majority", "gapo", "maxrl", "entropy"):
        ours = expected_update(rule_for(name), p_VZ, THREE_RIGHT, 4, "leave-one-out")
        assert np.isfinite(ours.values_VZ).all()


def test_a_record_is_as_many_as_its_batch():
    """Each rule counts along the last two axes."""
    rng = np.random.default_rng(1)
    class_NVG = rng.integers(-1, 3, (5, 2, 4))
    uniform, own, ref = (rng.random((5, 2, 4)) for _ in range(3))
    cross = rng.random((5, 2, 4, 2))
    for name in NAMES:
        rule = rule_for(name)
        if name == "majority-remembered":
            continue
        whole = rule(GroupRecord(class_NVG, THREE_RIGHT, own, ref, cross, uniform))
        rows = zip(class_NVG, own, ref, cross, uniform, strict=True)
        each = [rule(GroupRecord(class_VG, THREE_RIGHT, *fields)) for class_VG, *fields in rows]
        np.testing.assert_array_equal(whole, each)
