"""One door to every solver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alftbench.errors import BadInput, UnknownName, UsageError
from alftbench.games.direct import direct
from alftbench.games.dynamics import alternating, mirror, no_regret
from alftbench.games.exact import exact
from alftbench.games.game import Game
from alftbench.games.learning import ascent
from alftbench.games.solution import Solution
from alftbench.games.twostep import two_step

SOLVERS: dict[str, Callable[..., Solution]] = {
    "exact": exact,
    "mirror": mirror,
    "no-regret": no_regret,
    "ascent": ascent,
    "alternating": alternating,
    "two-step": two_step,
    "direct": direct,
}
_ONE_SHOT = ("exact", "two-step")


def solve(game: Game, method: str = "exact", tolerance: float = 1e-9, **options: Any) -> Solution:
    """Solve a game.

    Args:
        game: what to solve.
        method: "exact", "mirror", "no-regret", "ascent", "alternating", "two-step" or "direct".
        tolerance: on the Nash gap, in units of reward.
        options: of the method: step, max_iterations, mean, features.

    Returns:
        The policies, their certificate, and an honest `converged`.

    Raises:
        UnknownName: no such method.
        UsageError: the method does not apply to the objective, or the option not to the method.
        BadInput: a tolerance or a limit that is not positive, or no policy of finite value.
    """
    if method not in SOLVERS:
        raise UnknownName("method", method, SOLVERS)
    if not tolerance > 0:
        raise BadInput(f"tolerance is {tolerance}; it must be positive")
    rounds = options.get("max_iterations", 1)
    if not rounds >= 1:
        raise BadInput(f"max_iterations is {rounds}; it must be at least 1")
    if "max_iterations" in options and method in _ONE_SHOT:
        raise UsageError(f"{method} has no iterations to limit; leave --max-iterations out")
    return SOLVERS[method](game, tolerance, **options)
