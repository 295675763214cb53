"""The form of a suite's YAML: which keys there are, what they hold, and one clear line per mistake."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from alftbench.answers.canonical import KINDS
from alftbench.answers.find.extract import RULES
from alftbench.base.rules import Rule
from alftbench.suites.base import CHECKS
from alftbench.suites.tables.fields import TAKES, template_names


@dataclass(frozen=True)
class Key:
    """One key: the types of its value, whether it must be there, the keys below it, what it must be besides."""

    types: tuple[type, ...]
    required: bool = False
    below: Mapping[str, Key] = field(default_factory=dict)
    rule: Rule | None = None


def is_text(value: Any) -> bool:
    """A text that is not blank."""
    return isinstance(value, str) and bool(value.strip())


def is_plain(value: Any) -> bool:
    """A value that a column can hold."""
    return value is None or isinstance(value, (str, int, float))


TEXT, COUNT, NUMBER, LIST, TABLE = (str,), (int,), (int, float), (list,), (dict,)
FILLED = Rule("text that is not blank", lambda value: not isinstance(value, str) or is_text(value))
POSITIVE = Rule("at least 1", lambda value: value >= 1)
TEMPERATURE = Rule("0 (greedy) or above", lambda value: math.isfinite(value) and value >= 0)
MASS = Rule("above 0 and at most 1", lambda value: 0 < value <= 1)
SHA256 = Rule("64 hexadecimal digits", lambda value: bool(re.fullmatch("[0-9a-f]{64}", value)))
TEXTS = Rule("a list of texts that are not blank", lambda value: bool(value) and all(map(is_text, value)))
STRINGS = Rule(
    "a list of texts that are not empty", lambda value: all(isinstance(text, str) and text for text in value)
)
NAMED_TEXTS = Rule(
    "a table from names to texts",
    lambda value: all(is_text(text) for pair in value.items() for text in pair),
)
TEMPLATES = Rule(
    "text, or a table with a text for each phrasing",
    lambda value: (
        isinstance(value, str) or (bool(value) and all(is_text(t) for pair in value.items() for t in pair))
    ),
)
COLUMNS = Rule(
    "a table from columns to a value or a list of values",
    lambda value: all(
        is_text(name) and (is_plain(one) or (isinstance(one, list) and all(map(is_plain, one))))
        for name, one in value.items()
    ),
)
SPLITS = Rule("a table with at least one split, by name", lambda value: bool(value) and all(map(is_text, value)))
SOME_TEXT, TEXT_NEEDED = Key(TEXT, rule=FILLED), Key(TEXT, True, rule=FILLED)
COLUMN_BELOW = {
    "column": SOME_TEXT,
    "join": Key(LIST, rule=TEXTS),
    "format": SOME_TEXT,
    "variants": Key(TABLE),
    "take": Key(TEXT),
}
COLUMN = Key((str, dict), True, COLUMN_BELOW, FILLED)
FIELDS = {
    "id": COLUMN,
    "question": COLUMN,
    "reference": COLUMN,
    "variant": Key(COLUMN.types, False, COLUMN_BELOW, FILLED),
}
ROWS = {
    "keep": Key(TABLE, rule=COLUMNS),
    "drop": Key(TABLE, rule=COLUMNS),
    "rename": Key(TABLE, rule=NAMED_TEXTS),
    "fields": Key(TABLE, True, FIELDS),
}
FILE = {**ROWS, "splits": Key(TABLE, True, rule=SPLITS)}
HUB = {
    **ROWS,
    "id": TEXT_NEEDED,
    "revision": TEXT_NEEDED,
    "config": SOME_TEXT,
    "files": Key(TABLE, rule=NAMED_TEXTS),
    "sha256": Key(TABLE, rule=NAMED_TEXTS),
    "columns": Key(LIST, rule=TEXTS),
    "splits": Key(TABLE, True, rule=SPLITS),
}
ROWS_RECORDED = Key(COUNT, rule=POSITIVE)
FILE_SPLIT = {"name": SOME_TEXT, "rows": ROWS_RECORDED, "sha256": Key(TEXT, rule=SHA256)}
HUB_SPLIT = {"from": SOME_TEXT, "rows": ROWS_RECORDED}
SAMPLING = {
    "n": Key(COUNT, rule=POSITIVE),
    "temperature": Key(NUMBER, rule=TEMPERATURE),
    "top_p": Key(NUMBER, rule=MASS),
    "max_tokens": Key(COUNT, rule=POSITIVE),
}
TOP = {
    "name": TEXT_NEEDED,
    "version": Key((int, str), True, rule=FILLED),
    "description": TEXT_NEEDED,
    "licence": TEXT_NEEDED,
    "citation": TEXT_NEEDED,
    "homepage": SOME_TEXT,
    "file": Key(TABLE, False, FILE),
    "hub": Key(TABLE, False, HUB),
    "variants": Key(LIST),
    "answer_kind": Key(TEXT, True),
    "answer_rules": Key(LIST, True),
    "answer_form": Key((str, dict), rule=TEMPLATES),
    "system": Key(TEXT),
    "prompt": Key((str, dict), True, rule=TEMPLATES),
    "examples": Key(LIST),
    "stop": Key(LIST, rule=STRINGS),
    "sampling": Key(TABLE, True, SAMPLING),
    "known": Key(LIST),
}
EXAMPLE = {"question": TEXT_NEEDED, "answer": TEXT_NEEDED}
CHECK = Rule(f"one of {', '.join(CHECKS)}", lambda value: value in CHECKS)
KNOWN = {"problem": TEXT_NEEDED, "check": Key(TEXT, rule=CHECK), "note": TEXT_NEEDED}
NAMES = {str: "text", int: "a whole number", float: "a number", list: "a list", dict: "a table of keys"}


def mistakes(spec: Any) -> list[str]:
    """Everything that is wrong with the content of a suite's YAML, a line each; empty if nothing is."""
    if not isinstance(spec, dict):
        return ["a suite is a table of keys, such as name: and prompt:"]
    found = list(check_keys(spec, TOP, ""))
    return found or [*check_sources(spec), *check_answers(spec), *check_prompts(spec)]


def check_keys(value: Mapping[str, Any], keys: Mapping[str, Key], where: str) -> Iterable[str]:
    """Unknown keys, missing keys and values that cannot be, at all depths."""
    for name in value:
        if name not in keys:
            close = get_close_matches(str(name), keys, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(keys)}"
            yield f"unknown key '{where}{name}'; {hint}"
    for name, key in keys.items():
        if name not in value:
            if key.required:
                yield f"the key '{where}{name}' is missing"
        elif wanted := wanted_instead(value[name], key):
            yield f"'{where}{name}' must be {wanted}, found {value[name]!r}"
        elif isinstance(value[name], dict) and key.below:
            yield from check_keys(value[name], key.below, f"{where}{name}.")


def wanted_instead(value: Any, key: Key) -> str:
    """What a value should have been, in words; empty for one that can stay."""
    if not isinstance(value, key.types) or isinstance(value, bool):
        return " or ".join(NAMES[kind] for kind in key.types)
    return key.rule.says if key.rule and not key.rule.holds(value) else ""


def check_sources(spec: Mapping[str, Any]) -> Iterable[str]:
    """Where the rows come from: splits, and how fields are made of columns."""
    if "file" not in spec and "hub" not in spec:
        yield "one of the keys 'file' and 'hub' is needed: where the problems come from"
    for source, below in (("file", FILE_SPLIT), ("hub", HUB_SPLIT)):
        if source not in spec:
            continue
        for name, split in spec[source]["splits"].items():
            where = f"{source}.splits.{name}"
            if split is not None and not isinstance(split, dict):
                yield f"'{where}' must be a table of keys, found {split!r}"
            else:
                yield from check_keys(split or {}, below, f"{where}.")
        for role, rule in spec[source]["fields"].items():
            yield from check_field(rule, f"{source}.fields.{role}", role)
    yield from check_digests(spec.get("hub", {}))


def check_digests(hub: Mapping[str, Any]) -> Iterable[str]:
    """A digest belongs to a file."""
    for name, digest in hub.get("sha256", {}).items():
        if name not in hub.get("files", {}):
            yield f"'hub.sha256.{name}' is the digest of a file that 'hub.files' does not name"
        if not SHA256.holds(digest):
            yield f"'hub.sha256.{name}' must be {SHA256.says}, found {digest!r}"


def check_field(rule: Any, where: str, role: str) -> Iterable[str]:
    """One field: a column's name, or exactly one way to make it."""
    if isinstance(rule, str):
        return
    ways = [way for way in ("column", "join", "format", "variants") if way in rule]
    if len(ways) != 1:
        yield f"'{where}' needs exactly one of column, join, format, variants; found {', '.join(ways) or 'none'}"
    if "variants" in rule and role != "question":
        yield f"'{where}': only the question can differ between the variants of a row"
    yield from check_phrasings(rule.get("variants", {}), f"{where}.variants")
    if "take" in rule and rule["take"] not in TAKES:
        yield f"'{where}.take' is {rule['take']!r}; known: {', '.join(TAKES)}"
    if "format" in rule and template_names(rule["format"]) is None:
        yield f"'{where}.format' is {rule['format']!r}; use plain names in braces, such as {{index:0>4}}"


def check_phrasings(rules: Mapping[Any, Any], where: str) -> Iterable[str]:
    """The fields of the phrasings that one row holds."""
    for name, rule in rules.items():
        wanted = wanted_instead(rule, COLUMN) if is_text(name) else "of a phrasing whose name is text"
        if wanted:
            yield f"'{where}.{name}' must be {wanted}, found {rule!r}"
        elif isinstance(rule, dict):
            yield from check_keys(rule, COLUMN_BELOW, f"{where}.{name}.")
            yield from check_field(rule, f"{where}.{name}", "phrasing")


def check_answers(spec: Mapping[str, Any]) -> Iterable[str]:
    """The answer kind and the extraction rules exist."""
    if spec["answer_kind"] not in KINDS:
        yield f"unknown answer_kind {spec['answer_kind']!r}; known: {', '.join(KINDS)}"
    if not spec["answer_rules"]:
        yield "'answer_rules' is empty; name at least one rule"
    for rule in spec["answer_rules"]:
        if not isinstance(rule, str) or rule not in RULES:
            yield f"unknown answer rule {rule!r}; known: {', '.join(RULES)}"


def check_prompts(spec: Mapping[str, Any]) -> Iterable[str]:
    """Templates hold the question and nothing unknown; lists hold what they should."""
    yield from check_templates(spec["prompt"], "prompt", "question", spec.get("variants"))
    if "answer_form" in spec:
        yield from check_templates(spec["answer_form"], "answer_form", "answer", spec.get("variants"))
    for name, keys in (("examples", EXAMPLE), ("known", KNOWN)):
        for number, entry in enumerate(spec.get(name, []), 1):
            if not isinstance(entry, dict):
                yield f"entry {number} of '{name}' must be a table of keys, found {entry!r}"
            else:
                yield from check_keys(entry, keys, f"{name}[{number}].")
    variants = spec.get("variants", [])
    if len(set(map(str, variants))) < len(variants) or not all(isinstance(name, str) for name in variants):
        yield "'variants' must list different names"


def check_templates(
    value: str | dict[str, str], where: str, hole: str, variants: list[str] | None
) -> Iterable[str]:
    """One template, or one for each variant."""
    if isinstance(value, dict):
        for name in sorted(set(variants or []) ^ set(value)):
            yield f"'{where}' must have one template for each of 'variants'; {name!r} is on one side only"
    for text in value.values() if isinstance(value, dict) else [value]:
        template = string.Template(str(text))
        if not template.is_valid() or set(template.get_identifiers()) != {hole}:
            yield f"'{where}' must hold ${hole} and no other placeholder; write $$ for a dollar sign"
