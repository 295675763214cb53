"""The form of a suite's YAML: which keys there are, what they hold, and one clear line per mistake."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from alftbench.answers.canonical import KINDS
from alftbench.answers.extract import RULES
from alftbench.suites.fields import TAKES, template_names


@dataclass(frozen=True)
class Key:
    """One key: the types of its value, whether it must be there, and the keys below it."""

    types: tuple[type, ...]
    required: bool = False
    below: Mapping[str, Key] = field(default_factory=dict)


TEXT, COUNT, LIST, TABLE = (str,), (int,), (list,), (dict,)
COLUMN = Key((str, dict), below={
    "column": Key(TEXT),
    "join": Key(LIST),
    "format": Key(TEXT),
    "variants": Key(TABLE),
    "take": Key(TEXT),
})  # fmt: skip
FIELDS = {
    "id": Key(COLUMN.types, True, COLUMN.below),
    "question": Key(COLUMN.types, True, COLUMN.below),
    "reference": Key(COLUMN.types, True, COLUMN.below),
    "variant": Key(COLUMN.types, False, COLUMN.below),
}
ROWS = {"keep": Key(TABLE), "drop": Key(TABLE), "rename": Key(TABLE), "fields": Key(TABLE, True, FIELDS)}
FILE = {**ROWS, "splits": Key(TABLE, True)}
HUB = {
    **ROWS,
    "id": Key(TEXT, True),
    "revision": Key(TEXT, True),
    "config": Key(TEXT),
    "files": Key(TABLE),
    "columns": Key(LIST),
    "splits": Key(TABLE, True),
}
FILE_SPLIT = {"name": Key(TEXT), "rows": Key(COUNT), "sha256": Key(TEXT)}
HUB_SPLIT = {"from": Key(TEXT), "rows": Key(COUNT)}
SAMPLING = {
    "n": Key(COUNT),
    "temperature": Key((int, float)),
    "top_p": Key((int, float)),
    "max_tokens": Key(COUNT),
}
TOP = {
    "name": Key(TEXT, True),
    "version": Key((int, str), True),
    "description": Key(TEXT, True),
    "licence": Key(TEXT, True),
    "citation": Key(TEXT, True),
    "homepage": Key(TEXT),
    "file": Key(TABLE, False, FILE),
    "hub": Key(TABLE, False, HUB),
    "variants": Key(LIST),
    "answer_kind": Key(TEXT, True),
    "answer_rules": Key(LIST, True),
    "answer_form": Key((str, dict)),
    "system": Key(TEXT),
    "prompt": Key((str, dict), True),
    "examples": Key(LIST),
    "sampling": Key(TABLE, True, SAMPLING),
    "known": Key(LIST),
}
EXAMPLE = {"question": Key(TEXT, True), "answer": Key(TEXT, True)}
KNOWN = {"problem": Key(TEXT, True), "check": Key(TEXT), "note": Key(TEXT, True)}
NAMES = {str: "text", int: "a whole number", float: "a number", list: "a list", dict: "a table of keys"}


def mistakes(spec: Any) -> list[str]:
    """Everything that is wrong with the content of a suite's YAML, a line each; empty if nothing is."""
    if not isinstance(spec, dict):
        return ["a suite is a table of keys, such as name: and prompt:"]
    found = list(check_keys(spec, TOP, ""))
    return found or [*check_sources(spec), *check_answers(spec), *check_prompts(spec)]


def check_keys(value: Mapping[str, Any], keys: Mapping[str, Key], where: str) -> Iterable[str]:
    """Unknown keys, missing keys and values of the wrong type, at all depths."""
    for name in value:
        if name not in keys:
            close = get_close_matches(str(name), keys, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(keys)}"
            yield f"unknown key '{where}{name}'; {hint}"
    for name, key in keys.items():
        if name not in value:
            if key.required:
                yield f"the key '{where}{name}' is missing"
        elif not isinstance(value[name], key.types) or isinstance(value[name], bool):
            wanted = " or ".join(NAMES[kind] for kind in key.types)
            yield f"'{where}{name}' must be {wanted}, found {value[name]!r}"
        elif isinstance(value[name], dict) and key.below:
            yield from check_keys(value[name], key.below, f"{where}{name}.")


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


def check_field(rule: Any, where: str, role: str) -> Iterable[str]:
    """One field: a column's name, or exactly one way to make it."""
    if isinstance(rule, str):
        return
    ways = [way for way in ("column", "join", "format", "variants") if way in rule]
    if len(ways) != 1:
        yield f"'{where}' needs exactly one of column, join, format, variants; found {', '.join(ways) or 'none'}"
    if "variants" in rule and role != "question":
        yield f"'{where}': only the question can differ between the variants of a row"
    if "take" in rule and rule["take"] not in TAKES:
        yield f"'{where}.take' is {rule['take']!r}; known: {', '.join(TAKES)}"
    if "format" in rule and template_names(rule["format"]) is None:
        yield f"'{where}.format' is {rule['format']!r}; use plain names in braces, such as {{index:0>4}}"


def check_answers(spec: Mapping[str, Any]) -> Iterable[str]:
    """The answer kind and the extraction rules exist."""
    if spec["answer_kind"] not in KINDS:
        yield f"unknown answer_kind {spec['answer_kind']!r}; known: {', '.join(KINDS)}"
    if not spec["answer_rules"]:
        yield "'answer_rules' is empty; name at least one rule"
    for rule in spec["answer_rules"]:
        if rule not in RULES:
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
