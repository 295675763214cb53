"""Methods that reward what is rare: diversity of the answers, among all or among the right ones."""

from alftbench_trainers.loop.options import CountOptions
from alftbench_trainers.recipes.of_rule import of_rule

UCPO = of_rule(
    "ucpo",
    "ucpo",
    "Right, and rare among the right answers of the group.",
    weight=0.5,
)
"""arXiv 2605.00365."""

DIFFERENTIAL_SMOOTHING = of_rule(
    "differential-smoothing",
    "differential-smoothing",
    "Right answers earn more the rarer they are; wrong ones earn nothing.",
    base=CountOptions,
    weight=0.5,
)
"""arXiv 2511.19942."""

IPS_GRPO = of_rule(
    "ips-grpo",
    "inverse-propensity",
    "A right answer's reward divided by its share in the group.",
)
"""arXiv 2601.21669; the same rule as DRA-GRPO, arXiv 2505.09655, with answers for similarity."""

UNIQUENESS = of_rule(
    "uniqueness",
    "uniqueness",
    "A right answer's reward divided by a power of its share in the group.",
    power=0.5,
)
"""arXiv 2601.08763."""

BATCH_PENALTY = of_rule(
    "batch-penalty",
    "batch-penalty",
    "Correctness less a penalty for what the rest of the group says too.",
    weight=0.5,
)
"""arXiv 2509.06941."""

GAPO = of_rule(
    "gapo",
    "gapo",
    "Right answers earn more the nearer their shares are to equal.",
)
"""arXiv 2511.12596."""

DARLING = of_rule(
    "darling",
    "darling",
    "Correctness times the share of the group that answers otherwise.",
)
"""arXiv 2509.02534."""
