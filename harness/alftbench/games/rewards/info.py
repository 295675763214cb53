"""What is known of a rule besides its formula: names, paper, settings, and what it ascends."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, make_dataclass
from functools import cache, partial
from typing import Annotated, Any, get_type_hints

from alftbench.base.arrays import FloatArray
from alftbench.base.settings import read_settings
from alftbench.base.validate import one_of
from alftbench.errors import UsageError
from alftbench.games.estimators import ESTIMATORS
from alftbench.games.rewards.group import BoolArray, Rule
from alftbench.games.rewards.population import exact_population_reward, population_reward
from alftbench.games.rewards.proportions import reward_in_proportion
from alftbench.games.rewards.targets import U_STATISTIC, FromCounts, Target

_ESTIMATOR = Annotated[str, one_of((*ESTIMATORS, U_STATISTIC)), "how log p and log q are estimated from counts"]


@dataclass(frozen=True)
class RuleInfo:
    """A rule with its name.

    Args:
        name: as `alftbench rules` takes it.
        function: (record, …settings by keyword) → rewards; with a second argument `target` where it asks one.
        paper: where it comes from, such as "arXiv 2402.03300".
        ascends: what its expected update ascends as G → ∞, or why it is no gradient; one sentence.
        objective: (p_VZ, correct_Z, …settings by keyword) → what it ascends; None where it is no gradient.
        also: other names of the same rule.
        estimator: of its target, unless a setting says otherwise; for rules that ask one.
        labels: does it look at which answers are right?
        phrasings: the least number with which it does anything.
    """

    name: str
    function: Callable[..., FloatArray]
    paper: str
    ascends: str
    objective: Callable[..., float] | None
    also: tuple[str, ...] = ()
    estimator: str = ""
    labels: bool = True
    phrasings: int = field(default=1, kw_only=True)

    @property
    def family(self) -> str:
        """The file that it stands in."""
        return self.function.__module__.rpartition(".")[2]

    @property
    def compares_phrasings(self) -> bool:
        """Does what one phrasing earns depend on what the others answer?"""
        return self.phrasings > 1 or self.family == "consensus"

    @property
    def settings(self) -> type:
        """A dataclass of its settings with defaults, for `alftbench.base.settings`."""
        return _settings(self)

    def read(self, pairs: Mapping[str, str]) -> dict[str, Any]:
        """All settings by name; those not given keep their defaults.

        Raises:
            UsageError: there is no such setting, or its value is not what it must be.
        """
        return asdict(read_settings(self.settings, pairs, f"rule {self.name}"))

    def rule(self, **settings: Any) -> Rule:
        """The rule with its settings; those not given keep their defaults."""
        estimator = settings.pop("estimator", self.estimator)
        if not self.estimator:
            return partial(self.function, **settings)
        return partial(self.function, target=FromCounts(estimator), **settings)

    def population(
        self,
        p_VZ: FloatArray,
        correct_Z: BoolArray,
        unanswered: int | None = None,
        log_p0_VZ: FloatArray | None = None,
        **settings: Any,
    ) -> FloatArray:
        """The limit of its expected reward as G → ∞, shape (V, Z); within O(1/G) of one that is no gradient."""
        settings.pop("estimator", None)
        if not self.estimator and self.objective is not None:
            return reward_in_proportion(self.rule(**settings), p_VZ, correct_Z, unanswered, log_p0_VZ)
        if not self.estimator:
            return population_reward(self.rule(**settings), p_VZ, correct_Z, unanswered, log_p0_VZ)

        def rule_of(target: Target) -> Rule:
            return partial(self.function, target=target, **settings)

        return exact_population_reward(rule_of, p_VZ, correct_Z, unanswered)

    def value(
        self, p_VZ: FloatArray, correct_Z: BoolArray, log_p0_VZ: FloatArray | None = None, **settings: Any
    ) -> float:
        """What it ascends, at these answer marginals.

        Raises:
            UsageError: its update is no gradient, or it needs a reference.
        """
        if self.objective is None:
            raise UsageError(f"rule {self.name} ascends no objective: {self.ascends}")
        settings = {**self.read({}), **settings}
        settings.pop("estimator", None)
        if "log_p0_VZ" in inspect.signature(self.objective).parameters:
            settings["log_p0_VZ"] = log_p0_VZ
        return self.objective(p_VZ, correct_Z, **settings)


@cache
def _settings(info: RuleInfo) -> type:
    """A dataclass of a rule's settings; asked for with every group that is rewarded, so made once."""
    hints = get_type_hints(info.function, include_extras=True)
    parameters = inspect.signature(info.function).parameters.values()
    fields: list[tuple[str, Any, Any]] = [
        (parameter.name, hints[parameter.name], field(default=parameter.default))
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    if info.estimator:
        fields.append(("estimator", _ESTIMATOR, field(default=info.estimator)))
    return make_dataclass("Settings", fields, frozen=True)
