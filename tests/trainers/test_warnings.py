"""Warnings while a model trains: on made-up logs, on a real run each, and after a stop."""

from __future__ import annotations

import json
from dataclasses import asdict
from io import StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from alftbench.cli import progress
from alftbench.errors import PluginError
from alftbench.games.rewards import GroupRecord, correctness
from alftbench.training import warnings
from alftbench.training.train import plan_training, read_train_record, run_training
from alftbench.training.trainer import Update
from alftbench.training.updates import logged
from alftbench.training.warnings import BLOCK, WINDOW, Watch, constant, difference, runaway
from alftbench.types import Budget, Progress
from alftbench_trainers.loop.monitor import agreement, held_out, kl_limit, reads_labels
from alftbench_trainers.loop.rollouts import OrbitRollouts
from tests.helpers import ROOT
from tests.trainers.jobs import job

ALL_STEPS = 4 * BLOCK


def log(n=ALL_STEPS, **fields):
    """Steps whose fields are functions of the share of the run that is done, with the spread of real steps."""
    rng = np.random.default_rng(0)
    steps = []
    for step in range(1, n + 1):
        values = {name: of(step / n) for name, of in fields.items()}
        for name in ("agreement", "held_out"):
            if values.get(name) is not None:
                values[name] = float(np.clip(values[name] + rng.normal(0, 0.05), 0, 1))
        steps.append(Update(step, step, 0.0, 0.0, **{"kl": 0.0, "grad_norm": 1.0, **values}))
    return steps


def rising(share):
    return 0.3 + 0.5 * share


def falling(share):
    return 0.7 - 0.4 * share


def level(share):
    return 0.5


LOGS = {
    "collapse": ({"agreement": rising, "held_out": falling}, {"collapse": 2 * BLOCK}),
    "agrees, and is right as often": ({"agreement": rising, "held_out": level}, {}),
    "agrees, and is right more often": ({"agreement": rising, "held_out": rising}, {}),
    "is right less often, and agrees less": ({"agreement": falling, "held_out": falling}, {}),
    "a fall too small to matter": ({"agreement": rising, "held_out": lambda s: 0.5 - 0.03 * s}, {}),
    "first better, then worse": (
        {"agreement": rising, "held_out": lambda s: 0.3 + s if s <= 0.5 else 1.3 - s},
        {"collapse": 4 * BLOCK},
    ),
    "nothing held out": ({"agreement": rising, "held_out": lambda s: None}, {}),
    "held out at first only": ({"agreement": rising, "held_out": lambda s: 0.7 - s if s < 0.3 else None}, {}),
    "constant": ({"informative": lambda s: 0.45}, {"constant": WINDOW}),
    "constant later": ({"informative": lambda s: float(s <= 0.5)}, {"constant": ALL_STEPS // 2 + 6}),
    "constant in half": ({"informative": lambda s: 0.5}, {}),
    "runaway": ({"kl": lambda s: 9 * s, "kl_limit": lambda s: 5.0}, {"runaway": 49}),
    "far, but worth it": ({"kl": lambda s: 9 * s, "kl_limit": lambda s: 9.0}, {}),
    "rewards once were wider": ({"kl": lambda s: 4.0, "kl_limit": lambda s: 5.0 if s < 0.1 else 1.0}, {}),
    "no KL": ({"kl": lambda s: 0.0}, {}),
}


@pytest.mark.parametrize("name", LOGS)
def test_made_up_runs(name):
    fields, expected = LOGS[name]
    assert warnings.given(log(**fields)) == expected


@pytest.mark.parametrize("check", [constant, runaway])
def test_a_few_steps_are_no_reason(check):
    steps = log(WINDOW, informative=lambda s: 0.0, kl=lambda s: 9.0, kl_limit=lambda s: 1.0)
    assert check(steps)
    assert not check(steps[:-1])


def test_a_run_that_only_jitters_is_seldom_called_a_collapse():
    """Steps as spread as real ones, 12 blocks: 200 runs of pure noise."""
    rng = np.random.default_rng(1)

    def noise():
        draws = rng.normal(0.5, 0.2, (12 * BLOCK, 2)).clip(0, 1)
        pairs = enumerate(draws.tolist(), 1)
        return [Update(i, i, 0, 0, 0, 0, agreement=float(a), held_out=float(h)) for i, (a, h) in pairs]

    assert sum(bool(warnings.given(noise())) for _ in range(200)) <= 4


def test_each_is_given_once():
    watch = Watch()
    lines = [line for update in log(informative=lambda s: 0.1) for line in watch.hear(update)]
    assert lines == ["constant: in 90% of the groups of the last 10 steps all rollouts earned the same"]
    assert watch.given == {"constant": WINDOW}


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9), st.floats(0.1, 1))
def test_a_difference_comes_with_its_standard_errors(values, shift):
    gap, errors = difference(values, [value + shift for value in values])
    assert gap == pytest.approx(shift)
    error = np.sqrt(2 * np.var(values, ddof=1) / len(values))
    assert errors == (pytest.approx(shift / error, rel=1e-3) if error > 1e-6 else errors)
    assert difference([0.5, 0.5], [0.5, 0.5]) == (0.0, 0.0)


def orbit(class_VG, correct=(True, False, False)):
    record = GroupRecord(np.array(class_VG), np.array(correct))
    return OrbitRollouts("s", "p", ("a", "b", "c"), (), (), record)


def test_the_figures_that_are_watched():
    orbits = [orbit([[0, 0, 1, -1]]), orbit([[1, 1, 1, 1]])]
    assert agreement(orbits) == pytest.approx(
        (1 / 6 + 1) / 2
    )  # one of six pairs agrees; no answer agrees with none
    labelled, blind = correctness, lambda record: record.own_VG.astype(float)
    assert reads_labels(labelled, orbits)
    assert not reads_labels(blind, orbits)
    assert held_out(blind, orbits, [False, False]) == 2 / 8
    assert held_out(labelled, orbits, [True, False]) == 2 / 4
    assert held_out(labelled, orbits, [False, False]) is None
    rewards = np.array([0.5, 2.0, 1.0])
    assert kl_limit(rewards, 0.5) == 3.0
    assert kl_limit(rewards, 0.0) is None


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=6), st.floats(0.1, 3), st.integers(0, 99))
def test_beyond_its_limit_no_policy_is_worth_as_much_as_the_reference(rewards, beta, seed):
    """The bound behind `runaway`: at the equilibrium, and by value anywhere."""
    r = np.array(rewards)
    p0, p = np.random.default_rng(seed).dirichlet(np.full(len(r), 0.5), 2) + 1e-9
    best = p0 * np.exp((r - r.max()) / beta)
    best /= best.sum()
    limit = kl_limit(r, beta)
    assert (best * np.log(np.maximum(best, 1e-300) / p0)).sum() <= limit + 1e-6
    kl = (p * np.log(p / p0)).sum()
    assert kl <= limit + 1e-6 or p @ r - beta * kl < p0 @ r + 1e-6


RUNS = {
    "collapse": ("coherence-grpo:objective=consensus,beta=0,learning_rate=1e-3,group=4,orbits=4,coherence=1", 40),
    "runaway": ("vanilla-grpo:beta=2,learning_rate=1e-2,warmup=0,group=2", 12),
    "constant": ("vanilla-grpo:beta=0,group=2", 10),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_real_run_that_deserves_it(tmp_path, name):
    trainer, steps = RUNS[name]
    notes = []
    plan = plan_training(job(trainer, suites=("splits",), budget=Budget(steps=steps)))
    record = run_training(plan, tmp_path, lambda heard: notes.extend(heard.notes))
    assert name in record.warnings
    assert [note.partition(":")[0] for note in notes] == [*record.warnings]
    assert read_train_record(tmp_path).warnings == record.warnings
    assert warnings.given(logged(tmp_path / "updates.jsonl")) == record.warnings


def test_a_real_run_that_does_not(tmp_path):
    plan = plan_training(job("coherence-grpo:group=4", suites=("splits",), budget=Budget(steps=BLOCK)))
    assert run_training(plan, tmp_path).warnings == {}


class Stopped(Exception):
    """What ends a training run in this test."""


@pytest.mark.parametrize("last", [9, 11])
def test_after_a_stop_the_warnings_are_the_same_and_none_is_said_again(tmp_path, last):
    """Stopped in the step before the warning, or in that after it, with a state of step 8."""
    training = plan_training(job("vanilla-grpo:beta=0,group=2,save_every=8", budget=Budget(steps=12)))
    whole = run_training(training, tmp_path / "whole")
    assert whole.warnings == {"constant": 10}
    notes = []

    def listen(heard):
        notes.extend(heard.notes)
        if heard.doing == f"training, step {last}":
            raise Stopped

    with pytest.raises(PluginError, match="Stopped"):
        run_training(training, tmp_path / "stopped", listen)
    record = run_training(training, tmp_path / "stopped", lambda heard: notes.extend(heard.notes))
    assert record.warnings == whole.warnings
    assert len(notes) == 1


def test_logs_of_earlier_versions_are_read():
    paths = sorted((ROOT / "results").glob("*/*/updates.jsonl"))
    assert paths
    for path in paths[:3]:
        steps = logged(path)
        assert asdict(steps[0]).items() >= json.loads(path.read_text("utf-8").splitlines()[0]).items()
        assert "collapse" not in warnings.given(steps)


def test_a_warning_is_one_line_that_stays(monkeypatch):
    screen = Console(file=StringIO(), width=40)
    monkeypatch.setattr(progress, "stderr", lambda: screen)
    with progress.progress_bar("mine") as show:
        show(Progress("training", 1, 2))
        show(Progress("training", 2, 2, notes=("constant: all earned the same, however long this line gets",)))
    assert screen.file.getvalue() == "warning: mine: constant: all earned the same, however long this line gets\n"
