"""What a method declares, what its update leads to, what training reached: a problem's answers at four stages.

    base       the model that training started from
    declared   the equilibrium of the game that the method states, exact targets (G → ∞)
    predicted  the fixed point of its expected update at its own group size, estimator and baseline
    reached    the trained model

All are distributions over the answers that the base's own list of completions tells, adding up to 1 in each
phrasing: what is not told is left out of every stage, and the same answers are told for every method. From
declared to predicted is the estimator's and the baseline's doing; from predicted to reached that of noise, of the
network that shares its weights between problems, and of the budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from alftbench.base.arrays import FloatArray
from alftbench.equilibrium.from_samples import Declared
from alftbench.equilibrium.from_traces import POLICY, REFERENCE, OrbitTraces, common_answers, log_marginals
from alftbench.errors import AlftbenchError, BadInput, PluginError
from alftbench.games import Game, solve
from alftbench.games.numerics import log_normalise
from alftbench.training.trainer import PredictsOutcome, Trainer

STAGES = ("base", "declared", "predicted", "reached")
FEATURES = ("accuracy", "agreement", "agreement_within", "distinct_right")
DISTANCES = (
    ("base", "declared"),
    ("predicted", "declared"),
    ("reached", "declared"),
    ("reached", "predicted"),
)
DRAWS = 8
"""Draws among which different right answers are counted."""

StageValues: TypeAlias = dict[str, float]


def value_name(stage: str, feature: str) -> str:
    """What a record calls a feature of a stage."""
    return f"{stage}_{feature}"


def distance_name(one: str, other: str) -> str:
    """What a record calls the distance of two stages."""
    return f"{one}_to_{other}"


NAMES = (
    *(value_name(stage, feature) for stage in STAGES for feature in FEATURES),
    *(distance_name(*pair) for pair in DISTANCES),
)
UNKNOWN: StageValues = dict.fromkeys(NAMES, np.nan)


def stage_values(traces: OrbitTraces, declared: Declared, trainer: Trainer) -> StageValues:
    """Features of all stages of a problem and the total variation between them, means over phrasings.

    A distance is times the share of the policy that the told answers have, like the marginal error: at least so
    much. NaN where a stage is not known.

    Args:
        traces: the listed completions; their last answer class is "no answer".
        declared: the stated game.
        trainer: says where its update leads, where it can.

    Raises:
        PluginError: the trainer's `predicted` failed.
    """
    told_VZ = common_answers(traces)
    if not told_VZ.any(axis=1).all():
        return UNKNOWN
    log_base_VZ, _ = told_answers(traces, told_VZ, REFERENCE)
    log_reached_VZ, share = told_answers(traces, told_VZ, POLICY)
    stages = {
        "base": np.exp(log_base_VZ),
        "declared": declared_answers(log_base_VZ, declared),
        "predicted": predicted_answers(log_base_VZ, traces.correct_Z, declared, trainer),
        "reached": np.exp(log_reached_VZ),
    }
    values = {
        value_name(stage, feature): value
        for stage, p_VZ in stages.items()
        for feature, value in features(p_VZ, traces.correct_Z).items()
    }
    for one, other in DISTANCES:
        distance_V = np.abs(stages[one] - stages[other]).sum(axis=1) / 2
        values[distance_name(one, other)] = share * float(distance_V.mean())
    return values


def told_answers(traces: OrbitTraces, told_VZ: NDArray[np.bool_], model: int) -> tuple[FloatArray, float]:
    """Log answer marginals among the told answers, shape (V, Z), and the least share that these have."""
    log_told_VZ = np.where(told_VZ, log_marginals(traces)[:, model], -np.inf)
    share = min(1.0, float(np.exp(log_told_VZ).sum(axis=1).min()))
    return log_normalise(log_told_VZ), share


def declared_answers(log_base_VZ: FloatArray, declared: Declared) -> FloatArray:
    """The equilibrium of the stated game, NaN where no solver finds one."""
    objective, beta = declared
    try:
        solution = solve(Game.from_log_marginals(log_base_VZ, objective, beta))
    except BadInput:
        return np.full(log_base_VZ.shape, np.nan)
    return solution.p_PZ if solution.converged else np.full(log_base_VZ.shape, np.nan)


def predicted_answers(
    log_base_VZ: FloatArray, correct_Z: NDArray[np.bool_], declared: Declared, trainer: Trainer
) -> FloatArray:
    """Where the trainer's update leads, NaN where it does not say.

    Phrasings that no objective ties together have told answers of their own, and are asked for one by one.
    """
    unknown = np.full(log_base_VZ.shape, np.nan)
    if not isinstance(trainer, PredictsOutcome):
        return unknown
    together = [log_base_VZ] if declared[0].couples_prompts else np.split(log_base_VZ, len(log_base_VZ))
    asked = [of_told(log_p0_VZ, correct_Z, trainer) for log_p0_VZ in together]
    known = [p_VZ for p_VZ in asked if p_VZ is not None]
    return np.concatenate(known) if len(known) == len(asked) else unknown


def of_told(log_p0_VZ: FloatArray, correct_Z: NDArray[np.bool_], trainer: PredictsOutcome) -> FloatArray | None:
    """The prediction for phrasings with the same told answers, 0 elsewhere."""
    told_Z: NDArray[np.bool_] = np.all(log_p0_VZ > -np.inf, axis=0)
    unanswered = int(told_Z.sum()) - 1 if told_Z[-1] else None
    try:
        log_p_VZ = trainer.predicted(log_p0_VZ[:, told_Z], correct_Z[told_Z], unanswered)
    except AlftbenchError:
        raise
    except Exception as error:
        raise PluginError(f"predicted() of {type(trainer).__name__} failed: {error!r}") from error
    if log_p_VZ is None:
        return None
    p_VZ = np.zeros(log_p0_VZ.shape)
    p_VZ[:, told_Z] = np.exp(log_p_VZ)
    return p_VZ


def features(p_VZ: FloatArray, correct_Z: NDArray[np.bool_]) -> Mapping[str, float]:
    """What is shown of answer marginals, exactly: the truth that the metrics of the same names estimate.

    The last class is "no answer", which agrees with nothing.
    """
    answered_VZ = p_VZ[:, :-1]
    pairs = [float(answered_VZ[v] @ answered_VZ[w]) for v, w in combinations(range(len(p_VZ)), 2)]
    right_VZ = p_VZ[:, correct_Z]
    return {
        "accuracy": float(right_VZ.sum(axis=1).mean()),
        "agreement": float(np.mean(pairs)) if pairs else np.nan,
        "agreement_within": float((answered_VZ**2).sum(axis=1).mean()),
        "distinct_right": float((1 - (1 - right_VZ) ** DRAWS).sum(axis=1).mean()),
    }
