"""A dense interior-point method for the one quadratic program the estimator tables need.

It works on a QR factor, so errors grow with the condition of G and not with its square. A general solver does not
reach far enough: on the minimax tables G has a condition of 2e9 at K = 32 and 6e15 at K = 64. There Clarabel 0.11,
which factors the KKT matrix, ends in numerical errors 7 % and 63 % above the bias limit at the best of the
settings tried (scales, regularisation, equilibration, a QR form), where this method keeps it. Where G is
conditioned well, both agree (tests/games).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alftbench.base.arrays import FloatArray

_BACK_OFF = 0.995
_STEPS = 100  # at most; the caller checks the result against the constraints


@dataclass(frozen=True)
class _Iterate:
    """Primal point x, slacks s ≥ 0 and multipliers z ≥ 0; row 0 of s, z is Gx − r ≤ 1, row 1 is ≥ −1."""

    x: FloatArray
    s: FloatArray
    z: FloatArray


def least_norm_in_tube(tube_NK: FloatArray, centre_N: FloatArray, *, scale: float = 1.0) -> FloatArray:
    """The shortest vector whose image stays within 1 of a centre.

    minimise ½‖x‖² subject to |G x − r| ≤ 1 in every coordinate.

    Mehrotra's predictor–corrector method; each step is a least-squares problem solved by QR, so that the
    normal equations are never formed. Solutions of size 1e7 need a `scale` of 1e3 or more.

    Args:
        tube_NK: G, constraints by unknowns.
        centre_N: r.
        scale: the unit in which x is measured during the solve.

    Returns:
        x, shape (K,).

    Source: S. Mehrotra, On the implementation of a primal-dual interior point method, SIAM J. Optim. 1992.
    """
    G = scale * tube_NK
    N, K = G.shape
    start = np.maximum(np.stack([1 + centre_N, 1 - centre_N]), 1.0)
    at = _Iterate(np.zeros(K), start, np.ones((2, N)))
    for _ in range(_STEPS):
        if _solved(G, centre_N, at):
            break
        at = _step(G, centre_N, at)
    return scale * at.x


def _residuals(G: FloatArray, r: FloatArray, at: _Iterate) -> tuple[FloatArray, FloatArray, float]:
    """Primal residual (2, N), dual residual (K,) and the mean complementarity product."""
    image = G @ at.x - r
    primal = np.stack([image, -image]) + at.s - 1.0
    dual = at.x + G.T @ (at.z[0] - at.z[1])
    return primal, dual, float((at.s * at.z).mean())


def _solved(G: FloatArray, r: FloatArray, at: _Iterate, tolerance: float = 1e-9) -> bool:
    primal, dual, product = _residuals(G, r, at)
    size = 1.0 + float(np.abs(at.x).max())
    return bool(
        np.abs(primal).max() < tolerance
        and np.abs(dual).max() < tolerance * size
        and product * at.s.size < tolerance * size**2
    )


def _step(G: FloatArray, r: FloatArray, at: _Iterate) -> _Iterate:
    """One predictor–corrector step."""
    primal, dual, product = _residuals(G, r, at)
    weight_N = np.sqrt((at.z / at.s).sum(axis=0))
    Q, R = np.linalg.qr(np.vstack([np.eye(G.shape[1]), weight_N[:, None] * G]))

    def direction(complementarity: FloatArray) -> _Iterate:
        """Solve dx + Gᵀdz = −dual, ±G dx + ds = −primal, s dz + z ds = −complementarity."""
        force = (at.z * primal - complementarity) / at.s
        dx = np.linalg.solve(R, Q.T @ np.concatenate([-dual, -(force[0] - force[1]) / weight_N]))
        image = G @ dx
        ds = -primal - np.stack([image, -image])
        return _Iterate(dx, ds, (-complementarity - at.z * ds) / at.s)

    guess = direction(at.s * at.z)
    ahead_s = at.s + _reach(at.s, guess.s) * guess.s
    ahead_z = at.z + _reach(at.z, guess.z) * guess.z
    centring = float((ahead_s * ahead_z).mean() / product) ** 3
    move = direction(at.s * at.z + guess.s * guess.z - centring * product)
    s_step, z_step = _reach(at.s, move.s), _reach(at.z, move.z)
    return _Iterate(at.x + s_step * move.x, at.s + s_step * move.s, at.z + z_step * move.z)


def _reach(value: FloatArray, change: FloatArray) -> float:
    """The longest step, at most 1, that keeps a positive vector positive."""
    falling = change < 0
    if not falling.any():
        return 1.0
    return min(1.0, _BACK_OFF * float((-value[falling] / change[falling]).min()))
