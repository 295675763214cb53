"""Rules that hold a vote: what most rollouts say earns a reward, without labels.

Ties are shared out evenly: of two answers that are both the mode each earns ½, which is the expected reward of
breaking ties at random. No answer has no vote and earns the least.
"""

from __future__ import annotations

import numpy as np

from alftbench.base.arrays import BoolArray, FloatArray, IntArray
from alftbench.games.rewards.group import GroupRecord, at_least_two, needed


def majority(record: GroupRecord) -> FloatArray:
    """1{z is the mode of its group}.

    Its limit 1{z = argmax p} jumps where two answers change places, so it ascends max p wherever it does not.
    Source: TTRL, arXiv 2504.16084.
    """
    votes_VG = np.where(record.answered_VG, record.own_VG, 0)
    top_V1 = votes_VG.max(axis=-1, keepdims=True)
    first_V1, _ = _answers_of(record, votes_VG, top_V1)
    return np.where((votes_VG == top_V1) & record.answered_VG, 1 / np.maximum(first_V1, 1), 0.0)


def majority_elsewhere(record: GroupRecord) -> FloatArray:
    """1{z is the mode of the orbit's other phrasings}: no phrasing grades itself.

    The paper has one other phrasing; of several the counts are pooled.

    Raises:
        UsageError: there is no other phrasing.

    Source: Co-rewarding-I, arXiv 2508.00410.
    """
    at_least_two(record)
    others_VZ = record.counts_VZ.sum(axis=-2, keepdims=True) - record.counts_VZ
    return record.at_own_answer(shared_mode(others_VZ), 0.0)


def majority_remembered(record: GroupRecord) -> FloatArray:
    """1{z is the mode of what is remembered for the phrasing}, this step's counts included.

    The paper's teacher is a running average of weights; here one of answers stands for it.

    Raises:
        UsageError: nothing is remembered.

    Source: Co-rewarding-II, arXiv 2508.00410.
    """
    shares_VZ = needed(record.remembered, "remembered").shares(record.counts_VZ, record.group)
    return record.at_own_answer(shared_mode(shares_VZ), 0.0)


def self_harmony(record: GroupRecord) -> FloatArray:
    """1{z is the answer of the largest harmonic mean of shares over phrasings}: V/Σ_v 1/f_v(z).

    One that some phrasing never gave has the mean 0; where all have, nobody earns anything. Two phrasings, as in
    the paper, or more. Source: arXiv 2511.01191.

    Raises:
        UsageError: there is no other phrasing.
    """
    at_least_two(record)
    with np.errstate(divide="ignore"):
        mean_Z = 1 / (1 / record.counts_VZ).mean(axis=-2, keepdims=True)
    return record.at_own_answer(shared_mode(mean_Z), 0.0)


def majority_gain(record: GroupRecord) -> FloatArray:
    """W(n) − W(n − 1 of z): what the rollout adds to "the majority is right", ties worth the share that is right.

    Expected given z that is the gradient of P(the majority of G is right), over G and up to a constant: the second
    term does not depend on z. It uses labels. Source: maj@k of arXiv 2503.19595, with k = G.
    """
    votes_VG = np.where(record.answered_VG, record.own_VG, 0)
    top_V1 = votes_VG.max(axis=-1, keepdims=True)
    (first_V1, right_V1), (second_V1, joining_V1) = (_answers_of(record, votes_VG, top_V1 - n) for n in (0, 1))
    # One vote less changes the mode where the answer is of the first: it drops out of a tie, or joins the second.
    right_VG = record.correct_VG
    out_VG = (right_V1 - right_VG) / np.maximum(first_V1 - 1, 1)
    joined_VG = (top_V1 > 1) * (joining_V1 + right_VG) / (second_V1 + 1)
    less_VG = np.where(first_V1 > 1, out_VG, joined_VG)
    in_mode = (votes_VG == top_V1) & record.answered_VG
    return np.where(in_mode, right_V1 / np.maximum(first_V1, 1) - less_VG, 0.0)


def novelty_in_majority(record: GroupRecord) -> FloatArray:
    """½ + ½ ν for the mode of the group, −1 + ½ ν for other answers, −1 for none; ν in 0 … 1 is the novelty.

    Counts cannot say what is new among rollouts that answer alike. The paper measures it by embeddings of the
    texts; here ν is how unlikely the rollout is, −log π(y), stretched from 0 to 1 over those on its side of the
    vote (0 where they are equally likely). Every mode of a tie is the mode.

    Raises:
        UsageError: `log_prob_VG` is not at hand.

    Source: EVOL-RL, arXiv 2509.15194.
    """
    surprise_VG = -needed(record.log_prob_VG, "log_prob_VG")
    in_mode = record.at_own_answer(shared_mode(record.counts_VZ), 0.0) > 0
    outside = record.answered_VG & ~in_mode
    novelty = np.where(in_mode, _stretched(surprise_VG, in_mode), _stretched(surprise_VG, outside))
    return np.where(in_mode, 0.5 + 0.5 * novelty, np.where(outside, 0.5 * novelty, 0.0) - 1)


def shared_mode(votes_VZ: IntArray | FloatArray) -> FloatArray:
    """What each answer wins of a vote: 1 for the largest, shared out evenly between ties, 0 where nobody votes."""
    top = votes_VZ.max(axis=-1, keepdims=True)
    wins = (votes_VZ == top) & (top > 0)
    return np.asarray(wins / np.maximum(wins.sum(axis=-1, keepdims=True), 1))


def _answers_of(record: GroupRecord, votes_VG: IntArray, count_V1: IntArray) -> tuple[FloatArray, FloatArray]:
    """How many answers have this many votes, at least one, and how many of these are right."""
    voted_VG = (votes_VG == count_V1) & (count_V1 > 0)
    each_V1 = np.maximum(count_V1, 1)
    all_V1, right_V1 = (x.sum(axis=-1, keepdims=True) / each_V1 for x in (voted_VG, voted_VG & record.correct_VG))
    return np.asarray(all_V1), np.asarray(right_V1)


def _stretched(value_VG: FloatArray, inside_VG: BoolArray) -> FloatArray:
    """A value from 0 to 1 over the rollouts inside; 0 for those outside and where all are the same."""
    low = np.where(inside_VG, value_VG, np.inf).min(axis=-1, keepdims=True)
    high = np.where(inside_VG, value_VG, -np.inf).max(axis=-1, keepdims=True)
    spread = np.where(high > low, high - low, 1.0)
    return np.where(inside_VG & (high > low), value_VG - np.where(np.isfinite(low), low, 0.0), 0.0) / spread
