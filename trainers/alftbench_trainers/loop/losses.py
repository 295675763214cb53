"""The policy-gradient loss and its advantages: pure tensor functions."""

from __future__ import annotations

from torch import Tensor

from alftbench.games.rewards.expectation import DEVIATION_FLOOR


def policy_gradient_loss(log_probs_RT: Tensor, advantages_R: Tensor, n_rollouts: int) -> Tensor:
    """−(1/N) Σ_r A_r Σ_t log π(y_rt): its gradient is the policy gradient.

    Each batch is used for one update, so the policy that is updated is the one that sampled and there is no
    ratio to clip; tokens are summed, not averaged, so long completions are not favoured (Dr. GRPO,
    arXiv 2503.20783).

    Args:
        log_probs_RT: from `alftbench.backends.hf.scoring.token_log_probs`, shape (R, T).
        advantages_R: shape (R,).
        n_rollouts: N, the rollouts of the whole batch, of which these R may be a part.
    """
    return -(advantages_R * log_probs_RT.sum(-1)).sum() / n_rollouts


def group_advantages(
    rewards_PG: Tensor, baselines_PG: Tensor, penalties_PG: Tensor, scale: str, own: bool
) -> Tensor:
    """The advantages (r − b) − (c − c̄), with c = β log π/π₀ and c̄ its mean over the group.

    Args:
        rewards_PG: r.
        baselines_PG: b, of `alftbench.games.rewards.baselines`.
        penalties_PG: c; no other rollout's answer changes it, so one mean serves every baseline.
        scale: "std" divides by the standard deviation of r − c in the group.
        own: is a rollout among those that its c̄ is the mean of? As in b, so that both shrink alike.

    Dividing changes what is optimised (binary rewards: arcsin √p in place of p, arXiv 2510.13651), so it is
    never the default here.
    """
    group = penalties_PG.shape[-1]
    away = penalties_PG - penalties_PG.mean(-1, keepdim=True)
    advantages_PG = rewards_PG - baselines_PG - (away if own else away * group / (group - 1))
    if scale == "std":
        deviation = (rewards_PG - penalties_PG).std(-1, correction=0, keepdim=True)
        advantages_PG = advantages_PG / (deviation + DEVIATION_FLOOR)
    return advantages_PG
