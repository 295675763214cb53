"""Methods whose reward of a right answer depends on how many of its group are right."""

from alftbench_trainers.recipes.of_rule import of_rule

PKPO = of_rule(
    "pkpo",
    "pass-at-k",
    "The gradient of pass@k without bias.",
    k=4,
)
"""arXiv 2505.15201; pass@k training, arXiv 2508.10751."""

BEST_OF_GROUP = of_rule(
    "best-of-group",
    "pass-at-k",
    "Only the one right rollout of a group is rewarded: the gradient of pass@G.",
    k=None,
)
"""arXiv 2503.19595."""

MAXRL = of_rule(
    "maxrl",
    "maxrl",
    "A right answer's reward divided by the share of the group that is right.",
)
"""arXiv 2602.02710."""

MAXRL_T = of_rule(
    "maxrl-t",
    "maxrl",
    "The first terms of the series of log p(right).",
    order=4,
)
"""arXiv 2602.02710, with truncation."""

RS_GRPO = of_rule(
    "rs-grpo",
    "risk-seeking",
    "Exponential of the reward over its mean in the group.",
)
"""arXiv 2509.24261."""

F_GRPO = of_rule(
    "f-grpo",
    "focal",
    "Right answers earn less where most of the group is right.",
)
"""arXiv 2602.06717."""
