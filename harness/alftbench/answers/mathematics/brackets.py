"""Stretches of tokens: where brackets open and close, and what stands between separators outside of them."""

from __future__ import annotations

from collections.abc import Sequence

from alftbench.answers.mathematics.tokens import Token

MAX_DEPTH = 24
OPEN, CLOSE = ("(", "[", "\\{", "{"), (")", "]", "\\}", "}")
COMMAS = frozenset({("op", ","), ("op", ";")})


class Unreadable(Exception):
    """The text is not of the forms that are read here; it may still be an answer."""


def depth_step(token: Token) -> int:
    """+1 for what opens a bracket, −1 for what closes one."""
    if token[0] == "op":
        return (token[1] in OPEN) - (token[1] in CLOSE)
    if token[0] == "env":
        return 1 if token[1][0] == "begin" else -1
    return 0


def too_deep(tokens: Sequence[Token]) -> bool:
    """Whether brackets are nested deeper than is read."""
    depth = 0
    for token in tokens:
        depth += depth_step(token)
        if depth > MAX_DEPTH:
            return True
    return False


def split(tokens: Sequence[Token], separators: frozenset[Token]) -> list[Sequence[Token]]:
    """The stretches between separators that stand outside of brackets."""
    parts, start, depth = [], 0, 0
    for i, token in enumerate(tokens):
        depth += depth_step(token)
        if depth == 0 and token in separators:
            parts.append(tokens[start:i])
            start = i + 1
    return [*parts, tokens[start:]]
