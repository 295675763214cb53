"""The loop that all recipes share; a recipe gives the rule.

    orbits → rollouts → answers → classes → reward − β log(π/π₀) → advantage over the baseline → policy step

With the reward of a fixed game the expected gradient is that of its value for the policy, times 1 − 1/G where the
baseline is the group's mean, which holds the rollout itself: rollouts are on-policy and used once, and the KL to
the reference is in the reward, so both shrink alike. What a baseline does to rewards that count answers is in
`alftbench.games.rewards.baselines`. AdamW and the limit on the gradient's norm decide how long a step is.
"""

from __future__ import annotations

import time
from dataclasses import replace

from torch import Tensor

from alftbench.games.rewards import Rule, correctness
from alftbench.training.trainer import TrainRequest, TrainResult, Update
from alftbench_trainers.loop.cost import spent
from alftbench_trainers.loop.options import GroupOptions
from alftbench_trainers.loop.policy import Policy, RolloutBatch
from alftbench_trainers.loop.rewards import Baseline, in_order, rewards_of
from alftbench_trainers.loop.rollouts import OrbitRollouts, collect, sample_orbits
from alftbench_trainers.loop.schedule import has_budget, learning_rate, schedule
from alftbench_trainers.loop.state import open_policy, save_checkpoint, save_state


def train_group(
    request: TrainRequest, options: GroupOptions, trainer: str, rule: Rule, baseline: Baseline
) -> TrainResult:
    """Train until the budget is used up; resumes from the newest state in the request's folder.

    Args:
        request: what to train, on what, for how long.
        options: of the loop.
        trainer: the recipe's name, for messages.
        rule: its reward of an orbit's rollouts.
        baseline: what is subtracted from each reward.
    """
    policy = open_policy(request, options)
    for update in policy.updates:  # what was logged and got lost since
        request.on_update(update)
    while has_budget(request, options, policy.step, policy.cost.generated_tokens):
        started = time.perf_counter()
        update = train_step(request, options, policy, trainer, rule, baseline)
        policy.cost = replace(policy.cost, seconds=policy.cost.seconds + time.perf_counter() - started)
        request.on_update(update)
        policy.updates.append(update)
        if policy.step % options.save_every == 0:
            save_state(policy, request.folder)
    save_state(policy, request.folder)
    return TrainResult(save_checkpoint(policy, request.checkpoint), policy.cost)


def train_step(
    request: TrainRequest, options: GroupOptions, policy: Policy, trainer: str, rule: Rule, baseline: Baseline
) -> Update:
    """One batch of rollouts and one optimiser step on it."""
    items = schedule(request.suites, options.orbits, request.seed, policy.step)
    drawn = sample_orbits(
        policy.model, policy.tokenizer, items, options.group, options.temperature, request.seed, policy.step
    )
    graded = [collect(policy.tokenizer, item, groups, request.secret) for item, groups in drawn]
    rollouts = [policy.memory.recall(orbit) for orbit in graded]
    batch = as_batch(rollouts)
    rewards_R, baselines_R = rewards_of(trainer, rule, baseline, rollouts)
    rate = learning_rate(options, request.budget, policy.step, policy.cost.generated_tokens)
    kl, norm = policy.update(batch, rewards_R, baselines_R, rate)
    policy.cost = spent(policy.cost, policy.model, batch, policy.reference is not None)
    return Update(
        step=policy.step,
        generated_tokens=policy.cost.generated_tokens,
        reward=float(rewards_R.mean()),
        accuracy=float(in_order([correctness(orbit.record) for orbit in rollouts]).mean()),  # logged, not used
        kl=kl,
        grad_norm=norm,
        clipped=norm > options.max_grad_norm,
        informative=informative_share(rewards_R, options.group),
    )


def informative_share(rewards_R: Tensor, group: int) -> float:
    """Share of the groups whose rollouts differ in reward: from the others nothing is learned but the KL."""
    rewards_PG = rewards_R.reshape(-1, group)
    return float((rewards_PG.amax(-1) > rewards_PG.amin(-1)).float().mean())


def as_batch(rollouts: list[OrbitRollouts]) -> RolloutBatch:
    """All prompts and completions of a step in order."""
    return RolloutBatch(
        tuple(prompt for orbit in rollouts for prompt in orbit.prompts_V),
        tuple(tokens for orbit in rollouts for group in orbit.completions_VG for tokens in group),
    )
