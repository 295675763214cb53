"""Every registered trainer passes the conformance kit: options, budget, checkpoint, going on, the update."""

from __future__ import annotations

import sys

import pytest

from alftbench.base import entry_points
from alftbench.training.conformance.kit import FAILED, check_trainer
from alftbench.training.trainer import TrainerSpec
from tests.helpers import ROOT

TRAINERS = list(entry_points.available("trainer"))
EXAMPLE = ROOT / "docs" / "plugins" / "external_reinforce.py"
GIVEN = {"external": (("command", f"{sys.executable} {EXAMPLE}"),)}
"""Options without which a trainer cannot train."""


@pytest.mark.parametrize("name", TRAINERS)
def test_it_passes_the_conformance_kit(name):
    verdicts = list(check_trainer(TrainerSpec(name, GIVEN.get(name, ()))))
    assert not [verdict for verdict in verdicts if verdict.status == FAILED]
