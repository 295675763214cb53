"""The completions that a policy or its reference is likely to give to the phrasings of a problem, under both.

Each model lists its own. What one of them lists, the other scores; and what is listed of one phrasing with more than
a trifle is scored under every other, so an answer that one phrasing gives is known of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alftbench.backends.base import TraceBounds
from alftbench.backends.hf.enumeration import Scores, Tokens, enumerate_completions, score_completions
from alftbench.backends.hf.generation import Decoding

SHARED = (
    0.01  # a completion is scored under all phrasings where one gives it this share of the mass that may be left
)


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of a model's completions of the V phrasings: those it lists, and those scored so far."""

    model: Any
    prompts: tuple[Tokens, ...]
    decodings: tuple[Decoding, ...]
    listed_V: tuple[Scores, ...]
    scored_V: tuple[Scores, ...]

    @classmethod
    def of(
        cls, model: Any, prompts: tuple[Tokens, ...], decodings: tuple[Decoding, ...], bounds: TraceBounds
    ) -> Known | None:
        """The model's own list; None where the bounds do not suffice."""
        listed = enumerate_completions(model, prompts, decodings, bounds)
        return listed and cls(model, prompts, decodings, tuple(listed), tuple(map(dict, listed)))

    def scores(self, wanted_V: Sequence[Sequence[Tokens]]) -> list[list[float]]:
        """Log π of completions, each scored once."""
        pairs = list(zip(wanted_V, self.scored_V, strict=True))
        missing = [[tokens for tokens in wanted if tokens not in scored] for wanted, scored in pairs]
        new_V = score_completions(self.model, self.prompts, self.decodings, missing)
        for scored, new in zip(self.scored_V, new_V, strict=True):
            scored.update(new)
        return [[scored[tokens] for tokens in wanted] for wanted, scored in pairs]


def joint_list(policy: Known, reference: Known, bounds: TraceBounds) -> list[tuple[list[Tokens], np.ndarray]]:
    """Per phrasing the completions that are listed of it or shared by another, and log π under both, (2, Y)."""
    log_least = np.log(SHARED * bounds.mass)
    lists = [known.listed_V for known in (policy, reference)]
    shared = dict.fromkeys(
        t for listed in lists for one in listed for t, log_p in one.items() if log_p >= log_least
    )
    wanted_V = [list({**ours, **theirs, **shared}) for ours, theirs in zip(*lists, strict=True)]
    scores = zip(policy.scores(wanted_V), reference.scores(wanted_V), strict=True)
    rows = [np.array(pair) for pair in scores]
    kept = [np.isfinite(row).any(axis=0) for row in rows]
    return [
        ([t for t, keep in zip(wanted, mask, strict=True) if keep], row[:, mask])
        for wanted, row, mask in zip(wanted_V, rows, kept, strict=True)
    ]
