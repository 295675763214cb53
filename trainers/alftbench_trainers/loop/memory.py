"""What earlier steps drew for each training problem: kept per prompt across steps, saved with the state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.base.jsonio import read_json, write_json
from alftbench.base.validate import read
from alftbench.games.rewards import Remembered
from alftbench_trainers.loop.rollouts import OrbitRollouts

FILE = "memory.json"
NEGLIGIBLE = 1e-9
"""Share below which an answer is forgotten, lest a file grow with every answer that was ever given."""


@dataclass(frozen=True)
class Remnant:
    """One problem: how often it was met, and per phrasing the running mean of every answer's share."""

    steps: int
    shares_V: tuple[dict[str, float], ...]


class AnswerMemory:
    """Running answer shares m ← ρ m + (1 − ρ) n/G of every problem that was met.

    Args:
        decay: ρ; 0 remembers nothing.
        problems: what was saved.
    """

    def __init__(self, decay: float, problems: dict[str, Remnant] | None = None) -> None:
        self.decay = decay
        self.problems = {} if problems is None else problems

    def recall(self, rollouts: OrbitRollouts) -> OrbitRollouts:
        """The rollouts with what is remembered of their problem in the record, and remember them."""
        if not self.decay:
            return rollouts
        record = rollouts.record
        V = record.phrasings
        before = self.problems.get(rollouts.key, Remnant(0, ({},) * V))
        remembered = Remembered(as_array(before.shares_V, rollouts.answers_Z), before.steps, self.decay)
        drawn_VZ = record.counts_VZ / record.group
        pairs = zip(before.shares_V, drawn_VZ, strict=True)
        shares_V = tuple(self._mixed(old, rollouts.answers_Z, drawn_Z) for old, drawn_Z in pairs)
        self.problems[rollouts.key] = Remnant(before.steps + 1, shares_V)
        return replace(rollouts, record=replace(record, remembered=remembered))

    def _mixed(self, old: dict[str, float], answers_Z: Sequence[str], drawn_Z: FloatArray) -> dict[str, float]:
        mixed = {answer: self.decay * share for answer, share in old.items()}
        for answer, share in zip(answers_Z, drawn_Z.tolist(), strict=True):
            mixed[answer] = mixed.get(answer, 0.0) + (1 - self.decay) * share
        return {answer: share for answer, share in mixed.items() if share > NEGLIGIBLE}

    def save(self, folder: Path) -> None:
        """Write what is remembered; a memory that remembers nothing leaves no file."""
        if self.decay:
            write_json(folder / FILE, {key: asdict(remnant) for key, remnant in self.problems.items()})

    @classmethod
    def load(cls, folder: Path, decay: float) -> AnswerMemory:
        """What was saved in a state's folder.

        Raises:
            BadInput: the file is missing or damaged.
        """
        if not decay:
            return cls(decay)
        path = folder / FILE
        return cls(decay, read(dict[str, Remnant], read_json(path), str(path)))


def as_array(shares_V: Sequence[dict[str, float]], answers_Z: Sequence[str]) -> FloatArray:
    """The remembered shares of these answers, shape (V, Z)."""
    return np.array([[shares.get(answer, 0.0) for answer in answers_Z] for shares in shares_V])
