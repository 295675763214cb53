"""How far a trained model is from the equilibrium of its game where its completions are listed: no sampling.

    traces of the policy and its reference with log π and log π₀, the class of each trace's answer ─→ Figures

What is not listed cannot make a figure larger than it is:

KL and trace drift: the mass that is left counts as one trace with an answer of its own. Merging traces never
raises a divergence (data processing), so neither exceeds the truth.

Marginal error and Nash gap: those of the game among the answers S that are told, times p(S): TV(p, q) ≥ p(S)
TV(p(·|S), q(·|S)) and KL likewise. The mass that is left is no answer here. Where λ is large beside β an
equilibrium gives a rare answer many times its share, so it matters whether a rest of 1% is one answer or many.

docs/design/quality.md has what this leaves open. Source: arXiv 2604.27166 (game, chain rule).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.equilibrium.from_samples import ROUNDING, Declared, Figures, fixed_target
from alftbench.errors import BadInput
from alftbench.games import Game, Objective, Prompt, kl, marginalise, trace_drift, trace_quality

COVERED = 0.1  # an answer is told where it has this share of the mass that may be left, or more
POLICY, REFERENCE = 0, 1


@dataclass(frozen=True, eq=False)
class OrbitTraces:
    """The listed traces of the V phrasings of a problem.

    Args:
        answer_V: per phrasing the answer class of each trace, in 0..Z−1; no answer is a class like any other.
        log_prob_V: per phrasing log π(y) under the policy and under the reference, shape (2, Y), in nats.
        correct_Z: which classes are right.
        mass: how much of either model may be missing from a phrasing's list.
    """

    answer_V: Sequence[IntArray]
    log_prob_V: Sequence[FloatArray]
    correct_Z: NDArray[np.bool_]
    mass: float


def exact_figures(traces: OrbitTraces, declared: Declared | None) -> Figures:
    """The figures of an orbit, means over phrasings; without a declared game only those that need none."""
    complete = list(map(with_rest, traces.log_prob_V))
    Z = traces.correct_Z.size
    drifts = [
        trace_drift(np.append(answer_Y, Z), log_prob_MY[POLICY], log_prob_MY[REFERENCE], Z + 1)
        for answer_Y, log_prob_MY in zip(traces.answer_V, complete, strict=True)
    ]
    figures = Figures(kl=mean([float(kl(*log_prob_MY)) for log_prob_MY in complete]), trace_drift=mean(drifts))
    return figures if declared is None else with_game(figures, traces, declared)


def mean(values: Sequence[float]) -> float:
    """The mean, NaN where the policy does what the reference never does: a divergence is infinite."""
    return float(np.mean(values)) if np.isfinite(values).all() else np.nan


def with_rest(log_prob_MY: FloatArray) -> FloatArray:
    """The listed traces and one more that has what is left, shape (2, Y + 1).

    Of what float32 rounds away nothing can be said, so either rest is taken as no less than that.
    """
    rest_M = np.maximum(1 - np.exp(log_prob_MY).sum(axis=1), ROUNDING)
    return np.concatenate([log_prob_MY, np.log(rest_M)[:, None]], axis=1)


def with_game(figures: Figures, traces: OrbitTraces, declared: Declared) -> Figures:
    """Marginal error and Nash gap of the games among the told answers, times their share; mean over phrasings.

    Phrasings that no objective ties together are games of their own, each with its own share.
    """
    covered_VZ = covered_answers(traces, declared[0])
    V = len(traces.answer_V)
    games = [range(V)] if declared[0].couples_prompts else [range(v, v + 1) for v in range(V)]
    error, gap = np.mean([game_figures(traces, covered_VZ, phrasings, declared) for phrasings in games], axis=0)
    return replace(figures, marginal_error=float(error), nash_gap=float(gap))


def game_figures(
    traces: OrbitTraces, covered_VZ: NDArray[np.bool_], phrasings: Sequence[int], declared: Declared
) -> tuple[float, float]:
    """Marginal error and Nash gap of one game among the told answers; NaN where it has no solution."""
    objective, beta = declared
    if not covered_VZ[phrasings].any(axis=1).all():
        return np.nan, np.nan
    kept = [covered_VZ[v][traces.answer_V[v]] for v in phrasings]
    answers = [traces.answer_V[v][kept_Y] for v, kept_Y in zip(phrasings, kept, strict=True)]
    rows = [traces.log_prob_V[v][:, kept_Y] for v, kept_Y in zip(phrasings, kept, strict=True)]
    prompts = tuple(Prompt(answer_Y, row[REFERENCE]) for answer_Y, row in zip(answers, rows, strict=True))
    names = tuple(map(str, range(traces.correct_Z.size)))
    share = min(1.0, *(float(np.exp(row[POLICY]).sum()) for row in rows))
    try:
        game = Game(beta, objective.given(share), names, prompts)
        quality = trace_quality(game, [row[POLICY] for row in rows])
    except BadInput:
        return np.nan, np.nan
    gap = share * quality.gap if objective.differentiable and np.isfinite(quality.gap) else np.nan
    return share * quality.marginal_error, gap


def common_answers(traces: OrbitTraces) -> NDArray[np.bool_]:
    """The answers that the reference's lists tell enough of, shape (V, Z): the same whatever model was trained.

    As for `covered_answers`, any phrasing's list may tell them, and all phrasings can give them.
    """
    log_p_VMZ = log_marginals(traces)
    told_VZ = log_p_VMZ[:, REFERENCE] >= np.log(COVERED * traces.mass)
    possible_VZ = (log_p_VMZ > -np.inf).all(axis=1)
    return np.broadcast_to(told_VZ.any(axis=0) & possible_VZ.all(axis=0), told_VZ.shape)


def log_marginals(traces: OrbitTraces) -> FloatArray:
    """Log answer marginals of the listed traces under policy and reference, shape (V, 2, Z)."""
    Z = traces.correct_Z.size
    pairs = zip(traces.answer_V, traces.log_prob_V, strict=True)
    return np.array([[marginalise(answer_Y, log_prob_Y, Z) for log_prob_Y in rows] for answer_Y, rows in pairs])


def covered_answers(traces: OrbitTraces, objective: Objective) -> NDArray[np.bool_]:
    """The answers that the lists tell enough of, shape (V, Z).

    Where the target does not depend on the policy, every listed one; else those that have enough mass on a list
    under either model for what is left hardly to change log p. Where the game ties the phrasings together that
    may be any phrasing's list: the others have scored its completions, and their log p is that of these.
    """
    V, Z = len(traces.answer_V), traces.correct_Z.size
    log_p_VMZ = log_marginals(traces)
    possible_VZ = np.asarray((log_p_VMZ > -np.inf).all(axis=1))
    if objective.differentiable and fixed_target(objective, V, Z) is not None:
        return possible_VZ
    told_VZ = log_p_VMZ.max(axis=1) >= np.log(COVERED * traces.mass)
    if not objective.couples_prompts:
        return np.asarray(told_VZ & possible_VZ)
    return np.broadcast_to(told_VZ.any(axis=0) & possible_VZ.all(axis=0), (V, Z))
