"""Equilibria to rounding: a closed form where there is one, else a safeguarded Newton method."""

from __future__ import annotations

from alftbench.base.arrays import FloatArray
from alftbench.games.game import Game
from alftbench.games.history import History
from alftbench.games.newton import NEWTON_ROUNDS, ROUNDING, newton
from alftbench.games.numerics import log_normalise
from alftbench.games.objectives import Coherence, Consensus
from alftbench.games.solution import Solution, Status

_COLLAPSE_ROUNDS = 20_000


def exact(game: Game, tolerance: float = 1e-9) -> Solution:
    """The equilibrium of a game, from its closed form or by Newton's method on the answer marginals.

    Every objective but a free consensus is convex, and for it the result is the one minimum. A free
    consensus with λ < β is solved as the coherence game it equals; with λ ≥ β it is not convex, and the
    stationary point reached from the reference is returned as a local solution.

    Args:
        game: what to solve.
        tolerance: on the Nash gap, in units of reward.

    Returns:
        The solution; `iterations` is 0 for a closed form.

    Raises:
        BadInput: no policy has a finite value.

    Source: arXiv 2604.27166; the Newton method is the structured one described in `newton`.
    """
    objective = game.objective
    start = objective.closed_form(game.log_admissible_PZ, game.weights_P, game.beta)
    if start is not None:
        gap, value = game.gap(start), game.value(start)
        return _result(game, start, gap, value, History((gap,), (value,)), tolerance)
    if isinstance(objective, Consensus):
        return _free_consensus(game, objective, tolerance)
    guess = objective.first_guess(game.log_admissible_PZ, game.weights_P, game.beta)
    log_p_PZ, history = newton(game, tolerance, guess)
    return _result(game, log_p_PZ, history.gap_T[-1], history.value_T[-1], history, tolerance)


def _result(
    game: Game,
    log_p_PZ: FloatArray,
    gap: float,
    value: float,
    history: History,
    tolerance: float,
    success: Status = Status.CONVERGED,
    detail: str = "",
) -> Solution:
    steps = len(history.gap_T) - 1
    status = success
    if not gap <= tolerance:  # A NaN is no success either.
        status = Status.ITERATION_LIMIT if steps in (NEWTON_ROUNDS, _COLLAPSE_ROUNDS) else Status.STALLED
    target = game.objective.target(log_p_PZ, game.weights_P)
    return Solution(game, "exact", status, log_p_PZ, target, value, gap, steps, history, detail=detail)


def _free_consensus(game: Game, objective: Consensus, tolerance: float) -> Solution:
    """Below β the coherence game with anchor β − λ and references p0^{β/(β−λ)}; else collapse."""
    if objective.lambda_ < game.beta:
        anchor = game.beta - objective.lambda_
        sharpened = log_normalise(game.log_reference_PZ * (game.beta / anchor))
        coherence = Coherence(objective.lambda_)
        twin = Game.from_log_marginals(sharpened, coherence, anchor, game.weights_P, game.answers)
        inner = exact(twin, tolerance)
        detail = "The gap is that of the equal coherence game, which is convex because lambda < beta."
        log_p_PZ, gap = inner.log_p_PZ, inner.gap
        return _result(game, log_p_PZ, gap, game.value(log_p_PZ), inner.history, tolerance, detail=detail)
    return _collapse(game, tolerance)


def _collapse(game: Game, tolerance: float) -> Solution:
    """Linearise the concave part and solve, again and again: J falls at every round."""
    log_p_PZ = game.log_reference_PZ
    gaps, values = [game.gap(log_p_PZ)], [game.value(log_p_PZ)]
    goal = min(tolerance, ROUNDING * game.beta)
    while gaps[-1] > goal and len(gaps) <= _COLLAPSE_ROUNDS:
        log_p_PZ = game.objective.respond(log_p_PZ, game.log_admissible_PZ, game.weights_P, game.beta)
        gaps.append(game.gap(log_p_PZ))
        values.append(game.value(log_p_PZ))
    history = History(tuple(gaps), tuple(values))
    detail = (
        "A free consensus with lambda >= beta collapses; freeze it for a well-posed game "
        '(in GAME.json: "target": "reference").'
    )
    return _result(game, log_p_PZ, gaps[-1], values[-1], history, tolerance, Status.LOCAL, detail)
