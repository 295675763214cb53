"""`key=value,key=value` into a typed, frozen dataclass: settings of backends, trainers and families of suites.

A field says what it means and what it must be by its type: `Annotated[float, above(0), "strength of the KL"]`.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from alftbench.base.validate import hint, reader, split_annotated, words
from alftbench.errors import UsageError

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Usual:
    """Between which values a setting was ever of use; outside, a user is warned and not refused."""

    low: float
    high: float


@dataclass(frozen=True)
class NoSettings:
    """The settings of whatever takes none."""


@dataclass(frozen=True)
class OptionInfo:
    """What a user can be told of a setting. kind: what its value must be, in words."""

    name: str
    kind: str
    default: Any
    meaning: str


def parse_pairs(owner: str, text: str) -> dict[str, str]:
    """Read `key=value,key=value`.

    Args:
        owner: what the settings belong to, for the message.
        text: the settings; empty for none.

    Raises:
        UsageError: an item is of another form, or a key is given twice.
    """
    pairs: dict[str, str] = {}
    for item in filter(None, text.split(",")):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not key:
            raise UsageError(f"{owner}: {item!r} is not of the form key=value")
        if key in pairs:
            raise UsageError(f"{owner}: {key} is given twice")
        pairs[key] = value
    return pairs


def read_settings(kind: type[T], pairs: Mapping[str, str], owner: str) -> T:
    """Settings as typed values; those not given keep the dataclass's defaults.

    Args:
        kind: a dataclass; every field has a default.
        pairs: names and texts.
        owner: what messages begin with, such as --backend-args.

    Raises:
        UsageError: there is no such setting, or its value is not what its field's type says.
    """
    hints = settings_hints(kind)
    for name in pairs:
        if name not in hints:
            there = hint(name, list(hints)) if hints else "it takes none"
            raise UsageError(f"{owner} {name}: there is no such setting; {there}")
    return kind(**{name: read_value(hints[name], owner, name, text) for name, text in pairs.items()})


def read_value(kind: Any, owner: str, name: str, text: str) -> Any:
    """The value of one setting; one that is of no use as far as anybody knows is warned of.

    Raises:
        UsageError: it is not what its type says.
    """
    wrong: list[str] = []
    said = from_text(kind, text)
    value = reader(kind)(said, name, wrong)
    if wrong:
        finite = ", finite" if isinstance(said, float) and not math.isfinite(said) else ""
        raise UsageError(f"{owner} {name}={text}: must be {words(kind)}{finite}")
    for usual in split_annotated(kind)[1]:
        if isinstance(usual, Usual) and not usual.low <= value <= usual.high:
            warn_once(
                f"warning: {owner} {name}={text}: far from {usual.low:g} to {usual.high:g}, where it is of use"
            )
    return value


def settings_hints(kind: type) -> dict[str, Any]:
    """The settings of a dataclass and their types, with what is said of them."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind)}


def options_of(kind: type) -> tuple[OptionInfo, ...]:
    """Every setting of a dataclass, as help and listings show it."""
    hints = settings_hints(kind)
    options = []
    for field in fields(kind):
        meaning = next((extra for extra in split_annotated(hints[field.name])[1] if isinstance(extra, str)), "")
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        options.append(OptionInfo(field.name, words(hints[field.name]), default, meaning))
    return tuple(options)


def from_text(kind: Any, text: str) -> Any:
    """A text as a value of a type, as far as it reads as one; else the text."""
    bare, _ = split_annotated(kind)
    kinds = get_args(bare) if get_origin(bare) in (Union, UnionType) else (bare,)
    plain = {split_annotated(one)[0] for one in kinds}
    if NoneType in plain and str not in plain and text.lower() == "none":
        return None
    if bool in plain and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if int in plain and re.fullmatch(r"[+-]?[0-9]{1,4000}", text):
        return int(text)
    if float in plain:
        try:
            return float(text)
        except ValueError:
            return text
    return text


@cache
def warn_once(line: str) -> None:
    """A line on stderr, once per process."""
    log.warning(line)
