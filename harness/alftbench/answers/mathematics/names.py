"""What only names a value (x, a_n, f(x), AB, (p,q)) and what is one."""

from __future__ import annotations

import re

from alftbench.answers.mathematics.brackets import Unreadable
from alftbench.answers.mathematics.cursor import Tokens
from alftbench.answers.mathematics.syntax import read
from alftbench.answers.mathematics.vocabulary import GREEK

GREEK_NAMES = "|".join(sorted(GREEK, key=len, reverse=True))
LETTER = rf"(?:{GREEK_NAMES}|[^\W\d_])"
ONE = rf"(?:(?:m?angle|triangle|overline)?\{{?[A-Z]{{2,4}}\}}?|\|[A-Z]{{2}}\||{LETTER}|angle{LETTER})"
ARGUMENT = rf"(?:{LETTER}|\d+)"
CALL = rf"{ONE}(?:\^-1|\^\{{-1\}})?(?:\({ARGUMENT}(?:(?:,|mid|cap|\||=|<|>){ARGUMENT})*\))?"
TRIG = rf"(?:sin|cos|tan|cot|sec|csc)(?:angle)?\(?{LETTER}\)?"
NAME = re.compile(rf"{CALL}|{TRIG}|\({ONE}(?:,{ONE})+\)|{ONE}(?::{ONE})+")
INDEX = re.compile(r"_(?:\{[^{}]*\}|.)|'|\\")
COMMANDS = GREEK | {"angle", "triangle", "overline", "mid", "cap", "sin", "cos", "tan", "cot", "sec", "csc"}


def is_name(side: Tokens) -> bool:
    """Whether a side only names what the other side is: x, a_n, f(x), AB, (p,q), S_1:S_2, Area."""
    kinds = {kind for kind, _ in side}
    if not kinds or kinds == {"text"}:
        return bool(kinds)
    if "env" in kinds or any(kind == "cmd" and value not in COMMANDS for kind, value in side):
        return False
    return bool(NAME.fullmatch(INDEX.sub("", written(side)).replace("{", "").replace("}", "")))


def written(side: Tokens) -> str:
    """Tokens as text without spaces."""
    return "".join(str(value) for kind, value in side if kind != "space")


def plain_symbol(side: Tokens) -> bool:
    """Whether a name is a variable of an equation: x, y', θ, but not f(x) or AB."""
    try:
        node = read(side)
        return bool(node[0] == "sym" and "_" not in node[1] and "(" not in node[1])
    except Unreadable:
        return False


def name_of(side: Tokens) -> str:
    """A name as written, without what would break a key."""
    return re.sub(r"[^\w(),:'\\^-]", "", written(side))


def is_value(side: Tokens) -> bool:
    """Whether a side has no variables: a number, or a collection of numbers."""
    return all(v in ("e", "i") if k == "sym" else not (k == "cmd" and v in GREEK) for k, v in side)
