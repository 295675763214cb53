"""The independent judge: the same games handed to a general convex solver, knowing nothing of equilibria."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.games import (
    BetaDivergence,
    Coherence,
    Consensus,
    Constraint,
    Correctness,
    Diversity,
    Game,
    HardCoherence,
    Objective,
    PairwiseCoherence,
    QuadraticDiversity,
    TargetMatching,
    TsallisDiversity,
)
from alftbench.games.numerics import kl, log_of


@dataclass(frozen=True)
class Minimum:
    """What Clarabel found: J and the policies, and whether it vouches for them."""

    value: float
    log_p_PZ: FloatArray
    accurate: bool


def unit(game: Game) -> float:
    """The unit in which Clarabel sees a game; its accuracy is relative to that."""
    return max(game.beta, float(getattr(game.objective, "lambda_", 0.0)))


def minimum(game: Game) -> Minimum:
    """The game's minimum by Clarabel, with J by this package's own formula at Clarabel's policies."""
    p = cp.Variable(game.log_reference_PZ.shape)
    cost, rules = _game(game, p)
    problem = cp.Problem(cp.Minimize(cost / unit(game)), rules)
    _solve(problem)
    log_p_PZ = log_of(_cleaned(game, p.value))
    value = game.value(log_p_PZ)
    if isinstance(game.objective, Constraint):
        # Clarabel's policies miss a constraint by its accuracy, where our J is infinite.
        value = game.beta * float(game.weights_P @ kl(log_p_PZ, game.log_reference_PZ))
    return Minimum(value, log_p_PZ, problem.status == cp.OPTIMAL)


def _solve(problem: cp.Problem) -> None:
    """By Clarabel; cvxpy puts its policies into its own formulas, where −1e-12 has no root and no logarithm."""
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        problem.solve(solver=cp.CLARABEL)


def conjugate(game: Game, u_PZ: FloatArray) -> float:
    """F*(u) by Clarabel: the largest Σ_i w_i ⟨u_i, p_i⟩ − F(p)."""
    p = cp.Variable(game.log_reference_PZ.shape)
    possible = np.isfinite(game.log_admissible_PZ)
    cost, rules = _objective(game, p, possible)
    gain = cp.sum(cp.multiply(game.weights_P[:, None] * u_PZ, p))
    scale = max(1.0, float(np.abs(u_PZ).max()), float(getattr(game.objective, "lambda_", 0.0)))
    problem = cp.Problem(cp.Maximize((gain - cost) / scale), [*_simplex(game, p), p[possible] >= 0, *rules])
    _solve(problem)
    # The solver's own optimum: `problem.value` is F at its policies, and an answer at −1e-10 has no entropy.
    return scale * float(problem.solution.opt_val)


def nearest_agreement(game: Game) -> float:
    """The least β Σ_i w_i KL(π_i‖π0_i) by Clarabel over policies on traces with equal answer marginals."""
    pis = [cp.Variable(x.log_prob_Y.size, nonneg=True) for x in game.prompts]
    sums = [np.eye(len(game.answers))[x.answer_Y].T @ pi for x, pi in zip(game.prompts, pis, strict=True)]
    rows = zip(game.weights_P, pis, game.prompts, strict=True)
    cost = sum(w * cp.sum(cp.rel_entr(pi, np.exp(x.log_prob_Y))) for w, pi, x in rows)
    rules = [cp.sum(pi) == 1 for pi in pis] + [one == sums[0] for one in sums[1:]]
    problem = cp.Problem(cp.Minimize(cost), rules)
    problem.solve(solver=cp.CLARABEL)
    return game.beta * float(problem.value)


def _cleaned(game: Game, p_PZ: FloatArray) -> FloatArray:
    """The solver's policies without rounding: no negative entries, and sums of one."""
    p = np.where(np.isneginf(game.log_admissible_PZ), 0.0, np.maximum(p_PZ, 0.0))
    p /= p.sum(axis=1, keepdims=True)
    if isinstance(game.objective, HardCoherence):
        p[:] = game.weights_P @ p
    return p


def _game(game: Game, p: cp.Variable) -> tuple[cp.Expression, list[cp.Constraint]]:
    P = p.shape[0]
    w, p0 = game.weights_P, np.exp(game.log_reference_PZ)
    possible = np.isfinite(game.log_admissible_PZ)
    rules = _simplex(game, p)
    cost: cp.Expression = cp.Constant(0.0)
    for i in range(P):
        allowed = np.flatnonzero(possible[i])
        cost += w[i] * game.beta * cp.sum(cp.rel_entr(p[i, allowed], p0[i, allowed]))
    extra, more = _objective(game, p, possible)
    return cost + extra, rules + more


def _simplex(game: Game, p: cp.Variable) -> list[cp.Constraint]:
    """Distributions on the possible answers."""
    possible = np.isfinite(game.log_admissible_PZ)
    rules: list[cp.Constraint] = [cp.sum(p, axis=1) == 1]
    if not possible.all():
        rules.append(p[~possible] == 0)
    return rules


def _objective(game: Game, p: cp.Variable, possible: np.ndarray) -> tuple[cp.Expression, list[cp.Constraint]]:
    F, w = game.objective, game.weights_P
    match F:
        case Constraint():
            return cp.Constant(0.0), [p @ F.A_CZ.T <= np.tile(F.b_C, (p.shape[0], 1))]
        case HardCoherence():
            return cp.Constant(0.0), [p[i] == p[0] for i in range(1, p.shape[0])]
        case Coherence() | PairwiseCoherence():
            return F.lambda_ * _coupling(F, p, w, possible), []
    return _separate(F, p, w, possible), []


def _separate(F: Objective, p: cp.Variable, w: FloatArray, possible: np.ndarray) -> cp.Expression:
    """Objectives that are an average over prompts."""
    match F:
        case Correctness():
            return -w @ p @ F.bonus_Z
        case Diversity():
            return -F.lambda_ * (w @ cp.sum(cp.entr(p), axis=1)) - w @ p @ F.bonus_Z
        case QuadraticDiversity():
            return F.lambda_ / 2 * (w @ cp.sum(cp.square(p), axis=1)) - w @ p @ F.bonus_Z
        case TsallisDiversity():
            powers = w @ cp.sum(cp.power(p, F.alpha), axis=1)
            return F.lambda_ / (F.alpha - 1) * (powers - 1) - w @ p @ F.bonus_Z
        case BetaDivergence():
            return F.lambda_ * sum(w[i] * _of_target(F, p[i], m) for i, m in enumerate(possible))
        case TargetMatching():
            q = np.exp(F.log_q_Z)
            return F.lambda_ * sum(w[i] * cp.sum(cp.rel_entr(p[i, m], q[m])) for i, m in enumerate(possible))
        case Consensus():
            assert F.log_q_Z is not None
            return -F.lambda_ * (w @ p @ np.where(np.isfinite(F.log_q_Z), F.log_q_Z, 0.0))
    raise TypeError(f"no convex problem is written here for {F.name}")


def _of_target(F: BetaDivergence, p: cp.Variable, possible: np.ndarray) -> cp.Expression:
    """D_b(p‖q) of one prompt with all of q, b ≠ 0."""
    q = np.exp(F.log_q_Z)
    rest = float((q[~possible] ** (1 + F.order)).sum()) / (1 + F.order)
    return density_power(p[np.flatnonzero(possible)], q[possible], F.order) + rest


def density_power(p: cp.Expression, q: FloatArray, b: float) -> cp.Expression:
    """D_b(p‖q) from its definition, b ≠ 0."""
    fixed = float((q ** (1 + b)).sum()) / (1 + b)
    return cp.sum(cp.power(p, 1 + b)) / (b * (1 + b)) - p @ q**b / b + fixed


def assert_minimum(cost: cp.Expression, rules: list[cp.Constraint], p: cp.Variable, at: FloatArray) -> None:
    """The cost at a point is Clarabel's minimum, to 1e-6, and the point keeps the rules."""
    problem = cp.Problem(cp.Minimize(cost), rules)
    _solve(problem)
    least = float(problem.solution.opt_val)
    p.value = at
    assert abs(float(cost.value) - least) <= 1e-6 * max(1.0, abs(least))
    assert all(rule.violation().max() <= 1e-12 for rule in rules)


def _coupling(F: Objective, p: cp.Variable, w: FloatArray, possible: np.ndarray) -> cp.Expression:
    """The divergence that ties the prompts together."""
    if isinstance(F, Coherence):
        q = w @ p
        return sum(w[i] * cp.sum(cp.rel_entr(p[i, m], q[m])) for i, m in enumerate(possible))
    shared = np.flatnonzero(possible[0])
    prompts = range(p.shape[0])
    pairs = [(i, j) for i in prompts for j in prompts if i != j]
    terms = (w[i] * w[j] * cp.sum(cp.rel_entr(p[i, shared], p[j, shared])) for i, j in pairs)
    return sum(terms, cp.Constant(0.0))
