"""Made-up groups: what a rule is asked about where its formula is wanted and nobody wrote it down twice."""

from __future__ import annotations

import numpy as np

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.games.numerics import log_of
from alftbench.games.rewards.group import BoolArray, GroupRecord, Remembered, Rule
from alftbench.types import NO_ANSWER

_LEAST = 1e-300
_STEPS, _DECAY = 10**15, 1 - 1e-12
"""A memory so long and so slow that a policy which stands still is known to it."""
_PROBES = 48
DIFFERENT = 5
"""How many other answers of a kind there are in groups where there are several."""


def one_of_each(phrasings: int, correct_Z: BoolArray, unanswered: int | None = None) -> GroupRecord:
    """A record in which every phrasing gives every answer once: a rule's reward of each answer, shape (V, Z)."""
    return bare(np.tile(np.arange(correct_Z.size), (phrasings, 1)), correct_Z, unanswered)


def bare(class_VG: IntArray, correct_Z: BoolArray, unanswered: int | None) -> GroupRecord:
    """Rollouts of which nothing is known but what they answered.

    Args:
        class_VG: their answers.
        correct_Z: whether an answer is right.
        unanswered: the class that stands for no answer, if any.
    """
    seen_VG = class_VG if unanswered is None else np.where(class_VG == unanswered, NO_ANSWER, class_VG)
    return GroupRecord(seen_VG, correct_Z)


def one_text_each(
    class_VG: IntArray,
    correct_Z: BoolArray,
    unanswered: int | None,
    p_VZ: FloatArray,
    log_p0_VZ: FloatArray | None = None,
) -> GroupRecord:
    """Rollouts of a policy that has one text for every answer: log-probabilities are those of the answers.

    What is remembered is the policy itself.

    Args:
        class_VG: their answers.
        correct_Z: whether an answer is right.
        unanswered: the class that stands for no answer, if any.
        p_VZ: the policy's answer marginals.
        log_p0_VZ: those of the reference, if known.
    """
    record = bare(class_VG, correct_Z, unanswered)
    log_p_VZ = log_of(np.maximum(p_VZ, _LEAST))
    phrasing_V = np.arange(len(p_VZ))[:, None]
    answered_Z = np.arange(correct_Z.size) != (-1 if unanswered is None else unanswered)
    return GroupRecord(
        class_VG=record.class_VG,
        correct_Z=correct_Z,
        log_prob_VG=log_p_VZ[phrasing_V, class_VG],
        reference_log_prob_VG=None if log_p0_VZ is None else log_p0_VZ[phrasing_V, class_VG],
        cross_log_prob_VGV=log_p_VZ.T[class_VG],
        remembered=Remembered(p_VZ * answered_Z, _STEPS, _DECAY),
    )


def orbits_of_counts(
    counts_V: IntArray, group: int, filler_S: IntArray, answered: bool, correct_Z: BoolArray
) -> GroupRecord:
    """Orbits in whose phrasings class 0 comes first, so many times; others fill up.

    Args:
        counts_V: how often each phrasing gives class 0, at most G; with any axes before V.
        group: G.
        filler_S: what the other rollouts say, at least V·G entries.
        answered: if not, class 0 is no answer.
        correct_Z: whether an answer is right.
    """
    phrasings = counts_V.shape[-1]
    filler_VG = filler_S[: phrasings * group].reshape(phrasings, group)
    first = 0 if answered else NO_ANSWER
    return GroupRecord(np.where(np.arange(group) < counts_V[..., None], first, filler_VG), correct_Z)


def counts_in_orbits(group: int, phrasings: int, spread: bool) -> IntArray:
    """Counts of an answer for every (a, b): a besides the first rollout in its group, b elsewhere.

    Args:
        group: G.
        phrasings: V.
        spread: are the b over the other phrasings in turn, or in the first that has room?

    Returns:
        Shape (G, G (V−1) + 1, V).
    """
    others = phrasings - 1
    a, b = np.arange(group)[:, None, None], np.arange(group * others + 1)[:, None]
    place = np.arange(others)
    elsewhere = -((place - b) // max(others, 1)) if spread else b - group * place
    shape = (group, len(b))
    rows = [np.broadcast_to(1 + a, (*shape, 1)), np.broadcast_to(np.clip(elsewhere, 0, group), (*shape, others))]
    return np.concatenate(rows, axis=-1)


def groups_of_verdicts(
    group: int, right: bool, answered: bool, different: bool, silent: bool
) -> tuple[GroupRecord, BoolArray]:
    """Groups for every (a, b): class 0 first and a times more, b right answers of others; the rest is wrong.

    Args:
        group: G.
        right: is class 0?
        answered: if not, class 0 is no answer.
        different: are there several other answers, or is there one other right answer and one wrong?
        silent: is the rest no answers?

    Returns:
        The groups, shape (G, G, 1, G), and which of them there are: a + b < G.
    """
    a, b = np.arange(group)[:, None, None], np.arange(group)[:, None]
    place = np.arange(group)
    which = place % DIFFERENT if different else np.zeros(group, dtype=np.int64)
    wrong = np.full(group, NO_ANSWER) if silent else 1 + DIFFERENT + which
    others = np.where(place <= a + b, 1 + which, wrong)
    class_ABG = np.where(place <= a, 0 if answered else NO_ANSWER, others)
    correct_Z = np.array([right, *[True] * DIFFERENT, *[False] * DIFFERENT])
    if silent:  # and there are answers that nobody gives: a rule may look at how many there are
        correct_Z = np.append(correct_Z, [True, True, False])
    return GroupRecord(class_ABG[..., None, :], correct_Z), np.asarray((a + b)[..., 0] < group)


def looks_at_own_group_only(rule: Rule, record: GroupRecord) -> bool:
    """Whether a phrasing's rewards stay as they are when the other phrasings answer otherwise.

    Asked about made-up orbits of the answers, G and texts of a batch of orbits that the rule can take.

    Args:
        rule: takes a batch of orbits.
        record: a batch of orbits, in which neighbours have the first phrasing in common.
    """
    if record.phrasings == 1:
        return True
    rewards = rule(record)
    same = np.isclose(rewards[0::2, 0], rewards[1::2, 0], rtol=1e-12, atol=1e-12, equal_nan=True)
    return bool(same.all())


def pairs_of_orbits(group: int, phrasings: int, answers: int) -> IntArray:
    """Random answers of orbits, shape (N, V, G): neighbours agree in the first phrasing only."""
    rng = np.random.default_rng(0)
    class_NVG = rng.integers(answers, size=(2 * _PROBES, phrasings, group))
    alike = rng.random((2 * _PROBES, phrasings, group)) < rng.random((2 * _PROBES, 1, 1))
    class_NVG = np.where(alike, class_NVG[..., :1, :1], class_NVG)  # groups from mixed to unanimous
    class_NVG[1::2, 0] = class_NVG[0::2, 0]
    return np.asarray(class_NVG)
