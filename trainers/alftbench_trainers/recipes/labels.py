"""Methods whose reward is the verdict alone, and controls that a fair comparison carries."""

from alftbench_trainers.recipes.of_rule import of_rule

W_REINFORCE = of_rule(
    "w-reinforce",
    "w-reinforce",
    "Wrong answers punished, right ones hardly rewarded; positive=0 is NSR.",
)
"""arXiv 2506.01347. In expectation correctness (1 + λ₊), so what differs is noise; with a group's mean as baseline
nothing differs but the size, and `baseline=none` is the paper's."""

NOISY_VERIFIER = of_rule(
    "noisy-verifier",
    "noisy-verifier",
    "Control: a verifier that errs at stated rates; the sign of their difference decides.",
    needs=("uniform",),
    false_positive=0.3,
    true_positive=0.7,
)
"""arXiv 2601.04411. At the default Youden's J is 0.4: as vanilla-grpo with η = 0.4, and noise. No answer never
passes, so beside it a wrong answer earns the false positive rate."""

SPURIOUS = of_rule(
    "spurious",
    "spurious",
    "Control: a reward at random, which teaches nothing.",
    needs=("uniform",),
)
"""arXiv 2506.10947. Its equilibrium is the reference; what it moves is noise and the optimiser."""
