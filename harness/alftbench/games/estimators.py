"""Estimators of log p and of powers of p from the counts of one group of samples.

Of K samples z_1..z_K ~ p, a sampled answer z was seen n_z times. Its leave-one-out count N = n_z − 1 is over
the other K − 1 samples, so N ~ Bin(K−1, p(z)) given that z was drawn: an estimator is a table over N.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, psi, xlog1py, xlogy

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.errors import BadInput, UnknownName

SMALLEST_K, LARGEST_K = 2, 128
ESTIMATORS = ("plug-in", "digamma", "minimax", "variance-optimal")
TABLE_PATH = Path(str(resources.files("alftbench.games"))) / "tables.json"


def log_reward(counts: ArrayLike, K: int, estimator: str = "variance-optimal") -> FloatArray:
    """Estimate log p(z) for sampled answers from their counts.

    plug-in: log(n/K); digamma: ψ(n) − ψ(K); minimax and variance-optimal: g_{n−1} of a certified table.

    Args:
        counts: how often each answer was drawn among the K samples, integers 1..K, any shape.
        K: samples per group; 2..128 for the two tables, at least 1 for the others.
        estimator: "plug-in", "digamma", "minimax" or "variance-optimal".

    Returns:
        Estimates of log p in nats, shaped like `counts`.

    Raises:
        UnknownName: no such estimator.
        BadInput: a count outside 1..K, or a K without a table.

    Source: arXiv 2605.02435 for the polynomial estimators.
    """
    return np.asarray(log_table(K, estimator)[_leave_one_out(counts, K)])


def power_reward(counts: ArrayLike, K: int, degree: int) -> FloatArray:
    """The U-statistic of p(z)^d for sampled answers: exactly unbiased.

    N (N−1) … (N−d+1) / ((K−1) (K−2) … (K−d)) with N = n − 1.

    Args:
        counts: how often each answer was drawn among the K samples, integers 1..K, any shape.
        K: samples per group.
        degree: d ≥ 0; d = 1 serves `quadratic_diversity`.

    Returns:
        Estimates of p^d, shaped like `counts`.

    Raises:
        BadInput: a count outside 1..K, or a degree that K samples cannot estimate (d > K − 1).

    Source: Hoeffding 1948; used for polynomial rewards in arXiv 2605.02435.
    """
    if not 0 <= degree <= K - 1:
        raise BadInput(f"degree {degree} cannot be estimated from K = {K} samples; it must be in 0..{K - 1}")
    others = _leave_one_out(counts, K)
    steps = np.arange(degree)
    return np.asarray(np.prod((others[..., None] - steps) / (K - 1.0 - steps), axis=-1), dtype=float)


def log_table(K: int, estimator: str) -> FloatArray:
    """The estimator as a read-only table over the leave-one-out count N = 0..K−1.

    Raises:
        UnknownName: no such estimator.
        BadInput: K < 1, or a K without a table.
    """
    if estimator not in ESTIMATORS:
        raise UnknownName("estimator", estimator, ESTIMATORS)
    if K < 1:
        raise BadInput(f"K = {K} samples; K must be at least 1")
    return _log_table(K, estimator)


def certificate(K: int, estimator: str) -> dict[str, float]:
    """What was measured of a shipped table on a grid finer than it was solved on.

    Returns:
        bias: sup_p p·|E g_N − log p|; variance: sup_p p·Var g_N; optimal_bias: a proven lower bound on the
        bias of any estimator from K samples; factor: the bias allowed, in multiples of the optimum;
        largest_entry; rounding: a bound on the float64 error of the bias; points: size of the grid.

    Raises:
        BadInput: the estimator has no table for this K.
    """
    return dict(_entry(K, estimator)["certificate"])


def bernstein(K: int, p_N: FloatArray) -> FloatArray:
    """The binomial probabilities Bin(n; K−1, p), n = 0..K−1: shape (N, K)."""
    n = np.arange(K)
    log_choose = gammaln(K) - gammaln(n + 1) - gammaln(K - n)
    return np.asarray(np.exp(log_choose + xlogy(n, p_N[:, None]) + xlog1py(K - 1 - n, -p_N[:, None])))


def _leave_one_out(counts: ArrayLike, K: int) -> IntArray:
    """N = n − 1, checked."""
    n = np.asarray(counts)
    if not np.issubdtype(n.dtype, np.integer):
        raise BadInput(f"counts are {n.dtype}; they must be integers")
    if n.size and (n.min() < 1 or n.max() > K):
        raise BadInput(f"counts reach from {n.min()} to {n.max()}; a sampled answer has a count in 1..{K}")
    return n - 1


@cache
def _log_table(K: int, estimator: str) -> FloatArray:
    n = np.arange(1, K + 1)
    if estimator == "plug-in":
        table = np.log(n / K)
    elif estimator == "digamma":
        table = psi(n) - psi(K)
    else:
        table = np.array(_entry(K, estimator)["table"])
    table.flags.writeable = False
    return table


def _entry(K: int, estimator: str) -> dict[str, Any]:
    try:
        return _shipped()[estimator][str(K)]
    except KeyError:
        wanted = f"K in {SMALLEST_K}..{LARGEST_K} with minimax or variance-optimal"
        raise BadInput(f"no table of {estimator!r} for K = {K}; there are tables for {wanted}") from None


@cache
def _shipped() -> dict[str, dict[str, dict[str, Any]]]:
    tables: dict[str, dict[str, dict[str, Any]]] = json.loads(TABLE_PATH.read_text(encoding="utf-8"))
    return tables
