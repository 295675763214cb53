"""Equilibria to rounding: a closed form where there is one, else a safeguarded Newton method."""

from __future__ import annotations

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.games.game import Game
from alftbench.games.numerics import log_normalise, log_ratio
from alftbench.games.objectives import Coherence, Consensus
from alftbench.games.solution import History, Solution, Status

_NEWTON_ROUNDS = 200
_COLLAPSE_ROUNDS = 20_000
_ROUNDING = 1e-14


def exact(game: Game, tolerance: float = 1e-9) -> Solution:
    """The equilibrium of a game, from its closed form or by Newton's method on the answer marginals.

    Every objective but a free consensus is convex, and for it the result is the one minimum. A free
    consensus with λ < β is solved as the coherence game it equals; with λ ≥ β it is not convex, and the
    stationary point reached from the reference is returned as a local solution.

    Args:
        game: what to solve.
        tolerance: on the Nash gap, in units of reward.

    Returns:
        The solution; `iterations` is 0 for a closed form.

    Raises:
        BadInput: no policy has a finite value.

    Source: arXiv 2604.27166; the Newton method is the structured one described in `_newton_direction`.
    """
    objective = game.objective
    start = objective.closed_form(game.log_admissible_PZ, game.weights_P, game.beta)
    if start is not None:
        gap, value = game.gap(start), game.value(start)
        return _result(game, start, gap, value, History((gap,), (value,)), tolerance)
    if isinstance(objective, Consensus):
        return _free_consensus(game, objective, tolerance)
    log_p_PZ, history = _newton(game, tolerance)
    return _result(game, log_p_PZ, history.gap_T[-1], history.value_T[-1], history, tolerance)


def _result(
    game: Game,
    log_p_PZ: FloatArray,
    gap: float,
    value: float,
    history: History,
    tolerance: float,
    success: Status = Status.CONVERGED,
    detail: str = "",
) -> Solution:
    steps = len(history.gap_T) - 1
    status = success
    if not gap <= tolerance:  # A NaN is no success either.
        status = Status.ITERATION_LIMIT if steps in (_NEWTON_ROUNDS, _COLLAPSE_ROUNDS) else Status.STALLED
    target = game.objective.target(log_p_PZ, game.weights_P)
    return Solution(game, "exact", status, log_p_PZ, target, value, gap, steps, history, detail=detail)


def _newton(game: Game, tolerance: float) -> tuple[FloatArray, History]:
    """Damped Newton steps until the gap is at rounding level, or no step improves it any more.

    Convergence is quadratic near the solution, so the loop runs past the tolerance: a gap of 1e-10 alone
    would leave an error of 1e-5 in the marginals.
    """
    log_p_PZ = game.objective.first_guess(game.log_admissible_PZ, game.weights_P, game.beta)
    value, gap = game.value(log_p_PZ), game.gap(log_p_PZ)
    gaps, values = [gap], [value]
    goal = min(tolerance, _ROUNDING * game.beta) / 10
    for _ in range(_NEWTON_ROUNDS):
        if gap <= goal:
            break
        candidate, value_then = _descend(game, log_p_PZ, value)
        gap_then = game.gap(candidate)
        if gap_then >= gap and (gap <= tolerance or value_then >= value):
            break
        log_p_PZ, value, gap = candidate, value_then, gap_then
        gaps.append(gap)
        values.append(value)
    return log_p_PZ, History(tuple(gaps), tuple(values))


def _descend(game: Game, log_p_PZ: FloatArray, value: float) -> tuple[FloatArray, float]:
    """A Newton step, shortened until J does not rise; no step where rounding hides any descent."""
    u_PZ = game.objective.gradient(log_p_PZ, game.weights_P)
    change = _newton_direction(game, log_p_PZ, u_PZ)
    allowed = value + _ROUNDING * (abs(value) + game.beta)
    length = 1.0
    while length > 1e-4:
        candidate = log_normalise(log_p_PZ + length * change)
        value_then = game.value(candidate)
        if value_then <= allowed:
            return candidate, value_then
        length /= 4
    return log_p_PZ, value


def _anchored_target(game: Game, log_p_PZ: FloatArray, u_PZ: FloatArray) -> FloatArray:
    """The anchored target a = β log(p/p0) + u, constant over a prompt's answers at the equilibrium."""
    with np.errstate(invalid="ignore"):
        a_PZ = game.beta * log_ratio(log_p_PZ, game.log_admissible_PZ) + u_PZ
    return np.where(np.exp(log_p_PZ) > 0, a_PZ, 0.0)


def _newton_direction(game: Game, log_p_PZ: FloatArray, u_PZ: FloatArray) -> FloatArray:
    """The Newton step on J over the product of simplices, as a change of log p.

    In the coordinates e = √(w p) d log p the Hessian is β I + C_z, one P×P block per answer, and
    Σ_z dp_i(z) = 0 reads Σ_z s_i e_i = 0 with s = √(p/w). So with R = (β I + C)⁻¹ the step is
    e = −R (√(w p) a + s ν), and ν solves a P×P system: O(Z P³) work, O(Z P²) memory.
    """
    weights_P = game.weights_P
    P = weights_P.size
    blocks = game.beta * np.eye(P) + game.objective.fisher_hessian(log_p_PZ, weights_P)
    R_ZPP = np.linalg.inv(blocks)
    p_ZP = np.exp(log_p_PZ.T)
    s_ZP = np.sqrt(p_ZP / weights_P)
    root_ZP = s_ZP * weights_P
    force_ZP = root_ZP * _anchored_target(game, log_p_PZ, u_PZ).T
    free_ZP = (R_ZPP @ force_ZP[:, :, None])[:, :, 0]
    coupling = np.einsum("zi,zij,zj->ij", s_ZP, R_ZPP, s_ZP)
    nu_P = np.linalg.solve(coupling, -(s_ZP * free_ZP).sum(axis=0))
    e_ZP = -free_ZP - (R_ZPP @ (s_ZP * nu_P)[:, :, None])[:, :, 0]
    change = np.divide(e_ZP, root_ZP, out=np.zeros_like(e_ZP), where=root_ZP > 0)
    return np.asarray(change.T)


def _free_consensus(game: Game, objective: Consensus, tolerance: float) -> Solution:
    """Below β the coherence game with anchor β − λ and references p0^{β/(β−λ)}; else collapse."""
    if objective.lambda_ < game.beta:
        anchor = game.beta - objective.lambda_
        sharpened = log_normalise(game.log_reference_PZ * (game.beta / anchor))
        coherence = Coherence(objective.lambda_)
        twin = Game.from_log_marginals(sharpened, coherence, anchor, game.weights_P, game.answers)
        inner = exact(twin, tolerance)
        detail = "The gap is that of the equal coherence game, which is convex because lambda < beta."
        log_p_PZ, gap = inner.log_p_PZ, inner.gap
        return _result(game, log_p_PZ, gap, game.value(log_p_PZ), inner.history, tolerance, detail=detail)
    return _collapse(game, tolerance)


def _collapse(game: Game, tolerance: float) -> Solution:
    """Linearise the concave part and solve, again and again: J falls at every round."""
    log_p_PZ = game.log_reference_PZ
    gaps, values = [game.gap(log_p_PZ)], [game.value(log_p_PZ)]
    goal = min(tolerance, _ROUNDING * game.beta)
    while gaps[-1] > goal and len(gaps) <= _COLLAPSE_ROUNDS:
        log_p_PZ = game.objective.respond(log_p_PZ, game.log_admissible_PZ, game.weights_P, game.beta)
        gaps.append(game.gap(log_p_PZ))
        values.append(game.value(log_p_PZ))
    history = History(tuple(gaps), tuple(values))
    detail = (
        "A free consensus with lambda >= beta collapses; freeze it for a well-posed game "
        '(in GAME.json: "target": "reference").'
    )
    return _result(game, log_p_PZ, gaps[-1], values[-1], history, tolerance, Status.LOCAL, detail)
