"""Find the final answer in a completion, by named rules, with an outcome for every text.

Rules run in the order a suite gives; the last match of the first rule that matches wins. `last-number` is a
guess: it is recorded as such, so strict and flexible scores can be told apart, and never made of a text that
the token limit cut off.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence

from alftbench.answers.canonical import canonical
from alftbench.types import Answer, Outcome

GUESS = "last-number"
MAX_SCANNED = 20_000  # a final answer stands near the end; longer texts are read from there
MARKER = re.compile(r"\banswer\b[ \t*]*(?:is\b[ \t*]*:?|:)[ \t*]*(?=\S)([^\n]+)", re.IGNORECASE)
HASHES = re.compile(r"####[ \t]*([^\n]+)")
NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?")
REFUSAL = re.compile(r"\bI (?:do not know|don't know|cannot|can't|am unable to)\b", re.IGNORECASE)


def extract(text: str, kind: str, rules: Sequence[str], finish_reason: str = "stop") -> Answer:
    """The final answer of a completion.

    Args:
        text: the completion.
        kind: the suite's answer kind, which decides the canonical key (see `canonical`).
        rules: names of extraction rules, in order of trust.
        finish_reason: "length" where the token limit cut the text off: an answer that touches the cut is
            incomplete, so its outcome is TRUNCATED.
    """
    tail = text[-MAX_SCANNED:]
    for rule in rules:
        found = RULES[rule](tail)
        if found is None:
            continue
        raw, end = found
        if finish_reason == "length" and (rule == GUESS or end >= len(tail.rstrip())):
            break
        key = canonical(kind, raw)
        if key is not None:
            return Answer(Outcome.ANSWERED, raw, key, rule)
    return Answer(_why_no_answer(tail, finish_reason))


def read_answer(text: str, kind: str) -> Answer:
    """The answer that a text is or contains: a bare answer is taken whole, a response is extracted from."""
    if len(text) <= 60:
        key = canonical(kind, text)
        if key is not None:
            return Answer(Outcome.ANSWERED, text, key, "bare")
    return extract(text, kind, tuple(RULES))


def _why_no_answer(text: str, finish_reason: str) -> Outcome:
    if finish_reason == "length":
        return Outcome.TRUNCATED
    return Outcome.ABSTAINED if REFUSAL.search(text) else Outcome.UNPARSED


def _last(pattern: re.Pattern[str], text: str) -> tuple[str, int] | None:
    match = deque(pattern.finditer(text), maxlen=1)
    return (match[0].group(match[0].lastindex or 0).strip(), match[0].end()) if match else None


def _boxed(text: str) -> tuple[str, int] | None:
    r"""The content of the last \boxed{...}, braces balanced."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth = 0
    for position in range(start + 6, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start + 7 : position], position  # the brace closed: nothing was cut off
    return None


Rule = Callable[[str], tuple[str, int] | None]  # text → answer as written, and where it ends
RULES: dict[str, Rule] = {
    "boxed": _boxed,
    "hashes": lambda text: _last(HASHES, text),
    "marker": lambda text: _last(MARKER, text),
    GUESS: lambda text: _last(NUMBER, text),
}
