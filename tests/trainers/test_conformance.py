"""The conformance kit: sound trainers pass, and each mistake that the field has shipped is caught by its check."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from unittest.mock import patch

import numpy as np
import pytest
import torch

from alftbench.errors import UnknownName
from alftbench.training.conformance import movement
from alftbench.training.conformance.kit import CHECKS, FAILED, NOT_APPLICABLE, PASSED, check_trainer
from alftbench.training.train import make_trainer
from alftbench.training.trainer import TrainerSpec, parse_spec
from alftbench_trainers.loop import loop, losses, policy, state
from alftbench_trainers.recipe import RecipeTrainer


@dataclass(frozen=True)
class Mistaken(RecipeTrainer):
    """A sound trainer that trains with a mistake: parts of the loop are replaced while it does."""

    mistake: Callable = lambda stack, request: request

    def train(self, request):
        with ExitStack() as stack:
            return super(Mistaken, replace(self)).train(self.mistake(stack, request))


def made(mistake: Callable, spec: TrainerSpec) -> Mistaken:
    sound = make_trainer(spec)
    return Mistaken(sound.recipe, sound.options, mistake)


def rewarding(change: Callable) -> Callable:
    """A mistake in what rewards and baselines of all rollouts in a row become."""

    def mistake(stack, request):
        rewards_of = loop.rewards_of
        group = 4
        seen = {}

        def wrong(*arguments):
            r, b = (term.reshape(-1, group) for term in rewards_of(*arguments))
            return tuple(term.flatten() for term in change(r, b, seen))

        stack.enter_context(patch.object(loop, "rewards_of", wrong))
        return request

    return mistake


def other_order(r, b, seen):
    return r.T.reshape(r.shape), b.T.reshape(b.shape)


def per_device(r, b, seen):
    halves = r.reshape(len(r), 2, -1).mean(-1, keepdim=True)
    return r, halves.expand(-1, -1, r.shape[1] // 2).reshape(r.shape)


def stale(r, b, seen):
    last = seen.get("b", b)
    seen["b"] = b
    return r, last


def token_kl(stack, request):
    """The KL of a rollout divided by its length."""
    update = policy.Policy._ascend_with_penalty

    def wrong(self, batch, *rest):
        advantages = losses.group_advantages

        def by_length(rewards, baselines, penalties, scale, own):
            lengths = torch.tensor([len(tokens) for tokens in batch.completions]).reshape(penalties.shape)
            return advantages(rewards, baselines, penalties / lengths, scale, own)

        with patch.object(policy, "group_advantages", by_length):
            return update(self, batch, *rest)

    stack.enter_context(patch.object(policy.Policy, "_ascend_with_penalty", wrong))
    return request


def no_kl(stack, request):
    advantages = losses.group_advantages

    def without(rewards, baselines, penalties, scale, own):
        return advantages(rewards, baselines, 0 * penalties, scale, own)

    stack.enter_context(patch.object(policy, "group_advantages", without))
    return request


def one_step_more(stack, request):
    """The budget is looked at after a step instead of before."""

    def late(request, options, step, tokens):
        return tokens < (request.budget.tokens or 10**9) and step < (request.budget.steps or 10**9)

    stack.enter_context(patch.object(loop, "has_budget", late))
    return request


def seed_ignored(stack, request):
    return replace(request, seed=0)


def unseeded(stack, request):
    return replace(request, seed=int(np.random.SeedSequence().generate_state(1)[0]))


def phrasing_dropped(stack, request):
    (suite,) = request.suites
    orbits = tuple(replace(orbit, variants=orbit.variants[:-1]) for orbit in suite.orbits)
    return replace(request, suites=(replace(suite, orbits=orbits),))


def moments_lost(stack, request):
    """A state is read without the optimiser's moments."""
    stack.enter_context(patch.object(state, "restore_optimizer", lambda *_: None))
    return request


def tokens_of_one_draw(stack, request):
    """Draws of a prompt that are the same are counted once, as if they had not been drawn."""
    counted = loop.sampled

    def wrong(cost, model, batch):
        return counted(cost, model, batch.distinct[0])

    stack.enter_context(patch.object(loop, "sampled", wrong))
    return request


MISTAKES = {
    "group order": rewarding(other_order),
    "whole groups": rewarding(per_device),
    "fresh baseline": rewarding(stale),
    "sequence KL": token_kl,
    "budget": one_step_more,
    "seed": seed_ignored,
    "determinism": unseeded,
    "whole orbits": phrasing_dropped,
    "resume": moments_lost,
    "counters": tokens_of_one_draw,
}


def verdicts(spec: str, make=make_trainer, only=()) -> dict:
    return {verdict.name: verdict for verdict in check_trainer(parse_spec(spec), make, only)}


SOUND = ["vanilla-grpo", "vanilla-grpo:baseline=leave-one-out", "diversity-game", "w-reinforce"]


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_trainer_passes(name):
    seen = verdicts(name)
    assert list(seen) == list(CHECKS)
    assert {v.name for v in seen.values() if v.status == FAILED} == set()
    for check in ("gradient", "group order", "sequence KL", "resume", "counters"):
        assert seen[check].status == PASSED, seen[check]


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_caught_by_its_check(name):
    (found,) = verdicts("vanilla-grpo", partial(made, MISTAKES[name]), (name,)).values()
    assert found.status == FAILED, found
    assert found.says.startswith("expected ")
    assert "; found " in found.says


def test_a_kl_that_is_left_out_is_caught():
    (found,) = verdicts("vanilla-grpo", partial(made, no_kl), ("sequence KL",)).values()
    assert found.status == FAILED
    assert "no KL at all" in found.says


@dataclass(frozen=True)
class WrongBaseline(RecipeTrainer):
    """Says baseline=mean and subtracts the orbit's."""

    def baseline(self, record, rewards_VG):
        return np.full_like(rewards_VG, rewards_VG.mean())


def test_a_baseline_that_is_not_what_its_option_says_is_caught():
    def make(spec):
        sound = make_trainer(spec)
        return WrongBaseline(sound.recipe, sound.options)

    (found,) = verdicts("vanilla-grpo", make, ("advantages",)).values()
    assert found.status == FAILED
    assert "(mean)" in found.says


def test_what_does_not_apply_says_why():
    seen = verdicts("weighted-sft", only=("advantages", "gradient", "resume", "declared game"))
    assert seen["gradient"].status == seen["advantages"].status == NOT_APPLICABLE
    assert "shows no reward" in seen["gradient"].says
    assert seen["resume"].status == PASSED
    random = verdicts("noisy-verifier", only=("gradient",))["gradient"]
    assert (random.status, random.says) == (NOT_APPLICABLE, "its rule rewards at random")
    assert verdicts("vanilla-grpo:scale=std", only=("gradient",))["gradient"].status == NOT_APPLICABLE
    with pytest.raises(UnknownName):
        verdicts("vanila-grpo")


def test_signs_are_compared_where_a_gradient_is_legible():
    moved, gradient = torch.tensor([1.0, -1.0, 1.0, 1.0]), torch.tensor([2.0, -3.0, -1.0, 1e-6])
    assert movement.agreement(moved, gradient) == pytest.approx(2 / 3)
    assert movement.explained(moved, gradient, before=torch.tensor([0.0, 0.0, 2.0, 0.0])) == 1
    order = movement.mistaken_order(np.array([[1, 2, 3], [4, 5, 6]]))
    assert order.tolist() == [[1, 4, 2], [5, 3, 6]]
    assert movement.mistaken_halves(np.array([[1.0, 3.0, 0.0, 4.0]])).tolist() == [[-1, 1, -2, 2]]


def test_the_command_prints_a_line_per_check(warm):
    done = warm("trainers", "check", "vanilla-grpo", "--options", "group=4")
    assert done.returncode == 0, done.stderr + done.stdout
    lines = done.stdout.splitlines()
    assert len(lines) == len(CHECKS)
    assert all(line.startswith(("passed", "not applicable")) for line in lines)
    rows = json.loads(warm("trainers", "check", "external", "--format", "json").stdout)
    assert {row["status"] for row in rows} >= {FAILED}
    assert warm("trainers", "check", "external").returncode == 1
    assert "did you mean" in warm("trainers", "check", "vanila-grpo").stderr
