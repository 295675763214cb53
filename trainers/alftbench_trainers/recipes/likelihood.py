"""Methods whose reward of a right answer depends on how likely its text was."""

from alftbench_trainers.recipes.of_rule import AnchoredOptions, of_rule

RANK_BIAS = of_rule(
    "rank-bias",
    "rank-bias",
    "Right answers earn more the less likely their text was in the group.",
    needs=("log_prob",),
)
"""arXiv 2506.02355."""

MARA = of_rule(
    "mara",
    "mara",
    "The reference cancels among right answers: all as likely as its likeliest.",
    needs=("reference_log_prob",),
    base=AnchoredOptions,
)
"""arXiv 2510.20817."""
