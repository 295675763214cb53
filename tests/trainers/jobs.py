"""Small training jobs on the embedded model."""

from __future__ import annotations

from alftbench.training.train import TrainJob
from alftbench.training.trainer import parse_spec
from alftbench.types import Budget


def job(trainer="vanilla-grpo", **changes) -> TrainJob:
    settings = {"suites": ("sums", "splits"), "budget": Budget(steps=2), **changes}
    return TrainJob(parse_spec(trainer), "tiny-sums", **settings)
