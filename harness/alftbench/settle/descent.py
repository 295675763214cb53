"""Playing a game with a neural policy: exact gradients, or sampled group-relative ones.

Both ascend Σ_y W(y) log π(y) with weights W that stand still during a step, so they differ in W alone:
exact W = w π (r − β log π/π0 − mean), sampled W = w Σ_rollouts advantage / (R G).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.base.seeds import stream
from alftbench.errors import Diverged
from alftbench.games.numerics import log_normalise
from alftbench.games.rewards import GroupRecord
from alftbench.settle.language import CausalPolicy, Parameters, marginals
from alftbench.settle.measure import Distance, Settled
from alftbench.settle.settings import Arm, SettleSettings
from alftbench.settle.targets import Oracle, TargetPlayer, advantages, right_answers, rule_of, target_player

Weights = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Played:
    """A finished run.

    Args:
        final: where the last iterate ended.
        averaged: where the average of the parameters over the last half of the steps is.
        history: (sampled tokens, distance) along the way, the start included; tokens 0 for exact gradients.
        log_averaged_PZ: the log answer marginals of the averaged parameters.
    """

    final: Distance
    averaged: Distance
    history: tuple[tuple[int, Distance], ...]
    log_averaged_PZ: FloatArray


def exact_weights(settled: Settled, log_pi_PY: FloatArray) -> FloatArray:
    """W_PY whose Σ W ∇log π is −∇J: W = w π a, a = r − β log π/π0 less its mean, r = −u(E(y)).

    Args:
        settled: the game.
        log_pi_PY: the policy, normalised.

    Source: the policy gradient of J for a best-responding target (arXiv 2604.27166's game; envelope theorem).
    """
    game, tree = settled.game, settled.language.tree
    u_PZ = game.objective.gradient(marginals(tree, log_pi_PY), game.weights_P)
    return policy_weights(settled, log_pi_PY, -u_PZ[:, tree.answer_Y])


def policy_weights(settled: Settled, log_pi_PY: FloatArray, reward_PY: FloatArray) -> FloatArray:
    """W = w π (r − β log π/π0 − mean)."""
    pi_PY = np.exp(log_pi_PY)
    a_PY = reward_PY - settled.game.beta * (log_pi_PY - settled.language.log_pi0_PY)
    a_PY = a_PY - (pi_PY * a_PY).sum(axis=1, keepdims=True)
    return np.asarray(settled.game.weights_P[:, None] * pi_PY * a_PY)


def draw(log_pi_PY: FloatArray, groups: int, group: int, rng: np.random.Generator) -> IntArray:
    """Indices of traces drawn from every prompt's policy, shape (P, R, G)."""
    edges_PY = np.cumsum(np.exp(log_pi_PY), axis=1)
    u = rng.random((len(log_pi_PY), groups * group)) * edges_PY[:, -1:]
    drawn = np.stack([np.searchsorted(edges, row, side="right") for edges, row in zip(edges_PY, u, strict=True)])
    return np.asarray(np.minimum(drawn, log_pi_PY.shape[1] - 1).reshape(-1, groups, group))


def counts_of(answers_PRG: IntArray, Z: int) -> IntArray:
    """How often each answer occurs in each group, shape (P, R, Z)."""
    P, R, G = answers_PRG.shape
    bins = np.arange(P * R)[:, None] * Z + answers_PRG.reshape(P * R, G)
    return np.bincount(bins.ravel(), minlength=P * R * Z).reshape(P, R, Z)


def sampled_weights(
    settled: Settled,
    arm: Arm,
    settings: SettleSettings,
    player: TargetPlayer,
    log_pi_PY: FloatArray,
    drawn_PRG: IntArray,
) -> FloatArray:
    """W_PY of one step's rollouts: w Σ advantage / (R G) on each drawn trace.

    Args:
        settled: the game.
        arm: scale and anchor.
        settings: λ, η.
        player: the target player; it observes the step's counts.
        log_pi_PY: the policy that drew, normalised.
        drawn_PRG: indices of the drawn traces.
    """
    P, R, G = drawn_PRG.shape
    rewards_PRG = _rewards(settled, arm, settings, player, log_pi_PY, drawn_PRG)
    if arm.anchor == "reward":
        ratio_PY = log_pi_PY - settled.language.log_pi0_PY
        rewards_PRG = rewards_PRG - settled.game.beta * ratio_PY[np.arange(P)[:, None, None], drawn_PRG]
    credit_PRG = advantages(rewards_PRG, arm.scale) * settled.game.weights_P[:, None, None] / (R * G)
    weights_PY = np.zeros_like(log_pi_PY)
    np.add.at(weights_PY, (np.arange(P)[:, None, None], drawn_PRG), credit_PRG)
    if arm.anchor == "loss":
        weights_PY += policy_weights(settled, log_pi_PY, np.zeros_like(log_pi_PY))
    return weights_PY


def _rewards(
    settled: Settled,
    arm: Arm,
    settings: SettleSettings,
    player: TargetPlayer,
    log_pi_PY: FloatArray,
    drawn_PRG: IntArray,
) -> FloatArray:
    """The rule's reward of every rollout; only the oracle is told the true p."""
    tree = settled.language.tree
    answers_PRG = tree.answer_Y[drawn_PRG]
    truth = marginals(tree, log_pi_PY) if isinstance(player, Oracle) else _UNSEEN
    player.observe(counts_of(answers_PRG, tree.answers), truth)
    orbits = GroupRecord(answers_PRG.swapaxes(0, 1), right_answers(settings))
    return rule_of(arm, settings, player.target())(orbits).swapaxes(0, 1)


_UNSEEN = np.zeros((1, 1))


def play_exact(settled: Settled, settings: SettleSettings) -> Played:
    """The neural policy with exact gradients of J."""
    return _ascend(
        settled,
        lambda log_pi_PY: exact_weights(settled, log_pi_PY),
        settings.exact_steps,
        settings.exact_learning_rate,
        settings.checkpoints,
        tokens_per_step=0,
    )


def play_sampled(settled: Settled, arm: Arm, settings: SettleSettings) -> Played:
    """The neural policy with sampled group-relative rewards."""
    player = target_player(arm, settings)
    groups = settings.rollouts // arm.group
    rng = stream(arm.seed, "rollouts", arm.variant)

    def weights(log_pi_PY: FloatArray) -> FloatArray:
        drawn_PRG = draw(log_pi_PY, groups, arm.group, rng)
        return sampled_weights(settled, arm, settings, player, log_pi_PY, drawn_PRG)

    tokens = settings.prompts * settings.rollouts * settings.length
    return _ascend(settled, weights, settings.steps, settings.learning_rate, settings.checkpoints, tokens)


def _ascend(
    settled: Settled, weights: Weights, steps: int, learning_rate: float, checkpoints: int, tokens_per_step: int
) -> Played:
    """Adam with a cosine to zero; float32 for speed, every measurement in float64."""
    policy = settled.language.policy().float()
    optimiser = torch.optim.Adam(policy.parameters(), lr=learning_rate, betas=(0.9, 0.99))
    average = _Average(policy, start=steps // 2)
    marks = set(np.linspace(0, steps, checkpoints + 1).round().astype(int).tolist()) - {steps}
    history: list[tuple[int, Distance]] = []
    for step in range(steps):
        if step in marks:
            history.append((step * tokens_per_step, settled.distance(_log_probs(settled, policy))))
        optimiser.param_groups[0]["lr"] = learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        ascend(policy, optimiser, weights, step)
        average.add(policy, step)
    final = settled.distance(_log_probs(settled, policy))
    history.append((steps * tokens_per_step, final))
    averaged_PY = settled.language.log_probs(average.parameters)
    log_averaged_PZ = marginals(settled.language.tree, averaged_PY)
    return Played(final, settled.distance(averaged_PY), tuple(history), log_averaged_PZ)


def ascend(policy: CausalPolicy, optimiser: torch.optim.Optimizer, weights: Weights, step: int = 0) -> None:
    """One ascent step on Σ W log π.

    Raises:
        Diverged: a log-probability is not a number.
    """
    log_pi = policy()
    scored_PY = log_pi.detach().double().numpy()
    if not np.isfinite(scored_PY).all():
        raise Diverged(f"step {step}: a log-probability of the policy is not finite; use a lower learning rate")
    loss = -(torch.from_numpy(weights(log_normalise(scored_PY))).to(log_pi.dtype) * log_pi).sum()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


class _Average:
    """The mean of the parameters from step `start` on."""

    def __init__(self, policy: CausalPolicy, start: int) -> None:
        self.start, self.count = start, 0
        self.parameters: Parameters = {n: v.detach().double().clone() for n, v in policy.named_parameters()}

    def add(self, policy: CausalPolicy, step: int) -> None:
        """Count the parameters after one step."""
        if step < self.start:
            return
        self.count += 1
        with torch.no_grad():
            for name, value in policy.named_parameters():
                self.parameters[name] += (value.double() - self.parameters[name]) / self.count


def _log_probs(settled: Settled, policy: CausalPolicy) -> FloatArray:
    """The policy's log-probabilities recomputed in float64."""
    return settled.language.log_probs({n: v.detach().double() for n, v in policy.named_parameters()})
