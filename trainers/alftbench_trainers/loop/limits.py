"""How much goes through the model in one pass, and what becomes of it when memory runs out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alftbench_trainers.loop.batch import RolloutBatch, TokenIds


@dataclass(frozen=True)
class Limits:
    """The most that one pass holds.

    rows: completions. tokens: completions × (longest prompt + longest completion), padding included; 0 for no such
    limit. halved: how often memory ran out. A prompt's own completions stay together unless tokens are limited or
    memory ran out: their mean is subtracted from each, so that apart they cost one more pass where β > 0.
    """

    rows: int
    tokens: int = 0
    halved: int = 0

    @property
    def splits(self) -> bool:
        """May completions of one prompt go through the model apart?"""
        return self.tokens > 0 or self.halved > 0

    def hold(self, prompts: Sequence[TokenIds], completions: Sequence[TokenIds]) -> bool:
        """Does this fit?"""
        return len(completions) <= self.rows and (not self.tokens or area(prompts, completions) <= self.tokens)

    def halve(self, batch: RolloutBatch) -> Limits:
        """Half of the largest pass of a batch; the same limits where that is one completion."""
        largest = max(parts(batch, self), key=lambda part: area(part[0].prompts, part[0].completions))[0]
        most = max(len(part.completions) for part, _ in parts(batch, self))
        if most == 1:
            return self
        tokens = area(largest.prompts, largest.completions) // 2 if self.tokens else 0
        return replace(self, rows=most // 2, tokens=tokens, halved=self.halved + 1)


def area(prompts: Sequence[TokenIds], completions: Sequence[TokenIds]) -> int:
    """Tokens of a pass, padding included: completions × (longest prompt + longest completion)."""
    return len(completions) * (max(map(len, prompts)) + max(map(len, completions)))


def parts(batch: RolloutBatch, limits: Limits) -> list[tuple[RolloutBatch, slice]]:
    """A batch as the passes that hold it, in order, and which of its completions each has.

    A pass takes whole prompts for as long as they fit, one at least; where limits split, a prompt that does not
    fit is in passes of its own.
    """
    passes: list[tuple[RolloutBatch, slice]] = []
    takes_more = False  # the last pass
    row = 0
    for prompt, count in zip(batch.prompts, batch.counts_P, strict=True):
        rows = slice(row, row + count)
        completions, row = batch.completions[rows], row + count
        if limits.splits and not limits.hold([prompt], completions):
            passes += pieces(prompt, completions, rows.start, limits)
            takes_more = False
            continue
        part = RolloutBatch((prompt,), completions, (count,))
        joined = passes[-1][0].joined(part) if takes_more else None
        if joined and limits.hold(joined.prompts, joined.completions):
            passes[-1] = (joined, slice(passes[-1][1].start, row))
        else:
            passes.append((part, rows))
        takes_more = True
    return passes


def pieces(
    prompt: TokenIds, completions: Sequence[TokenIds], start: int, limits: Limits
) -> list[tuple[RolloutBatch, slice]]:
    """The completions of one prompt, as many in a pass as fit, one at least."""
    cut: list[list[TokenIds]] = []
    for tokens in completions:
        if cut and limits.hold([prompt], [*cut[-1], tokens]):
            cut[-1].append(tokens)
        else:
            cut.append([tokens])
    ends = [start + sum(map(len, cut[: i + 1])) for i in range(len(cut))]
    return [
        (RolloutBatch((prompt,), tuple(rows), (len(rows),)), slice(end - len(rows), end))
        for rows, end in zip(cut, ends, strict=True)
    ]
