"""What a value from outside must be, in code and in words; used where files of users and of peers are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """What a value must be, and how messages say so."""

    says: str
    holds: Callable[[Any], bool]
