"""The loop that all recipes share; a recipe gives the rule.

    orbits → rollouts → answers → classes → reward − β log(π/π₀) → advantage over the baseline → policy step

With the reward of a fixed game the expected gradient is that of its value for the policy, times 1 − 1/G where the
baseline is the group's mean, which holds the rollout itself: rollouts are on-policy and used once, and the KL to
the reference is in the reward, so both shrink alike. What a baseline does to rewards that count answers is in
`alftbench.games.rewards.baselines`. AdamW and the limit on the gradient's norm decide how long a step is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing import parent_process

from torch import Tensor

from alftbench.games.rewards import Rule
from alftbench.training.trainer import TrainRequest, TrainResult, Update
from alftbench_trainers.loop.batch import RolloutBatch
from alftbench_trainers.loop.cost import sampled
from alftbench_trainers.loop.footprint import footprint
from alftbench_trainers.loop.monitor import accuracy, agreement, held_out, informative_share, kl_limit
from alftbench_trainers.loop.needs import Filled, filled
from alftbench_trainers.loop.options import GroupOptions, LoopOptions
from alftbench_trainers.loop.policy import Ascent, Policy
from alftbench_trainers.loop.rewards import Baseline, Figures, figures_of, rewards_of
from alftbench_trainers.loop.rollouts import OrbitRollouts, collect, sample_orbits
from alftbench_trainers.loop.schedule import has_budget, learning_rate, schedule
from alftbench_trainers.loop.state import open_policy, save_checkpoint, save_state

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judging:
    """What rollouts are worth.

    rule: the reward of an orbit's rollouts. baseline: what is subtracted from each. needs: fields of the record
    that the rule reads and that are filled for it alone. figures: what else to log of an orbit, by name.
    """

    rule: Rule
    baseline: Baseline
    needs: frozenset[str] = frozenset()
    figures: Figures | None = None


def train_group(request: TrainRequest, options: GroupOptions, trainer: str, judging: Judging) -> TrainResult:
    """Train with a reward until the budget is used up.

    Args:
        request: what to train, on what, for how long.
        options: of the loop.
        trainer: the recipe's name, for messages.
        judging: what rollouts are worth.
    """

    def step(policy: Policy) -> Update:
        return train_step(request, options, policy, trainer, judging)

    return run_steps(request, options, step, referring="reference_log_prob" in judging.needs)


def run_steps(
    request: TrainRequest, options: LoopOptions, step: Callable[[Policy], Update], referring: bool
) -> TrainResult:
    """Step until the budget is used up; resumes from the newest state in the request's folder.

    Args:
        request: what to train, on what, for how long.
        options: of the loop.
        step: one batch and one optimiser step on it.
        referring: does a step ask for the reference model, whatever β is?
    """
    policy = open_policy(request, options, referring)
    if parent_process() is None:  # trials side by side have bars on the screen
        log.warning("%s", footprint(policy, request.suites))
    for update in policy.updates:  # what was logged and got lost since
        request.on_update(update)
    while has_budget(request, options, policy.step, policy.cost.generated_tokens):
        started = time.perf_counter()
        update = step(policy)
        policy.cost = replace(policy.cost, seconds=policy.cost.seconds + time.perf_counter() - started)
        request.on_update(update)
        policy.updates.append(update)
        if policy.step % options.save_every == 0:
            save_state(policy, request.folder)
    save_state(policy, request.folder)
    return TrainResult(save_checkpoint(policy, request.checkpoint), policy.cost)


def train_step(
    request: TrainRequest, options: GroupOptions, policy: Policy, trainer: str, judging: Judging
) -> Update:
    """One batch of rollouts and one optimiser step on it."""
    items = schedule(request.suites, options.orbits, request.seed, policy.step)
    drawn = sample_orbits(
        policy.model, policy.tokenizer, items, options.group, options.temperature, request.seed, policy.step
    )
    graded = [collect(policy.tokenizer, item, groups, request.secret) for item, groups in drawn]
    rollouts = [policy.memory.recall(orbit) for orbit in graded]
    batch = as_batch(rollouts)
    rate = learning_rate(options, request.budget, policy.step, policy.cost.generated_tokens)
    policy.cost = sampled(policy.cost, policy.model, batch)

    def learn() -> tuple[Filled, Tensor, Ascent]:
        known = filled(policy, rollouts, batch, judging.needs, request.seed)
        rewards_R, baselines_R = rewards_of(trainer, judging.rule, judging.baseline, known.rollouts)
        return known, rewards_R, policy.update(options, batch, rewards_R, baselines_R, rate, known.reference)

    known, rewards_R, ascent = policy.within_memory(batch, learn)
    return Update(
        step=policy.step,
        generated_tokens=policy.cost.generated_tokens,
        reward=float(rewards_R.mean()),
        accuracy=accuracy(rollouts),
        kl=ascent.kl,
        grad_norm=ascent.norm,
        clipped=ascent.norm > options.max_grad_norm,
        informative=informative_share(rewards_R, options.group),
        skipped=ascent.skipped,
        agreement=agreement(rollouts),
        held_out=held_out(judging.rule, known.rollouts, [item.is_first for item in items]),
        kl_limit=kl_limit(rewards_R, options.beta),
        halved=policy.limits.halved,
        extra=figures_of(trainer, judging.figures, known.rollouts),
    )


def as_batch(rollouts: list[OrbitRollouts]) -> RolloutBatch:
    """All prompts and completions of a step in order."""
    return RolloutBatch(
        tuple(prompt for orbit in rollouts for prompt in orbit.prompts_V),
        tuple(tokens for orbit in rollouts for group in orbit.completions_VG for tokens in group),
    )
