"""Every door for plugins, with its signature: group, entry point, and what that must do.

A package that depends on alftbench registers a plugin in its pyproject.toml, and alftbench's own go the same way:

    [project.entry-points."alftbench.backends"]
    echo = "alftbench_echo:EchoBackend"

`alftbench trainers`, `suites`, `backends` and `metrics` list what is installed. A judge of answers has no door of
its own: the suite whose problems name it registers it, see `alftbench.answers.verifiers`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from alftbench.base.entry_points import GROUPS

if TYPE_CHECKING:  # a list of doors imports none of the rooms behind them
    from alftbench.backends.base import Backend, BackendInfo, BackendOptions
    from alftbench.metrics.base import Metric
    from alftbench.suites.base import Suite
    from alftbench.training.trainer import Trainer


class Doors(Protocol):
    """The signature of each door: what alftbench calls, with what, for what."""

    def trainer(self, options: Mapping[str, str]) -> Trainer:
        """A trainer with the options of `alftbench train NAME:key=value,...`, or a UsageError for a wrong one."""
        ...

    @property
    def suite(self) -> Suite:
        """Problems with their phrasings and right answers, as an object of a module."""
        ...

    def suite_family(self, text: str) -> Suite:
        """The suite of `--suite FAMILY:text`, or a UsageError where there is none."""
        ...

    @property
    def suite_folder(self) -> str:
        """A package with YAML files: each is a suite, called as its file."""
        ...

    def backend(self, model: str, options: BackendOptions) -> Backend:
        """A class that loads a model when it is called, so that prompts become samples; see `backend_info`."""
        ...

    @property
    def backend_info(self) -> BackendInfo:
        """The attribute `info` of a backend's class: what it can, read before any model is loaded."""
        ...

    def metric(self, n: int) -> Sequence[Metric]:
        """Metrics for n samples per prompt, each a number per problem within its bounds."""
        ...


@dataclass(frozen=True)
class Door:
    """A kind of plugin.

    contract: module and name of the type that an entry point, or what it gives when called, must satisfy.
    gives: what that is for, in a line. page: how to write one.
    """

    kind: str
    contract: str
    gives: str
    page: str

    @property
    def group(self) -> str:
        """The entry point group to register under."""
        return GROUPS[self.kind]


DOORS = (
    Door("trainer", "alftbench.training.trainer:Trainer", "models are trained", "docs/plugins/trainer.md"),
    Door("suite", "alftbench.suites.base:Suite", "problems with right answers, by code", "docs/plugins/suite.md"),
    Door("suite family", "alftbench.suites.base:Suite", "suites made from a text", "docs/plugins/suite.md"),
    Door("suite folder", "alftbench.suites.base:Suite", "problems from tables, by YAML", "docs/plugins/suite.md"),
    Door("backend", "alftbench.backends.base:BackendClass", "prompts become samples", "docs/plugins/backend.md"),
    Door("metric", "alftbench.metrics.base:Metric", "graded answers become numbers", "docs/plugins/metric.md"),
)
