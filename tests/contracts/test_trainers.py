"""Every registered trainer: options, a step within its budget, a checkpoint as reported, going on when stopped."""

from __future__ import annotations

import json

import pytest

from alftbench.backends.base import BackendOptions
from alftbench.backends.load import open_backend
from alftbench.backends.model_files import fingerprint
from alftbench.base import entry_points
from alftbench.errors import UsageError
from alftbench.suites.load import Selection, load_suite
from alftbench.training.train import TrainJob, make_trainer, plan_training, run_training
from alftbench.training.trainer import TrainerSpec
from alftbench.types import Budget, SamplingParams

TRAINERS = list(entry_points.available("trainer"))
TOKENS = 20_000


def job(name: str, steps: int) -> TrainJob:
    budget = Budget(tokens=TOKENS, steps=steps)
    return TrainJob(
        TrainerSpec(name, ()), "tiny-sums", ("sums",), budget, Selection("train", limit=6), device="cpu"
    )


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
def test_a_step_leaves_a_checkpoint_as_reported_and_spends_no_more_than_it_may(name, tmp_path):
    record = run_training(plan_training(job(name, 1)), tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint"
    assert (record.status, record.steps) == ("complete", 1)
    assert record.checkpoint_sha256 == fingerprint(checkpoint)
    assert 0 <= record.cost["generated_tokens"] <= TOKENS
    backend = open_backend("hf", str(checkpoint), BackendOptions(device="cpu"))
    variants = load_suite("sums").orbits("test")[0].variants
    samples = [s for portion in backend.sample(variants, SamplingParams(n=1, max_tokens=4)) for s in portion]
    assert len(samples) == len(variants)


@pytest.mark.parametrize("name", TRAINERS)
def test_stopped_and_asked_again_it_ends_with_the_same_checkpoint(name, tmp_path):
    unbroken = run_training(plan_training(job(name, 2)), tmp_path / "unbroken")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_training(plan_training(job(name, 2)), tmp_path / "stopped", stop)
    record = run_training(plan_training(job(name, 2)), tmp_path / "stopped")
    assert record.checkpoint_sha256 == unbroken.checkpoint_sha256
