"""A recipe from a reward rule of `alftbench.games.rewards`: options, reward and game follow from the rule."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from alftbench.base.arrays import FloatArray
from alftbench.base.settings import settings_hints
from alftbench.base.validate import Positive, above, at_most
from alftbench.games import Objective
from alftbench.games.rewards import GroupRecord, RuleInfo, correctness, rule_info
from alftbench.games.rewards.declared import Declared
from alftbench_trainers.loop.options import MOST_MEMORY, GroupOptions
from alftbench_trainers.recipe import Recipe

REFERENCE = "log_p0_VZ"
ESTIMATOR = "estimator"  # an option of recipes whose rule asks a target, not a setting of the rule


@dataclass(frozen=True)
class LabelFreeOptions(GroupOptions):
    """Options of a recipe whose rule looks at no labels."""

    strength: Annotated[Positive, "λ, by which the rule's reward is multiplied"] = 1.0
    correctness: Annotated[float, "η, reward of a right answer; 0 trains without labels"] = 0.0


@dataclass(frozen=True)
class RememberingOptions(LabelFreeOptions):
    """Options of a recipe whose target is a memory."""

    memory: Annotated[float, above(0), at_most(MOST_MEMORY), "ρ, what earlier steps drew counts ρ times less"] = (
        0.9
    )

    @property
    def remembers(self) -> float:
        """As the option says."""
        return self.memory


@dataclass(frozen=True)
class AnchoredOptions(GroupOptions):
    """Options of a recipe whose rule takes the reference out again."""

    @property
    def kl(self) -> float:
        """β, what the KL to the reference is multiplied by."""
        return self.beta


def of_rule(
    name: str,
    rule: str,
    description: str,
    *,
    needs: Sequence[str] = (),
    base: type[GroupOptions] | None = None,
    **defaults: Any,
) -> Recipe[Any]:
    """A recipe that trains with one rule.

    Args:
        name: of the method, as its field calls it.
        rule: its name in `alftbench.games.rewards.RULES`.
        description: one line.
        needs: what the rule wants to know of a rollout besides its answer.
        base: options besides the rule's settings; by whether the rule looks at labels if left out.
        defaults: of options, where they differ from those of the rule or of the base.
    """
    info = rule_info(rule)
    chosen = base or (GroupOptions if info.labels else LabelFreeOptions)
    return Recipe(
        name=name,
        description=description,
        paper=info.paper,
        options=options_of_rule(info, chosen, defaults),
        rule=lambda record, options: reward(info, record, options),
        game=(lambda options, correct_Z: game(info, options, correct_Z)) if plays(info) else None,
        needs_orbits=info.compares_phrasings,
        needs=frozenset(needs),
    )


def options_of_rule(info: RuleInfo, base: type[GroupOptions], defaults: Mapping[str, Any]) -> type[GroupOptions]:
    """The options of a base with the rule's settings besides, and other defaults where they are given."""
    hints = {**settings_hints(base), **settings_hints(info.settings)}
    settings = [each for each in fields(info.settings) if each.name != ESTIMATOR and not hasattr(base, each.name)]
    own = {each.name: each.default for each in settings}
    changed = [(name, hints[name], field(default=default)) for name, default in {**own, **defaults}.items()]
    return make_dataclass("Options", changed, bases=(base,), frozen=True, namespace={"__module__": __name__})


def reward(info: RuleInfo, record: GroupRecord, options: Any) -> FloatArray:
    """What the rule gives; of one without labels times λ, and η for a right answer."""
    asked = {"target": options.target} if info.estimator else {}
    earned: FloatArray = info.function(record, **asked, **settings_of(info, options))
    if info.labels:
        return earned
    return np.asarray(options.strength * earned + options.correctness * correctness(record))


def plays(info: RuleInfo) -> bool:
    """Does it ascend an objective of the answers alone? MARA's is one of the reference besides."""
    return info.objective is not None and REFERENCE not in inspect.signature(info.objective).parameters


def game(info: RuleInfo, options: Any, correct_Z: NDArray[np.bool_]) -> Objective:
    """What the rule ascends as G → ∞."""
    settings = settings_of(info, options)
    if info.labels:
        return Declared(info, correct_Z, settings)
    return Declared(info, correct_Z, settings, options.strength, options.correctness)


def settings_of(info: RuleInfo, options: Any) -> dict[str, Any]:
    """The rule's settings among the options."""
    return {each.name: getattr(options, each.name) for each in fields(info.settings) if each.name != ESTIMATOR}
