"""Both players learn: policies by mirror descent, the target by ascent in u; their averages and regrets."""

from __future__ import annotations

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.errors import UsageError
from alftbench.games.duality import two_player_gap
from alftbench.games.dynamics import mixed, needs_gradient, toward
from alftbench.games.game import Game
from alftbench.games.history import History
from alftbench.games.numerics import expectation, kl, log_normalise, log_sum_exp
from alftbench.games.solution import Solution, Status


def ascent(game: Game, tolerance: float = 1e-9, *, max_iterations: int = 10_000) -> Solution:
    """Two no-regret players, the target ascending in u instead of answering at once; averaged iterates.

    The target climbs G(π, ·) by mirror ascent in the geometry of F*: ∇F*(u) moves toward the policies' marginals p
    by a share γ, so u = ∇F(m) of remembered marginals m ← (1 − γ) m + γ p. With γ_t = α_t / (α_1 + … + α_t) these
    are the weighted averages of all policies so far. The policies take mirror steps η_t = 2/(β (t + 1 + t0)) with
    t0 = 2·curvature/β, and everything is averaged with weights α_t = t + t0.

    After every round the players' average regrets, against the best single policy and the best single target in
    hindsight, are recorded. Their sum is the history's gap: it bounds the two-player gap of the averaged pair
    (π̄, ū), which is computed itself at rounds 1, 2, 4, 8 … and at the end, and is the solution's gap.

    Args:
        game: what to solve.
        tolerance: on the two-player gap of the averaged pair, in units of reward.
        max_iterations: rounds allowed.

    Raises:
        UsageError: an indicator, or a free consensus, which is not convex.

    Source: arXiv 2604.27166 (no-regret dynamics); mirror ascent by Fenchel duality is derived here.
    """
    needs_gradient(game, "ascent")
    if not game.objective.convex:
        raise UsageError("ascent needs a convex objective and a free consensus has none; freeze its target")
    players = _Players(game)
    status = Status.ITERATION_LIMIT
    for t in range(1, max_iterations + 1):
        if not players.play():
            status = Status.DIVERGES
            break
        if (t & (t - 1) == 0 or t == max_iterations) and players.gap() <= tolerance:
            status = Status.CONVERGED
            break
    return players.solution(status)


class _Players:
    """The two players, what they averaged and what they regret."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.offset = 2 * game.objective.curvature / game.beta
        self.log_p_PZ = self.average_PZ = log_normalise(game.log_admissible_PZ)
        self.u_average_PZ = np.zeros_like(self.log_p_PZ)
        self.total = 0.0
        self.averages = np.zeros(3)
        self.detail = ""
        self.policy_regrets: list[float] = []
        self.target_regrets: list[float] = []
        self.values: list[float] = []

    def play(self) -> bool:
        """One round; false where the target would be infinite."""
        game, t = self.game, len(self.values) + 1
        F, weights_P = game.objective, game.weights_P
        remembered_PZ = self.average_PZ
        u_PZ = np.where(game.log_admissible_PZ > -np.inf, F.gradient(remembered_PZ, weights_P), 0.0)
        if not np.isfinite(u_PZ).all():
            self.detail = f"The target of round {t} is infinite."
            return False
        self.log_p_PZ = toward(self.log_p_PZ, game.best_response(u_PZ), 2 / (t + 1 + self.offset))
        self.total += t + self.offset
        share = (t + self.offset) / self.total
        anchor = game.beta * float(weights_P @ kl(self.log_p_PZ, game.log_reference_PZ))
        # Where u is the gradient at known marginals F*(u) needs no maximum: Fenchel's inequality is tight.
        conjugate = self._mean(remembered_PZ, u_PZ) - F.value(remembered_PZ, weights_P)
        self.averages += share * (np.array([anchor, self._mean(self.log_p_PZ, u_PZ), conjugate]) - self.averages)
        self.u_average_PZ = self.u_average_PZ + share * (u_PZ - self.u_average_PZ)
        self.average_PZ = mixed(self.average_PZ, self.log_p_PZ, share)
        self._record()
        return True

    def _mean(self, log_p_PZ: FloatArray, u_PZ: FloatArray) -> float:
        """Σ_i w_i ⟨u_i, p_i⟩."""
        return float(self.game.weights_P @ expectation(log_p_PZ, u_PZ))

    def _record(self) -> None:
        """Average regrets: what was played against the best policy and the best target in hindsight."""
        game, (anchor, paid, conjugate) = self.game, self.averages
        best = -game.beta * float(
            game.weights_P @ log_sum_exp(game.log_admissible_PZ - self.u_average_PZ / game.beta)
        )
        hindsight = game.objective.value(self.average_PZ, game.weights_P)
        self.policy_regrets.append(float(anchor + paid) - best)
        self.target_regrets.append(hindsight - float(paid - conjugate))
        self.values.append(game.value(self.average_PZ))

    def gap(self) -> float:
        """The two-player gap of the averaged pair, or its bound by the regrets where F* itself is only bounded."""
        bound = max(0.0, self.policy_regrets[-1] + self.target_regrets[-1]) if self.values else np.inf
        return min(bound, two_player_gap(self.game, self.average_PZ, self.u_average_PZ).gap)

    def solution(self, status: Status) -> Solution:
        """The averaged pair, with the regret curve."""
        game, log_p_PZ = self.game, self.average_PZ
        gaps = tuple(a + b for a, b in zip(self.policy_regrets, self.target_regrets, strict=True))
        history = History(gaps, tuple(self.values), tuple(self.policy_regrets), tuple(self.target_regrets))
        target = game.objective.target(log_p_PZ, game.weights_P)
        gap, rounds = self.gap(), len(self.values)
        return Solution(
            game,
            "ascent",
            status,
            log_p_PZ,
            target,
            game.value(log_p_PZ),
            gap,
            rounds,
            history,
            detail=self.detail,
            learned_u_PZ=self.u_average_PZ,
        )
