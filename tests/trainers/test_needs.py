"""What a rule needs of rollouts: each field against a slow definition, the passes it costs, going on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from alftbench.base.seeds import stream
from alftbench.errors import PluginError, UnknownName
from alftbench.games.rewards import GroupRecord, correctness
from alftbench.training.train import plan_training, run_training
from alftbench.types import Budget
from alftbench_trainers.loop import loop, needs, state
from alftbench_trainers.loop.options import GroupOptions
from alftbench_trainers.loop.policy import Policy
from alftbench_trainers.recipe import NEEDS, Recipe
from tests.trainers.jobs import job

FIELDS = {
    "log_prob": "log_prob_VG",
    "reference_log_prob": "reference_log_prob_VG",
    "cross_log_prob": "cross_log_prob_VGV",
    "uniform": "uniform_VG",
}
OPTIONS = {"orbits": "1", "group": "3", "rows": "7", "learning_rate": "5e-3", "warmup": "0"}


def mixed(record, options):
    """A reward of every field that is there."""
    reward_VG = correctness(record)
    for name in FIELDS.values():
        values = getattr(record, name)
        if values is not None:
            reward_VG = reward_VG + 0.01 * (values.mean(-1) if values.ndim == 3 else values)
    return reward_VG


def plan(asked, rule=mixed, steps=2, **more):
    """Training on `sums` by a recipe that needs these fields."""
    recipe = Recipe("mine", "A rule of a test.", GroupOptions, rule, needs=frozenset(asked))
    training = plan_training(job(suites=("sums",), budget=Budget(steps=steps)))
    return replace(training, trainer=recipe({**OPTIONS, **more}))


@dataclass
class Watched:
    """What training did: rows that went through a model to be scored, and what was filled in."""

    rows: int = 0
    steps: list = field(default_factory=list)

    def count(self, _, __, given, ___):
        """A hook of the model: passes over completions; prompts are read with one logit kept."""
        self.rows += 0 if "logits_to_keep" in given else len(given["input_ids"])


@pytest.fixture
def watched(monkeypatch):
    watch = Watched()

    def opened(*given, **more):
        policy = Policy(*given, **more)
        for model in filter(None, (policy.model, policy.reference)):
            model.register_forward_hook(watch.count, with_kwargs=True)
        return policy

    def kept(policy, rollouts, *more):
        known = needs.filled(policy, rollouts, *more)
        weights = [{k: v.clone() for k, v in policy.model.state_dict().items()}, policy.reference]
        watch.steps.append((policy, weights, policy.step, known.rollouts))
        return known

    monkeypatch.setattr(state, "Policy", opened)
    monkeypatch.setattr(loop, "filled", kept)
    return watch


def slow_log_prob(model, prompt, completion):
    """Log π(y|x) from one plain forward pass over the whole text."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*prompt, *completion]])).logits[0].double()
    at = torch.log_softmax(logits, -1)[len(prompt) - 1 : -1]
    return float(at[torch.arange(len(completion)), torch.tensor(completion)].sum())


@pytest.mark.parametrize("beta", ["0", "0.2"])
def test_every_field_is_what_one_pass_at_a_time_gives(tmp_path, watched, beta):
    run_training(plan(NEEDS, beta=beta), tmp_path)
    for policy, (weights, reference), step, rollouts in watched.steps:
        policy.model.load_state_dict(weights)
        place = 0
        for orbit in rollouts:
            record = orbit.record
            for v, prompt in enumerate(orbit.prompts_V):
                for g, completion in enumerate(orbit.completions_VG[v]):
                    cross = [slow_log_prob(policy.model, x, completion) for x in orbit.prompts_V]
                    assert record.cross_log_prob_VGV[v, g] == pytest.approx(cross, abs=2e-4)
                    assert record.log_prob_VG[v, g] == pytest.approx(cross[v], abs=2e-4)
                    ours = record.reference_log_prob_VG[v, g]
                    assert ours == pytest.approx(slow_log_prob(reference, prompt, completion), abs=2e-4)
                    assert record.uniform_VG[v, g] == stream(0, "uniform", step, place, g).random()
                place += 1
    assert len(watched.steps) == 2
    assert np.abs(record.log_prob_VG - record.reference_log_prob_VG).max() > 1e-3  # the policy had moved


@pytest.mark.parametrize(
    ("asked", "beta"),
    [((), "0"), (("log_prob",), "0.2"), (NEEDS, "0.2"), (NEEDS, "0"), *(((need,), "0") for need in NEEDS[1:])],
)
def test_no_other_field_is_filled_and_what_it_costs_is_counted(tmp_path, watched, asked, beta):
    cost = run_training(plan(asked, beta=beta), tmp_path).cost
    rollouts = 2 * 6 * 3
    for *_, orbits in watched.steps:
        for need, name in FIELDS.items():
            assert all((getattr(orbit.record, name) is not None) == (need in asked) for orbit in orbits)
    own, crossed = texts_of([orbit for *_, orbits in watched.steps for orbit in orbits])
    scored = crossed if "cross_log_prob" in asked else own if "log_prob" in asked else []
    scored = scored + (own if "reference_log_prob" in asked or beta != "0" else [])
    assert cost["forward_passes"] == rollouts + watched.rows  # drawing and all that was scored
    assert watched.rows == len(scored) + cost["backward_passes"]
    assert cost["scored_tokens"] == sum(map(len, scored))
    assert cost["backward_passes"] == len(own) or beta == "0"


def texts_of(orbits):
    """The completions that take a pass each: under their own phrasing, and under every one of their orbit."""
    own = [text for orbit in orbits for texts in orbit.completions_VG for text in set(texts)]
    every = [{text for texts in orbit.completions_VG for text in texts} for orbit in orbits]
    crossed = [t for texts, orbit in zip(every, orbits, strict=True) for _ in orbit.prompts_V for t in texts]
    return own, crossed


def test_the_reference_is_asked_once_a_step_and_says_the_same(tmp_path):
    """A rule that reads it and leaves it unused ends where a rule that does not read it ends."""
    plain = run_training(plan((), lambda record, options: correctness(record)), tmp_path / "a")
    asked = plan(("reference_log_prob",), lambda record, options: correctness(record))
    asking = run_training(asked, tmp_path / "b")
    assert asking.checkpoint_sha256 == plain.checkpoint_sha256
    assert {**asking.cost, "seconds": 0} == {**plain.cost, "seconds": 0}


def test_flops_of_crossed_phrasings_are_those_of_their_passes(tmp_path, watched):
    """Every text of an orbit under each of its phrasings, where log_prob asks for its own alone."""
    one, six = (run_training(plan((n,), lambda r, o: correctness(r), 1), tmp_path / n).cost for n in NEEDS[::2])
    none = run_training(plan((), lambda r, o: correctness(r), 1), tmp_path / "none").cost
    ratio = (six["flops"] - none["flops"]) / (one["flops"] - none["flops"])
    own, crossed = texts_of(watched.steps[0][-1])
    tokens = sum(map(len, crossed)) / sum(map(len, own))
    assert ratio == pytest.approx(tokens, rel=0.2)  # a prompt is read once for all its completions


class Stopped(Exception):
    """What ends a training run in this test."""


def test_a_stopped_run_needs_the_same_again(tmp_path):
    training = plan(NEEDS, steps=3, save_every="2")

    def stop(progress):
        if progress.doing == "training, step 3":
            raise Stopped

    whole = run_training(training, tmp_path / "whole")
    with pytest.raises(PluginError, match="Stopped"):
        run_training(training, tmp_path / "stopped", stop)
    again = run_training(training, tmp_path / "stopped")
    assert again.checkpoint_sha256 == whole.checkpoint_sha256
    assert {**again.cost, "seconds": 0} == {**whole.cost, "seconds": 0}
    logs = [(tmp_path / name / "updates.jsonl").read_bytes() for name in ("whole", "stopped")]
    assert logs[0] == logs[1]


def test_a_need_that_nothing_fills_is_refused():
    with pytest.raises(UnknownName, match="colour"):
        Recipe("mine", "A rule of a test.", GroupOptions, mixed, needs=frozenset({"colour"}))


def test_where_a_rule_with_needs_leads_is_not_said():
    """A prediction asks a rule about answers alone, of which nothing was drawn."""
    given = (np.log([[0.5, 0.5]]), np.array([True, False]), None)
    plain, random, needing = (
        Recipe("mine", "A rule of a test.", GroupOptions, lambda r, o: correctness(r), needs=frozenset(needs))
        for needs in ((), ("uniform",), ("log_prob",))
    )
    assert plain({}).predicted(*given) is not None
    assert random({}).predicted(*given) is not None  # no expectation sees the numbers
    assert needing({}).predicted(*given) is None


def test_a_record_without_a_rollout_lacks_it_in_every_field():
    rng = np.random.default_rng(0)
    record = GroupRecord(
        rng.integers(0, 2, (2, 4)),
        np.array([True, False]),
        uniform_VG=rng.random((2, 4)),
        cross_log_prob_VGV=rng.random((2, 4, 2)),
    )
    left = record.without(1)
    assert np.array_equal(left.uniform_VG, record.uniform_VG[:, [0, 2, 3]])
    assert np.array_equal(left.cross_log_prob_VGV, record.cross_log_prob_VGV[:, [0, 2, 3]])
