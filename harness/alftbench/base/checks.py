"""Is what a line says of a prompt and its completions what it must be? Scripts and samples files ask the same."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from alftbench.base.rules import Rule

UNKNOWN = "unknown"  # lm-eval records neither why a completion ended nor its tokens
FINISH_REASONS = ("stop", "length", "content_filter", "error", UNKNOWN)


def is_count(value: Any) -> bool:
    """A whole number, at least 0; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_number(value: Any) -> bool:
    """A finite number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_text(value: Any) -> bool:
    """A text."""
    return isinstance(value, str)


def are_texts(value: Any) -> bool:
    """A list of texts."""
    return isinstance(value, list) and all(map(is_text, value))


def or_null(rule: Rule) -> Rule:
    """The same, or nothing."""
    return Rule(f"{rule.says}, or null", lambda value: value is None or rule.holds(value))


def list_of(*kinds: type) -> Callable[[Any], bool]:
    """A list of values of some kinds."""
    return lambda value: isinstance(value, list) and all(isinstance(item, kinds) for item in value)


TEXT = Rule("a text", is_text)
TEXTS = Rule("a list of texts", are_texts)
COUNT = Rule("a whole number, at least 0", is_count)
OBJECT = Rule("an object", lambda value: isinstance(value, Mapping))
LIST = Rule("a list", lambda value: isinstance(value, list))
TRUTH = Rule("true or false", lambda value: isinstance(value, bool))
SHARE = Rule("a number, at least 0", lambda value: is_number(value) and value >= 0)

DRAW: Mapping[str, Rule] = {
    "finish_reason": Rule(f"one of {', '.join(FINISH_REASONS)}", lambda value: value in FINISH_REASONS),
    "n_tokens": COUNT,
    "logprob": or_null(Rule("a number, at most 0", lambda value: is_number(value) and value <= 0)),
    "n_tokens_estimated": TRUTH,
}
SCRIPT: Mapping[str, Rule] = {"text": TEXT, "problem_id": or_null(TEXT), "variant": or_null(TEXT), **DRAW}
SAMPLE: Mapping[str, Rule] = {
    "doc_id": COUNT,
    "doc": OBJECT,
    "target": Rule("a text", lambda value: is_text(value) or is_number(value) or isinstance(value, list)),
    "filtered_resps": LIST,
    "metrics": TEXTS,
    "prompt_hash": or_null(TEXT),
    "alftbench": or_null(OBJECT),
}
GENERATION: Mapping[str, Rule] = {
    "until": or_null(Rule("a text or a list of texts", lambda value: is_text(value) or are_texts(value))),
    "max_gen_toks": or_null(COUNT),
    "do_sample": or_null(TRUTH),
    "temperature": or_null(SHARE),
    "top_p": or_null(SHARE),
}
EXTRA: Mapping[str, Rule] = {
    "problem": OBJECT,
    "variant": TEXT,
    "answer_rules": TEXTS,
    "draws": Rule("a list of objects", list_of(dict)),
    "answers": Rule("a list of texts and nulls", list_of(str, type(None))),
    "right": Rule("a list of true and false", list_of(bool)),
}
PROBLEM: Mapping[str, Rule] = {
    "id": TEXT,
    "question": TEXT,
    "reference": Rule("a list of one text or more", lambda value: are_texts(value) and bool(value)),
    "answer_kind": TEXT,
    "metadata": OBJECT,
}
RESULTS: Mapping[str, Rule] = {
    "results": OBJECT,
    "config": OBJECT,
    "n-shot": OBJECT,
    "task_hashes": or_null(OBJECT),
    "alftbench": OBJECT,
}


def check(said: Mapping[str, Any], rules: Mapping[str, Rule], needed: Collection[str] = ()) -> None:
    """See that the fields which are there are what they must be.

    Raises:
        ValueError: one is not, or one that is needed is missing; names it.
    """
    for name in needed:
        if name not in said:
            raise ValueError(f"the field {name!r} is missing")
    for name, rule in rules.items():
        if name in said and not rule.holds(said[name]):
            raise ValueError(f"{name} is {brief(said[name])}, must be {rule.says}")


def check_extra(extra: Mapping[str, Any], n: int) -> None:
    """See that what this harness added to a line is whole, for n responses.

    Raises:
        ValueError: it is not.
    """
    check(extra, EXTRA, EXTRA.keys() - {"draws"})
    check(extra["problem"], PROBLEM, PROBLEM)
    check(extra["problem"]["metadata"], {"answer_rules": TEXTS})
    for name in ("draws", "answers", "right"):
        if len(extra.get(name) or range(n)) != n:
            raise ValueError(f"{n} responses, but {len(extra[name])} {name} in what alftbench added")
    for said in extra.get("draws", ()):
        check(said, DRAW)


def brief(value: Any) -> str:
    """A value as JSON, the beginning of it."""
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
