"""Judges of answers that no list of right answers could hold; a problem names its own in metadata["verifier"]."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from alftbench.errors import BadInput
from alftbench.types import Problem

VERIFIER = "verifier"  # the key of a problem's metadata
Verifier = Callable[[Problem, str], bool]  # problem, answer as written → is it right
_verifiers: dict[str, Verifier] = {}


def register(name: str, verifier: Verifier) -> None:
    """Make a verifier known under the name that problems give; the module of the suite does so when imported."""
    _verifiers[name] = verifier


def any_right(problem: Problem, spellings: Iterable[str]) -> bool:
    """Does the problem's verifier accept one of an answer class's spellings?

    Raises:
        BadInput: nobody registered that verifier; an answer is never wrong for want of a judge.
    """
    name = problem.metadata[VERIFIER]
    if name not in _verifiers:
        raise BadInput(f"problem {problem.id}: no verifier {name!r}; load the suite that brings it")
    return any(_verifiers[name](problem, text) for text in sorted(set(spellings)))
