"""Independent random streams: every draw of every prompt has its own, whatever runs beside it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def stream(seed: int, *keys: str | int) -> np.random.Generator:
    """A generator for one draw, keyed by names and numbers.

    Keys enter numpy's SeedSequence as its spawn key, so streams of different keys are independent and
    neither order, batch nor number of other draws changes them.
    """
    import numpy as np

    spawn_key = tuple(key if isinstance(key, int) else name_key(key) for key in keys)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn_key))


def integer_seed(seed: int, *keys: str | int, bits: int = 63) -> int:
    """A seed for one draw of an engine that keeps its own generators, from the draw's stream."""
    return int(stream(seed, *keys).integers(2**bits))


def name_key(name: str) -> int:
    """The first 64 bits of a name's SHA-256, the same on every machine and in every process."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
