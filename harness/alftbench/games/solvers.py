"""One door to every solver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alftbench.errors import BadInput, UnknownName
from alftbench.games.direct import direct
from alftbench.games.dynamics import alternating, mirror, no_regret
from alftbench.games.exact import exact
from alftbench.games.game import Game
from alftbench.games.solution import Solution
from alftbench.games.twostep import two_step

SOLVERS: dict[str, Callable[..., Solution]] = {
    "exact": exact,
    "mirror": mirror,
    "no-regret": no_regret,
    "alternating": alternating,
    "two-step": two_step,
    "direct": direct,
}


def solve(game: Game, method: str = "exact", tolerance: float = 1e-9, **options: Any) -> Solution:
    """Solve a game.

    Args:
        game: what to solve.
        method: "exact", "mirror", "no-regret", "alternating", "two-step" or "direct".
        tolerance: on the Nash gap, in units of reward.
        options: of the method: step, max_iterations, mean, features.

    Returns:
        The policies, their certificate, and an honest `converged`.

    Raises:
        UnknownName: no such method.
        UsageError: the method does not apply to the objective.
        BadInput: a tolerance that is not positive, or no policy of finite value.
    """
    if method not in SOLVERS:
        raise UnknownName("method", method, SOLVERS)
    if not tolerance > 0:
        raise BadInput(f"tolerance is {tolerance}; it must be positive")
    return SOLVERS[method](game, tolerance, **options)
