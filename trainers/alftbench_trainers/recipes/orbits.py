"""Methods that compare phrasings, besides coherence-grpo."""

from alftbench_trainers.recipes.of_rule import of_rule

PAIRWISE_COHERENCE = of_rule(
    "pairwise-coherence",
    "pairwise-coherence",
    "Every phrasing near every other: the KL of all pairs; no labels.",
)
"""arXiv 2511.08440."""

TRACE_COHERENCE = of_rule(
    "trace-coherence",
    "trace-coherence",
    "Texts that the other phrasings would have written too; V passes a rollout; no labels.",
    needs=("cross_log_prob",),
)
"""arXiv 2511.08440: what answer-level coherence does without."""
