"""Every rule's rewards of one group, by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from alftbench.errors import UsageError
from alftbench.games.rewards import (
    RULES,
    U_STATISTIC,
    FromCounts,
    GroupRecord,
    Remembered,
    batch_penalty,
    coherence,
    consensus,
    correctness,
    darling,
    differential_smoothing,
    entropy,
    focal,
    frequency,
    gapo,
    inverse_propensity,
    majority,
    majority_elsewhere,
    majority_gain,
    majority_remembered,
    mara,
    maxrl,
    noisy_verifier,
    novelty_in_majority,
    pairwise_coherence,
    pass_at_k,
    quadratic,
    rank_bias,
    risk_seeking,
    self_harmony,
    spurious,
    trace_coherence,
    tsallis,
    ucpo,
    uniqueness,
    w_reinforce,
)
from alftbench.types import NO_ANSWER
from tests.games.rules import NAMES, rule_for

LOG_PROB = np.array([[-1.0, -3.0, -2.0, -4.0, -6.0, -1.0]])
GROUP = GroupRecord(
    class_VG=np.array([[0, 0, 0, 1, 2, NO_ANSWER]]),
    correct_Z=np.array([True, False, True]),
    log_prob_VG=LOG_PROB,
    reference_log_prob_VG=LOG_PROB,
)
"""Answer 0 three times, 1 and 2 once each, one silent rollout; four of six are right."""
DRAWN = replace(GROUP, uniform_VG=np.array([[0.95, 0.5, 0.5, 0.05, 0.5, 0.0]]))
PLUG_IN, UNBIASED = FromCounts("plug-in"), FromCounts(U_STATISTIC)
log, e2 = np.log, np.exp(2.0)
BY_HAND = {
    "correctness": (correctness, [1, 1, 1, 0, 1, 0]),
    "w-reinforce": (w_reinforce, [0.1, 0.1, 0.1, -1, 0.1, -1]),
    "noisy-verifier": (noisy_verifier, [0.9, 0.9, 0.9, 0.1, 0.9, 0]),
    "spurious": (spurious, [0.5] * 6),
    "entropy": (partial(entropy, target=PLUG_IN), [log(2), log(2), log(2), log(6), log(6), 0]),
    "quadratic": (partial(quadratic, target=UNBIASED), [-0.4, -0.4, -0.4, 0, 0, -1]),
    "tsallis": (partial(tsallis, target=UNBIASED, alpha=3.0), [-0.15, -0.15, -0.15, 0, 0, -1.5]),
    "tsallis-power": (partial(tsallis, target=PLUG_IN, alpha=0.5), [2**0.5] * 3 + [6**0.5] * 2 + [1]),
    "ucpo": (ucpo, [1 - 0.5 * log(3 / 4)] * 3 + [0, 1 - 0.5 * log(1 / 4), 0]),
    "differential-smoothing": (
        partial(differential_smoothing, target=PLUG_IN),
        [1 + 0.5 * log(2)] * 3 + [0, 1 + 0.5 * log(6), 0],
    ),
    "frequency": (frequency, [1 / 2, 1 / 2, 1 / 2, 1 / 6, 1 / 6, 0]),
    "inverse-propensity": (inverse_propensity, [2, 2, 2, 0, 6, 0]),
    "inverse-propensity-floor": (partial(inverse_propensity, floor=0.25), [2, 2, 2, 0, 4, 0]),
    "uniqueness": (uniqueness, [2**0.5] * 3 + [0, 6**0.5, 0]),
    "batch-penalty": (batch_penalty, [5 / 6, 5 / 6, 5 / 6, 0, 1, -5 / 12]),
    "gapo": (gapo, [0.75, 0.75, 0.75, 0, 0.75, 0]),
    "darling": (darling, [0.6, 0.6, 0.6, 0, 1, 0]),
    "majority": (majority, [1, 1, 1, 0, 0, 0]),
    "novelty-in-majority": (novelty_in_majority, [0.5, 1, 0.75, -1, -0.5, -1]),
    "pass-at-k": (pass_at_k, [0.4, 0.4, 0.4, 0, 0.4, 0]),
    "pass-at-k-three": (partial(pass_at_k, k=3), [0.1, 0.1, 0.1, 0, 0.1, 0]),
    "best": (partial(pass_at_k, k=None), [0] * 6),
    "maxrl": (maxrl, [1.5, 1.5, 1.5, 0, 1.5, 0]),
    "maxrl-two": (partial(maxrl, order=2), [1.4, 1.4, 1.4, 0, 1.4, 0]),
    "risk-seeking": (risk_seeking, [3 * r / (4 * e2 + 2) for r in (e2, e2, e2, 1, e2, 1)]),
    "focal": (focal, [3**-0.5, 3**-0.5, 3**-0.5, 0, 3**-0.5, 0]),
    "rank-bias": (partial(rank_bias, bias=0.6), [0.55, 0.8, 0.7, 0, 1, 0]),
    "mara": (mara, [1, 1.4, 1.2, 0, 2, 0]),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_the_rewards_of_a_group(name):
    rule, rewards = BY_HAND[name]
    np.testing.assert_allclose(rule(GROUP), [rewards], atol=1e-12)


ORBIT = GroupRecord(np.array([[0, 0], [0, 1]]), np.array([True, False]))
"""Answer 0 twice; 0 and 1."""
OF_ORBITS = {
    "majority-elsewhere": (majority_elsewhere, [[0.5, 0.5], [1, 0]]),
    "self-harmony": (self_harmony, [[1, 1], [1, 0]]),
    "consensus": (partial(consensus, target=PLUG_IN), [[log(0.75)] * 2, [log(0.75), log(0.25)]]),
    "coherence": (partial(coherence, target=PLUG_IN), [[log(0.75)] * 2, [log(1.5), log(0.5)]]),
    "pairwise-coherence": (
        pairwise_coherence,
        [[(1 + 0.6 + log(0.6)) / 2] * 2, [(1 + 5 / 3 + log(5 / 3)) / 2, (1 + 1 / 3 - log(3)) / 2]],
    ),
    "majority-gain": (majority_gain, [[0, 0], [0.5, -0.5]]),
}


@pytest.mark.parametrize("name", OF_ORBITS)
def test_the_rewards_of_an_orbit(name):
    rule, rewards = OF_ORBITS[name]
    np.testing.assert_allclose(rule(ORBIT), rewards, atol=1e-12)


def test_a_vote_less_may_change_the_majority():
    """Against the definition W(n) − W(n − 1 of z), W the share of the mode that is right."""
    rng, right = np.random.default_rng(5), np.array([True, False, True, False, False])

    def share_right(counts_Z):
        top = counts_Z == counts_Z.max()
        return right[top].mean() if counts_Z.max() > 0 else 0.0

    for group in (1, 2, 3, 5, 8) * 20:
        class_G = rng.integers(-1, 5, group)
        counts_Z = np.array([(class_G == z).sum() for z in range(5)])
        truth = [
            0.0 if z < 0 else share_right(counts_Z) - share_right(counts_Z - (np.arange(5) == z)) for z in class_G
        ]
        np.testing.assert_allclose(majority_gain(GroupRecord(class_G[None], right)), [truth], atol=1e-12)


def test_a_text_earns_what_the_other_phrasings_think_of_it():
    cross_VGV = np.array([[[-1, -3, -2], [-1, -1, -1]], [[-2, -4, -6], [0, -2, -4]], [[-9, -9, -3], [-1, -3, -2]]])
    record = GroupRecord(
        np.array([[0, 1], [0, 1], [0, NO_ANSWER]]), np.array([True, False]), cross_log_prob_VGV=cross_VGV * 1.0
    )
    np.testing.assert_allclose(trace_coherence(record), [[-1.5, 0], [0, 0], [-6, -6]])


def test_a_memory_holds_the_vote():
    """After steps of a memory that forgets half a time: 0.5 (0.2, 0.5) + 0.5 (1, 0), over its weight."""
    remembered = Remembered(np.array([[0.0, 0.75]]), steps=2, decay=0.5)
    two = GroupRecord(np.array([[0, 1]]), np.array([True, False]), remembered=remembered)
    np.testing.assert_array_equal(majority_remembered(two), [[0, 1]])
    np.testing.assert_array_equal(majority(two), [[0.5, 0.5]])


def test_random_rewards_follow_the_record_s_numbers():
    np.testing.assert_array_equal(noisy_verifier(DRAWN), [[0, 1, 1, 1, 1, 0]])
    np.testing.assert_array_equal(spurious(DRAWN), [[0, 0, 0, 1, 0, 1]])


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (trace_coherence, "cross_log_prob_VGV"),
        (novelty_in_majority, "log_prob_VG"),
        (rank_bias, "log_prob_VG"),
        (mara, "reference_log_prob_VG"),
        (majority_remembered, "remembered"),
    ],
)
def test_what_a_rule_needs_is_named(rule, field):
    with pytest.raises(UsageError, match=f"needs {field},"):
        rule(ORBIT)


def test_what_a_group_cannot_say_is_refused():
    for rule in (majority_elsewhere, self_harmony, pairwise_coherence, trace_coherence):
        with pytest.raises(UsageError, match="at least two"):
            rule(GROUP)
    with pytest.raises(UsageError, match="a group of 6 rollouts says nothing of 7"):
        pass_at_k(GROUP, k=7)
    with pytest.raises(UsageError, match="whole powers up to 5"):
        tsallis(GROUP, UNBIASED, alpha=7.0)
    with pytest.raises(UsageError, match="another estimator"):
        tsallis(GROUP, UNBIASED, alpha=2.5)


def random_record(rng, phrasings, group):
    own = rng.normal(size=(phrasings, group))
    cross = rng.normal(size=(phrasings, group, phrasings))
    return GroupRecord(
        rng.integers(-1, 3, (phrasings, group)), rng.random(3) < 0.5, own, own, cross,
        remembered=Remembered(rng.dirichlet(np.ones(3), phrasings), 3, 0.8),
    )  # fmt: skip


@pytest.mark.parametrize("name", [name for name in NAMES if not RULES[name].labels])
def test_without_labels_silence_never_earns_more_than_an_answer(name):
    rng, rule = np.random.default_rng(0), rule_for(name)
    for _ in range(200):
        record = random_record(rng, phrasings=2, group=4)
        rewards_VG, answered_VG = rule(record), record.answered_VG
        for rewards_G, answered_G in zip(rewards_VG, answered_VG, strict=True):
            if answered_G.any() and not answered_G.all():
                assert rewards_G[~answered_G].max() <= rewards_G[answered_G].min() + 1e-12


@pytest.mark.parametrize("name", [name for name in NAMES if not RULES[name].labels])
def test_without_labels_means_without_looking_at_them(name):
    rng, rule = np.random.default_rng(1), rule_for(name)
    record = random_record(rng, phrasings=2, group=4)
    np.testing.assert_array_equal(rule(record), rule(replace(record, correct_Z=~record.correct_Z)))


def test_a_record_without_a_rollout_lacks_it_everywhere():
    record = replace(random_record(np.random.default_rng(2), 2, 4), uniform_VG=np.arange(8).reshape(2, 4) / 8)
    fewer = record.without(1)
    kept = [0, 2, 3]
    for field in ("class_VG", "log_prob_VG", "reference_log_prob_VG", "cross_log_prob_VGV", "uniform_VG"):
        np.testing.assert_array_equal(getattr(fewer, field), getattr(record, field)[:, kept])
    assert fewer.remembered is record.remembered
    assert ORBIT.without(0).cross_log_prob_VGV is None
