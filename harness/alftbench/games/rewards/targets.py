"""The target player: what it takes for the answer distributions p_v of the phrasings and their mean q."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.errors import UsageError
from alftbench.games.estimators import log_table, power_reward
from alftbench.games.numerics import log_of
from alftbench.games.rewards.group import GroupRecord, needed

U_STATISTIC = "u-statistic"


class Target(Protocol):
    """Estimates at each rollout's own answer z, shape (V, G).

    A rollout without an answer is read as one of the commonest in its group and the rarest in the orbit, so that
    no rule rewards silence above an answer.
    """

    def log_p(self, record: GroupRecord) -> FloatArray:
        """Of log p_v(z), nats."""
        ...

    def p(self, record: GroupRecord) -> FloatArray:
        """Of p_v(z)."""
        ...

    def power(self, record: GroupRecord, exponent: float) -> FloatArray:
        """Of p_v(z) to a power."""
        ...

    def log_q(self, record: GroupRecord) -> FloatArray:
        """Of log q(z), nats."""
        ...


@dataclass(frozen=True)
class FromCounts:
    """The counts of the group and of the orbit, looked up in a table over leave-one-out counts.

    Args:
        estimator: of `alftbench.games.ESTIMATORS`, or "u-statistic", which is unbiased for p itself.
        pooled: the one for log q, `estimator` if left out. The tables of "minimax" and
            "variance-optimal" hold for draws of one distribution: not for q where phrasings differ.
    """

    estimator: str
    pooled: str | None = None

    def log_p(self, record: GroupRecord) -> FloatArray:
        """From the group's own counts: g_{n−1} with K = G."""
        table = _log_table(record.group, self.estimator)
        return np.where(record.answered_VG, table[record.own_VG - 1], table.max())

    def p(self, record: GroupRecord) -> FloatArray:
        """From the group's own counts."""
        K = record.group
        table = _unbiased(K) if self.estimator == U_STATISTIC else np.exp(log_table(K, self.estimator))
        return np.where(record.answered_VG, table[record.own_VG - 1], table.max())

    def power(self, record: GroupRecord, exponent: float) -> FloatArray:
        """From the group's own counts: unbiased with the U-statistic, else the power of the estimate.

        Raises:
            UsageError: the U-statistic of this power does not exist at this G.
        """
        if self.estimator != U_STATISTIC:
            return np.asarray(np.exp(exponent * self.log_p(record)))
        K = record.group
        if exponent != int(exponent) or not 0 <= exponent < K:
            raise UsageError(
                f"the u-statistic of p to the power {exponent:g}: of group={K} rollouts there is one of whole "
                f"powers up to {K - 1}; use another estimator"
            )
        table = power_reward(np.arange(1, K + 1), K, int(exponent))
        return np.where(record.answered_VG, table[record.own_VG - 1], table.max())

    def log_q(self, record: GroupRecord) -> FloatArray:
        """From the counts of the orbit: g_{n−1} with K = V·G; log 2 below the least for no answer."""
        table = _log_table(record.group * record.phrasings, self.pooled or self.estimator)
        return np.where(record.answered_VG, table[record.pooled_VG - 1], table.min() - np.log(2.0))


@dataclass(frozen=True)
class FromMemory:
    """The running shares of `GroupRecord.remembered`: an estimate that gets better the longer a problem is met.

    Per phrasing p̂_v = m_v/(1 − ρ^t), and q̂ = mean_v p̂_v. Source: the auxiliary answer distribution of
    arXiv 2604.27166.
    """

    def log_p(self, record: GroupRecord) -> FloatArray:
        """Of the phrasing's own memory."""
        return log_of(record.at_own_answer(self._shares(record), 1.0))

    def p(self, record: GroupRecord) -> FloatArray:
        """Of the phrasing's own memory."""
        return np.asarray(np.exp(self.log_p(record)))

    def power(self, record: GroupRecord, exponent: float) -> FloatArray:
        """Of the phrasing's own memory."""
        return np.asarray(np.exp(exponent * self.log_p(record)))

    def log_q(self, record: GroupRecord) -> FloatArray:
        """Of the memories of the orbit; log 2 below the rarest that was drawn for no answer."""
        pooled_VZ = self._shares(record).mean(axis=-2, keepdims=True)
        own = record.at_own_answer(pooled_VZ, np.inf)
        rarest = np.minimum(own.min(axis=(-2, -1), keepdims=True), 1.0)
        return log_of(np.where(record.answered_VG, own, rarest / 2))

    def _shares(self, record: GroupRecord) -> FloatArray:
        return needed(record.remembered, "remembered").shares(record.counts_VZ, record.group)


def _log_table(K: int, estimator: str) -> FloatArray:
    return log_of(_unbiased(K)) if estimator == U_STATISTIC else log_table(K, estimator)


def _unbiased(K: int) -> FloatArray:
    """The U-statistic N/(K−1) of p over the leave-one-out counts N = 0 … K−1."""
    return power_reward(np.arange(1, K + 1), K, degree=1)


@dataclass(frozen=True, eq=False)
class Estimates:
    """What a target player knows from elsewhere: the truth, or a memory over steps.

    Args:
        log_p_VZ: log p_v(z) of every answer.
        log_q_Z: log q(z) of every answer.
    """

    log_p_VZ: FloatArray
    log_q_Z: FloatArray

    def log_p(self, record: GroupRecord) -> FloatArray:
        """As given."""
        return record.at_own_answer(self.log_p_VZ, float(self.log_p_VZ.max()))

    def p(self, record: GroupRecord) -> FloatArray:
        """As given."""
        return np.asarray(np.exp(self.log_p(record)))

    def power(self, record: GroupRecord, exponent: float) -> FloatArray:
        """As given."""
        return np.asarray(np.exp(exponent * self.log_p(record)))

    def log_q(self, record: GroupRecord) -> FloatArray:
        """As given; log 2 below the least for no answer."""
        return record.at_own_answer(self.log_q_Z, float(self.log_q_Z.min() - np.log(2.0)))
