"""How far a policy is from the equilibrium, exactly, by enumeration."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.games import (
    Coherence,
    Correctness,
    Diversity,
    Game,
    Objective,
    QuadraticDiversity,
    TracePolicy,
    kl,
    solve,
    total_variation,
)
from alftbench.games.numerics import log_normalise
from alftbench.games.objectives import indicator_bonus
from alftbench.settle.language import Language
from alftbench.settle.settings import SettleSettings
from alftbench.settle.targets import right_answers


@dataclass(frozen=True)
class Distance:
    """A policy's distance to the equilibrium, averaged over prompts.

    tv: total variation between p and p*; the largest prompt's is tv_max. kl: KL(p‖p*), nats.
    excess: J(π) − J(π*), reward. gap: Nash gap, reward. drift: trace drift, nats.
    """

    tv: float
    tv_max: float
    kl: float
    excess: float
    gap: float
    drift: float

    def to_json(self) -> dict[str, float]:
        """The figures as plain data."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Settled:
    """A game on a language, with its equilibrium.

    Args:
        language: the references.
        game: J.
        log_star_PZ: the equilibrium's log answer marginals, from the enumerated references.
        value_star: J(π*).
    """

    language: Language
    game: Game
    log_star_PZ: FloatArray
    value_star: float

    def distance(self, log_pi_PY: FloatArray) -> Distance:
        """All distances of a policy, from its enumerated traces."""
        policy = TracePolicy(self.game, tuple(log_normalise(log_pi_PY)))
        weights_P = self.game.weights_P
        tv_P = total_variation(policy.log_p_PZ, self.log_star_PZ)
        return Distance(
            tv=float(weights_P @ tv_P),
            tv_max=float(tv_P.max()),
            kl=float(weights_P @ kl(policy.log_p_PZ, self.log_star_PZ)),
            excess=policy.value - self.value_star,
            gap=policy.gap,
            drift=policy.drift,
        )


def objective_of(game: str, settings: SettleSettings) -> Objective:
    """F of a game named in `GAMES`."""
    if game == "correctness":
        return Correctness(indicator_bonus(right_answers(settings), settings.eta))
    if game == "diversity":
        return Diversity(settings.lambda_, np.zeros(settings.answers))
    if game == "quadratic":
        return QuadraticDiversity(settings.lambda_, np.zeros(settings.answers))
    return Coherence(settings.lambda_)


def settled(game: str, language: Language, settings: SettleSettings) -> Settled:
    """The game and its equilibrium, p* by direct marginalisation of the enumerated references."""
    tree = language.tree
    names = tuple(str(z) for z in range(tree.answers))
    posed = Game(settings.beta, objective_of(game, settings), names, language.prompts)
    solution = solve(posed, "exact")
    return Settled(language, posed, solution.log_p_PZ, solution.value)
