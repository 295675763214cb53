"""How far a trained model is from the equilibrium of its game: estimates from samples, one orbit at a time.

    classes of the policy's and the reference's samples, log π/π₀ of the policy's ─→ Figures

KL is unbiased. The other figures are lower bounds in expectation: the distance of two open-ended answer
distributions cannot be estimated from 16 samples each, but that there is one can be shown. Three things do that:

Ratios, not counts: at the equilibrium β log π/π₀ + u is one number, whatever was drawn. Where the target u does
not depend on the policy (correctness, a frozen consensus) the gap needs no answer shares at all.

Two halves: one half of the samples says where the policy seems to err, the other how much it does there. Their
noise is independent, so a policy at the equilibrium reads 0 on average, not the noise of its samples.

A set S of answers that the samples tell: TV(p, q) ≥ p(S) TV(p(·|S), q(·|S)) and KL likewise, so answers that were
hardly drawn are left out and can only make a figure smaller.

What is nonlinear in a half is extrapolated in 1/n from its own halves. docs/design/quality.md has the simulation.

Source: arXiv 2604.27166 (game, chain rule); the estimators are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.errors import BadInput
from alftbench.games import Game, Objective, marginalise, solve
from alftbench.games.numerics import log_of

ROUNDING = 1e-6  # nats; log-probabilities in float32 do not tell smaller divergences from zero
BOUNDS = ("trace_drift", "marginal_error", "nash_gap")  # figures that say "at least"
FIGURES = ("kl", *BOUNDS)
LEAST = {"kl": ROUNDING, "trace_drift": ROUNDING, "marginal_error": 1e-3, "nash_gap": 1e-3}
"""What a figure must exceed to be told from 0: rounding, and the bias that extrapolation in 1/n leaves."""
FEWEST_DRAWS = 4  # of a phrasing, to take halves of halves
SEEN = 2  # draws of an answer in half of the reference's samples that make it one of S
EXPECTED = 4  # draws of an answer expected in half of the policy's samples, likewise
SPLITS = 4  # random halvings that the gap is averaged over; marginal error has one: each costs six solutions
UNSEEN = 1e-6  # draws credited to an answer that a sample lacks, lest it be impossible

Declared: TypeAlias = tuple[Objective, float]


@dataclass(frozen=True, eq=False)
class OrbitDraws:
    """Samples of the V phrasings of a problem from a policy and from its reference.

    Args:
        policy_VN: answer class of each of the policy's samples, in 0..Z−1; no answer is a class like any other.
        reference_VN: the same for the reference; the number of samples may differ.
        log_ratio_VN: log π(y|x)/π₀(y|x) of the policy's samples, in nats.
        correct_Z: which classes are right.
    """

    policy_VN: IntArray
    reference_VN: IntArray
    log_ratio_VN: FloatArray
    correct_Z: NDArray[np.bool_]


@dataclass(frozen=True)
class Figures:
    """Equilibrium quality of one orbit, NaN where it has no meaning.

    kl: KL(π‖π₀), nats per completion. trace_drift: at least so much of it no change of answers explains, nats.
    marginal_error: the policy's answers are at least this total variation from the equilibrium's. nash_gap: at
    least this, in units of reward. Noise may push a bound below 0.
    """

    kl: float
    trace_drift: float
    marginal_error: float = np.nan
    nash_gap: float = np.nan


def estimate(draws: OrbitDraws, declared: Declared | None, rng: np.random.Generator) -> Figures:
    """The figures of an orbit; without a declared game only those that need none."""
    figures = Figures(
        kl=float(draws.log_ratio_VN.mean()),
        trace_drift=trace_drift(draws.policy_VN, draws.log_ratio_VN, draws.correct_Z.size),
    )
    if declared is None:
        return figures
    gap = nash_gap(draws, declared, figures.trace_drift, rng)
    return replace(figures, marginal_error=marginal_error(draws, declared, rng), nash_gap=gap)


def trace_drift(class_VN: IntArray, log_ratio_VN: FloatArray, Z: int) -> float:
    """Σ_z p(z) KL(π(·|z)‖π₀(·|z)) as the mean of log r + log E[1/r | z], r = π/π₀, over the samples y ~ π.

    Since p₀(z)/p(z) = E_{y~π(·|z)}[1/r], no marginal of the reference is needed, and where r depends on the
    answer alone, as at every equilibrium, the estimate is 0 whatever was drawn. It is never negative, and by
    Jensen's inequality its expectation does not exceed the truth: a class seen once contributes nothing.

    Source: arXiv 2604.27166 (chain rule); the estimator is derived here.
    """
    count_VZ = counts(class_VN, Z)
    seen = count_VZ > 0
    explained = count_VZ[seen] * class_log_ratios(class_VN, log_ratio_VN, Z)[seen]
    return max(0.0, float(log_ratio_VN.sum() - explained.sum()) / class_VN.size)


def marginal_error(draws: OrbitDraws, declared: Declared, rng: np.random.Generator) -> float:
    """A lower bound of TV(p, p*), mean over phrasings: ½ Σ_{z∈S} s(z) (p(z) − p(S) p*(z|S)).

    It holds for any set S and any signs s. One half of the samples chooses both, the other gives the sum.
    """
    if min(draws.policy_VN.shape[1], draws.reference_VN.shape[1]) < FEWEST_DRAWS:
        return 0.0
    pairs = zip(halves(draws.policy_VN, rng), halves(draws.reference_VN, rng), strict=True)
    one, other = (Half.of(policy, reference, draws.correct_Z.size, declared, rng) for policy, reference in pairs)
    return (witnessed(one, other) + witnessed(other, one)) / 2


@dataclass(frozen=True, eq=False)
class Half:
    """Half of an orbit's samples: shares of the policy, counts of the reference, and the equilibria from them.

    equilibria: p* of the half's reference samples, and of the two halves of them.
    """

    shares_VZ: FloatArray
    reference_VZ: IntArray
    equilibria: tuple[FloatArray, ...]

    @classmethod
    def of(
        cls, policy_VN: IntArray, reference_VN: IntArray, Z: int, declared: Declared, rng: np.random.Generator
    ) -> Half:
        """Count, and solve the game three times."""
        parts = (reference_VN, *halves(reference_VN, rng))
        equilibria = tuple(equilibrium(counts(part, Z), declared) for part in parts)
        return cls(counts(policy_VN, Z) / policy_VN.shape[1], counts(reference_VN, Z), equilibria)

    def excess(self, among_VZ: NDArray[np.bool_]) -> FloatArray:
        """The excess p(z) − p(S) p*(z|S) within S, p*(·|S) extrapolated in 1/n."""
        whole, *parts = (within(p_VZ, among_VZ) for p_VZ in self.equilibria)
        share_V = (self.shares_VZ * among_VZ).sum(axis=1, keepdims=True)
        return np.asarray(among_VZ * (self.shares_VZ - share_V * extrapolated(whole, parts)))


def witnessed(chooser: Half, judge: Half) -> float:
    """The bound with S and signs from one half and the sum over the other."""
    among_VZ = chooser.reference_VZ >= SEEN
    signs_VZ = np.sign(chooser.excess(among_VZ))
    return float((signs_VZ * judge.excess(among_VZ)).sum(axis=1).mean()) / 2


def equilibrium(reference_VZ: IntArray, declared: Declared) -> FloatArray:
    """The p* of the game whose reference has these counts; NaN where no solver finds one.

    Where a game ties the phrasings together each gets one more sample, spread like all of them: they ask the
    same, and an answer that one of them happens not to have given would forbid it to all.
    """
    objective, beta = declared
    pooled_Z = reference_VZ.sum(axis=0) / reference_VZ.sum()
    p0_VZ = reference_VZ + objective.couples_prompts * pooled_Z + UNSEEN
    try:
        solution = solve(Game.from_marginals(p0_VZ, objective, beta))
    except BadInput:
        return np.full(p0_VZ.shape, np.nan)
    return solution.p_PZ if solution.converged else np.full(p0_VZ.shape, np.nan)


def within(p_VZ: FloatArray, among_VZ: NDArray[np.bool_]) -> FloatArray:
    """The distribution given that the answer is among these, 0 where none can be."""
    kept_VZ = p_VZ * among_VZ
    return np.asarray(kept_VZ / np.maximum(kept_VZ.sum(axis=1, keepdims=True), np.finfo(float).tiny))


def nash_gap(draws: OrbitDraws, declared: Declared, drift: float, rng: np.random.Generator) -> float:
    """A lower bound of β KL(π‖π_u) at u = ∇F(p), where π_u ∝ π₀ e^{−u/β}; mean over phrasings.

    Source: arXiv 2604.27166 (best responses).
    """
    objective, beta = declared
    if not objective.differentiable:
        return np.nan
    u_VZ = fixed_target(objective, len(draws.policy_VN), draws.correct_Z.size)
    divergence = (
        drift + answer_divergence(draws, declared, rng) if u_VZ is None else divergence_at(draws, u_VZ / beta)
    )
    return beta * divergence if np.isfinite(divergence) else np.nan


def fixed_target(objective: Objective, V: int, Z: int) -> FloatArray | None:
    """The target u where it is the same for all policies, else None."""
    weights_V = np.full(V, 1 / V)
    level, ramp = (np.broadcast_to(np.log(p / p.sum()), (V, Z)) for p in (np.ones(Z), np.arange(1.0, Z + 1)))
    u_VZ = objective.gradient(level, weights_V)
    return u_VZ if np.array_equal(u_VZ, objective.gradient(ramp, weights_V)) else None


def divergence_at(draws: OrbitDraws, tilt_VZ: FloatArray) -> float:
    """KL(π‖π_u) = E g + log E e^{−g}, g = log π/π₀ + u/β, over the policy's samples: no share is needed.

    0 at the equilibrium whatever was drawn; by Jensen's inequality its expectation does not exceed the truth.
    """
    g_VN = draws.log_ratio_VN + np.take_along_axis(tilt_VZ, draws.policy_VN, axis=1)
    if not np.isfinite(g_VN).all():
        return np.nan
    least_V = g_VN.min(axis=1)
    return float((g_VN.mean(axis=1) - least_V + np.log(np.exp(least_V[:, None] - g_VN).mean(axis=1))).mean())


def answer_divergence(draws: OrbitDraws, declared: Declared, rng: np.random.Generator) -> float:
    """A lower bound of KL(p‖p_u), p_u ∝ p₀ e^{−u/β}: p(S) c(M) Var_S(g), g = log p/p₀ + u/β.

    Log p/p₀ of an answer is known from its log ratios; u is not, and the variance is the covariance of g between
    two halves of the policy's samples. S has the answers that the reference's counts and log p/p₀ expect often
    enough, so noise of the policy's counts does not choose it. c(M): `least_divergence` for g − E g ≤ M.
    """
    if draws.policy_VN.shape[1] < FEWEST_DRAWS:
        return 0.0
    Z, n = draws.correct_Z.size, draws.policy_VN.shape[1]
    count_VZ = counts(draws.policy_VN, Z)
    log_ratio_VZ = class_log_ratios(draws.policy_VN, draws.log_ratio_VN, Z)
    reference_VZ = counts(draws.reference_VN, Z) / draws.reference_VN.shape[1]
    log_expected_VZ = log_of(reference_VZ * n / 2) + log_ratio_VZ
    weight_VZ = within(count_VZ.astype(float), log_expected_VZ >= np.log(EXPECTED))

    def centred(class_VN: IntArray) -> FloatArray:
        g_VZ = log_ratio_VZ + targets(class_VN, Z, declared[0]) / declared[1]
        return np.asarray(g_VZ - (weight_VZ * g_VZ).sum(axis=1, keepdims=True))

    def sharpened(class_VN: IntArray) -> FloatArray:
        return extrapolated(centred(class_VN), [centred(part) for part in halves(class_VN, rng)])

    products = [np.prod([sharpened(part) for part in halves(draws.policy_VN, rng)], axis=0) for _ in range(SPLITS)]
    variance_V = (weight_VZ * np.mean(products, axis=0)).sum(axis=1)
    largest_V = np.where(weight_VZ > 0, centred(draws.policy_VN), 0.0).max(axis=1)
    share_V = (count_VZ * (weight_VZ > 0)).sum(axis=1) / n
    return float((share_V * least_divergence(largest_V) * variance_V).mean())


def least_divergence(largest: FloatArray) -> FloatArray:
    """c(M) = log(M + e^{−M})/M², with E g + log E e^{−g} ≥ c(M) Var g wherever g − E g ≤ M; ½ at M = 0.

    For x ≥ −M, e^x ≥ 1 + x + κ x²/M² with κ = e^{−M} − 1 + M, so log E e^{−g+Eg} ≥ log(1 + κ Var/M²); and
    log(1 + y) ≥ y log(1 + κ)/κ up to κ, which y cannot exceed where |g − E g| ≤ M.
    """
    M = np.maximum(largest, 1e-3)
    return np.asarray(np.log1p(np.expm1(-M) + M) / M**2)


def class_log_ratios(class_VN: IntArray, log_ratio_VN: FloatArray, Z: int) -> FloatArray:
    """Log p(z)/p₀(z) = −log E[π₀/π | z] of the answers that the policy gave, 0 for the others."""
    V = len(class_VN)
    bins = (np.arange(V)[:, None] * Z + class_VN).ravel()
    log_inverse = marginalise(bins, -log_ratio_VN.ravel(), V * Z).reshape(V, Z)
    count_VZ = counts(class_VN, Z)
    return np.where(count_VZ > 0, np.log(np.maximum(count_VZ, 1)) - log_inverse, 0.0)


def targets(class_VN: IntArray, Z: int, objective: Objective) -> FloatArray:
    """The target u = ∇F at the shares (n_z + ½)/n, whose logarithm is nearly unbiased."""
    log_p_VZ = np.log((counts(class_VN, Z) + 0.5) / class_VN.shape[1])
    return objective.gradient(log_p_VZ, np.full(len(class_VN), 1 / len(class_VN)))


def extrapolated(whole: FloatArray, parts: Sequence[FloatArray]) -> FloatArray:
    """Twice the value at n samples less the mean of those at n/2, which lacks the part of its bias in 1/n."""
    return np.asarray(2 * whole - np.mean(parts, axis=0))


def halves(class_VN: IntArray, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Two random halves of every phrasing's samples; of an odd number one is left out."""
    shuffled = rng.permuted(class_VN, axis=1)
    half = class_VN.shape[1] // 2
    return shuffled[:, :half], shuffled[:, half : 2 * half]


def counts(class_VN: IntArray, Z: int) -> IntArray:
    """Samples of each class per phrasing, shape (V, Z)."""
    V = len(class_VN)
    return np.bincount((np.arange(V)[:, None] * Z + class_VN).ravel(), minlength=V * Z).reshape(V, Z)
