"""How far a trained model is from the equilibrium of its game: estimates from samples, one orbit at a time.

    classes of the policy's and the reference's samples, log π/π₀ of the policy's ─→ Figures, and their floor

Every figure is an estimate. KL is unbiased; trace drift is a lower bound in expectation; marginal error and Nash
gap take answer marginals from counts, which reads too high with few samples. The floor says how high: it is the
same figure for simulated samples of a policy that is at the equilibrium, the larger of two simulations: one with
as many samples as there are, one with three quarters, because simulation cannot draw the answers that nobody gave
and the first alone was measured up to 17 % too low.

Comparing two halves of the reference's samples, the plainer choice, is too low where the equilibrium is more
spread out than the reference, as diversity makes it, and knows nothing of the noise in the target u.

Source: arXiv 2604.27166 (game, chain rule); the estimators and the floor are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from alftbench.errors import BadInput
from alftbench.games import Game, Objective, marginalise, solve, total_variation
from alftbench.games.numerics import FloatArray, IntArray, log_of, log_sum_exp

ROUNDING = 1e-6  # nats; log-probabilities in float32 do not tell smaller divergences from zero
SIMULATED_SHARES = (1.0, 0.75)  # of the samples that there are
FIGURES = ("kl", "trace_drift", "marginal_error", "nash_gap")


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

    kl: KL(π‖π₀), nats per completion. trace_drift: the part of it that no change of answers explains, nats.
    marginal_error: total variation between the policy's answers and the equilibrium's. nash_gap: units of reward.
    """

    kl: float
    trace_drift: float
    marginal_error: float = np.nan
    nash_gap: float = np.nan


def estimate(draws: OrbitDraws, declared: tuple[Objective, float] | None) -> Figures:
    """The figures of an orbit; without a declared game only those that need none."""
    figures = Figures(
        kl=float(draws.log_ratio_VN.mean()),
        trace_drift=trace_drift(draws.policy_VN, draws.log_ratio_VN, draws.correct_Z.size),
    )
    game = sampled_game(draws, declared)
    if game is None:
        return figures
    return replace(figures, marginal_error=marginal_error(draws, game), nash_gap=nash_gap(draws, game))


def noise_floor(draws: OrbitDraws, declared: tuple[Objective, float] | None, rng: np.random.Generator) -> Figures:
    """What `estimate` reads on samples of a policy at the equilibrium of the game.

    KL is measured without knowing a game, so it is held against a policy that did not move.
    """
    game = sampled_game(draws, declared)
    if game is None:
        return Figures(ROUNDING, ROUNDING)
    log_p_VZ = equilibrium(game)
    if log_p_VZ is None:
        return Figures(ROUNDING, ROUNDING)
    simulated = [estimate(draws_at(draws, game, log_p_VZ, share, rng), declared) for share in SIMULATED_SHARES]
    return Figures(
        kl=ROUNDING,
        trace_drift=ROUNDING,
        marginal_error=float(np.max([figures.marginal_error for figures in simulated])),
        nash_gap=float(np.max([figures.nash_gap for figures in simulated])),
    )


def trace_drift(class_VN: IntArray, log_ratio_VN: FloatArray, Z: int) -> float:
    """Σ_z p(z) KL(π(·|z)‖π₀(·|z)) as the mean of log r + log E[1/r | z], r = π/π₀, over the samples y ~ π.

    Since p₀(z)/p(z) = E_{y~π(·|z)}[1/r], no marginal of the reference is needed, and where r depends on the
    answer alone, as at every equilibrium, the estimate is 0 whatever was drawn. It is never negative, and by
    Jensen's inequality its expectation does not exceed the truth: a class seen once contributes nothing.

    Source: arXiv 2604.27166 (chain rule); the estimator is derived here.
    """
    V = len(class_VN)
    bins = (np.arange(V)[:, None] * Z + class_VN).ravel()
    log_inverse = marginalise(bins, -log_ratio_VN.ravel(), V * Z)
    n_B = np.bincount(bins, minlength=V * Z)
    seen = n_B > 0
    explained = n_B[seen] * (log_inverse[seen] - np.log(n_B[seen]))
    return max(0.0, float(log_ratio_VN.sum() + explained.sum()) / class_VN.size)


def marginal_error(draws: OrbitDraws, game: Game) -> float:
    """Mean over phrasings of the total variation between the shares of answers and the equilibrium's p*."""
    log_p_VZ = equilibrium(game)
    if log_p_VZ is None:
        return np.nan
    shares_VZ = counts(draws.policy_VN, draws.correct_Z.size) / draws.policy_VN.shape[1]
    return float(total_variation(log_of(shares_VZ), log_p_VZ).mean())


def nash_gap(draws: OrbitDraws, game: Game) -> float:
    """The mean of β log r + u(z), plus β log Σ_z p₀(z) e^{−u(z)/β}: β KL(π‖π_u) at u = ∇F(p̂).

    p̂ and p₀ are smoothed shares; noise may push the estimate below 0.

    Source: arXiv 2604.27166 (best responses).
    """
    if not game.objective.differentiable:
        return np.nan
    log_p_VZ = log_shares(draws.policy_VN, draws.correct_Z.size)
    u_VZ = game.objective.gradient(log_p_VZ, game.weights_P)
    u_VN = np.take_along_axis(u_VZ, draws.policy_VN, axis=1)
    response_V = log_sum_exp(game.log_reference_PZ - u_VZ / game.beta)
    return float((game.beta * draws.log_ratio_VN + u_VN).mean()) + game.beta * float(response_V.mean())


def sampled_game(draws: OrbitDraws, declared: tuple[Objective, float] | None) -> Game | None:
    """The declared game on the reference's sampled marginals."""
    if declared is None:
        return None
    objective, beta = declared
    return Game.from_log_marginals(log_shares(draws.reference_VN, draws.correct_Z.size), objective, beta)


def equilibrium(game: Game) -> FloatArray | None:
    """The game's log p*, or its local solution; None where the solver found neither."""
    try:
        solution = solve(game)
    except BadInput:
        return None
    return solution.log_p_PZ if solution.converged else None


def draws_at(
    draws: OrbitDraws, game: Game, log_p_VZ: FloatArray, share: float, rng: np.random.Generator
) -> OrbitDraws:
    """A share as many samples, of a policy with answers p and the reference's traces given the answer."""
    log_p0_VZ = game.log_reference_PZ
    policy_VN = sample(log_p_VZ, max(1, int(share * draws.policy_VN.shape[1])), rng)
    return OrbitDraws(
        policy_VN=policy_VN,
        reference_VN=sample(log_p0_VZ, max(1, int(share * draws.reference_VN.shape[1])), rng),
        log_ratio_VN=np.take_along_axis(log_p_VZ - log_p0_VZ, policy_VN, axis=1),
        correct_Z=draws.correct_Z,
    )


def sample(log_p_VZ: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
    """N draws from every row, shape (V, n)."""
    cumulative_VZ = np.exp(log_p_VZ).cumsum(axis=1)
    uniforms_VN = rng.random((len(log_p_VZ), n)) * cumulative_VZ[:, -1:]
    return np.asarray((uniforms_VN[:, :, None] >= cumulative_VZ[:, None, :]).sum(axis=-1))


def counts(class_VN: IntArray, Z: int) -> IntArray:
    """Samples of each class per phrasing, shape (V, Z)."""
    return np.asarray((class_VN[:, :, None] == np.arange(Z)).sum(axis=1))


def log_shares(class_VN: IntArray, Z: int) -> FloatArray:
    """The log of (n_z + 1/Z)/(N + 1): one pseudo-sample spread over the classes seen by policy or reference.

    Without it an answer that one of the two never gave would make every divergence infinite.
    """
    return np.asarray(np.log((counts(class_VN, Z) + 1 / Z) / (class_VN.shape[1] + 1)))
