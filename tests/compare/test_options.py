"""The options of a comparison reach the training and the evaluations that they speak of."""

from __future__ import annotations

import os

import pytest

from alftbench.backends.hf.devices import at_once, cuda_ids
from alftbench.compare.plan import CompareRequest, trials
from alftbench.training.trainer import parse_spec
from alftbench.types import Budget


def test_a_token_limit_holds_everywhere_and_temperature_in_evaluation(tmp_path):
    request = CompareRequest(
        (parse_spec("vanilla-grpo"),), "tiny-sums", ("sums",), 1, Budget(6000), tmp_path, "tiny",
        tempered=(0.4,), temperature=0.5, max_tokens=7,
    )  # fmt: skip
    planned = trials(request)
    assert {trial.job.max_tokens for trial in planned if trial.job} == {7}
    assert {each.max_tokens for trial in planned for each in trial.evaluations} == {7}
    temperatures = {trial.method: {each.temperature for each in trial.evaluations} for trial in planned}
    assert sorted(map(sorted, temperatures.values())) == [[0.2], [0.5], [0.5]]


def test_one_trial_per_core_where_there_is_no_gpu():
    assert (at_once("cpu"), cuda_ids("cpu")) == (os.cpu_count(), ())


@pytest.mark.parametrize("visible", ["", "4,6"])
def test_one_trial_per_gpu(monkeypatch, visible):
    """On a machine of two GPUs, as far as torch says."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    ids = ("4", "6") if visible else ("0", "1")
    assert (at_once("auto"), cuda_ids("auto")) == (2, ids)
    assert (at_once("cuda:1"), cuda_ids("cuda:1")) == (1, ())
