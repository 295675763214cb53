"""Linear constraints on the answer marginal: safety and fairness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from scipy.optimize import linprog, nnls

from alftbench.base.arrays import BoolArray, FloatArray
from alftbench.errors import BadInput, UsageError
from alftbench.games.numerics import kl, log_normalise, log_sum_exp, log_tilted
from alftbench.games.objectives.base import Objective

_FEASIBLE = 1e-9
_ROUNDS = 200
_RIDGE = 1e-13
_NEGLIGIBLE = 1e-27
_QUICK_ROUNDS = 20
_SETTLED = 1e-13
_LONGEST_STEP = 20.0


@dataclass(frozen=True, eq=False)
class Constraint(Objective):
    """A p_i ≤ b for every prompt: F is the indicator of the set.

    p* ∝ p0 exp(−Aᵀμ/β), where the multipliers μ ≥ 0 maximise the dual
    d(μ) = −β log Σ_z p0 exp(−(Aᵀμ)_z/β) − b·μ.

    Args:
        A_CZ: constraints by answers.
        b_C: bounds.

    Source: arXiv 2604.27166 (the game's Fenchel dual of an indicator).
    """

    A_CZ: FloatArray
    b_C: FloatArray
    name: ClassVar[str] = "constraint"
    differentiable: ClassVar[bool] = False
    _last: list[tuple[FloatArray, FloatArray]] = field(default_factory=list, init=False, repr=False)

    def value(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> float:
        """0 where A p ≤ b within rounding, else +inf."""
        scale = 1.0 + np.abs(self.b_C) + np.abs(self.A_CZ).max(axis=1)
        return 0.0 if np.all(self.slack(log_p_PZ) >= -_FEASIBLE * scale) else float("inf")

    def slack(self, log_p_PZ: FloatArray) -> FloatArray:
        """The slack b − A p for every prompt, shape (P, C)."""
        return self.b_C - np.exp(log_p_PZ) @ self.A_CZ.T

    def gradient(self, log_p_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """There is none: F is an indicator."""
        raise UsageError("constraint has no gradient; use --method exact, or no-regret with a wider --tolerance")

    def conjugate(self, u_PZ: FloatArray, possible_PZ: BoolArray, weights_P: FloatArray) -> float:
        """The largest ⟨u_i, p_i⟩ of a feasible p_i, per prompt: a linear programme each."""
        rows = zip(u_PZ, possible_PZ, strict=True)
        return float(weights_P @ [self._support(u_Z[possible_Z], possible_Z) for u_Z, possible_Z in rows])

    def _support(self, u_Z: FloatArray, possible_Z: BoolArray) -> float:
        """The bound Σ_c μ_c b_c + max_z (u − Aᵀμ)_z of the programme's multipliers: never below the maximum."""
        A, b, _ = _standardised(self.A_CZ[:, possible_Z], self.b_C)
        scale = max(float(np.abs(u_Z).max()), np.finfo(float).tiny)
        ones = np.ones((1, u_Z.size))
        best = linprog(-u_Z / scale, A_ub=A, b_ub=b, A_eq=ones, b_eq=[1.0], method="highs")
        mu_C = np.maximum(0.0, -np.asarray(best.ineqlin.marginals)) if best.status == 0 else np.zeros(b.size)
        return scale * float(mu_C @ b + (u_Z / scale - mu_C @ A).max())

    def best_target(
        self, log_p_PZ: FloatArray, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float
    ) -> FloatArray:
        """The u_i = Aᵀμ*_i of the equilibrium's multipliers."""
        return self.multipliers(log_p0_PZ, beta) @ self.A_CZ

    def policy(self, mu_PC: FloatArray, log_p0_PZ: FloatArray, beta: float) -> FloatArray:
        """The policy's best response p ∝ p0 exp(−Aᵀμ/β)."""
        return log_tilted(log_p0_PZ, -mu_PC @ self.A_CZ / beta)

    def multipliers(self, log_p0_PZ: FloatArray, beta: float) -> FloatArray:
        """The target's best strategy μ*, shape (P, C), in units of reward."""
        return beta * self._tilts(log_p0_PZ)

    def _tilts(self, log_p0_PZ: FloatArray) -> FloatArray:
        """ν = μ*/β, remembered for the reference it was asked for last: it takes longer than all the rest."""
        if not self._last or self._last[0][0] is not log_p0_PZ:
            nu_PC, settled_P = _quick_maxima(log_p0_PZ, self.A_CZ, self.b_C)
            for i in np.flatnonzero(~settled_P):
                nu_PC[i] = _dual_maximum(log_p0_PZ[i], self.A_CZ, self.b_C)
            self._last[:] = [(log_p0_PZ, nu_PC)]
        return self._last[0][1]

    def closed_form(self, log_p0_PZ: FloatArray, weights_P: FloatArray, beta: float) -> FloatArray:
        """p* ∝ p0 exp(−Aᵀμ*/β)."""
        return self.policy(self.multipliers(log_p0_PZ, beta), log_p0_PZ, beta)

    def restrict(self, log_p0_PZ: FloatArray, weights_P: FloatArray) -> FloatArray:
        """Forbid the answers that every feasible marginal gives probability zero.

        Raises:
            BadInput: the constraints are infeasible for some prompt.
        """
        nu_PC, settled_P = _quick_maxima(log_p0_PZ, self.A_CZ, self.b_C)
        if settled_P.all():
            self._last[:] = [(log_p0_PZ, nu_PC)]
            return log_p0_PZ
        rows = zip(log_p0_PZ, settled_P, strict=True)
        return np.stack([row if known else self._admissible(i, row) for i, (row, known) in enumerate(rows)])

    def _admissible(self, prompt: int, log_p0_Z: FloatArray) -> FloatArray:
        possible = log_p0_Z > -np.inf
        A = self.A_CZ[:, possible]
        reachable = None if _proven_infeasible(A, self.b_C) else _reachable(A, self.b_C)
        if reachable is None:
            raise BadInput(f"prompts[{prompt}]: no distribution over its answers satisfies A p <= b")
        admissible = np.full_like(log_p0_Z, -np.inf)
        kept = np.flatnonzero(possible)[reachable]
        admissible[kept] = log_p0_Z[kept]
        return admissible

    def gap(
        self,
        log_p_PZ: FloatArray,
        log_p0_PZ: FloatArray,
        weights_P: FloatArray,
        beta: float,
        mu_PC: FloatArray | None = None,
    ) -> float:
        """Duality gap, with the violation counted at its price and once more.

        Σ_i w_i [β KL(p_i‖p_{μ,i}) + μ_i·|b − A p_i| + max(0, max(A p_i − b))], zero at the equilibrium only:
        the first two terms are J(p) − d(μ) ≥ J(p) − J(p*) for a feasible p, and the last makes an infeasible
        p visible where its multiplier is zero.

        Args:
            log_p_PZ: the policies.
            log_p0_PZ: the references.
            weights_P: weights of the prompts.
            beta: strength of the KL anchor.
            mu_PC: the target's strategy; the best one if left out.
        """
        mu = self.multipliers(log_p0_PZ, beta) if mu_PC is None else mu_PC
        slack = self.slack(log_p_PZ)
        regret = beta * kl(log_p_PZ, self.policy(mu, log_p0_PZ, beta))
        complementarity = (mu * np.abs(slack)).sum(axis=1)
        return float(weights_P @ (regret + complementarity + np.maximum(0.0, -slack.min(axis=1))))


def _reachable(A_CZ: FloatArray, b_C: FloatArray) -> BoolArray | None:
    """Which answers some feasible p makes positive; None where there is no feasible p.

    maximise Σ t subject to 0 ≤ t ≤ 1, t ≤ v, A v ≤ s b, Σ v = s, s ≥ 1: v/s is a feasible point of largest
    support, and t is 1 exactly on that support.
    """
    C, Z = A_CZ.shape
    A, b, _ = _standardised(A_CZ, b_C)
    # Unknowns: t, then the excess v − t, then s.
    both = np.hstack([A, A, -b[:, None]])
    total = np.hstack([np.ones((1, 2 * Z)), [[-1.0]]])
    bounds = [(0.0, 1.0)] * Z + [(0.0, None)] * Z + [(1.0, None)]
    gain = np.r_[-np.ones(Z), np.zeros(Z + 1)]
    support = linprog(gain, A_ub=both, b_ub=np.zeros(C), A_eq=total, b_eq=[0.0], bounds=bounds, method="highs")
    return np.asarray(support.x)[:Z] > 0.5 if support.status == 0 else None


def _proven_infeasible(A_CZ: FloatArray, b_C: FloatArray) -> bool:
    """Whether every p breaks some row, standardised, by more than rounding.

    The multipliers y of the least violation, min_p max_c (A p − b)_c, prove it whatever the accuracy of the
    linear programme: for y ≥ 0 with Σy = 1 the violation is at least min_z (Aᵀy)_z − y·b.
    """
    C, Z = A_CZ.shape
    A, b, _ = _standardised(A_CZ, b_C)
    b = np.clip(b, -2.0, 2.0)  # Rows reach from −1 to 1: beyond, a bound only spoils the scale.
    least = linprog(
        np.r_[np.zeros(Z), 1.0],
        A_ub=np.hstack([A, -np.ones((C, 1))]),
        b_ub=b,
        A_eq=np.r_[np.ones(Z), 0.0][None, :],
        b_eq=[1.0],
        bounds=[(0.0, None)] * Z + [(None, None)],
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    y = np.maximum(0.0, -np.asarray(least.ineqlin.marginals))
    y /= y.sum()
    return bool((y @ A).min() - y @ b > _SETTLED)


def _quick_maxima(log_p0_PZ: FloatArray, A_CZ: FloatArray, b_C: FloatArray) -> tuple[FloatArray, BoolArray]:
    """`_dual_maximum` of all prompts at once, and for which of them it is found.

    Projected Newton without safeguards: multipliers at zero whose slope keeps them there are left out of the
    step. A maximum is a policy, feasible within rounding, that gives every answer: none has to be forbidden.
    """
    A, b, scale_C = _standardised(A_CZ, b_C)
    nu = np.zeros((len(log_p0_PZ), b.size))
    for _ in range(_QUICK_ROUNDS):
        tilted = log_p0_PZ - nu @ A
        p = np.exp(tilted - tilted.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        mean = p @ A.T
        slope = b - mean
        settled = np.abs(np.minimum(nu, slope)).max(axis=1) <= _SETTLED
        if settled.all():
            break
        covariance = (p[:, None, :] * A) @ A.T - mean[:, :, None] * mean[:, None, :]
        nu = np.maximum(0.0, nu + _projected_step(nu, slope, covariance))
    return nu / scale_C, settled


def _projected_step(nu_PC: FloatArray, slope_PC: FloatArray, covariance_PCC: FloatArray) -> FloatArray:
    """The Newton step of the multipliers that are not held at zero, not longer than what is of use."""
    free = (nu_PC > 0) | (slope_PC < 0)
    H = covariance_PCC * (free[:, :, None] & free[:, None, :])
    diagonal_PC = np.einsum("pcc->pc", H)
    ridge = _RIDGE * diagonal_PC.sum(axis=1, keepdims=True) + 1e-100
    diagonal_PC += np.where(free, ridge, 1.0)
    step_PC = np.linalg.solve(H, (-slope_PC * free)[:, :, None])[:, :, 0]
    return np.asarray(np.minimum(np.maximum(step_PC, -_LONGEST_STEP), _LONGEST_STEP))


def _dual_maximum(log_p0_Z: FloatArray, A_CZ: FloatArray, b_C: FloatArray) -> FloatArray:
    """ν = μ*/β ≥ 0 minimising φ(ν) = log Σ p0 exp(−Aᵀν) + b·ν.

    Sequential quadratic programming: each model is a non-negative least-squares problem, its Hessian the
    covariance of A under p; a line search on φ makes every step a descent.
    """
    kept = log_p0_Z > -np.inf
    log_p0 = log_p0_Z[kept]
    A, b, scale_C = _standardised(A_CZ[:, kept], b_C)
    nu = np.zeros(b.size)

    def phi(at: FloatArray) -> float:
        return float(log_sum_exp(log_p0 - at @ A) + b @ at)

    ridge = _RIDGE
    for _ in range(_ROUNDS):
        p = np.exp(log_normalise(log_p0 - nu @ A))
        slope = b - A @ p
        step = _model_minimum((A - (A @ p)[:, None]) * np.sqrt(p), slope, nu, ridge) - nu
        descent = float(slope @ step)
        length = _line_search(phi, nu, step, descent)
        nu = np.maximum(0.0, nu + length * step)
        # A policy close to one answer leaves the model flat and its minimum far away; the ridge helps.
        ridge = max(_RIDGE, ridge / 100) if length == 1.0 else ridge * 100
        if (length > 0 and descent > -_NEGLIGIBLE) or ridge > 1e6:
            break
    return nu / scale_C


def _standardised(A_CZ: FloatArray, b_C: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The same constraints with rows between −1 and 1: on a simplex a row may be shifted with its bound."""
    high, low = A_CZ.max(axis=1), A_CZ.min(axis=1)
    centre, scale = (high + low) / 2, np.where(high > low, (high - low) / 2, 1.0)
    return (A_CZ - centre[:, None]) / scale[:, None], (b_C - centre) / scale, scale


def _model_minimum(root_CZ: FloatArray, slope_C: FloatArray, nu_C: FloatArray, ridge: float) -> FloatArray:
    """The x ≥ 0 of least slope·(x − ν) + ½ (x − ν)ᵀ H (x − ν), H = root rootᵀ with a relative ridge."""
    H = root_CZ @ root_CZ.T
    L = np.linalg.cholesky(H + ridge * (np.trace(H) + 1e-100) * np.eye(nu_C.size))
    x, _ = nnls(L.T, L.T @ nu_C - np.linalg.solve(L, slope_C))
    return x


def _line_search(phi: Callable[[FloatArray], float], nu: FloatArray, step: FloatArray, descent: float) -> float:
    """The first of 1, ½, ¼ … that lowers φ by a share of the slope; 0 where rounding hides any descent."""
    start, length = phi(nu), 1.0
    rounding = 4 * np.finfo(float).eps * (1 + abs(start))
    while length > 1e-12:
        if phi(nu + length * step) <= start + 1e-4 * length * descent + rounding:
            return length
        length /= 2
    return 0.0
