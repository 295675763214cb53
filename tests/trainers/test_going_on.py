"""A training run that was stopped or damaged goes on to the same end, or says what to do."""

from __future__ import annotations

import json
import shutil

import pytest

from alftbench.errors import BadInput, PluginError, RunConflict
from alftbench.training.train import checkpoint_path, plan_training, run_training
from alftbench.training.updates import UpdateLog
from alftbench.types import Budget
from tests.trainers.jobs import job


def test_a_finished_run_is_read_not_repeated(tmp_path):
    plan = plan_training(job())
    first = run_training(plan, tmp_path)
    before = (tmp_path / "train.json").stat().st_mtime_ns
    assert run_training(plan, tmp_path) == first
    assert (tmp_path / "train.json").stat().st_mtime_ns == before
    with pytest.raises(RunConflict, match="seed: 0 there, 1 asked for"):
        run_training(plan_training(job(seed=1)), tmp_path)
    (checkpoint_path(tmp_path) / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BadInput, match="digest differs"):
        run_training(plan, tmp_path)


class Stopped(Exception):
    """What ends a training run in these tests."""


def stopped_after(step):
    """A listener that ends training when it hears of a step."""

    def listen(progress):
        if progress.doing == f"training, step {step}":
            raise Stopped

    return listen


@pytest.mark.parametrize("trainer", ["coherence-grpo:memory=0.9,", "diversity-game:baseline=jackknife,"])
def test_a_training_run_goes_on_with_its_whole_log(tmp_path, trainer):
    """Stopped in step 3 with a state of step 2, which holds what was logged before it; then the log is damaged."""
    plan = plan_training(job(f"{trainer}save_every=2,orbits=2,group=3", budget=Budget(steps=4)))
    whole = run_training(plan, tmp_path / "whole")
    with pytest.raises(PluginError, match="Stopped"):
        run_training(plan, tmp_path / "stopped", stopped_after(3))
    expected = (tmp_path / "whole" / "updates.jsonl").read_bytes()
    lines = (tmp_path / "stopped" / "updates.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    for number, kept in enumerate((lines, lines[:2], [lines[0], lines[1][:20]], None)):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "stopped", folder)
        log = folder / "updates.jsonl"
        log.unlink() if kept is None else log.write_bytes(b"".join(kept))
        again = run_training(plan, folder)
        assert again.checkpoint_sha256 == whole.checkpoint_sha256
        assert {**again.cost, "seconds": 0} == {**whole.cost, "seconds": 0}
        assert log.read_bytes() == expected


def test_a_state_without_one_of_its_files_is_not_taken_for_a_whole_one(tmp_path):
    plan = plan_training(job("vanilla-grpo:save_every=1,orbits=2,group=2"))
    with pytest.raises(PluginError, match="Stopped"):
        run_training(plan, tmp_path, stopped_after(2))
    (tmp_path / "state" / "step-000001" / "generation_config.json").unlink()
    with pytest.raises(BadInput, match=r"step-000001: the state that was saved is damaged \(generation_config"):
        run_training(plan, tmp_path)


def test_a_log_that_vanished_under_way_does_not_take_the_state_with_it(tmp_path):
    plan = plan_training(job("vanilla-grpo:save_every=1,orbits=2,group=2", budget=Budget(steps=3)))

    def listen(progress):
        if progress.doing == "training, step 2":
            (tmp_path / "updates.jsonl").unlink()
            raise Stopped

    with pytest.raises(PluginError, match="Stopped"):
        run_training(plan, tmp_path, listen)
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["step-000001"]
    assert run_training(plan, tmp_path).steps == 3
    assert (tmp_path / "updates.jsonl").read_text(encoding="utf-8").count("\n") == 3


def test_what_a_kill_left_after_the_record_was_complete_is_cleared(tmp_path):
    plan = plan_training(job("vanilla-grpo:orbits=2,group=2", budget=Budget(steps=1)))
    record = run_training(plan, tmp_path)
    (tmp_path / "state" / "step-000001").mkdir(parents=True)
    assert run_training(plan, tmp_path) == record
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint", "train.json", "updates.jsonl"]


def test_the_update_log_forgets_steps_that_are_run_again(tmp_path):
    from alftbench.training.trainer import Update

    log = UpdateLog(tmp_path / "u.jsonl")
    for step in (1, 2, 3):
        log.append(Update(step, step * 10, 0, 0, 0, 0))
    resumed = UpdateLog(tmp_path / "u.jsonl")
    resumed.append(Update(2, 99, 0, 0, 0, 0))
    rows = [json.loads(line) for line in (tmp_path / "u.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["step"], row["generated_tokens"]) for row in rows] == [(1, 10), (2, 99)]
