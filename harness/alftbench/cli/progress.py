"""What long work looks like on stderr: one bar for one piece of work, or one for each of many and one for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from alftbench.base.foreign import one_line, visible
from alftbench.base.secrets import redacted
from alftbench.cli.console import stderr
from alftbench.types import Listener, Progress

if TYPE_CHECKING:
    from alftbench.launch.local import Finished, Message

TOKENS = "tokens"  # the field that is shown as a rate


def bars() -> Bars:
    """A name, a bar, how far it is, what it is doing, the time left; gone when done, not in log files."""
    console = stderr()
    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[state]}", style="dim", markup=False),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def in_words(progress: Progress, seconds: float) -> str:
    """What is being done, how many of how many, and the fields, tokens as a rate."""
    counted = f" {progress.done:.0f} of {progress.total:.0f}" if progress.total and progress.total > 1 else ""
    fields = [f"{name} {value:.3g}" for name, value in progress.fields.items() if name != TOKENS]
    if tokens := progress.fields.get(TOKENS):
        fields.append(f"{tokens / max(1e-9, seconds):.0f} tokens/s")
    return visible("  ".join([progress.doing + counted, *fields]))


def note(shown: Bars, name: str, lines: Sequence[str]) -> None:
    """Lines about a piece of work that stay on the screen above the bars."""
    for line in lines:
        shown.console.print(Text(one_line(redacted(f"warning: {name}: {line}")), style="yellow"), soft_wrap=True)


@contextmanager
def progress_bar(name: str) -> Iterator[Listener]:
    """A bar for one piece of work."""
    started = time.monotonic()
    with bars() as shown:
        task = shown.add_task(visible(name), total=None, state="")

        def show(progress: Progress) -> None:
            state = in_words(progress, time.monotonic() - started)
            shown.update(task, completed=progress.done, total=progress.total, state=state)
            note(shown, name, progress.notes)

        yield show


@contextmanager
def job_bars() -> Iterator[Callable[[Sequence[str], Message | Finished], None]]:
    """A bar for every job that is running and one for all; waves of jobs come one after the other.

    Yields:
        What hears an event of the wave whose jobs have these names.
    """
    from alftbench.launch.local import Message

    running: dict[str, tuple[TaskID, float]] = {}
    wave: Sequence[str] = ()
    with bars() as shown:
        overall = shown.add_task("all", total=None, state="")

        def show(names: Sequence[str], event: Message | Finished) -> None:
            nonlocal wave
            name = names[event.job]
            if names is not wave:
                wave = names
                shown.reset(overall, total=len(names), state=f"of {len(names)} jobs")
            if isinstance(event, Message):
                if name not in running:
                    running[name] = (shown.add_task(visible(name), total=1.0, state=""), time.monotonic())
                task, started = running[name]
                state = in_words(event.progress, time.monotonic() - started)
                shown.update(task, completed=event.progress.share, state=state)
                note(shown, name, event.progress.notes)
                return
            if name in running:
                shown.remove_task(running.pop(name)[0])
            if event.error is not None:
                failed = one_line(redacted(f"failed: {name}: {event.error}"))
                shown.console.print(Text(failed, style="red"), soft_wrap=True)
            shown.advance(overall)

        yield show
