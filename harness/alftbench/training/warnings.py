"""What goes wrong while a model trains, seen from its log: each check is a pure function of the steps so far.

collapse   rollouts agree more and more, and are right less and less on what nothing taught
constant   in most groups all rollouts earn the same, so that there is nothing to learn from
runaway    the KL to the reference is more than the reward can ever pay for
shortage   memory ran out, and passes are smaller since
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import hypot, sqrt
from statistics import fmean, stdev

from alftbench.training.trainer import Update

BLOCK = 20  # steps whose means are compared: a step holds few problems, and some are easy
WINDOW = 10  # steps whose mean must be beyond a threshold that does not come from the run itself
ERRORS = 3.0  # standard errors that two blocks must differ by; a run of hundreds of steps is looked at often
LEAST_FALL = 0.05  # of accuracy: less is not worth a line
MOST_CONSTANT = 0.5  # share of groups without a difference in reward


def collapse(updates: Sequence[Update]) -> str:
    """Agreement rose and held-out accuracy fell since the block of steps that was right most often.

    Both differences must exceed `ERRORS` standard errors, taken from the spread of the steps in a block, and the
    fall `LEAST_FALL`. Asked at the end of every block.
    """
    if updates[-1].step % BLOCK or len(updates) < 2 * BLOCK:
        return ""
    blocks = [updates[end - BLOCK : end] for end in range(len(updates), BLOCK - 1, -BLOCK)]
    accuracies = [[u.held_out for u in block if u.held_out is not None] for block in blocks]
    agreements = [[u.agreement for u in block if u.agreement is not None] for block in blocks]
    known = [i for i in range(len(blocks)) if min(len(accuracies[i]), len(agreements[i])) >= BLOCK // 2]
    if len(known) < 2 or known[0] != 0:
        return ""
    best = max(known[1:], key=lambda i: fmean(accuracies[i]))
    fall = difference(accuracies[0], accuracies[best])
    rise = difference(agreements[best], agreements[0])
    if min(fall[1], rise[1]) <= ERRORS or fall[0] <= LEAST_FALL:
        return ""
    agree, right, since = fmean(agreements[0]), fmean(accuracies[0]), blocks[best]
    return (
        f"collapse: since steps {since[0].step} to {since[-1].step} the chance that two rollouts of a prompt "
        f"agree rose by {rise[0]:.2f} to {agree:.2f}, and accuracy that nothing taught fell by {fall[0]:.2f} to "
        f"{right:.2f}"
    )


def difference(less: Sequence[float], more: Sequence[float]) -> tuple[float, float]:
    """Mean of `more` − mean of `less`, and that in standard errors."""
    gap = fmean(more) - fmean(less)
    error = hypot(*(stdev(values) / sqrt(len(values)) for values in (less, more)))
    return gap, gap / error if error else gap * float("inf") if gap else 0.0


def constant(updates: Sequence[Update]) -> str:
    """In most groups of the last steps all rollouts earned the same."""
    last = updates[-WINDOW:]
    share = 1 - fmean(u.informative for u in last)
    if len(last) < WINDOW or share <= MOST_CONSTANT:
        return ""
    return f"constant: in {share:.0%} of the groups of the last {WINDOW} steps all rollouts earned the same"


def runaway(updates: Sequence[Update]) -> str:
    """The KL is beyond (highest − lowest reward)/β nats, over the widest step so far.

    No policy gains there: E[r] − β KL is below the lowest reward there is, so below what the reference has. At
    the equilibrium π ∝ π₀ e^{r/β} the KL is E[r]/β − log E₀[e^{r/β}], never more than this.
    """
    last = updates[-WINDOW:]
    known = [u.kl for u in last if u.kl is not None]
    if len(known) < WINDOW or (kl := fmean(known)) <= widest(last) or kl <= (limit := widest(updates)):
        return ""
    return (
        f"runaway: the KL to the starting model is {kl:.3g} nats over the last {WINDOW} steps; beyond "
        f"{limit:.3g}, the spread of rewards over beta, it costs more than any reward gives"
    )


def widest(updates: Iterable[Update]) -> float:
    """The highest limit on the KL that a step had; infinite where none had one."""
    return max((u.kl_limit for u in updates if u.kl_limit is not None), default=float("inf"))


def shortage(updates: Sequence[Update]) -> str:
    """Memory ran out."""
    halved = updates[-1].halved
    if not halved:
        return ""
    return f"shortage: memory ran out; passes hold 1/{2**halved} of what they did, and training goes on"


CHECKS: tuple[Callable[[Sequence[Update]], str], ...] = (collapse, constant, runaway, shortage)


class Watch:
    """Hears every step of a run in order and gives each warning once.

    Attributes:
        given: the step of every warning that was given, by the name of its check.
    """

    def __init__(self) -> None:
        self.given: dict[str, int] = {}
        self._updates: list[Update] = []

    def hear(self, update: Update) -> list[str]:
        """The warnings that are due after this step, a line each."""
        self._updates.append(update)
        lines = []
        for check in CHECKS:
            if check.__name__ not in self.given and (line := check(self._updates)):
                self.given[check.__name__] = update.step
                lines.append(line)
        return lines


def given(updates: Iterable[Update]) -> dict[str, int]:
    """The step of every warning of a run, by name."""
    watch = Watch()
    for update in updates:
        watch.hear(update)
    return watch.given
