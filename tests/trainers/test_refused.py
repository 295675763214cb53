"""What a training run is refused for, and what is counted and said of its steps."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from alftbench.base import entry_points
from alftbench.base.entry_points import code_digest
from alftbench.cli.train import remarks
from alftbench.errors import BadInput, RunConflict, UsageError
from alftbench.publish.comparison import compare_runs
from alftbench.publish.evidence import collect
from alftbench.suites.load import Selection
from alftbench.training.train import plan_training, run_training
from alftbench.types import Budget
from alftbench_trainers.loop.options import GroupOptions
from alftbench_trainers.recipe import Recipe
from alftbench_trainers.recipes.coherence_grpo import COHERENCE_GRPO
from alftbench_trainers.recipes.diversity_game import DIVERSITY_GAME
from tests.helpers import ROOT
from tests.trainers.jobs import job

SUITE = """
name: little
version: 1
description: a few sums
licence: CC0-1.0
citation: nobody
homepage: https://example.org
file:
  fields: {{id: id, question: question, reference: answer}}
  splits:
    test: {{name: test.jsonl, rows: 2, sha256: {sha256}}}
    train: {{name: train.jsonl}}
answer_kind: number
answer_rules: [marker, last-number]
prompt: $question
sampling: {{n: 2, temperature: 1.0, max_tokens: 8}}
"""


def rows(*numbers):
    content = [{"id": f"p{n}", "question": f"{n} + 1?", "answer": str(n + 1)} for n in numbers]
    return "".join(json.dumps(row) + "\n" for row in content)


@pytest.fixture
def little(tmp_path):
    """A suite of two test problems, with a folder for its files."""
    (tmp_path / "test.jsonl").write_text(rows(1, 2), encoding="utf-8")
    sha256 = hashlib.sha256((tmp_path / "test.jsonl").read_bytes()).hexdigest()
    (tmp_path / "little.yaml").write_text(SUITE.format(sha256=sha256), encoding="utf-8")
    return tmp_path


def plan_on(folder, data):
    selection = Selection("train", data=str(data))
    return plan_training(job("vanilla-grpo:orbits=1", suites=(str(folder / "little.yaml"),), selection=selection))


def test_training_on_the_recorded_test_split_is_refused_whatever_it_is_called(little):
    (little / "mine.jsonl").write_bytes((little / "test.jsonl").read_bytes())
    with pytest.raises(UsageError, match="this is the recorded test split of little"):
        plan_on(little, little / "mine.jsonl")


def test_training_problems_that_are_tested_too_are_refused(little):
    (little / "train.jsonl").write_text(rows(2, 3, 4), encoding="utf-8")
    with pytest.raises(UsageError, match=r"1 training problems are in its test split too, such as '2 \+ 1\?'"):
        plan_on(little, little)
    (little / "train.jsonl").write_text(rows(3, 4), encoding="utf-8")
    assert len(plan_on(little, little).suites[0].orbits) == 2


def test_a_run_is_not_continued_after_the_trainers_code_changed(tmp_path, monkeypatch):
    run_training(plan_training(job()), tmp_path / "run")
    other = {"distribution": "alftbench", "version": "9.9", "sha256": "0" * 64}
    monkeypatch.setattr(entry_points, "code_of", lambda entry: other)
    with pytest.raises(RunConflict, match=r"the trainer's code changed since: alftbench .* there, 9\.9 now"):
        run_training(plan_training(job()), tmp_path / "run")


def test_the_digest_of_code_follows_the_code(tmp_path, monkeypatch):
    package = tmp_path / "shy_trainer"
    package.mkdir()
    (package / "__init__.py").write_text("LAMBDA = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    before = code_digest("shy_trainer")
    code_digest.cache_clear()
    assert code_digest("shy_trainer") == before
    (package / "__init__.py").write_text("LAMBDA = -1\n", encoding="utf-8")
    code_digest.cache_clear()
    assert code_digest("shy_trainer") != before
    harness = tmp_path / "harness"
    harness.mkdir()
    (harness / "rewards.py").write_text("entropy = +1\n", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(entry_points, "REWARDING", [harness])
        code_digest.cache_clear()
        first = code_digest("shy_trainer")
        (harness / "rewards.py").write_text("entropy = -1\n", encoding="utf-8")
        code_digest.cache_clear()
        assert code_digest("shy_trainer") != first
    code_digest.cache_clear()


def test_steps_without_a_reward_to_learn_from_are_counted_and_said(tmp_path):
    same = lambda record, options: np.ones(record.class_VG.shape)  # noqa: E731
    recipe = Recipe("flat", "The same for all.", GroupOptions, same)
    plan = replace(plan_training(job(budget=Budget(steps=2))), trainer=recipe({}))
    record = run_training(plan, tmp_path)
    assert (record.steps, record.silent_steps) == (2, 2)
    assert list(remarks(record)) == ["no group had a reward to learn from in 2 of 2 steps; the model is as it was"]


def test_steps_whose_gradient_was_shortened_are_counted_and_said(tmp_path):
    record = run_training(plan_training(job("vanilla-grpo:max_grad_norm=1e-6", budget=Budget(steps=2))), tmp_path)
    assert (record.clipped_steps, record.silent_steps) == (2, 0)
    assert list(remarks(record)) == ["the gradient was shortened to max_grad_norm in 2 of 2 steps"]


def test_half_precision_with_steps_that_round_away_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(UsageError, match=r"learning_rate=1e-06: half such a step rounds away in 100% of weights"):
        run_training(plan_training(job("vanilla-grpo:learning_rate=1e-6", dtype="bfloat16")), tmp_path / "run")
    assert not list((tmp_path / "run").glob("*")) if (tmp_path / "run").exists() else True
    run_training(plan_training(job("vanilla-grpo:learning_rate=5e-3", dtype="bfloat16")), tmp_path / "coarse")


@pytest.mark.parametrize("recipe", [COHERENCE_GRPO, DIVERSITY_GAME])
@pytest.mark.parametrize("baseline", ["mean", "leave-one-out", "jackknife"])
def test_a_group_of_two_whose_answers_are_counted_is_refused_with_the_reason(recipe, baseline):
    with pytest.raises(UsageError, match="at least 3"):
        recipe({"group": "2", "baseline": baseline})
    assert recipe({"group": "2", "baseline": "mean", "memory": "0.9"}).options.group == 2


def test_seeds_of_one_name_with_other_options_are_not_pooled():
    runs = [run for run in collect(sorted((ROOT / "results/tiny").glob("vanilla*"))) if run.suite == "sums"]
    place = next(i for i, run in enumerate(runs) if run.seed == 1)
    config = {**runs[place].training.config, "options": {"beta": 0.9}}
    runs[place] = replace(runs[place], training=replace(runs[place].training, config=config))
    with pytest.raises(BadInput, match="are both called vanilla-grpo, and differ in options"):
        compare_runs(runs, ["sums"], [])
