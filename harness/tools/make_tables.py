"""Compute the tables of polynomial log-probability estimators: `python harness/tools/make_tables.py`.

With K samples the count of a sampled answer, less the sample itself, is N ~ Bin(K−1, p). An estimator is a
table g_0..g_{K−1}; its expectation is a polynomial B g(p) = Σ_n g_n Bin(n; K−1, p), and its weighted bias
p·(B g(p) − log p) is the error of a polynomial of degree K that approximates p log p. Two facts follow.

* The smallest sup-norm bias is a best-approximation problem: Remez exchange in the Chebyshev basis solves it
  to nine digits, and the alternation gives a certified lower bound (de la Vallée-Poussin).
* The variance is another matter: Bernstein coefficients of the best polynomial grow exponentially in K. So
  each table has the least mean squared error among those whose bias is within a factor of the optimum.

Each table is then evaluated on a grid finer than the one it was solved on; those figures are its certificate.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from interior_point import least_norm_in_tube
from numpy.polynomial import chebyshev
from scipy.special import xlogy

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.games.estimators import LARGEST_K, SMALLEST_K, TABLE_PATH, bernstein

SOLVE_POINTS_PER_SAMPLE = 16
CERTIFY_POINTS_PER_SAMPLE = 100
DECIMALS = 10
EXCHANGES = 50  # allowed; four suffice for every K up to 128
# A table entry above 1e8 would lose more to rounding than the bias it saves.
LARGEST_ENTRY = 1e8
# The smallest sup p·Var that a training signal can live with: about what K = 4 has at twice the optimal bias.
LARGEST_VARIANCE = 0.5
MINIMAX_FACTORS = (1.005, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.52, 1.7, 1.85, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5, 4.0)
VARIANCE_FACTORS = tuple(round(2 * 1.05**k, 3) for k in range(45))


def arcsine_grid(points: int) -> FloatArray:
    """Probabilities in (0, 1], crowded at both ends as the extrema of polynomials are."""
    angle = (np.arange(points) + 0.5) * np.pi / points
    return np.append(np.sin(angle / 2) ** 2, 1.0)


def optimal_bias(K: int) -> tuple[float, float]:
    """Bounds on the least weighted bias any estimator from K samples can have.

    E_K = min_g sup_p |p B g(p) − p log p|, by Remez exchange on K + 1 alternation points.

    Args:
        K: samples per group, at least 2.

    Returns:
        (lower, upper): the smallest and largest error at the alternation; they agree to 1e-9 relative.

    Source: E. Remez 1934; de la Vallée-Poussin's lower bound. E_K K² tends to 0.325.
    """
    fine = arcsine_grid(60 * K)
    basis, goal = _anchored_chebyshev(fine, K), xlogy(fine, fine)
    at = np.sin((np.arange(K + 1) + 0.7) / (K + 0.7) * np.pi / 2) ** 2
    lower, upper = 0.0, np.inf
    for _ in range(EXCHANGES):
        alternation = np.column_stack([_anchored_chebyshev(at, K), (-1.0) ** np.arange(K + 1)])
        # Dividing each row by p keeps the rows near p = 0 from vanishing.
        solution = np.linalg.solve(alternation / at[:, None], xlogy(at, at) / at)
        error = basis @ solution[:-1] - goal
        peaks = _alternating_peaks(error, K + 1)
        lower, upper = float(np.abs(error[peaks]).min()), float(np.abs(error).max())
        if upper <= lower * (1 + 1e-9):
            break
        at = fine[peaks]
    return lower, upper


def _anchored_chebyshev(p_N: FloatArray, K: int) -> FloatArray:
    """The basis p T_j(2p − 1), j < K: every polynomial of degree K that vanishes at 0."""
    return p_N[:, None] * chebyshev.chebvander(2 * p_N - 1, K - 1)


def _alternating_peaks(error: FloatArray, wanted: int) -> IntArray:
    """Indices of the largest error in each run of one sign; of too many, the weaker end is dropped."""
    turns = np.flatnonzero(np.diff(np.sign(error))) + 1
    runs = np.split(np.arange(error.size), turns)
    peaks = [run[np.abs(error[run]).argmax()] for run in runs]
    while len(peaks) > wanted:
        del peaks[0 if abs(error[peaks[0]]) < abs(error[peaks[-1]]) else -1]
    return np.array(peaks)


def bounded_bias_table(K: int, limit: float) -> FloatArray:
    """The table of least mean squared error whose weighted bias stays under a limit.

    min_g Σ_p p E[(g_N − log p)²] subject to |p B g(p) − p log p| ≤ limit for p on an arcsine grid. The
    objective is separable, Σ_n D_n (g_n − c_n)², so in the unknown √D (g − c) this is a least-norm problem.

    Args:
        K: samples per group.
        limit: the bound on the weighted bias, in nats.

    Returns:
        g, shape (K,), in nats.

    Source: the augmented program of arXiv 2605.02435.
    """
    p = arcsine_grid(SOLVE_POINTS_PER_SAMPLE * K)
    weighted = p[:, None] * bernstein(K, p)
    density = weighted.mean(axis=0)
    centre = (weighted * np.log(p)[:, None]).mean(axis=0) / density
    unit = 1 / np.sqrt(density)
    offset = least_norm_in_tube(weighted * unit / limit, (xlogy(p, p) - weighted @ centre) / limit, scale=1e3)
    return np.asarray(centre + offset * unit)


def certify(table: FloatArray, K: int, lower: float) -> dict[str, float]:
    """Weighted bias and variance of a table on a grid finer than it was solved on."""
    p = arcsine_grid(CERTIFY_POINTS_PER_SAMPLE * K)
    chance = bernstein(K, p)
    mean = chance @ table
    bias = float(np.abs(p * mean - xlogy(p, p)).max())
    centred = chance @ table**2 - mean**2
    return {
        "bias": bias,
        "variance": float((p * centred).max()),
        "optimal_bias": lower,
        "largest_entry": float(np.abs(table).max()),
        "rounding": float((p * (chance @ np.abs(table))).max() * K * np.finfo(float).eps),
        "points": p.size,
    }


def make_entry(K: int, factors: Sequence[float], largest: dict[str, float]) -> tuple[dict[str, object], float]:
    """The first table, over rising bias limits, that keeps its limit and the given bounds.

    Args:
        K: samples per group.
        factors: bias limits to try, as multiples of the optimum, in rising order.
        largest: upper bounds on entries of the certificate.

    Returns:
        The entry {"table", "certificate"} and the factor it was made with.

    Raises:
        ArithmeticError: if no limit gives an acceptable table.
    """
    lower, upper = optimal_bias(K)
    for factor in factors:
        table = np.round(bounded_bias_table(K, factor * upper), DECIMALS)
        certificate = certify(table, K, lower)
        kept = certificate["bias"] <= 1.01 * factor * upper
        if kept and all(certificate[name] <= bound for name, bound in largest.items()):
            rounded = {name: float(f"{value:.6g}") for name, value in certificate.items()}
            return {"table": table.tolist(), "certificate": rounded | {"factor": factor}}, factor
    raise ArithmeticError(f"no table for K = {K} within {factors[-1]} times the optimal bias")


def make_tables() -> dict[str, dict[str, object]]:
    """Both families of tables for every K, each entry with its certificate."""
    wanted: dict[str, tuple[tuple[float, ...], dict[str, float]]] = {
        "minimax": (MINIMAX_FACTORS, {"largest_entry": LARGEST_ENTRY}),
        "variance-optimal": (VARIANCE_FACTORS, {"variance": LARGEST_VARIANCE}),
    }
    tables: dict[str, dict[str, object]] = {name: {} for name in wanted}
    for name, (factors, largest) in wanted.items():
        reached = factors[0]
        for K in range(SMALLEST_K, LARGEST_K + 1):
            # The factor needed rises with K, so the search resumes where the last one ended.
            remaining = [factor for factor in factors if factor >= reached]
            tables[name][str(K)], reached = make_entry(K, remaining, largest)
    return tables


def main(path: Path = TABLE_PATH) -> None:
    """Write the tables, one line per K."""
    families = []
    for name, entries in make_tables().items():
        lines = [f'  "{K}": {json.dumps(entry, separators=(",", ":"))}' for K, entry in entries.items()]
        families.append(f'"{name}": {{\n' + ",\n".join(lines) + "\n}")
    path.write_text("{\n" + ",\n".join(families) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
