"""Newton's method on the answer marginals, for objectives without a closed form."""

from __future__ import annotations

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.games.game import Game
from alftbench.games.history import History
from alftbench.games.numerics import log_normalise, log_ratio

NEWTON_ROUNDS = 200
ROUNDING = 1e-14


def newton(game: Game, tolerance: float, start: FloatArray) -> tuple[FloatArray, History]:
    """Damped Newton steps until the gap is at rounding level, or no step improves it any more.

    Convergence is quadratic near the solution, so the loop runs past the tolerance: a gap of 1e-10 alone
    would leave an error of 1e-5 in the marginals.
    """
    log_p_PZ = start
    value, gap = game.value(log_p_PZ), game.gap(log_p_PZ)
    gaps, values = [gap], [value]
    goal = min(tolerance, ROUNDING * game.beta) / 10
    for _ in range(NEWTON_ROUNDS):
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
    allowed = value + ROUNDING * (abs(value) + game.beta)
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
