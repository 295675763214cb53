"""How much work the reading of one answer may take: steps are counted, so a text has the same key everywhere."""

from __future__ import annotations

import threading

from alftbench.answers.mathematics.brackets import Unreadable

STEPS, CLOSE_STEPS = 12_000, 40_000  # of about 5 µs; the latter for a closer look, with many digits


class _Meter(threading.local):
    left, other = STEPS, CLOSE_STEPS


_meter = _Meter()


def renew() -> None:
    """Begin with another answer in this thread."""
    _meter.left, _meter.other = STEPS, CLOSE_STEPS


def change_over() -> None:
    """Count steps of a closer look from now on, or again those of the first."""
    _meter.left, _meter.other = _meter.other, _meter.left


def spend(steps: int = 1) -> None:
    """Count steps.

    Raises:
        Unreadable: the answer has used up its own.
    """
    _meter.left -= steps
    if _meter.left < 0:
        raise Unreadable


def exhausted() -> bool:
    """Whether the answer has used up its steps, so that what was made of it does not count."""
    return _meter.left < 0
