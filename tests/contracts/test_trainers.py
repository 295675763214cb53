"""Every registered trainer: options, a step within its budget, a checkpoint as reported, going on when stopped."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from alftbench.backends.base import BackendOptions
from alftbench.backends.load import open_backend
from alftbench.backends.model_files import fingerprint
from alftbench.base import entry_points
from alftbench.errors import UsageError
from alftbench.suites.load import Selection, load_suite
from alftbench.training.train import TrainJob, TrainRecord, make_trainer, plan_training, run_training
from alftbench.training.trainer import TrainerSpec
from alftbench.types import Budget, SamplingParams, Variant
from tests.helpers import ROOT

TRAINERS = list(entry_points.available("trainer"))
TOKENS, STEPS = 20_000, 2
SMALL = {"group": "4", "orbits": "1"}
"""Options that make a step quick, for trainers that have them."""
EXAMPLE = ROOT / "docs" / "plugins" / "external_reinforce.py"
GIVEN = {"external": (("command", f"{sys.executable} {EXAMPLE}"),)}
"""Options without which a trainer cannot train."""


@cache
def job(name: str) -> TrainJob:
    spec = TrainerSpec(name, ())
    options = make_trainer(spec).config()
    quick = tuple((key, value) for key, value in SMALL.items() if key in options)
    small = TrainerSpec(name, GIVEN.get(name, ()) + quick)
    budget = Budget(tokens=TOKENS, steps=STEPS)
    return TrainJob(small, "tiny-sums", ("sums",), budget, Selection("train", limit=2), device="cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Callable[[str], tuple[TrainRecord, Path]]:
    """Record and folder of an unbroken training; each trainer is trained once."""

    @cache
    def run(name: str) -> tuple[TrainRecord, Path]:
        folder = tmp_path_factory.mktemp("trained") / name
        return run_training(plan_training(job(name)), folder), folder

    return run


@pytest.fixture(scope="module")
def variants() -> tuple[Variant, ...]:
    """The phrasings of a test problem."""
    return load_suite("sums").orbits("test")[0].variants


@pytest.mark.parametrize("name", TRAINERS)
def test_its_options_are_listed_with_values_that_it_takes_again(name):
    options = dict(make_trainer(TrainerSpec(name, ())).config())
    assert json.loads(json.dumps(options)) == options
    spelled = tuple((key, str(value)) for key, value in options.items() if value is not None)
    assert dict(make_trainer(TrainerSpec(name, spelled)).config()) == options


@pytest.mark.parametrize("name", TRAINERS)
def test_an_option_that_it_does_not_have_is_refused(name):
    with pytest.raises(UsageError, match=r"no.such.option"):
        make_trainer(TrainerSpec(name, (("no_such_option", "1"),)))


@pytest.mark.parametrize("name", TRAINERS)
def test_it_leaves_a_checkpoint_as_reported_and_spends_no_more_than_it_may(name, trained, variants):
    record, folder = trained(name)
    checkpoint = folder / "checkpoint"
    assert (record.status, record.steps) == ("complete", STEPS)
    assert record.checkpoint_sha256 == fingerprint(checkpoint)
    assert 0 <= record.cost["generated_tokens"] <= TOKENS
    backend = open_backend("hf", str(checkpoint), BackendOptions(device="cpu"))
    samples = [s for portion in backend.sample(variants, SamplingParams(n=1, max_tokens=4)) for s in portion]
    assert len(samples) == len(variants)


@pytest.mark.parametrize("name", TRAINERS)
def test_stopped_and_asked_again_it_ends_with_the_same_checkpoint(name, trained, tmp_path):
    unbroken, _ = trained(name)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_training(plan_training(job(name)), tmp_path / "stopped", stop)
    record = run_training(plan_training(job(name)), tmp_path / "stopped")
    assert record.checkpoint_sha256 == unbroken.checkpoint_sha256
    assert record.cost["generated_tokens"] == unbroken.cost["generated_tokens"]
