"""Random games: every size, four orders of magnitude of β and λ, answers that some prompts cannot give."""

from __future__ import annotations

import numpy as np

from alftbench.games import (
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
)
from alftbench.games.numerics import FloatArray
from alftbench.games.objectives import distribution

CONVEX = (
    "correctness",
    "diversity",
    "diversity+correctness",
    "quadratic_diversity",
    "target_matching",
    "constraint",
    "coherence",
    "hard_coherence",
    "frozen_consensus",
    "pairwise_coherence",
)


def random_game(kind: str, seed: int, *, most_answers: int = 50, span: float = 2.0) -> Game:
    """A game of a kind; `span` is how many orders of magnitude β and λ reach either side of 1."""
    rng = np.random.default_rng(seed)
    P, Z = int(rng.integers(1, 9)), int(rng.integers(2, most_answers + 1))
    beta, lambda_ = 10 ** rng.uniform(-span, span, size=2)
    p0_PZ = random_marginals(rng, P, Z)
    objective = _objective(kind, rng, p0_PZ, float(lambda_))
    return Game.from_marginals(p0_PZ, objective, float(beta), rng.uniform(0.2, 1.0, size=P))


def random_marginals(rng: np.random.Generator, P: int, Z: int) -> FloatArray:
    """Marginals over two orders of magnitude with a fifth of the answers impossible, one possible for all."""
    p = 10 ** rng.uniform(-2, 0, size=(P, Z))
    p[rng.random((P, Z)) < 0.2] = 0.0
    p[:, rng.integers(Z)] = 0.3
    return p / p.sum(axis=1, keepdims=True)


def _objective(kind: str, rng: np.random.Generator, p0_PZ: FloatArray, lambda_: float) -> Objective:
    Z = p0_PZ.shape[1]
    bonus = (rng.random(Z) < 0.3).astype(float)
    q = random_marginals(rng, 1, Z)[0]
    shared = (p0_PZ > 0).all(axis=0)
    q[shared] = np.maximum(q[shared], 1e-3)
    builders = {
        "correctness": lambda: Correctness(bonus),
        "diversity": lambda: Diversity(lambda_, np.zeros(Z)),
        "diversity+correctness": lambda: Diversity(lambda_, bonus),
        "quadratic_diversity": lambda: QuadraticDiversity(lambda_, bonus),
        "target_matching": lambda: TargetMatching(lambda_, distribution(q)),
        "constraint": lambda: _constraint(rng, p0_PZ),
        "coherence": lambda: Coherence(lambda_),
        "hard_coherence": HardCoherence,
        "frozen_consensus": lambda: Consensus(lambda_, distribution(q)),
        "free_consensus": lambda: Consensus(lambda_),
        "pairwise_coherence": lambda: PairwiseCoherence(lambda_),
    }
    return builders[kind]()


def _constraint(rng: np.random.Generator, p0_PZ: FloatArray) -> Constraint:
    """Up to four half-spaces around a point that every prompt can reach, some of them binding."""
    Z = p0_PZ.shape[1]
    A = rng.normal(size=(int(rng.integers(1, 5)), Z))
    anchor = (p0_PZ > 0).all(axis=0).astype(float)
    return Constraint(A, A @ (anchor / anchor.sum()) + rng.uniform(0.01, 0.3, size=A.shape[0]))
