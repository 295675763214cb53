"""Stop strings: where a text ends that the model did not end itself."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

SLACK = 8  # tokens written between two looks, see generation.HALT_EVERY


def until(text: str, stop: Sequence[str]) -> str:
    """A text up to the first of the stop strings."""
    ends = [place for place in map(text.find, stop) if place >= 0]
    return text[: min(ends, default=len(text))]


class StopStrings:
    """Finds the first stop string in what a tokenizer decodes; without any, it never finds one."""

    def __init__(self, tokenizer: Any, stops: Sequence[str]) -> None:
        self.tokenizer, self.stops = tokenizer, tuple(stops)
        # A stop string of b bytes spans b tokens at most. What a shorter look misses, `cut` still finds.
        self.window = SLACK + max((len(stop.encode()) for stop in stops), default=0)

    def text(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, special ones left out."""
        return str(self.tokenizer.decode(token_ids, skip_special_tokens=True))

    def ended(self, token_ids: Sequence[int]) -> bool:
        """Whether the text of these tokens holds a stop string."""
        text = self.text(token_ids)
        return any(stop in text for stop in self.stops)

    def reached(self, token_ids: Sequence[int]) -> bool:
        """`ended`, looking at the whole text only where its end holds a stop string."""
        return self.ended(token_ids[-self.window :]) and self.ended(token_ids)

    def cut(self, token_ids: Sequence[int]) -> tuple[int, str, bool]:
        """How many tokens it took to write the first stop string, the text before it, and whether there is one.

        Depends on nothing that was written afterwards, so it is the same however late a row was halted.
        """
        if not self.stops or not self.ended(token_ids):
            return len(token_ids), self.text(token_ids), False
        needed = bisect_left(range(len(token_ids)), True, key=lambda n: self.ended(token_ids[:n]))
        text = self.text(token_ids[:needed])
        return needed, text[: min(text.find(stop) for stop in self.stops if stop in text)], True
