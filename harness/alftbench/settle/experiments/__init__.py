"""Questions that a figure answers: each a file, from its arms to its picture.

    arms ─ play ─→ rows, one line on disk each ─→ tables, one sentence, figure

`EXPERIMENTS` has them by the name that `alftbench settle NAME` takes.
"""

from typing import Any

from alftbench.settle.experiments.alternating import ALTERNATING
from alftbench.settle.experiments.base import Choice, Experiment, Finding, run_experiment
from alftbench.settle.experiments.baselines import BASELINES
from alftbench.settle.experiments.group_size import GROUP_SIZE
from alftbench.settle.experiments.incoherence import INCOHERENCE
from alftbench.settle.experiments.prompts import PROMPTS
from alftbench.settle.experiments.target_cost import TARGET_COST

_ALL = (ALTERNATING, TARGET_COST, BASELINES, PROMPTS, GROUP_SIZE, INCOHERENCE)
EXPERIMENTS: dict[str, Experiment[Any]] = {each.name: each for each in _ALL}

__all__ = ["EXPERIMENTS", "Choice", "Experiment", "Finding", "run_experiment"]
