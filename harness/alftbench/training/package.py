"""A package with a trainer of one's own, written in a moment: it installs, trains, and has a test."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from alftbench.base import entry_points
from alftbench.base.jsonio import write_text
from alftbench.base.names import unfit_file
from alftbench.errors import UsageError

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
COMMANDS = ("list", "show", "new", "check")  # of `alftbench trainers`, which takes a name in their place

PYPROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "alftbench-$name"
version = "0.1.0"
description = "A trainer for alftbench: $name"
requires-python = ">=3.11"
dependencies = ["alftbench"]

[project.entry-points."alftbench.trainers"]
$name = "$module:$constant"

[tool.hatch.build]
dev-mode-dirs = ["."]

[tool.hatch.build.targets.wheel]
packages = ["$module"]
"""

RULE = '''"""$name: say here what is rewarded, and where that comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from alftbench.games.rewards import GroupRecord
from alftbench_trainers.loop.options import GroupOptions
from alftbench_trainers.recipe import Recipe


@dataclass(frozen=True)
class Options(GroupOptions):
    """Those that every recipe has, and one more."""

    rarity: Annotated[float, "what a right answer earns more where few give it"] = 0.5


def reward(record: GroupRecord, options: Options) -> np.ndarray:
    """1 for a right answer, and more where few of its group gave it.

    Args:
        record: V phrasings of a problem, G rollouts of each; `class_VG` has the answer class of every rollout.
        options: as given.

    Returns:
        The reward of every rollout, shape (V, G).
    """
    right_VG = record.correct_VG.astype(float)
    others_VG = 1 - record.own_VG / record.group
    return right_VG * (1 + options.rarity * others_VG)


$constant = Recipe(
    name="$name",
    description="Right answers, and rare ones more.",
    options=Options,
    rule=reward,
)
'''

TEST = '''"""The rule by hand: two phrasings, four rollouts of each."""

import numpy as np
from alftbench.games.rewards import GroupRecord
from $module import Options, reward


def test_a_right_answer_earns_more_the_fewer_gave_it():
    record = GroupRecord(np.array([[0, 0, 1, -1], [0, 1, 1, 1]]), np.array([True, False]))
    expected = [[1.25, 1.25, 0, 0], [1.375, 0, 0, 0]]
    np.testing.assert_allclose(reward(record, Options(rarity=0.5)), expected)
'''

README = """# $name

A training method for alftbench. The rule in `$module/__init__.py` says what a sample earns; the loop is
that of the reference trainers.

    pip install --no-deps --no-build-isolation -e .
    alftbench train $name --steps 20
    alftbench trainers check $name
    alftbench compare vanilla-grpo $name
    python -m pytest

Change the rule, its options and its test. `--no-deps` keeps the alftbench and torch that are there.
"""


def write_package(name: str, into: Path) -> Path:
    """Write a package with one recipe under a name of its own; gives its folder.

    Args:
        name: what the method is called, in small letters, digits and dashes.
        into: gets the package's folder, which is called alftbench-NAME.

    Raises:
        UsageError: the name is none, or taken, or the folder is there.
    """
    if not NAME.fullmatch(name) or unfit_file(name):
        raise UsageError(f"trainer {name!r}: use small letters, digits and dashes, such as my-method")
    if name in COMMANDS or entry_points.available("trainer").get(name):
        raise UsageError(f"trainer {name!r}: the name is taken; choose another")
    folder = into / f"alftbench-{name}"
    if folder.exists():
        raise UsageError(f"{folder} is there already; choose another name or --into another folder")
    module = f"alftbench_{name.replace('-', '_')}"
    words = {"name": name, "module": module, "constant": name.replace("-", "_").upper()}
    files = {
        "pyproject.toml": PYPROJECT,
        f"{module}/__init__.py": RULE,
        "tests/test_rule.py": TEST,
        "README.md": README,
    }
    for path, text in files.items():
        write_text(folder / path, Template(text).substitute(words))
    return folder
