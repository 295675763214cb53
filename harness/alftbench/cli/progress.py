"""Progress bars on stderr for one evaluation, one training run and a whole comparison."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from alftbench.cli.console import stderr

if TYPE_CHECKING:
    from alftbench.compare.plan import Trial
    from alftbench.launch.local import Finished, Message
    from alftbench.training.trainer import Update


def bars(*extra: TextColumn | MofNCompleteColumn) -> Progress:
    """A description, a bar, what `extra` says, and the time left; gone when done, absent from log files."""
    console = stderr()
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        *extra,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


@contextmanager
def evaluation_bar(name: str) -> Iterator[Callable[[int, int, int], None]]:
    """A bar over samples with tokens per second."""
    tokens, started = 0, time.monotonic()
    with bars(MofNCompleteColumn(), TextColumn("{task.fields[rate]}")) as progress:
        task = progress.add_task(name, total=None, rate="")

        def show(done: int, total: int, new_tokens: int) -> None:
            nonlocal tokens
            tokens += new_tokens
            rate = tokens / max(1e-9, time.monotonic() - started)
            progress.update(task, completed=done, total=total, rate=f"{rate:.0f} tokens/s" if tokens else "")

        yield show


@contextmanager
def training_bar(name: str) -> Iterator[Callable[[Update, float], None]]:
    """A bar over the budget with the step's reward, accuracy and KL."""
    with bars(TextColumn("{task.fields[state]}")) as progress:
        task = progress.add_task(name, total=1.0, state="")

        def show(update: Update, share: float) -> None:
            means = f"reward {update.reward:+.2f}  accuracy {update.accuracy:.2f}  KL {update.kl:.2f}"
            state = f"step {update.step}  {means}"
            progress.update(task, completed=share, state=state)

        yield show
        progress.update(task, completed=1.0)


@contextmanager
def counting_bar(name: str) -> Iterator[Callable[[int, int | None, str], None]]:
    """A bar over a number of steps, where it is known, with the name of the next one."""
    with bars(MofNCompleteColumn(), TextColumn("{task.fields[state]}", style="dim", markup=False)) as progress:
        task = progress.add_task(name, total=None, state="")

        def show(done: int, total: int | None, state: str) -> None:
            progress.update(task, completed=done, total=total, state=state)

        yield show


@contextmanager
def comparison_bars(n_trials: int) -> Iterator[Callable[[Trial, Message | Finished], None]]:
    """One bar for all trials and one for each that is running."""
    from alftbench.launch.local import Message

    running: dict[int, TaskID] = {}
    with bars(TextColumn("{task.fields[state]}", style="dim")) as progress:
        overall = progress.add_task("all trials", total=n_trials, state="")
        shares: dict[int, float] = {}

        def show(trial: Trial, event: Message | Finished) -> None:
            if isinstance(event, Message):
                name = f"{trial.method} seed {trial.seed}"
                if event.job not in running:
                    running[event.job] = progress.add_task(name, total=1.0, state="")
                progress.update(running[event.job], completed=event.share, state=event.doing)
                shares[event.job] = 0.9 * event.share if event.doing == "training" else 0.9
            else:
                shares[event.job] = 1.0
                if event.job in running:
                    progress.remove_task(running.pop(event.job))
                if event.error is not None:
                    line = f"failed: {trial.method}, seed {trial.seed}: {event.error}"
                    progress.console.print(Text(line, style="red"), soft_wrap=True)
            progress.update(overall, completed=sum(shares.values()))

        yield show
