"""A position in a list of tokens, and the trees that are read from them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from alftbench.answers.mathematics.brackets import MAX_DEPTH, Unreadable, depth_step
from alftbench.answers.mathematics.tokens import Token

Node = tuple[Any, ...]
Tokens = Sequence[Token]
MINUS = ("num", Fraction(-1))
BARE = (("op", "("), ("op", ")"), ("op", ","), ("op", "-"))  # in and around plain arguments


class Cursor:
    """Where reading stands: `depth` brackets lie around the tokens, `nested` bases around the position."""

    def __init__(self, tokens: Tokens, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise Unreadable
        self.tokens = list(tokens)
        self.at = 0
        self.start = 0  # of the last factor
        self.depth = depth
        self.nested = 0
        self.bars = 0  # open |

    def peek(self) -> Token:
        """The next token."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self) -> Token:
        """The next token, passed over."""
        token = self.peek()
        self.at += 1
        return token

    def accept(self, *wanted: Token) -> bool:
        """Pass over the next token if it is one of `wanted`."""
        if self.peek() in wanted:
            self.at += 1
            return True
        return False

    def signs(self) -> int:
        """The product of the signs that follow."""
        sign = 1
        while self.peek() in (("op", "+"), ("op", "-")):
            sign = -sign if self.take()[1] == "-" else sign
        return sign


def negated(node: Node, sign: int) -> Node:
    """A node with a sign."""
    return node if sign > 0 else ("*", MINUS, node)


def product_of(factors: Sequence[Node]) -> Node:
    """A product; one factor is itself."""
    return factors[0] if len(factors) == 1 else ("*", *factors)


def proper(top: Node, bottom: Node) -> Node | None:
    """A proper fraction of whole numbers; None for any other."""
    if top[0] != "num" or bottom[0] != "num" or not 0 < top[1] < bottom[1]:
        return None
    return ("num", top[1] / bottom[1]) if top[1].denominator == bottom[1].denominator == 1 else None


def is_differential(node: Node) -> bool:
    """Whether a product begins with d, as in dy and d²y: dy/dx is no fraction."""
    if node[0] in ("*", "^"):
        return is_differential(node[1])
    return node == ("sym", "d")


def applied_to(reader: Cursor) -> str:
    """What a function that is not known is applied to, as part of a name: f(2) is neither f(5) nor 2f."""
    start, depth = reader.at, 0
    while reader.peek()[0] in ("num", "sym") or reader.peek() in BARE:
        depth += depth_step(reader.take())
        if depth == 0:
            return "".join(str(value) for _, value in reader.tokens[start : reader.at])
    raise Unreadable  # f(x + y) is no product


def subscript(reader: Cursor) -> str:
    """A subscript as text, part of a name."""
    if reader.accept(("op", "{")):
        parts = []
        while reader.peek()[0] != "end" and not reader.accept(("op", "}")):
            parts.append(str(reader.take()[1]))
        return "".join(parts)
    return str(reader.take()[1])
