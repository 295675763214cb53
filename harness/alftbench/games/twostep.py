"""Two-step projection: agree on a consensus first, then move every prompt onto it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from alftbench.errors import BadInput, UsageError
from alftbench.games.game import Game
from alftbench.games.history import History
from alftbench.games.numerics import log_normalise
from alftbench.games.objectives import arithmetic_mean, common_support, geometric_mean
from alftbench.games.solution import Solution, Status


def two_step(
    game: Game, tolerance: float = 1e-9, *, mean: Literal["geometric", "arithmetic"] = "geometric"
) -> Solution:
    """Consensus by a mean of the references, then projection p_i = q.

    geometric: q ∝ Π p0_i^{w_i}, the minimiser of Σ w_i KL(q‖p0_i) and the equilibrium of hard coherence;
    arithmetic: q = Σ w_i p0_i, the minimiser of Σ w_i KL(p0_i‖q). Both on the answers that all prompts share.
    One shot: for a soft objective it is an approximation, and `converged` is false unless the gap is small.

    Args:
        game: a game over an orbit.
        tolerance: on the Nash gap, in units of reward.
        mean: "geometric" or "arithmetic".

    Raises:
        UsageError: the objective does not tie the prompts together.
        BadInput: no such mean, or the prompts share no answer.

    Source: arXiv 2511.08440 (two-step projection).
    """
    if not game.objective.couples_prompts:
        raise UsageError(f"two-step needs a coherence or consensus objective, not {game.objective.name}")
    if mean not in ("geometric", "arithmetic"):
        raise BadInput(f"mean is {mean!r}; it must be 'geometric' or 'arithmetic'")
    shared = common_support(game.log_admissible_PZ)
    take = geometric_mean if mean == "geometric" else arithmetic_mean
    q = log_normalise(take(shared, game.weights_P))
    log_p_PZ = np.broadcast_to(q, shared.shape).copy()
    gap, value = game.gap(log_p_PZ), game.value(log_p_PZ)
    status = Status.APPROXIMATE
    if gap <= tolerance:
        status = Status.CONVERGED if game.objective.convex else Status.LOCAL
    history = History((gap,), (value,))
    return Solution(game, "two-step", status, log_p_PZ, q, value, gap, 1, history)
