"""A distributional alignment game: references over traces, an objective over answers, an anchor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.errors import BadInput
from alftbench.games.numerics import kl, log_normalise, log_of
from alftbench.games.objectives import Objective, best_response
from alftbench.games.traces import marginalise


@dataclass(frozen=True, eq=False)
class Prompt:
    """One prompt of an orbit: its traces under the reference.

    Args:
        answer_Y: index of each trace's answer among the game's answers.
        log_prob_Y: reference log-probability of each trace, in nats; normalised by `Game`.
        weight: the prompt's share of the orbit, positive; normalised by `Game`.
    """

    answer_Y: IntArray
    log_prob_Y: FloatArray
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Game:
    """J(π) = β Σ_i w_i KL(π_i‖π0_i) + F(p_1..p_P), to be minimised over the policies of an orbit.

    Args:
        beta: strength of the KL anchor, in nats per unit of reward, positive.
        objective: F.
        answers: the names of the answer classes; their positions are the indices used everywhere.
        prompts: the orbit; a single prompt is an orbit of one.

    Raises:
        BadInput: a parameter that makes no game, named by its entry.

    Source: arXiv 2604.27166.
    """

    beta: float
    objective: Objective
    answers: tuple[str, ...]
    prompts: tuple[Prompt, ...]

    def __post_init__(self) -> None:
        """Check, then normalise log-probabilities per prompt."""
        if not (np.isfinite(self.beta) and self.beta > 0):
            raise BadInput(f"beta is {self.beta}; it must be a positive number")
        if not self.prompts:
            raise BadInput("prompts is empty; a game needs at least one prompt")
        checked = tuple(_checked(i, prompt, len(self.answers)) for i, prompt in enumerate(self.prompts))
        object.__setattr__(self, "prompts", checked)

    @classmethod
    def from_marginals(
        cls,
        p0_PZ: FloatArray,
        objective: Objective,
        beta: float,
        weights_P: Sequence[float] | FloatArray | None = None,
        answers: Sequence[str] | None = None,
    ) -> Game:
        """A game whose every answer has one trace.

        Args:
            p0_PZ: reference answer marginals, prompts by answers; rows are normalised, zeros allowed.
            objective: F.
            beta: strength of the KL anchor.
            weights_P: prompt weights; equal if left out.
            answers: names; "0", "1", … if left out.
        """
        p0 = np.atleast_2d(np.asarray(p0_PZ, dtype=float))
        return cls.from_log_marginals(log_of(p0), objective, beta, weights_P, answers)

    @classmethod
    def from_log_marginals(
        cls,
        log_p0_PZ: FloatArray,
        objective: Objective,
        beta: float,
        weights_P: Sequence[float] | FloatArray | None = None,
        answers: Sequence[str] | None = None,
    ) -> Game:
        """`from_marginals` for references whose probabilities may be too small for float64."""
        P, Z = log_p0_PZ.shape
        weights = np.ones(P) if weights_P is None else np.asarray(weights_P, dtype=float)
        names = tuple(answers) if answers is not None else tuple(str(z) for z in range(Z))
        rows = zip(log_p0_PZ, weights, strict=True)
        game = cls(beta, objective, names, tuple(Prompt(np.arange(Z), row, float(w)) for row, w in rows))
        # With one trace each the answers' log-probabilities are the traces': nothing is left to add up.
        game.__dict__["log_reference_PZ"] = np.stack([prompt.log_prob_Y for prompt in game.prompts])
        return game

    @cached_property
    def weights_P(self) -> FloatArray:
        """The orbit's weights, summing to one."""
        weights = np.array([prompt.weight for prompt in self.prompts], dtype=float)
        return np.asarray(weights / weights.sum())

    @cached_property
    def log_reference_PZ(self) -> FloatArray:
        """The reference's log answer marginals log p0."""
        P, Z = len(self.prompts), len(self.answers)
        # One pass over the whole orbit: prompt i owns the bins i Z .. i Z + Z − 1.
        bins = np.concatenate([i * Z + prompt.answer_Y for i, prompt in enumerate(self.prompts)])
        log_probs = np.concatenate([prompt.log_prob_Y for prompt in self.prompts])
        return log_normalise(marginalise(bins, log_probs, P * Z).reshape(P, Z))

    @cached_property
    def log_admissible_PZ(self) -> FloatArray:
        """The reference with −inf at answers that no policy of finite value can give (not renormalised).

        Raises:
            BadInput: no policy has a finite value.
        """
        return self.objective.restrict(self.log_reference_PZ, self.weights_P)

    def value(self, log_p_PZ: FloatArray) -> float:
        """J = β Σ_i w_i KL(p_i‖p0_i) + F(p) of policies that keep the reference's traces given the answer."""
        anchor = float(self.weights_P @ kl(log_p_PZ, self.log_reference_PZ))
        return self.beta * anchor + self.objective.value(log_p_PZ, self.weights_P)

    def gap(self, log_p_PZ: FloatArray) -> float:
        """The Nash gap of the policies, ≥ J(p) − J(p*) where the objective is convex; see `Objective.gap`."""
        return self.objective.gap(log_p_PZ, self.log_admissible_PZ, self.weights_P, self.beta)

    def best_response(self, u_PZ: FloatArray) -> FloatArray:
        """The policies' best response to a target u: p_u ∝ p0 exp(−u/β)."""
        return best_response(self.log_admissible_PZ, u_PZ, self.beta)


def _checked(index: int, prompt: Prompt, Z: int) -> Prompt:
    """The prompt with normalised log-probabilities.

    Raises:
        BadInput: no traces, a log-probability that is NaN or +inf, an unknown answer, a weight not positive.
    """
    entry = f"prompts[{index}]"
    log_prob = np.asarray(prompt.log_prob_Y, dtype=float)
    answer = np.asarray(prompt.answer_Y)
    if log_prob.size == 0:
        raise BadInput(f"{entry}.traces is empty; a prompt needs at least one trace")
    top = log_prob.max()
    if not top < np.inf:
        wrong = np.flatnonzero(~(log_prob < np.inf))[0]
        shown = "NaN" if np.isnan(log_prob[wrong]) else "+inf"
        raise BadInput(
            f"{entry}.traces[{wrong}].logprob is {shown}; it must be below +inf (-inf is probability 0)"
        )
    if top == -np.inf:
        raise BadInput(f"{entry}: every trace has logprob -inf; at least one must be possible")
    if answer.shape != log_prob.shape or answer.min() < 0 or answer.max() >= Z:
        raise BadInput(f"{entry}: each trace needs one answer among the game's {Z}")
    if not 0 < prompt.weight < np.inf:
        raise BadInput(f"{entry}.weight is {prompt.weight}; it must be positive (leave the prompt out for 0)")
    relative = log_prob - top
    return Prompt(answer, relative - np.log(np.exp(relative).sum()), prompt.weight)
