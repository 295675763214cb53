"""vanilla-grpo: the reward is correctness, 1 for a right answer and 0 for anything else.

Source: DeepSeekMath, arXiv 2402.03300; without length and standard-deviation normalisation as in Dr. GRPO,
arXiv 2503.20783 (`scale=std` brings the latter back).
"""

from alftbench.games import Correctness
from alftbench.games.objectives import indicator_bonus
from alftbench.games.rewards import correctness
from alftbench_trainers.loop.options import GroupOptions
from alftbench_trainers.recipe import Recipe

VANILLA_GRPO = Recipe(
    name="vanilla-grpo",
    description="Group-relative policy optimisation of correctness.",
    paper="arXiv 2402.03300",
    options=GroupOptions,
    rule=lambda record, options: correctness(record),
    game=lambda options, correct_Z: Correctness(indicator_bonus(correct_Z)),
)
