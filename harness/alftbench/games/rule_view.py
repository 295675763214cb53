"""What a reward rule does at group size G, to be looked at: curves over one probability, and where it settles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alftbench.base.arrays import BoolArray, FloatArray
from alftbench.errors import UsageError
from alftbench.games.game import Game
from alftbench.games.numerics import log_normalise
from alftbench.games.objectives import Correctness, Diversity, QuadraticDiversity, TsallisDiversity
from alftbench.games.plotting import check_picture, new_figure
from alftbench.games.rewards import FixedPoint, RuleInfo, UpdateOf, Way, limit, predicted
from alftbench.types import AnswerPartition

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NOTHING = "no answer"
_RIGHT_AND_WRONG = np.array([True, False])
_EVEN = np.log([0.5, 0.5])


@dataclass(frozen=True, eq=False)
class RuleCurve:
    """A rule on a prompt with one right and one wrong answer, over the right one's probability p.

    A rule of orbits has a second phrasing, at p = ½; the reference is ½ everywhere. Axes: N values of p; right,
    wrong.

    Args:
        p_N: of the first phrasing.
        reward_N2: expected reward E[r_1 | z_1 = z] at G.
        update_N2: expected update E[r_1 − b_1 | z_1 = z] at G.
        limit_N2: the reward as G → ∞.
        objective_N: what it ascends as G → ∞, times the phrasings, so that its slope is what the first one sees;
            None where its update is no gradient.
    """

    p_N: FloatArray
    reward_N2: FloatArray
    update_N2: FloatArray
    limit_N2: FloatArray
    objective_N: FloatArray | None


def rule_curve(
    info: RuleInfo, settings: Mapping[str, Any], group: int, baseline: str, p_N: FloatArray
) -> RuleCurve:
    """Ask a rule about every p.

    Args:
        info: the rule.
        settings: all of them, from `RuleInfo.read`.
        group: G.
        baseline: of `alftbench.games.rewards.BASELINES`.
        p_N: where.

    Raises:
        UsageError: the rule, or the baseline, refuses the group.
    """
    V, rule = info.phrasings, info.rule(**settings)
    log_p0_VZ = np.tile(_EVEN, (V, 1))
    plain, less = (
        UpdateOf(rule, _RIGHT_AND_WRONG, V, group, kind, log_p0_VZ=log_p0_VZ) for kind in ("none", baseline)
    )
    marginals = [np.vstack([[p, 1 - p], np.full((V - 1, 2), 0.5)]) for p in p_N]
    limits = [info.population(p_VZ, _RIGHT_AND_WRONG, None, log_p0_VZ, **settings)[0] for p_VZ in marginals]
    objective_N = None
    if info.objective is not None:
        values = [info.value(p_VZ, _RIGHT_AND_WRONG, log_p0_VZ, **settings) for p_VZ in marginals]
        objective_N = V * np.array(values)
    return RuleCurve(
        p_N,
        np.array([plain(p_VZ).values_VZ[0] for p_VZ in marginals]),
        np.array([less(p_VZ).values_VZ[0] for p_VZ in marginals]),
        np.array(limits),
        objective_N,
    )


@dataclass(frozen=True, eq=False)
class RulePoints:
    """Where a rule settles from a reference, next to it.

    Args:
        reference: where training starts.
        at_group: at G.
        at_limit: as G → ∞.
        way: how the update at G was computed.
    """

    reference: Reference
    at_group: FixedPoint
    at_limit: FixedPoint
    way: Way


def rule_points(
    info: RuleInfo,
    settings: Mapping[str, Any],
    reference: Reference,
    beta: float,
    group: int,
    baseline: str,
) -> RulePoints:
    """The fixed points at G and as G → ∞.

    Args:
        info: the rule, with weight 1: β is in units of its reward.
        settings: all of them, from `RuleInfo.read`.
        reference: where training starts.
        beta: β, positive.
        group: G.
        baseline: of `alftbench.games.rewards.BASELINES`.

    Raises:
        UsageError: the rule, or the baseline, refuses the group or the orbit.
    """
    rule, log_p0_VZ, correct_Z = info.rule(**settings), reference.log_p0_VZ, reference.correct_Z
    silent = reference.unanswered

    def population(p_VZ: FloatArray) -> FloatArray:
        return info.population(p_VZ, correct_Z, silent, log_p0_VZ, **settings)

    way = UpdateOf(rule, correct_Z, len(log_p0_VZ), group, baseline, silent, log_p0_VZ).way
    at_group = predicted(rule, log_p0_VZ, correct_Z, beta, group, baseline, silent)
    at_limit = limit(population, log_p0_VZ, beta)
    return RulePoints(reference, at_group, at_limit, way)


@dataclass(frozen=True, eq=False)
class Reference:
    """Answer marginals where training starts.

    Args:
        answers: their names.
        log_p0_VZ: log p₀, one row per phrasing, every answer possible.
        correct_Z: whether an answer is right.
        unanswered: the class that stands for no answer, if any; it is not right.
    """

    answers: tuple[str, ...]
    log_p0_VZ: FloatArray
    correct_Z: BoolArray
    unanswered: int | None = None

    def with_silence(self, silent: str) -> Reference:
        """The same with an answer that stands for none.

        Raises:
            UsageError: it is none of the answers, or a right one.
        """
        if silent not in self.answers:
            raise UsageError(f"the silent answer {silent!r} is none of the answers {', '.join(self.answers)}")
        unanswered = self.answers.index(silent)
        if self.correct_Z[unanswered]:
            raise UsageError(f"answer {silent!r} is said to be right and to be none")
        return replace(self, unanswered=unanswered)

    @classmethod
    def of_partition(cls, partition: AnswerPartition, right: Sequence[str]) -> Reference:
        """Of the answers that a problem was given: their shares in every phrasing.

        One that another phrasing gave and this one did not counts as half a draw: every answer must be possible.
        No answer is a class of its own where it occurred. The right answers are the recorded ones unless others
        are given.

        Raises:
            UsageError: a right answer is none of them.
        """
        names, Z = partition.classes_Z, len(partition.classes_Z)
        correct_Z = _among(names, right) if right else np.array(partition.correct_Z, dtype=bool)
        # NO_ANSWER, −1, is counted in the last column.
        counts_VZ = np.array([np.bincount(np.array(row) % (Z + 1), minlength=Z + 1) for row in partition.class_VN])
        if not counts_VZ[:, Z].any():
            return cls(names, log_normalise(np.log(np.maximum(counts_VZ[:, :Z], 0.5))), correct_Z)
        log_p0_VZ = log_normalise(np.log(np.maximum(counts_VZ, 0.5)))
        return cls((*names, NOTHING), log_p0_VZ, np.append(correct_Z, False), Z)

    @classmethod
    def of_marginals(cls, p0_VZ: Sequence[Sequence[float]], right: Sequence[str]) -> Reference:
        """Of probabilities; answers are called 0, 1, ….

        Raises:
            UsageError: a probability is not positive, rows differ in length, or a right answer is none of them.
        """
        if len({len(row) for row in p0_VZ}) > 1:
            raise UsageError("the phrasings' probabilities are of different answers; give each as many")
        p_VZ = np.array(p0_VZ, dtype=float)
        if not (np.isfinite(p_VZ) & (p_VZ > 0)).all():
            raise UsageError("a reference probability is not above 0; leave impossible answers out")
        names = tuple(map(str, range(p_VZ.shape[1])))
        return cls(names, log_normalise(np.log(p_VZ)), _among(names, right))

    @classmethod
    def of_game(cls, game: Game, right: Sequence[str]) -> Reference:
        """Of a game's prompts; the right answers are its objective's unless others are given.

        Raises:
            UsageError: an answer is possible in some prompt and not in another, or a right one is none of them.
        """
        log_p0_VZ = game.log_reference_PZ
        possible_Z = np.asarray((log_p0_VZ > -np.inf).any(axis=0))
        names = tuple(game.answers[z] for z in np.flatnonzero(possible_Z))
        log_p0_VZ = log_p0_VZ[:, possible_Z]
        if log_p0_VZ.min() == -np.inf:
            v, z = np.argwhere(log_p0_VZ == -np.inf)[0]
            raise UsageError(f"answer {names[z]!r} is impossible in prompts[{v}] and possible elsewhere")
        objective = game.objective
        if right:
            correct_Z = _among(names, right)
        elif isinstance(objective, (Correctness, Diversity, QuadraticDiversity, TsallisDiversity)):
            correct_Z = np.asarray(objective.bonus_Z[possible_Z] > 0)
        else:
            correct_Z = np.zeros(len(names), dtype=bool)
        return cls(names, log_p0_VZ, correct_Z)


def _among(names: Sequence[str], right: Sequence[str]) -> BoolArray:
    for name in right:
        if name not in names:
            raise UsageError(f"the right answer {name!r} is none of the answers {', '.join(names)}")
    return np.array([name in right for name in names])


def plot_rule(name: str, curve: RuleCurve, group: int, baseline: str, path: str | Path) -> None:
    """Draw expected update and reward over p at G and as G → ∞, and what is ascended.

    Args:
        name: the rule's, for the title.
        curve: from `rule_curve`, p rising.
        group: G.
        baseline: the one of the update.
        path: the image file; its suffix picks the format.

    Raises:
        UsageError: the file cannot be written.
        MissingExtra: matplotlib is not installed.
    """
    check_picture(path)
    figure = new_figure(9.0, 3.6)
    left, right = figure.subplots(1, 2)
    for z, (answer, colour) in enumerate((("right", "C0"), ("wrong", "C3"))):
        left.plot(curve.p_N, curve.reward_N2[:, z], color=colour, label=f"{answer}, G = {group}")
        left.plot(curve.p_N, curve.limit_N2[:, z], "--", color=colour, label=f"{answer}, G → ∞")
        left.plot(curve.p_N, curve.update_N2[:, z], ":", color=colour, label=f"{answer}, less baseline")
    left.set(xlabel="p of the right answer", ylabel="expected reward", title=f"{name}, baseline {baseline}")
    left.legend(frameon=False, fontsize="small")
    _draw_objective(right, curve, group)
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from error


def _draw_objective(axes: Axes, curve: RuleCurve, group: int) -> None:
    """What is ascended, 0 at the first p; at G the integral of the update, which exists in one dimension."""
    slope_N = curve.update_N2[:, 0] - curve.update_N2[:, 1]
    steps = np.diff(curve.p_N) * (slope_N[1:] + slope_N[:-1]) / 2
    axes.plot(curve.p_N, np.concatenate([[0.0], np.cumsum(steps)]), label=f"G = {group}, with its baseline")
    if curve.objective_N is not None:
        axes.plot(curve.p_N, curve.objective_N - curve.objective_N[0], "--", label="G → ∞")
    axes.set(xlabel="p of the right answer", ylabel="objective less that at the left", title="what it ascends")
    axes.legend(frameon=False, fontsize="small")
