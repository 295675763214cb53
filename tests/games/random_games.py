"""Random games: every size, four orders of magnitude of β and λ, half of the answers impossible."""

from __future__ import annotations

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
from alftbench.games.objectives import distribution

CONVEX = (
    "correctness",
    "diversity",
    "diversity+correctness",
    "quadratic_diversity",
    "tsallis_0.5",
    "tsallis_1.5",
    "tsallis_3",
    "target_matching",
    "beta_-0.5",
    "beta_0.5",
    "beta_2",
    "constraint",
    "coherence",
    "hard_coherence",
    "frozen_consensus",
    "pairwise_coherence",
)
NEED_A_COMMON_ANSWER = ("hard_coherence", "pairwise_coherence")


def random_game(kind: str, seed: int, *, most_answers: int = 50, span: float = 2.0) -> Game:
    """A game of a kind; `span` is how many orders of magnitude β and λ reach either side of 1."""
    rng = np.random.default_rng(seed)
    P, Z = int(rng.integers(1, 9)), int(rng.integers(2, most_answers + 1))
    beta, lambda_ = 10 ** rng.uniform(-span, span, size=2)
    return game_of(kind, rng, P, Z, float(beta), float(lambda_))


def game_of(kind: str, rng: np.random.Generator, P: int, Z: int, beta: float, lambda_: float) -> Game:
    """A game of given size and strengths."""
    p0_PZ = random_marginals(rng, P, Z)
    if kind in NEED_A_COMMON_ANSWER:
        p0_PZ[:, rng.integers(Z)] += 0.3
    objective = _objective(kind, rng, p0_PZ, lambda_)
    return Game.from_marginals(p0_PZ, objective, beta, rng.uniform(0.2, 1.0, size=P))


def random_marginals(rng: np.random.Generator, P: int, Z: int) -> FloatArray:
    """Marginals over two orders of magnitude; each prompt may give one answer and half of the others."""
    p = 10 ** rng.uniform(-2, 0, size=(P, Z))
    p[rng.random((P, Z)) < 0.5] = 0.0
    p[np.arange(P), rng.integers(Z, size=P)] += 0.1
    return p / p.sum(axis=1, keepdims=True)


def overlapping_marginals(rng: np.random.Generator, P: int, Z: int) -> FloatArray:
    """Marginals without zeros."""
    p = random_marginals(rng, P, Z) + 0.01
    return p / p.sum(axis=1, keepdims=True)


def _objective(kind: str, rng: np.random.Generator, p0_PZ: FloatArray, lambda_: float) -> Objective:
    Z = p0_PZ.shape[1]
    family, _, number = kind.partition("_")
    if family == "beta":
        return BetaDivergence(lambda_, float(number), _target(rng, p0_PZ))
    bonus = (rng.random(Z) < 0.3).astype(float)
    if family == "tsallis":
        return TsallisDiversity(lambda_, float(number), bonus)
    builders = {
        "correctness": lambda: Correctness(bonus),
        "diversity": lambda: Diversity(lambda_, np.zeros(Z)),
        "diversity+correctness": lambda: Diversity(lambda_, bonus),
        "quadratic_diversity": lambda: QuadraticDiversity(lambda_, bonus),
        "target_matching": lambda: TargetMatching(lambda_, _target(rng, p0_PZ)),
        "constraint": lambda: _constraint(rng, p0_PZ),
        "coherence": lambda: Coherence(lambda_),
        "hard_coherence": HardCoherence,
        "frozen_consensus": lambda: Consensus(lambda_, _target(rng, p0_PZ)),
        "free_consensus": lambda: Consensus(lambda_),
        "pairwise_coherence": lambda: PairwiseCoherence(lambda_),
    }
    return builders[kind]()


def _target(rng: np.random.Generator, p0_PZ: FloatArray) -> FloatArray:
    """A random distribution with half its answers impossible that leaves every prompt an answer."""
    q = random_marginals(rng, 1, p0_PZ.shape[1])[0]
    q[p0_PZ.argmax(axis=1)] += 1e-3
    return distribution(q)


def _constraint(rng: np.random.Generator, p0_PZ: FloatArray) -> Constraint:
    """Up to four half-spaces around a point that each prompt can reach, some of them binding."""
    A = rng.normal(size=(int(rng.integers(1, 5)), p0_PZ.shape[1]))
    reached = (p0_PZ > 0) / (p0_PZ > 0).sum(axis=1, keepdims=True)
    return Constraint(A, (reached @ A.T).max(axis=0) + rng.uniform(0.01, 0.3, size=A.shape[0]))
