"""What costs no pass of its own: rollouts whose advantage is exactly 0, and those with another's text.

The gradient is the same, and none of it is counted.
"""

from __future__ import annotations

import json
from itertools import accumulate

import numpy as np
import pytest
import torch

from alftbench.backends.hf.scoring import token_log_probs
from alftbench.training.train import plan_training, run_training
from alftbench.training.trainer import TrainRequest
from alftbench.types import Budget
from alftbench_trainers.loop.batch import RolloutBatch
from alftbench_trainers.loop.losses import group_advantages, policy_gradient_loss
from alftbench_trainers.loop.options import GroupOptions
from alftbench_trainers.loop.policy import Policy
from tests.trainers.jobs import job

PROMPTS, GROUP = 5, 4
REWARDS = {
    "some groups": [[1, 0, 0, 1], [1, 1, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1]],
    "some rollouts": [
        [2, 1, 0, 1],
        [1, 1, 1, 1],
        [0, 1, 2, 1],
        [5, 1, 1, 1],
        [1, 0, 1, 2],
    ],  # the mean of some is 1
    "one group": [[0, 0, 0, 0]] * 4 + [[0, 0, 1, 0]],
    "nothing": [[1, 1, 1, 1]] * 5,
    "all": [[3, 0, 1, 0]] * 5,
}


def policy(tmp_path, **options):
    plan = plan_training(job())
    request = TrainRequest(
        plan.model, plan.suites, Budget(steps=1), 0, tmp_path, tmp_path / "checkpoint", print, device="cpu"
    )
    return Policy(request, GroupOptions(beta=0.0, max_grad_norm=1e9, **options))


def batch(seed=0, texts=PROMPTS * GROUP):
    """Random prompts and completions of several lengths; of so many different texts."""
    rng = np.random.default_rng(seed)
    drawn = [tuple(rng.integers(2, 60, rng.integers(2, 12)).tolist()) for _ in range(PROMPTS + texts)]
    prompts, completions = drawn[:PROMPTS], drawn[PROMPTS:]
    if texts < PROMPTS * GROUP:
        completions = [completions[place] for place in rng.integers(0, texts, PROMPTS * GROUP)]
    return RolloutBatch(tuple(prompts), tuple(completions))


def whole_gradient(ours, drawn, rewards_R, baselines_R):
    """The gradient of the loss of all rollouts in one pass."""
    r, b = (values_R.reshape(-1, GROUP) for values_R in (rewards_R, baselines_R))
    advantages_R = group_advantages(r, b, torch.zeros_like(r), "none", ours.options.baseline == "mean").flatten()
    log_probs_RT = token_log_probs(ours.model, drawn.prompts, drawn.completions, 0)
    loss = policy_gradient_loss(log_probs_RT, advantages_R, len(drawn.completions))
    return torch.autograd.grad(loss, list(ours.model.parameters())), int((advantages_R == 0).sum())


@pytest.mark.parametrize("rows", [512, 3])
@pytest.mark.parametrize("texts", [PROMPTS * GROUP, 2])
@pytest.mark.parametrize("kind", REWARDS)
def test_the_gradient_is_that_of_the_whole_batch_and_only_what_was_run_is_counted(tmp_path, kind, texts, rows):
    ours, drawn = policy(tmp_path, rows=rows), batch(texts=texts)
    rewards_R = torch.tensor(REWARDS[kind]).float().flatten()
    baselines_R = rewards_R.reshape(-1, GROUP).mean(-1).repeat_interleave(GROUP)
    whole, zeros = whole_gradient(ours, drawn, rewards_R, baselines_R)
    ascent = ours.update(ours.options, drawn, rewards_R, baselines_R, 0.0)
    for parameter, truth in zip(ours.model.parameters(), whole, strict=True):
        torch.testing.assert_close(parameter.grad, truth, atol=1e-5, rtol=1e-3)
    assert ascent.skipped == zeros
    rows_R = zip(drawn.completions, rewards_R, baselines_R, strict=True)
    kept = {(place // GROUP, text) for place, (text, r, b) in enumerate(rows_R) if r != b}
    assert ours.cost.backward_passes == ours.cost.forward_passes == len(kept)
    assert ours.cost.trained_tokens == sum(len(text) for _, text in kept)
    assert (ours.cost.flops > 0) == bool(kept)


def test_where_nothing_is_learned_the_optimiser_still_steps_on_what_it_remembers(tmp_path):
    """As after a pass whose gradient is 0: AdamW's moments move the weights."""
    ours, theirs, drawn = policy(tmp_path), policy(tmp_path), batch()
    rewards_R = torch.tensor(REWARDS["all"]).float().flatten()
    for each in (ours, theirs):
        each.update(each.options, drawn, rewards_R, torch.ones(PROMPTS * GROUP), 1e-2)
    before = [parameter.clone() for parameter in ours.model.parameters()]
    ascent = ours.update(ours.options, drawn, rewards_R, rewards_R, 1e-2)
    theirs.optimizer.zero_grad()
    (0.0 * token_log_probs(theirs.model, drawn.prompts, drawn.completions, 0)).sum().backward()
    theirs._step(1e-2)
    assert (ascent.norm, ascent.skipped) == (0.0, PROMPTS * GROUP)
    pairs = list(zip(ours.model.parameters(), theirs.model.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert any(not torch.equal(a, old) for (a, _), old in zip(pairs, before, strict=True))


def test_a_run_says_how_many_were_skipped_and_repeats_itself(tmp_path):
    plan = plan_training(job("vanilla-grpo:beta=0,group=4", budget=Budget(steps=4)))
    first, second = (run_training(plan, tmp_path / name) for name in "ab")
    assert first.checkpoint_sha256 == second.checkpoint_sha256
    updates = [json.loads(line) for line in (tmp_path / "a" / "updates.jsonl").read_text("utf-8").splitlines()]
    skipped = sum(update["skipped"] for update in updates)
    silent = sum(round((1 - update["informative"]) * 10) * 4 for update in updates)  # groups without a difference
    assert skipped >= silent > 0
    assert 0 < first.cost["backward_passes"] <= 4 * 10 * 4 - skipped
    assert first.cost["trained_tokens"] < first.cost["generated_tokens"]


def test_with_a_penalty_no_rollout_is_left_out(tmp_path):
    plan = plan_training(job("vanilla-grpo:group=4", budget=Budget(steps=2)))
    record = run_training(plan, tmp_path)
    updates = [json.loads(line) for line in (tmp_path / "updates.jsonl").read_text("utf-8").splitlines()]
    assert [update["skipped"] for update in updates] == [0, 0]
    assert 2 * 10 <= record.cost["backward_passes"] < 2 * 10 * 4  # of texts that were drawn twice, one


def test_with_a_penalty_texts_drawn_twice_have_the_gradient_of_a_pass_each(tmp_path, monkeypatch):
    """Rewards of a text's rollouts differ, as counts of others do; the KL is that of all rollouts."""
    rewards_R = torch.tensor(REWARDS["some rollouts"]).float().flatten()
    baselines_R = rewards_R.reshape(-1, GROUP).mean(-1).repeat_interleave(GROUP)
    ascents, gradients = [], []
    for apart in (False, True):
        ours, drawn = policy(tmp_path, rows=7), batch(texts=2)
        options = GroupOptions(beta=0.3, max_grad_norm=1e9, rows=7)
        ours.reference, other = policy(tmp_path).model, torch.Generator().manual_seed(1)
        for weight in ours.model.parameters():
            weight.data += 0.02 * torch.randn(weight.shape, generator=other)
        if apart:
            whole = property(lambda self: (self, list(range(len(self.completions)))))
            monkeypatch.setattr(RolloutBatch, "distinct", whole)
        ascents.append(ours.update(options, drawn, rewards_R, baselines_R, 0.0))
        gradients.append([weight.grad for weight in ours.model.parameters()])
    assert ascents[0].kl == pytest.approx(ascents[1].kl, rel=1e-4) != 0
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-3)


def test_a_part_of_a_batch_keeps_prompts_with_their_own():
    drawn = batch()
    kept = [place % 3 == 0 for place in range(PROMPTS * GROUP)]
    part = drawn.only(kept)
    ends = [0, *accumulate(part.counts_P)]
    pairs = [(p, c) for p, a, b in zip(part.prompts, ends, ends[1:], strict=False) for c in part.completions[a:b]]
    assert pairs == [
        (drawn.prompts[place // GROUP], drawn.completions[place]) for place, keep in enumerate(kept) if keep
    ]
    assert drawn.only([False] * len(kept)).prompts == ()
