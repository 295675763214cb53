"""The update that a rule makes on average at group size G: E[r_1 − b_1 | z_1 = z], by the cheapest way there is.

    own counts      a table and binomials, any number of answers: most rules
    pairs           a table and binomials, any number of answers: sums over pairs of phrasings
    right rollouts  a table and trinomials, any number of answers: rules of how many of the group are right
    enumeration     a sum over all count vectors: any rule, few answers
    sampling        any rule; its standard error is with it

Which way a rule allows is found by asking it about made-up groups. All but the last are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import numpy as np

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.errors import UnknownName, UsageError
from alftbench.games.rewards.baselines import BASELINES, checked_group
from alftbench.games.rewards.enumeration import LARGEST_ENUMERATION, count_vectors, n_count_vectors
from alftbench.games.rewards.expectation import Moments, reward_table, table_moments
from alftbench.games.rewards.group import BoolArray, GroupRecord, Rule
from alftbench.games.rewards.made_up import bare, looks_at_own_group_only, one_text_each, pairs_of_orbits
from alftbench.games.rewards.pairs import counts_by_pairs, pair_table
from alftbench.games.rewards.sampling import sampled_update
from alftbench.games.rewards.verdicts import verdict_moments, verdict_table

Averages: TypeAlias = Callable[[FloatArray], Moments]
"""Answer marginals (V, Z) ↦ what a rollout and another of its group earn."""
DRAWS = 2000


class Way(StrEnum):
    """How an expectation was computed."""

    OWN_COUNTS = "own counts"
    PAIRS = "pairs of phrasings"
    RIGHT_ROLLOUTS = "right rollouts"
    ENUMERATION = "enumeration"
    SAMPLING = "sampling"


@dataclass(frozen=True, eq=False)
class ExpectedUpdate:
    """E[r_1 − b_1 | z_1 = z] with how it was computed.

    Args:
        values_VZ: in reward; a constant per phrasing moves no policy.
        way: how.
        error_VZ: the standard error, 0 where exact.
    """

    values_VZ: FloatArray
    way: Way
    error_VZ: FloatArray

    @property
    def exact(self) -> bool:
        """Whether there is no error but rounding."""
        return self.way is not Way.SAMPLING


@dataclass(eq=False)
class UpdateOf:
    """A rule's expected update as a function of the answer marginals: ask once, evaluate often.

    Args:
        rule: takes a batch of orbits.
        correct_Z: whether an answer is right.
        phrasings: V.
        group: G, at least 2.
        baseline: of `BASELINES`.
        unanswered: the class that stands for no answer, if any.
        log_p0_VZ: the reference's answer marginals, for rules that look at them.
        draws: orbits that are sampled where nothing else is possible.
        seed: of these draws.

    Raises:
        UnknownName: no such baseline.
        UsageError: the group is too small, or the rule refuses it or needs what such a record does not have.
    """

    rule: Rule
    correct_Z: BoolArray
    phrasings: int
    group: int
    baseline: str
    unanswered: int | None = None
    log_p0_VZ: FloatArray | None = None
    draws: int = DRAWS
    seed: int = 0
    way: Way = field(init=False)
    averages: tuple[Averages, ...] = field(init=False)
    texts: bool = field(init=False, default=False)
    apart: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        """Ask the rule what it looks at."""
        if self.baseline not in BASELINES:
            raise UnknownName("baseline", self.baseline, BASELINES)
        if self.group < 2:
            raise UsageError(f"group={self.group}: rollouts are compared with one another; use at least 2")
        if self.baseline == "jackknife":
            checked_group(self.group)
        sizes = (self.group, self.group - 1) if self.baseline == "jackknife" else (self.group,)
        self.way, self.averages = self._found(sizes)

    @property
    def exact(self) -> bool:
        """Whether there is no error but rounding."""
        return self.way is not Way.SAMPLING

    def __call__(self, p_VZ: FloatArray) -> ExpectedUpdate:
        """The update at these answer marginals."""
        if self.way is Way.SAMPLING:
            shape = (self.draws, self.phrasings, self.group)
            uniform_NVG = np.random.default_rng(self.seed).random(shape)
            scene = self._scene(p_VZ)
            values, errors = sampled_update(self.rule, scene, p_VZ, uniform_NVG, self.baseline, self.apart)
            return ExpectedUpdate(values, self.way, errors)
        values = self._less_baseline(p_VZ, *(average(p_VZ) for average in self.averages))
        return ExpectedUpdate(values, self.way, np.zeros_like(values))

    def _less_baseline(self, p_VZ: FloatArray, moments: Moments, fewer: Moments | None = None) -> FloatArray:
        """The average reward less that of the baseline."""
        if self.baseline == "none":
            return moments.mine_VZ
        if fewer is not None:  # the jackknife: what a group without the rollout earns, whatever it says
            return np.asarray(moments.mine_VZ - (p_VZ * fewer.mine_VZ).sum(axis=-1, keepdims=True))
        share = 1 - 1 / self.group if self.baseline == "mean" else 1.0
        return np.asarray(share * (moments.mine_VZ - moments.theirs_VZ))

    def _found(self, sizes: tuple[int, ...]) -> tuple[Way, tuple[Averages, ...]]:
        """The first way that the rule allows at every group size."""
        ways = {
            Way.OWN_COUNTS: self._by_own_counts,
            Way.PAIRS: self._by_pairs,
            Way.RIGHT_ROLLOUTS: self._by_right_rollouts,
        }
        for way, by in ways.items():
            try:
                return way, tuple(by(size) for size in sizes)
            except UsageError:
                continue  # the rule looks at more, or refuses: the next way says so
        self.texts = self._needs_texts()
        self.apart = looks_at_own_group_only(self.rule, self._scene(self._some_marginals())(self._probes()))
        met = 1 if self.apart else self.phrasings
        if n_count_vectors(self.group, self.correct_Z.size, met) <= LARGEST_ENUMERATION * (1 + 1e-9):
            return Way.ENUMERATION, tuple(self._by_enumeration(size) for size in sizes)
        return Way.SAMPLING, ()

    def _by_own_counts(self, size: int) -> Averages:
        table = reward_table(self.rule, size, self.phrasings)
        return lambda p_VZ: table_moments(table, p_VZ, self.correct_Z, self.unanswered)

    def _by_pairs(self, size: int) -> Averages:
        table = pair_table(self.rule, size, self.phrasings)
        return lambda p_VZ: table_moments(table, p_VZ, self.correct_Z, self.unanswered, counts_by_pairs)

    def _by_right_rollouts(self, size: int) -> Averages:
        probe = bare(self._probes(), self.correct_Z, self.unanswered)
        if not looks_at_own_group_only(self.rule, probe):
            raise UsageError("the rule looks at other phrasings")
        table = verdict_table(self.rule, size)
        return lambda p_VZ: verdict_moments(table, p_VZ, self.correct_Z, self.unanswered)

    def _by_enumeration(self, size: int) -> Averages:
        vectors = count_vectors(size, self.correct_Z.size, self.phrasings, self.apart)
        if not self.texts:
            record = bare(vectors.class_NVG, self.correct_Z, self.unanswered)
            rewards_NVZ = vectors.rewards(self.rule(record))
            return lambda p_VZ: vectors.moments(rewards_NVZ, p_VZ)

        def averages(p_VZ: FloatArray) -> Moments:
            rewards_NVG = self.rule(self._scene(p_VZ)(vectors.class_NVG))
            return vectors.moments(vectors.rewards(rewards_NVG), p_VZ)

        return averages

    def _scene(self, p_VZ: FloatArray) -> Callable[[IntArray], GroupRecord]:
        """Answers ↦ the record of rollouts that give them, with no more in it than the rule needs."""
        if not self.texts:
            return lambda class_VG: bare(class_VG, self.correct_Z, self.unanswered)
        return lambda class_VG: one_text_each(class_VG, self.correct_Z, self.unanswered, p_VZ, self.log_p0_VZ)

    def _needs_texts(self) -> bool:
        """Whether the rule asks for more than answers: log-probabilities, or a memory."""
        try:
            self.rule(bare(self._probes()[:1], self.correct_Z, self.unanswered))
        except UsageError:
            return True
        return False

    def _probes(self) -> IntArray:
        return pairs_of_orbits(self.group, self.phrasings, self.correct_Z.size)

    def _some_marginals(self) -> FloatArray:
        shape = (self.phrasings, self.correct_Z.size)
        return np.random.default_rng(1).dirichlet(np.ones(shape[1]), size=shape[0])


def expected_update(
    rule: Rule,
    p_VZ: FloatArray,
    correct_Z: BoolArray,
    group: int,
    baseline: str = "mean",
    unanswered: int | None = None,
    log_p0_VZ: FloatArray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> ExpectedUpdate:
    """E[r_1 − b_1 | z_1 = z] of a rule, shape (V, Z): what its policy gradient ascends.

    Args:
        rule: takes a batch of orbits.
        p_VZ: answer marginals, one row per phrasing.
        correct_Z: whether an answer is right.
        group: G, at least 2.
        baseline: of `BASELINES`.
        unanswered: the class that stands for no answer, if any.
        log_p0_VZ: the reference's answer marginals, for rules that look at them.
        draws: orbits that are sampled where nothing else is possible.
        seed: of these draws.

    Raises:
        UnknownName: no such baseline.
        UsageError: the group is too small, or the rule refuses it or needs what such a record does not have.
    """
    of = UpdateOf(rule, correct_Z, len(p_VZ), group, baseline, unanswered, log_p0_VZ, draws, seed)
    return of(p_VZ)
