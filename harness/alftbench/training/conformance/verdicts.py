"""How a check ends other than well."""

from __future__ import annotations


class Failed(Exception):
    """Something else was found than expected."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}; found {found}")


class NotApplicable(Exception):
    """A check that has nothing to look at; says why."""


def expect(holds: bool, expected: str, found: str) -> None:
    """Fail unless something holds."""
    if not holds:
        raise Failed(expected, found)
