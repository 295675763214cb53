"""Every registered trainer through the conformance kit, and through `train`: stopped, it goes on to the same end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from alftbench.backends.model_files import fingerprint
from alftbench.base import entry_points
from alftbench.suites.load import Selection
from alftbench.training.conformance.kit import FAILED, check_trainer
from alftbench.training.train import TrainJob, make_trainer, plan_training, run_training
from alftbench.training.trainer import TrainerSpec
from alftbench.types import Budget
from tests.helpers import ROOT

TRAINERS = list(entry_points.available("trainer"))
TOKENS, STEPS = 20_000, 2
SMALL = {"group": "4", "orbits": "1"}
"""Options that make a step quick, for trainers that have them."""
EXAMPLE = ROOT / "docs" / "plugins" / "external_reinforce.py"
GIVEN = {"external": (("command", f"{sys.executable} {EXAMPLE}"),)}
"""Options without which a trainer cannot train."""


def spec_of(name: str) -> TrainerSpec:
    return TrainerSpec(name, GIVEN.get(name, ()))


def job(name: str) -> TrainJob:
    spec = spec_of(name)
    options = make_trainer(spec).config()
    quick = tuple((key, value) for key, value in SMALL.items() if key in options)
    small = TrainerSpec(name, spec.options + quick)
    budget = Budget(tokens=TOKENS, steps=STEPS)
    return TrainJob(small, "tiny-sums", ("sums",), budget, Selection("train", limit=2), device="cpu")


@pytest.mark.parametrize("name", TRAINERS)
def test_it_passes_the_conformance_kit(name):
    failed = [verdict for verdict in check_trainer(spec_of(name)) if verdict.status == FAILED]
    assert not failed


@pytest.mark.parametrize("name", TRAINERS)
def test_a_stopped_run_ends_as_its_record_says(name, tmp_path: Path):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_training(plan_training(job(name)), tmp_path / "stopped", stop)
    record = run_training(plan_training(job(name)), tmp_path / "stopped")
    assert (record.status, record.steps) == ("complete", STEPS)
    assert record.checkpoint_sha256 == fingerprint(tmp_path / "stopped" / "checkpoint")
    assert 0 <= record.cost["generated_tokens"] <= TOKENS
