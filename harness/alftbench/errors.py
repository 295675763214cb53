"""Every error a user can meet; each message says what is wrong and what to do.

AlftbenchError                exit 1   something failed while running
├── UsageError                exit 2   the command or an input file is wrong
│   ├── UnknownName           exit 2   no such trainer, suite, backend, metric or model
│   ├── BadInput              exit 2   a file's content is wrong: names file and line or entry
│   └── ModelRefused          exit 1   a model asks for what is not done for it, or its files are no model's
├── RunConflict               exit 2   the output folder belongs to another configuration
├── MissingExtra              exit 1   an optional package is not installed
├── MissingPackage            exit 1   a package that alftbench depends on cannot be imported
├── NotWritten                exit 1   the disk is full or refuses; nothing on it was spoilt
├── PluginError               exit 1   a plugin could not be loaded or broke its contract
└── Diverged                  exit 1   numbers stopped being finite
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

CLOSE = 0.7  # how alike a known name must be to be suggested, 1 for the same


def first_line(error: BaseException) -> str:
    """The first line of an error's message: a library's many lines of advice are not ours."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class AlftbenchError(Exception):
    """Root of the tree; the command line prints the message and exits with `exit_code`."""

    exit_code = 1


class UsageError(AlftbenchError, ValueError):
    """The command or an input is wrong; nothing was written."""

    exit_code = 2


class UnknownName(UsageError):
    """No such trainer, suite, backend, metric or model."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        close = get_close_matches(name, known, n=1, cutoff=CLOSE)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"
        super().__init__(f"no {kind} named {name!r}; {hint}")


class BadInput(UsageError):
    """The content of a file is wrong; the message names the file and the line or entry."""


class ModelRefused(UsageError):
    """A model asks for what is not done unasked, such as running its code, or its files are no model's."""

    exit_code = 1


class RunConflict(AlftbenchError):
    """The output folder holds a run made with another configuration."""

    exit_code = 2


class NotWritten(AlftbenchError, OSError):
    """A file cannot be written; what was there before still is."""


class MissingExtra(AlftbenchError, ImportError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install 'alftbench[{extra}]'")


class MissingPackage(AlftbenchError, ImportError):
    """A package that comes with alftbench cannot be imported; nothing is scored without it."""

    def __init__(self, package: str, requirement: str, cause: str) -> None:
        super().__init__(f"{package} cannot be imported ({cause}); run: pip install '{requirement}'")


class PluginError(AlftbenchError):
    """A plugin could not be loaded or broke its contract; chained to the cause."""


class Diverged(AlftbenchError, ArithmeticError):
    """A number that must be finite is not; names the step and the quantity."""
