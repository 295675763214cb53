"""Methods without labels whose reward is a vote, or agreement with the group."""

from alftbench_trainers.recipes.of_rule import RememberingOptions, of_rule

EMPO = of_rule(
    "empo",
    "frequency",
    "The share of the group that gives the same answer; no labels.",
)
"""arXiv 2504.05812."""

TTRL = of_rule(
    "ttrl",
    "majority",
    "1 for the most frequent answer of the group; no labels.",
)
"""arXiv 2504.16084."""

CO_REWARDING = of_rule(
    "co-rewarding",
    "majority-elsewhere",
    "1 for the most frequent answer of the other phrasings; no labels.",
)
"""arXiv 2508.00410, the first of its two."""

CO_REWARDING_2 = of_rule(
    "co-rewarding-2",
    "majority-remembered",
    "1 for the most frequent answer of a memory of the phrasing; no labels.",
    base=RememberingOptions,
)
"""arXiv 2508.00410, the second: its teacher is a running average of weights, here one of answers."""

SELF_HARMONY = of_rule(
    "self-harmony",
    "self-harmony",
    "1 for the answer of the largest harmonic mean over the phrasings; no labels.",
)
"""arXiv 2511.01191."""

MAJ_AT_K = of_rule(
    "maj-at-k",
    "majority-gain",
    "What a rollout adds to the chance that the majority is right.",
)
"""arXiv 2503.19595."""

EVOL_RL = of_rule(
    "evol-rl",
    "novelty-in-majority",
    "The majority's answer, and what is unlikely among the rollouts that give it; no labels.",
    needs=("log_prob",),
)
"""arXiv 2509.15194."""
