"""Is a value from outside what a type says? One walk along type hints; each mistake is a line naming its place.

A type may say more than its kind, as `Annotated[int, at_least(1), "problems per step"]`: rules that a value must
keep, and for settings what it means. Types read: bool, int, float (finite), str, None, Any, Literal, unions of
these, tuples and lists of one kind, mappings, and dataclasses of such fields.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from alftbench.base.jsonio import JsonObject
from alftbench.errors import CLOSE, BadInput

T = TypeVar("T")
Reader = Callable[[Any, str, list[str]], Any]  # value, where it stands, lines so far → what it reads as, or WRONG
WRONG = object()
NAMED = 20  # unknown keys of a record that are named
NOUNS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    NoneType: "null",
    Any: "anything",
    list: "a list",
    dict: "a table of keys",
}


@dataclass(frozen=True)
class Rule:
    """What a value must be besides its kind; `alone` where `says` names the kind too."""

    says: str
    holds: Callable[[Any], bool]
    alone: bool = False


@dataclass(frozen=True)
class Key:
    """How a file spells a field whose name Python cannot spell."""

    name: str


@dataclass(frozen=True)
class Made:
    """A value made of what a file holds; `make` raises ValueError, TypeError or LookupError where it cannot."""

    says: str
    make: Callable[[Any], Any]


class Together:
    """A dataclass whose fields must fit each other."""

    @classmethod
    def together(cls, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """(key, what is wrong) of each mistake; the key is empty where it is of the whole.

        given: every field that was there, None for one that is wrong by itself.
        """
        return iter(())


def at_least(low: float) -> Rule:
    """A number from `low` on."""
    return Rule(f"at least {low:g}", lambda value: value >= low)


def above(low: float) -> Rule:
    """A number above `low`."""
    return Rule(f"above {low:g}", lambda value: value > low)


def at_most(high: float) -> Rule:
    """A number up to `high`."""
    return Rule(f"at most {high:g}", lambda value: value <= high)


def one_of(names: Container[Any] | Mapping[str, Any]) -> Rule:
    """One of some names that are listed elsewhere."""
    return Rule(f"one of {', '.join(map(str, names))}", lambda value: value in names, alone=True)  # type: ignore[arg-type]


FILLED = Rule("not blank", lambda text: bool(text.strip()))
NOT_EMPTY = Rule("not empty", bool)
Count = Annotated[int, at_least(0)]
Whole = Annotated[int, at_least(1)]
Positive = Annotated[float, above(0)]
Text = Annotated[str, FILLED]


def read(kind: type[T], value: Any, owner: str, closed: bool = True) -> T:
    """What a value reads as.

    Args:
        kind: the type, usually a dataclass.
        value: plain data, as JSON, TOML and YAML give it.
        owner: what messages call it: a file, a line of one.
        closed: refuse keys that the type does not know.

    Raises:
        BadInput: it is not of that type; says where and what it must be.
    """
    result, lines = examine(kind, value, closed)
    if lines:
        raise BadInput(f"{owner}: {'; '.join(lines)}")
    return result


def examine(kind: type[T], value: Any, closed: bool = True, where: str = "") -> tuple[T, list[str]]:
    """What a value reads as, and every mistake in it; it reads as nothing that can be used where there are any."""
    lines: list[str] = []
    known: Any = kind  # for mypy, a type variable is not hashable
    return reader(known, closed)(value, where, lines), lines


@cache
def reader(kind: Any, closed: bool = True) -> Reader:
    """The function that reads a type.

    Raises:
        TypeError: no value from outside is read as this type.
    """
    bare, extras = split_annotated(kind)
    maker = next((extra for extra in extras if isinstance(extra, Made)), None)
    rules = [extra for extra in extras if isinstance(extra, Rule)]
    if maker:
        return partial(_read_made, maker)
    inner = _bare_reader(bare, words(kind), closed)
    return partial(_read_ruled, inner, rules, words(kind)) if rules else inner


def _bare_reader(kind: Any, says: str, closed: bool) -> Reader:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in SCALARS:
        return partial(SCALARS[kind], kind, says)
    if origin is Literal:
        return partial(_read_literal, arguments, says)
    if origin in (Union, UnionType):
        return partial(_read_either, [(shape(one), reader(one, closed)) for one in arguments], says)
    if origin in (list, tuple, Sequence):
        return partial(_read_items, tuple if origin is tuple else list, reader(arguments[0], closed), says)
    if origin in (dict, Mapping):
        return partial(_read_table, reader(arguments[0], closed), reader(arguments[1], closed), says)
    if is_dataclass(kind):
        return partial(_read_record, kind, record_fields(kind, closed), says, closed)
    raise TypeError(f"{kind} is no type that is read from outside")


def split_annotated(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type without what `Annotated` says of it, and that."""
    return (get_args(kind)[0], kind.__metadata__) if get_origin(kind) is Annotated else (kind, ())


def shape(kind: Any) -> type:
    """The Python type of the plain data that a type is read from."""
    bare, _ = split_annotated(kind)
    origin = get_origin(bare)
    if is_dataclass(bare) or origin in (dict, Mapping):
        return dict
    if origin in (list, tuple, Sequence):
        return list
    return type(get_args(bare)[0]) if origin is Literal else bare


def words(kind: Any) -> str:
    """What a value of a type must be."""
    bare, extras = split_annotated(kind)
    rules = [extra for extra in extras if isinstance(extra, Rule)]
    if any(rule.alone for rule in rules):
        return ", ".join(rule.says for rule in rules)
    if get_origin(bare) in (Union, UnionType):
        noun = ", or ".join(dict.fromkeys(map(words, get_args(bare))))
    elif get_origin(bare) is Literal:
        noun = f"one of {', '.join(map(str, get_args(bare)))}"
    else:
        noun = NOUNS[shape(bare)]
    return ", ".join([noun, *(rule.says for rule in rules)])


@dataclass(frozen=True)
class _Field:
    name: str
    read: Reader
    required: bool


def record_fields(kind: Any, closed: bool) -> dict[str, _Field]:
    """The fields of a dataclass by the key that spells each."""
    hints = get_type_hints(kind, include_extras=True)
    known = {}
    for field in fields(kind):
        extras = split_annotated(hints[field.name])[1]
        key = next((extra.name for extra in extras if isinstance(extra, Key)), field.name)
        required = field.default is MISSING and field.default_factory is MISSING
        known[key] = _Field(field.name, reader(hints[field.name], closed), required)
    return known


def _wrong(lines: list[str], where: str, says: str, value: Any) -> Any:
    lines.append(at(where, f"must be {says}, is {brief(value)}"))
    return WRONG


def _read_any(kind: Any, says: str, value: Any, where: str, lines: list[str]) -> Any:
    return value


def _read_plain(kind: type, says: str, value: Any, where: str, lines: list[str]) -> Any:
    return value if type(value) is kind else _wrong(lines, where, says, value)


def _read_float(kind: type, says: str, value: Any, where: str, lines: list[str]) -> Any:
    if type(value) is float and math.isfinite(value):
        return value
    try:
        return float(value) if type(value) is int else _wrong(lines, where, says, value)
    except OverflowError:
        return _wrong(lines, where, says, value)


SCALARS: Mapping[Any, Callable[..., Any]] = {
    Any: _read_any,
    float: _read_float,
    **dict.fromkeys((bool, int, str, NoneType), _read_plain),
}


def _read_literal(options: tuple[Any, ...], says: str, value: Any, where: str, lines: list[str]) -> Any:
    fine = any(type(value) is type(option) and value == option for option in options)
    return value if fine else _wrong(lines, where, says, value)


def _read_either(ways: list[tuple[type, Reader]], says: str, value: Any, where: str, lines: list[str]) -> Any:
    kinds = (dict,) if isinstance(value, dict) else (type(value), float) if type(value) is int else (type(value),)
    for kind in kinds:
        tried: list[str] = []
        for way, read_way in ways:
            if way is kind or way is Any:
                result = read_way(value, where, tried := [])
                if not tried:
                    return result
        if tried:
            lines += tried
            return WRONG
    return _wrong(lines, where, says, value)


def _read_items(into: type, read_one: Reader, says: str, value: Any, where: str, lines: list[str]) -> Any:
    if not isinstance(value, list):
        return _wrong(lines, where, says, value)
    before = len(lines)
    items = into(read_one(item, f"{where}[{i}]", lines) for i, item in enumerate(value))
    return items if len(lines) == before else WRONG


def _read_table(read_key: Reader, read_one: Reader, says: str, value: Any, where: str, lines: list[str]) -> Any:
    if not isinstance(value, dict):
        return _wrong(lines, where, says, value)
    before = len(lines)
    _refuse_repeated(value, where, lines)
    table = {
        read_key(key, f"a key of {where}", lines): read_one(one, below(where, key), lines)
        for key, one in value.items()
    }
    return table if len(lines) == before else WRONG


def _read_record(
    kind: Any, known: Mapping[str, _Field], says: str, closed: bool, value: Any, where: str, lines: list[str]
) -> Any:
    if not isinstance(value, dict):
        return _wrong(lines, where, says, value)
    before = len(lines)
    _refuse_repeated(value, where, lines)
    unknown = [key for key in value if key not in known][:NAMED] if closed else []
    lines += [f"{below(where, key)}: unknown key; {hint(str(key), known)}" for key in unknown]
    given = {}
    for key, field in known.items():
        if key in value:
            result = field.read(value[key], below(where, key), lines)
            given[field.name] = None if result is WRONG else result
        elif field.required:
            lines.append(f"{below(where, key)}: is missing")
    if issubclass(kind, Together):
        lines += [at(below(where, key) if key else where, line) for key, line in kind.together(given)]
    return kind(**given) if len(lines) == before else WRONG


def _read_made(maker: Made, value: Any, where: str, lines: list[str]) -> Any:
    try:
        return maker.make(value)
    except (ValueError, TypeError, LookupError, AttributeError):
        return _wrong(lines, where, maker.says, value)


def _read_ruled(inner: Reader, rules: Sequence[Rule], says: str, value: Any, where: str, lines: list[str]) -> Any:
    result = inner(value, where, lines)
    if result is WRONG:
        return WRONG
    for rule in rules:
        if not rule.holds(result):
            return _wrong(lines, where, says, value)
    return result


def _refuse_repeated(value: Mapping[Any, Any], where: str, lines: list[str]) -> None:
    if isinstance(value, JsonObject) and value.repeated is not None:
        lines.append(f"{below(where, value.repeated)}: stands there twice; leave one")


def at(where: str, line: str) -> str:
    """A line about a place."""
    return f"{where}: {line}" if where else line


def below(where: str, key: Any) -> str:
    """The place of a key."""
    return f"{where}.{key}" if where else str(key)


def hint(name: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    """What somebody may have meant, else what there is."""
    close = get_close_matches(name, known, n=1, cutoff=CLOSE)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"


def brief(value: Any) -> str:
    """A value as JSON, the beginning of it."""
    try:
        text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    except TypeError:  # dates of YAML and TOML
        text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
