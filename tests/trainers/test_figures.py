"""A recipe sees what was written and how it ended, and logs figures of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alftbench.errors import PluginError
from alftbench.training.train import plan_training, run_training
from alftbench.training.updates import logged
from alftbench.types import Budget
from alftbench_trainers.loop.options import GroupOptions
from alftbench_trainers.recipe import Recipe
from tests.trainers.jobs import job

SEEN: list = []


def rule(record, options):
    """Short texts that ended by themselves, likely ones a little more."""
    SEEN.append(record)
    ended = np.array([[reason == "stop" for reason in row] for row in record.finish_reason_VG])
    lengths = np.array([[len(text) for text in row] for row in record.text_VG])
    return ended / (1 + lengths) + 0.01 * record.log_prob_VG / np.maximum(record.tokens_VG, 1)


def figures(record, options):
    return {"tokens": float(record.tokens_VG.mean()), "nats": float(record.log_prob_VG.mean())}


def plan(**changes):
    fields = {"needs": frozenset({"log_prob"}), "figures": figures, **changes}
    recipe = Recipe("mine", "A rule of a test.", GroupOptions, rule, **fields)
    training = plan_training(job(suites=("sums",), budget=Budget(steps=2)))
    return replace(training, trainer=recipe({"group": "4", "orbits": "2"}))


def test_the_means_over_problems_are_logged(tmp_path):
    SEEN.clear()
    run_training(plan(), tmp_path)
    updates = logged(tmp_path / "updates.jsonl")
    records = list({id(record.text_VG): record for record in SEEN}.values())  # a rule is also asked what labels do
    assert len(updates) == 2
    assert len(records) == 4
    for step, update in enumerate(updates):
        two = records[2 * step : 2 * step + 2]
        assert update.extra["tokens"] == pytest.approx(np.mean([record.tokens_VG.mean() for record in two]))
        assert update.extra["nats"] == pytest.approx(np.mean([record.log_prob_VG.mean() for record in two]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda record, options: {"x": float("nan")}, "the figure 'x' of mine is nan; it must be finite"),
        (lambda record, options: {"": 1.0}, "the figure '' of mine is 1.0; it must be finite, with a name"),
        (lambda record, options: {"x": "many"}, "the figures of mine failed: ValueError"),
    ],
)
def test_a_figure_that_is_none_is_refused(tmp_path, wrong, message):
    with pytest.raises(PluginError, match=message):
        run_training(plan(figures=wrong), tmp_path)
