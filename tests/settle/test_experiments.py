"""Experiments: the theory they measure against, arms that go on after a kill, and what the command says."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice

import pytest

from alftbench.errors import RunConflict, UsageError
from alftbench.settle.experiments import ALTERNATING, BASELINES, EXPERIMENTS, TARGET_COST, Choice, run_experiment
from alftbench.settle.experiments import alternating as shares


@pytest.mark.parametrize("ratio", [0.5, 1.0, 4.0])
def test_the_largest_share_that_converges_is_the_one_of_theory(ratio):
    found = shares.play(shares.Arm(shares.TABULAR, ratio, 0))["share"]
    assert found == pytest.approx(shares.critical_share(ratio), abs=2 * shares.PRECISION)


def short(experiment, count):
    """The first arms of an experiment alone."""
    return replace(experiment, arms=lambda choice: islice(experiment.arms(choice), count))


def without_seconds(rows):
    return [{key: value for key, value in row.items() if key not in ("seconds", "milliseconds")} for row in rows]


def test_a_run_that_was_stopped_between_arms_ends_with_the_same_rows(tmp_path):
    whole = run_experiment(short(ALTERNATING, 4), Choice(), tmp_path / "whole")
    run_experiment(short(ALTERNATING, 2), Choice(), tmp_path / "stopped")
    path = tmp_path / "stopped" / "arms.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + '{"name": "half a l', encoding="utf-8")
    again = run_experiment(short(ALTERNATING, 4), Choice(), tmp_path / "stopped")
    assert without_seconds(again.rows) == without_seconds(whole.rows)
    with pytest.raises(RunConflict, match="other settings"):
        run_experiment(short(replace(ALTERNATING, version=99), 1), Choice(), tmp_path / "stopped")


@pytest.mark.parametrize("experiment", [TARGET_COST, BASELINES])
def test_an_arm_is_the_same_whenever_it_is_played(experiment):
    arm = next(iter(experiment.arms(Choice())))
    first, again = (without_seconds([experiment.row(arm)])[0] for _ in range(2))
    assert json.dumps(first, default=float) == json.dumps(again, default=float)


def test_a_target_that_knows_the_truth_gains_nothing():
    """The oracle's half of the gap is 0; a player that never looks is worse than a memory."""
    ends = {}
    for arm in TARGET_COST.arms(Choice()):
        if arm.player in ("oracle", "memory-1", "nothing") and (arm.player, arm.share) not in ends:
            ends[arm.player, arm.share] = TARGET_COST.row(arm)["marks"][-1]
    shares_tried = {share for _, share in ends}
    for share in shares_tried:
        oracle, memory, nothing = (ends[player, share] for player in ("oracle", "memory-1", "nothing"))
        assert oracle["target_regret"] == pytest.approx(0, abs=1e-9)
        assert oracle["target_regret"] < memory["target_regret"] < nothing["target_regret"]


def test_names_and_choices_are_checked(light, tmp_path):
    assert list(EXPERIMENTS) == ["alternating", "target-cost", "baselines", "prompts", "group-size", "incoherence"]
    with pytest.raises(UsageError, match="seeds is 0"):
        Choice(seeds=0)
    failed = light(tmp_path, "settle", "nothing")
    assert (failed.code, failed.err.count("\n")) == (2, 1)
    assert "known: " + ", ".join(sorted(EXPERIMENTS)) in failed.err
    listed = light(tmp_path, "settle", "--list", "--format", "json")
    assert [row["name"] for row in json.loads(listed.out)] == list(EXPERIMENTS)
