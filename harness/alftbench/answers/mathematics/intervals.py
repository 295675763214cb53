"""Unions, intersections and differences of intervals, by their keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from alftbench.answers.mathematics.brackets import Unreadable

END = r"(?:-?oo|-?\d+(?:/\d+)?|≈-?\d+\.\d+)"
INTERVAL = re.compile(rf"([(\[])({END}); ({END})([)\]])")
POINT = re.compile(END)


class RealInterval(NamedTuple):
    """Ends as (value, side, text): a side of ±1 keeps the end itself out, 0 takes it in."""

    low: tuple[float | Fraction, int, str]
    high: tuple[float | Fraction, int, str]

    @property
    def empty(self) -> bool:
        """Whether no number lies in it."""
        return self.low[:2] > self.high[:2]

    @property
    def key(self) -> str:
        """The interval as a key; a single point is its value."""
        if self.low[0] == self.high[0]:
            return self.low[2]
        return f"{'[('[self.low[1]]}{self.low[2]}; {self.high[2]}{'])'[-self.high[1]]}"


def interval(key: str) -> RealInterval | None:
    """The interval that a key is; a number is one of a single point."""
    if POINT.fullmatch(key) and "oo" not in key:
        return RealInterval((_end(key), 0, key), (_end(key), 0, key))
    match = INTERVAL.fullmatch(key)
    if match is None:
        return None
    opening, low, high, closing = match.groups()
    span = RealInterval((_end(low), int(opening == "("), low), (_end(high), -int(closing == ")"), high))
    return None if span.empty else span


def _end(text: str) -> float | Fraction:
    if text.endswith("oo"):
        return float(text.replace("oo", "inf"))
    return Fraction(text.removeprefix("≈"))


def union(keys: Sequence[str]) -> list[str]:
    """Intervals and points joined: those that overlap or touch become one. Other keys stay as they are."""
    spans = [(key, interval(key)) for key in keys]
    others = [key for key, span in spans if span is None]
    joined: list[RealInterval] = []
    for span in sorted(span for _, span in spans if span is not None):
        if joined and _touch(joined[-1], span):
            joined[-1] = RealInterval(joined[-1].low, max(joined[-1].high, span.high))
        else:
            joined.append(span)
    return others + [span.key for span in joined]


def _touch(first: RealInterval, second: RealInterval) -> bool:
    """Whether nothing lies between two intervals in order."""
    if first.high[0] == second.low[0]:
        return first.high[1] == 0 or second.low[1] == 0
    return first.high[0] > second.low[0]


def intersection(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """The numbers in some interval of both unions.

    Raises:
        Unreadable: a key is no interval.
    """
    left, right = ([interval(key) for key in keys] for keys in (first, second))
    if None in left or None in right:
        raise Unreadable
    common = [RealInterval(max(a.low, b.low), min(a.high, b.high)) for a in left for b in right if a and b]
    return [span.key for span in common if not span.empty]


def without(whole: str, points: Sequence[str]) -> list[str]:
    """An interval with some of its points taken out.

    Raises:
        Unreadable: it is no interval, or they are no points.
    """
    left = [interval(whole)]
    holes = [interval(point) for point in points]
    if left[0] is None or None in holes:
        raise Unreadable
    for hole in sorted(hole for hole in holes if hole is not None):
        last = left.pop()
        if last is None or hole.low[2] != hole.high[2]:
            raise Unreadable
        value, _, text = hole.low
        left += [RealInterval(last.low, (value, -1, text)), RealInterval((value, 1, text), last.high)]
    return [span.key for span in left if span is not None and not span.empty]
