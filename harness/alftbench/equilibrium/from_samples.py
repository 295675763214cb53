"""How far a trained model is from the equilibrium of its game: estimates from samples, one orbit at a time.

    classes of the policy's and the reference's samples, log π/π₀ of the policy's ─→ Figures

KL is unbiased. The rest follows from ratios, never from the counts of two samples: the total variation of two
open-ended answer distributions cannot be estimated from 16 samples each.

Where the target u does not depend on the policy (correctness, a frozen consensus) the equilibrium is known up to a
constant: g = log π/π₀ + u/β is one number there, so w = e^{−g} against its mean says how far each answer is off.
What was never drawn has no ratio: `blind` is how much of the target that is.

Where u depends on the policy (diversity, coherence, a free consensus) u itself is a function of answer shares, and
there is no estimate: those games take listed completions (`from_traces`).

docs/design/quality.md has the simulation. Source: arXiv 2604.27166 (game, chain rule, best responses); the
estimators are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.games import Objective, marginalise

ROUNDING = 1e-6  # nats; log-probabilities in float32 do not tell smaller divergences from zero
FIGURES = ("kl", "trace_drift", "marginal_error", "nash_gap")
BLIND = "blind"
PSEUDO = 0.5  # draws credited to every value of the target, lest one that the reference did not give be impossible

Declared: TypeAlias = tuple[Objective, float]


@dataclass(frozen=True, eq=False)
class OrbitDraws:
    """Samples of the V phrasings of a problem from a policy and from its reference.

    Args:
        policy_VN: answer class of each of the policy's samples, in 0..Z−1; no answer is a class like any other.
        reference_VN: the same for the reference; the number of samples may differ.
        log_ratio_VN: log π(y|x)/π₀(y|x) of the policy's samples, in nats.
        correct_Z: which classes are right; there is a right and a wrong class, though neither model drew one.
    """

    policy_VN: IntArray
    reference_VN: IntArray
    log_ratio_VN: FloatArray
    correct_Z: NDArray[np.bool_]


@dataclass(frozen=True)
class Figures:
    """Equilibrium quality of one orbit, NaN where it has no meaning or samples say nothing of it.

    kl: KL(π‖π₀), nats per completion. trace_drift: at least so much of it no change of answers explains, nats.
    marginal_error: the total variation of the policy's answers from the equilibrium's. nash_gap: at least this, in
    units of reward. blind: the share of the target that no draw could show, NaN where nothing was drawn.
    """

    kl: float
    trace_drift: float
    marginal_error: float = np.nan
    nash_gap: float = np.nan
    blind: float = np.nan


def estimate(draws: OrbitDraws, declared: Declared | None) -> Figures:
    """The figures of an orbit; those of a game only where one is declared and its target is fixed."""
    figures = Figures(
        kl=float(draws.log_ratio_VN.mean()),
        trace_drift=trace_drift(draws.policy_VN, draws.log_ratio_VN, draws.correct_Z.size),
    )
    if declared is None or not declared[0].differentiable:
        return figures
    objective, beta = declared
    u_VZ = fixed_target(objective, len(draws.policy_VN), draws.correct_Z.size)
    if u_VZ is None:
        return figures
    tilt_VZ = u_VZ / beta
    return replace(
        figures,
        marginal_error=marginal_error(draws, tilt_VZ),
        nash_gap=beta * divergence_at(draws, tilt_VZ),
        blind=blind_share(draws, tilt_VZ),
    )


def trace_drift(class_VN: IntArray, log_ratio_VN: FloatArray, Z: int) -> float:
    """Σ_z p(z) KL(π(·|z)‖π₀(·|z)) as the mean of log r + log E[1/r | z], r = π/π₀, over the samples y ~ π.

    Since p₀(z)/p(z) = E_{y~π(·|z)}[1/r], no marginal of the reference is needed, and where r depends on the
    answer alone, as at every equilibrium, the estimate is 0 whatever was drawn. It is never negative, and by
    Jensen's inequality its expectation does not exceed the truth. An answer seen once contributes nothing, so the
    wider the answers the smaller the share of the truth that it reads: no figure to compare methods by.

    Source: arXiv 2604.27166 (chain rule); the estimator is derived here.
    """
    V = len(class_VN)
    bins = (np.arange(V)[:, None] * Z + class_VN).ravel()
    log_inverse_VZ = marginalise(bins, -log_ratio_VN.ravel(), V * Z).reshape(V, Z)
    count_VZ = counts(class_VN, Z)
    seen = count_VZ > 0
    explained = count_VZ[seen] * (np.log(count_VZ[seen]) - log_inverse_VZ[seen])
    return max(0.0, float(log_ratio_VN.sum() - explained.sum()) / class_VN.size)


def fixed_target(objective: Objective, V: int, Z: int) -> FloatArray | None:
    """The target u where it is the same for all policies, else None."""
    weights_V = np.full(V, 1 / V)
    level, ramp = (np.broadcast_to(np.log(p / p.sum()), (V, Z)) for p in (np.ones(Z), np.arange(1.0, Z + 1)))
    u_VZ = objective.gradient(level, weights_V)
    return u_VZ if np.array_equal(u_VZ, objective.gradient(ramp, weights_V)) else None


def marginal_error(draws: OrbitDraws, tilt_VZ: FloatArray) -> float:
    """TV(p, p*) = ½ E_p|1 − w_z/E w|, w_z = E[e^{−g} | z], g = log π/π₀ + u/β, p* ∝ p₀ e^{−u/β}; mean over V.

    Averaging w over the draws of an answer leaves out what the traces of one answer drift; of an answer drawn once
    the drift counts. Exactly 0 at the equilibrium, whatever was drawn.

    Args:
        draws: the orbit's samples; only the policy's are used.
        tilt_VZ: u/β of every answer.
    """
    g_VN = gains(draws, tilt_VZ)
    if not np.isfinite(g_VN).all():
        return np.nan
    w_VN = np.exp(g_VN.min(axis=1, keepdims=True) - g_VN)
    excess_VN = 1 - w_VN / w_VN.mean(axis=1, keepdims=True)
    V, Z = tilt_VZ.shape
    bins = (np.arange(V)[:, None] * Z + draws.policy_VN).ravel()
    excess_VZ = np.bincount(bins, excess_VN.ravel(), minlength=V * Z) / excess_VN.shape[1]
    return float(np.abs(excess_VZ).sum() / (2 * V))


def divergence_at(draws: OrbitDraws, tilt_VZ: FloatArray) -> float:
    """KL(π‖π_u) = E g + log E e^{−g}, g = log π/π₀ + u/β, over the policy's samples: no share is needed.

    0 at the equilibrium whatever was drawn; by Jensen's inequality its expectation does not exceed the truth.
    """
    g_VN = gains(draws, tilt_VZ)
    if not np.isfinite(g_VN).all():
        return np.nan
    least_V = g_VN.min(axis=1)
    return float((g_VN.mean(axis=1) - least_V + np.log(np.exp(least_V[:, None] - g_VN).mean(axis=1))).mean())


def gains(draws: OrbitDraws, tilt_VZ: FloatArray) -> FloatArray:
    """G = log π/π₀ + u/β of every draw of the policy, shape (V, N): a constant at the equilibrium."""
    return np.asarray(draws.log_ratio_VN + np.take_along_axis(tilt_VZ, draws.policy_VN, axis=1))


def blind_share(draws: OrbitDraws, tilt_VZ: FloatArray) -> float:
    """How much of the target falls on verdicts that the policy never drew, mean over phrasings.

    A verdict is a value of u: right or wrong, or an answer of its own for a frozen consensus. The ratio of one that
    was never drawn is unknown, and the error is off by at most its share. That is taken from the reference's
    draws, with `PSEUDO` of every verdict besides: p*(verdict) ∝ p₀(verdict) e^{−u/β}.
    """
    shares = []
    for tilt_Z, policy_N, reference_N in zip(tilt_VZ, draws.policy_VN, draws.reference_VN, strict=True):
        tilt_L, level_Z = np.unique(tilt_Z, return_inverse=True)
        reference_L = np.bincount(level_Z[reference_N], minlength=tilt_L.size) + PSEUDO
        target_L = reference_L * np.exp(tilt_L.min() - tilt_L)
        drawn_L = np.bincount(level_Z[policy_N], minlength=tilt_L.size) > 0
        shares.append(target_L[~drawn_L].sum() / target_L.sum())
    return float(np.mean(shares))


def counts(class_VN: IntArray, Z: int) -> IntArray:
    """Samples of each class per phrasing, shape (V, Z)."""
    V = len(class_VN)
    return np.bincount((np.arange(V)[:, None] * Z + class_VN).ravel(), minlength=V * Z).reshape(V, Z)
