"""Rollouts as a model takes them: prompts, and completions of each in a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress

TokenIds = tuple[int, ...]


@dataclass(frozen=True)
class RolloutBatch:
    """P prompts and R completions, those of a prompt in a row.

    counts: how many completions each prompt has; None where all have the same number.
    """

    prompts: tuple[TokenIds, ...]
    completions: tuple[TokenIds, ...]
    counts: tuple[int, ...] | None = None

    @property
    def counts_P(self) -> tuple[int, ...]:
        """How many completions each prompt has."""
        if self.counts is not None:
            return self.counts
        return (len(self.completions) // len(self.prompts),) * len(self.prompts)

    @property
    def tokens(self) -> int:
        """Tokens of all completions."""
        return sum(map(len, self.completions))

    @cached_property
    def distinct(self) -> tuple[RolloutBatch, list[int]]:
        """The batch with each completion of a prompt once, and the place there of each of these R."""
        completions: list[TokenIds] = []
        places, counts, row = [], [], 0
        for count in self.counts_P:
            start = len(completions)
            of_prompt = self.completions[row : row + count]
            completions += dict.fromkeys(of_prompt)
            place_of = {tokens: start + place for place, tokens in enumerate(completions[start:])}
            places += [place_of[tokens] for tokens in of_prompt]
            counts.append(len(completions) - start)
            row += count
        return RolloutBatch(self.prompts, tuple(completions), tuple(counts)), places

    def joined(self, other: RolloutBatch) -> RolloutBatch:
        """This batch and another after it."""
        return RolloutBatch(
            self.prompts + other.prompts, self.completions + other.completions, self.counts_P + other.counts_P
        )

    def only(self, kept_R: Sequence[bool]) -> RolloutBatch:
        """The batch with these completions alone, and with the prompts that have one."""
        ends = [sum(self.counts_P[: place + 1]) for place in range(len(self.prompts))]
        counts = [sum(kept_R[end - n : end]) for n, end in zip(self.counts_P, ends, strict=True)]
        return RolloutBatch(
            tuple(compress(self.prompts, counts)),
            tuple(compress(self.completions, kept_R)),
            tuple(filter(None, counts)),
        )
