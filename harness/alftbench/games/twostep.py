"""Two-step projection: agree on a consensus first, then move every prompt onto it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.errors import BadInput, UsageError
from alftbench.games.direct import checked_features
from alftbench.games.game import Game
from alftbench.games.history import History
from alftbench.games.nearest import LogTraces, deformed_shares, fitted_traces, projected_traces
from alftbench.games.numerics import log_normalise
from alftbench.games.objectives import HardCoherence, arithmetic_mean, common_support
from alftbench.games.objectives.bregman import checked_index
from alftbench.games.objectives.power import free_maximum
from alftbench.games.policies import TracePolicy
from alftbench.games.projection import project
from alftbench.games.solution import Solution, Status

Mean = Literal["geometric", "arithmetic"]
_STEPS = 200


def two_step(
    game: Game,
    tolerance: float = 1e-9,
    *,
    mean: Mean = "geometric",
    order: float = 0.0,
    features: Sequence[FloatArray] | None = None,
) -> Solution:
    """Consensus by a mean of the references, then projection p_i = q, both in one divergence D_b.

    First the barycentre q: with `mean` geometric the minimiser of Σ w_i D_b(q‖p0_i), that is
    log_b q = Σ w_i log_b p0_i + ν: for b = 0 q ∝ Π p0_i^{w_i}, the equilibrium of hard coherence, for b = 1 the
    Euclidean mean. With arithmetic q = Σ w_i p0_i, the minimiser of Σ w_i D_b(p0_i‖q) at every order. Both on the
    answers that all prompts share. Then the nearest policies to π0_i with p_i = q, in D_b on traces; only for
    b = 0 do they keep the reference's traces given the answer.

    With features the second step stays in the class π_i(y) ∝ π0_i(y) exp(θ·φ_i(y)), θ shared by the orbit, so
    that it compares with `direct`: for hard coherence the member with p_i = q at least cost β Σ w KL(π_i‖π0_i),
    which a small class may not have; else the member nearest to the projected policies τ_i in Σ w KL(τ_i‖π_i).

    One shot: for a soft objective it is an approximation, and `converged` is false unless the gap is small.

    Args:
        game: a game over an orbit.
        tolerance: on the Nash gap, in units of reward; trace drift included.
        mean: "geometric" or "arithmetic".
        order: b of the divergence, from −0.99 to 99: 0 is KL, 1 squared Euclidean.
        features: one array (traces, features) per prompt.

    Raises:
        UsageError: the objective does not tie the prompts together.
        BadInput: no such mean or order, features that do not fit, or the prompts share no answer.

    Source: arXiv 2511.08440 (two-step projection); Banerjee et al. 2005 for means by Bregman divergences.
    """
    if not game.objective.couples_prompts:
        raise UsageError(f"two-step needs a coherence or consensus objective, not {game.objective.name}")
    if mean not in ("geometric", "arithmetic"):
        raise BadInput(f"mean is {mean!r}; it must be 'geometric' or 'arithmetic'")
    checked_index("order", order, shift=1.0)
    phi = checked_features(game, features)
    log_q_Z = barycentre(game, mean, order)
    if phi is not None and isinstance(game.objective, HardCoherence):
        return _one_shot(project(game, tolerance, phi, _STEPS, log_q_Z), log_q_Z)
    if phi is None and order == 0.0:
        return _whole(game, log_q_Z, tolerance)
    traces: LogTraces = tuple(projected_traces(x, log_q_Z, order) for x in game.prompts)
    if phi is not None:
        traces = fitted_traces(game.weights_P, _references(game), traces, phi)
    return _solution(game, TracePolicy(game, traces), log_q_Z, tolerance)


def barycentre(game: Game, mean: Mean, order: float) -> FloatArray:
    """The consensus log q_Z of the references, by the mean and the order of `two_step`.

    Raises:
        BadInput: the prompts share no answer.
    """
    shared_PZ = common_support(game.log_admissible_PZ)
    if mean == "arithmetic":
        return log_normalise(arithmetic_mean(shared_PZ, game.weights_P))
    y_Z = game.weights_P @ deformed_shares(shared_PZ, order)
    return np.asarray(free_maximum(y_Z[None], order)[0])


def _references(game: Game) -> LogTraces:
    """The references less the traces whose answers are forbidden."""
    rows = zip(game.prompts, game.log_admissible_PZ, strict=True)
    return tuple(np.where(log_p0_Z[x.answer_Y] > -np.inf, x.log_prob_Y, -np.inf) for x, log_p0_Z in rows)


def _whole(game: Game, log_q_Z: FloatArray, tolerance: float) -> Solution:
    """All marginals at q, the traces given the answer as in the reference."""
    log_p_PZ = np.broadcast_to(log_q_Z, game.log_reference_PZ.shape).copy()
    gap, value = game.gap(log_p_PZ), game.value(log_p_PZ)
    history = History((gap,), (value,))
    return Solution(game, "two-step", _status(game, gap, tolerance), log_p_PZ, log_q_Z, value, gap, 1, history)


def _solution(game: Game, policy: TracePolicy, log_q_Z: FloatArray, tolerance: float) -> Solution:
    """What policies on traces are worth, their drift included."""
    gap, value = policy.gap, policy.value
    status, history = _status(game, gap, tolerance), History((gap,), (value,))
    return Solution(
        game, "two-step", status, policy.log_p_PZ, log_q_Z, value, gap, 1, history, log_traces=policy.log_traces
    )


def _one_shot(found: Solution, log_q_Z: FloatArray) -> Solution:
    """A projection within a class: stationary for this q, but the class may have a better one."""
    status = Status.APPROXIMATE if found.status is Status.RESTRICTED else found.status
    return replace(found, method="two-step", status=status, log_target_Z=log_q_Z)


def _status(game: Game, gap: float, tolerance: float) -> Status:
    if gap > tolerance:
        return Status.APPROXIMATE
    return Status.CONVERGED if game.objective.convex else Status.LOCAL
