"""Which draws go through the model together, and what becomes of a batch that does not fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alftbench.types import SampleKey, Variant

SHORTAGES = ("can't allocate memory", "out of memory", "bad_alloc", "bad allocation")


@dataclass(frozen=True)
class Batch:
    """The same draws of some prompts."""

    variants: tuple[Variant, ...]
    draws: range

    @property
    def keys(self) -> list[SampleKey]:
        """Every draw of the batch."""
        return [(v.problem_id, v.name, draw) for v in self.variants for draw in self.draws]

    def halves(self) -> tuple[Batch, Batch]:
        """Half of the prompts each; of one prompt, half of the draws."""
        if len(self.variants) > 1:
            middle = (len(self.variants) + 1) // 2
            return replace(self, variants=self.variants[:middle]), replace(self, variants=self.variants[middle:])
        middle = (len(self.draws) + 1) // 2
        return replace(self, draws=self.draws[:middle]), replace(self, draws=self.draws[middle:])


def batches(ordered: Sequence[Variant], n: int, rows: int) -> list[Batch]:
    """Batches of at most `rows` completions, whole prompts where one fits.

    Depends on its arguments alone, so an interrupted evaluation meets the same batches again.
    """
    groups = prompt_groups(ordered, n, rows)
    return [Batch(group, range(n)[i : i + rows]) for group in groups for i in range(0, n, max(1, rows))]


def prompt_groups(ordered: Sequence[Variant], n: int, rows: int) -> list[tuple[Variant, ...]]:
    """The prompts that share batches; `batches` of one group are those that it has among all."""
    per_batch = max(1, rows // n)
    return [tuple(ordered[i : i + per_batch]) for i in range(0, len(ordered), per_batch)]


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that memory ran out: of a device, of torch's allocator, or of the process."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in SHORTAGES)
