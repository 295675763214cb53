"""Where in a text an answer stands, and what is read there."""

from __future__ import annotations

import re
from typing import NamedTuple


class Place(NamedTuple):
    """A part of a text that may be its answer: text[start:end], in which `read` is what its key is made of."""

    start: int
    end: int
    read: str

    def behind(self, start: int) -> Place:
        """The same place in a longer text, in which this one starts at `start`."""
        return Place(self.start + start, self.end + start, self.read)


def stripped(text: str, start: int, end: int, signs: str | None = None) -> Place:
    """A part of a text without blanks, or other signs, around it."""
    rest = text[start:end].lstrip(signs)
    read = rest.rstrip(signs)
    start = end - len(rest)
    return Place(start, start + len(read), read)


def group(match: re.Match[str], number: int = 0) -> Place:
    """What a group of a match holds, without blanks around it."""
    return stripped(match.string, match.start(number), match.end(number))
