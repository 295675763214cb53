r"""The key of an answer of any form: numbers, expressions, lists, sets, intervals, matrices, equations, words.

A key is text. Simple ones read as what they are (`3/4`, `(1; 2)`, `{-2; 1}`, `"ellipse"`); irrational numbers
are 40 digits behind ≈, expressions their values at two points. See docs/answers.md for the rules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from math import gcd, lcm
from typing import NoReturn

from alftbench.answers.mathematics.brackets import Unreadable, depth_step, split, too_deep
from alftbench.answers.mathematics.cursor import Node, Tokens
from alftbench.answers.mathematics.expressions import equation_key, expression_key, inequality
from alftbench.answers.mathematics.figures import number_text
from alftbench.answers.mathematics.intervals import intersection, union, without
from alftbench.answers.mathematics.matrices import matrix_of
from alftbench.answers.mathematics.names import is_name, is_value, name_of, plain_symbol
from alftbench.answers.mathematics.phrases import (
    ORDINAL_OF,
    TEXT_COMMAND,
    label,
    limit,
    phrase_key,
    qualified,
    quoted,
)
from alftbench.answers.mathematics.spelling import spelled_out
from alftbench.answers.mathematics.syntax import read
from alftbench.answers.mathematics.tokens import Token, dressed_down, tokens
from alftbench.answers.mathematics.values import evaluate, symbols

TEX = "tex:"
Items = list[tuple[str | None, str]]  # (name or None, key)
EQUAL = frozenset({("op", "="), ("cmd", "equiv"), ("cmd", "approx")})
ORDER = frozenset({("op", "<"), ("op", ">"), ("cmd", "le"), ("cmd", "ge")})
BOUNDS = ORDER | {("cmd", "ne")}
RELATIONS = EQUAL | ORDER | {("cmd", "ne"), ("cmd", "in")}
CONNECTORS = frozenset({("cmd", "and"), ("cmd", "or"), ("op", ";")})
LOGIC = {("cmd", "land"): ("cmd", "and"), ("cmd", "lor"): ("cmd", "or")}  # between statements, not names
MODULO = ("cmd", "pmod")
PROPERTY = frozenset({("op", "|"), ("cmd", "mid"), ("op", ":")})
SIGNS = {("cmd", "pm"): ("+", "-"), ("cmd", "mp"): ("-", "+")}
APART = re.compile(r"\d\s*\|\s*\d")  # 42 | 41, of which symbolic algebra reads the first
EXCLAIMED = re.compile(r"(?<=\Ano)!+\Z|(?<=\Ayes)!+\Z|(?<=\Atrue)!+\Z|(?<=\Afalse)!+\Z", re.IGNORECASE)
ERA = re.compile(r"\d\s*(?:B\.\s?C|A\.\s?D)")
INTEGER = re.compile(r"-?\d{1,600}")
VECTOR = re.compile(r"\\(?:vec|overrightarrow)(?![a-zA-Z])")
BOUND = frozenset(("sum", "prod", "int", "lim", "iint", "oint"))


def math_key(raw: str) -> str | None:
    """The key of an answer; None where nothing is left of it without its dressing."""
    text = spelled_out(EXCLAIMED.sub("", dressed_down(raw).strip(' \t\n*`"').rstrip(".,;:?*\\ ").strip()))
    if not text:
        return None
    choice = label(text)
    if choice:
        return labelled(*choice)
    if "\\times" in text and VECTOR.search(raw):
        return quoted(squeezed(text))  # a cross product is no product of numbers
    special = limited(text) or phrase_key(text)
    if special:
        return special
    whole = tokens(text)
    if not whole or too_deep(whole):
        return TEX + squeezed(text)
    worded = any(kind == "text" for kind, _ in whole)
    if (worded and qualified(text)) or ERA.search(text) or ORDINAL_OF.search(raw):
        return in_words(text)
    try:
        return statement(whole)
    except (Unreadable, ArithmeticError, ValueError):
        return in_words(text) if worded or APART.search(text) else TEX + squeezed(text)


def in_words(text: str) -> str:
    """The key of an answer in words that are not read: compared as it stands, and never by symbolic algebra."""
    return quoted(squeezed(" ".join(text.split())))


def labelled(letter: str, text: str) -> str:
    """A choice with its label: the letter is the answer, what it labels is kept beside it."""
    key = math_key(text)
    return letter if key is None or TEX in key else f"{letter} | {key.rpartition(' | ')[2]}"


def limited(text: str) -> str | None:
    """The key of "at least" and the like before a formula that is read: words, so nothing else is equal to it."""
    words, formula = limit(text) or ("", "")
    key = math_key(formula) if words else None
    return None if key is None or TEX in key or '"' in key else quoted(f"{words} {key}")


def squeezed(text: str) -> str:
    """LaTeX without what does not show, for texts that are compared as they stand."""
    text = TEXT_COMMAND.sub(r"\1", text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac"))
    text = re.sub(r"\\(?:,|;|:|!|quad|qquad)", "", text)
    return re.sub(r"(?<![a-zA-Z\d])\s+|\s+(?![a-zA-Z\d])", "", text)


def statement(whole: Tokens) -> str:
    """The key of a whole answer: one item, or several in a set."""
    if not whole:
        raise Unreadable
    if whole[0] == ("env", ("begin", "cases")) and whole[-1] == ("env", ("end", "cases")):
        whole = [("op", ";") if token == ("op", "\\\\") else token for token in whole[1:-1]]
    if whole.count(MODULO) == 1:
        cut = whole.index(MODULO)
        modulus = side_key(whole[cut + 1 :])
        return as_set([residue(key, modulus) for key in parts_of([statement(whole[:cut])])])
    if RELATIONS & set(whole):
        whole = [LOGIC.get(token, token) for token in whole]
    return listing(whole)


def listing(whole: Tokens) -> str:
    """The key of items with commas, "and" or "or" between them."""
    groups = [part for part in split(whole, CONNECTORS) if part]
    if not groups:
        raise Unreadable
    listed = [
        [item for part in split(group, frozenset({("op", ",")})) if part for item in items(part)]
        for group in groups
    ]
    flat = [item for group in listed for item in group]
    if len(flat) == 1:
        return flat[0][1]
    bounding = BOUNDS & set(whole)
    if assigned(flat) and not (bounding and ("cmd", "or") in whole):
        return where(flat, "bounded" if bounding or ("cmd", "in") in whole else "where")
    if len(listed) > 1 and all(len(group) > 1 and assigned(group) for group in listed):
        return as_set([where(group) for group in listed])
    if bounding:
        return as_set(bounds(whole, flat))
    return as_set([key for _, key in flat], nested=not RELATIONS & set(whole))


def bounds(whole: Tokens, flat: Items) -> list[str]:
    """Several inequalities of one variable: "or" joins them; else they hold at once, if they can.

    Raises:
        Unreadable: they bound several variables, or are no intervals.
    """
    united = ("cmd", "or") in whole
    names = {name for name, _ in flat}
    if names == {None} and not united:
        return [key for _, key in flat]
    if (len(names) > 1 and names != {"", None}) or (united and ("cmd", "and") in whole):
        raise Unreadable
    sets = [parts_of([key]) for _, key in flat]
    shared = reduce(intersection, sets) if not united else []
    if not shared and ("cmd", "and") in whole:
        raise Unreadable
    return shared or union([part for parts in sets for part in parts])


def assigned(group: Items) -> bool:
    """Whether every item is a named value, each with its own name."""
    names = [name for name, _ in group if name]
    return len(names) == len(group) == len(set(names))


def where(group: Items, head: str = "where") -> str:
    """Named values, or bounded names: order does not count, names do."""
    named = sorted((str(name), key.rpartition(" | ")[2]) for name, key in group)
    return head + "{" + "; ".join(f"{name}={key}" for name, key in named) + "}"


def as_set(keys: Sequence[str], nested: bool = False) -> str:
    """An unordered collection; sets among its elements are opened up, unless `nested` those without intervals."""
    distinct: set[str] = set()
    for key in keys:
        opened = key.startswith("{") and not (nested and interval_free(key))
        distinct.update(elements(key) if opened else [key.rpartition(" | ")[2]])
    if len(distinct) == 1 and not (nested and next(iter(distinct)).startswith("{")):
        return next(iter(distinct))
    return "{" + "; ".join(sorted(distinct)) + "}"


def interval_free(key: str) -> bool:
    """Whether no element of a set is an interval."""
    return not any(part[0] in "([" for part in elements(key))


def elements(key: str) -> list[str]:
    """The items inside the outer bracket of a key."""
    inner = key[key.index(key.lstrip("abcdefghijklmnopqrstuvwxyz")[0]) + 1 : -1]
    parts, start, depth = [], 0, 0
    for i, character in enumerate(inner):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and inner.startswith("; ", i):
            parts.append(inner[start:i])
            start = i + 2
    return [*parts, inner[start:]] if inner else []


def items(part: Tokens) -> Items:
    """One item, or the two that a ± makes of it."""
    depth = 0
    signs = False
    for token in part:
        depth += (token == ("op", "\\{")) - (token == ("op", "\\}"))
        signs = signs or (token in SIGNS and depth == 0)
    if not signs:
        return [item(part)]
    versions = [[("op", SIGNS[t][side]) if t in SIGNS else t for t in part] for side in (0, 1)]
    return [item(version) for version in versions]


def item(part: Tokens) -> tuple[str | None, str]:
    """(name, key) of a value, an assignment, an equation or an inequality."""
    if MODULO in part:
        cut = part.index(MODULO)
        name, key = item(part[:cut])
        return name, residue(key, side_key(part[cut + 1 :]))
    sides = split(part, frozenset(RELATIONS))
    if len(sides) == 1:
        return None, side_key(part)
    relations = top_relations(part)
    if all(relation in EQUAL for relation in relations):
        if ("cmd", "approx") in relations:
            cut = relations.index(("cmd", "approx"))
            sides = sides[: cut + 1] if cut else sides
        return chain(sides)
    if relations == [("cmd", "in")] and is_name(sides[0]):
        return name_of(sides[0]), side_key(sides[1])
    if relations == [("cmd", "ne")] and len(sides) == 2:
        return unequal(*(sides if is_name(sides[0]) else reversed(sides)))
    if all(relation in ORDER for relation in relations) and len(sides) <= 3:
        return bounded(sides, relations)
    raise Unreadable


def residue(key: str, modulus: str) -> str:
    """A number by its remainder, with the modulus."""
    if INTEGER.fullmatch(key) and INTEGER.fullmatch(modulus) and int(modulus) > 0:
        key = str(int(key) % int(modulus))
    return f"mod({key.rpartition(' | ')[2]}; {modulus})"


def unequal(name: Tokens, value: Tokens) -> tuple[str, str]:
    """What x ≠ a says: every other number."""
    if not is_name(name):
        raise Unreadable
    key = side_key(value)
    if is_value(value):
        return name_of(name), as_set(without("(-oo; oo)", parts_of([key])))
    return name_of(name), "ne{" + key + "}"


def bounded(sides: Sequence[Tokens], relations: Sequence[Token]) -> tuple[str | None, str]:
    """(variable, key) of a < b or a < x < b; x is understood where < has nothing before it."""
    if len(sides) == 3:
        return name_of(sides[1]), between(sides, relations)
    if not sides[0]:
        return "", inequality([[("sym", "x")], sides[1]], relations[0])
    names = symbols(("+", read(sides[0]), read(sides[1])))
    return names.pop() if len(names) == 1 else None, inequality(sides, relations[0])


def top_relations(part: Tokens) -> list[Token]:
    """The relation signs outside of brackets, in order."""
    relations, depth = [], 0
    for token in part:
        depth += depth_step(token)
        if depth == 0 and token in RELATIONS:
            relations.append(token)
    return relations


def chain(sides: Sequence[Tokens]) -> tuple[str | None, str]:
    """What a = b = … says: the value of a name, the last value of a calculation, or an equation."""
    sides = [side for side in sides if side]
    if len(sides) < 2:
        return (None, side_key(sides[0])) if sides else unreadable()
    first, last = sides[0], sides[-1]
    if len(sides) == 2 and not is_name(first) and is_name(last) and is_value(first):
        return name_of(last), side_key(first)
    if is_name(first):
        key = side_key(last)
        if is_value(last) or not plain_symbol(first) or len(sides) > 2:
            return name_of(first), key
        equation = equation_key(first, last)
        return name_of(first), f"{equation} | {key}" if equation else key
    if is_value(last) and (
        len(sides) > 2 or is_value(first) or any(t[0] == "cmd" and t[1] in BOUND for t in first)
    ):
        return None, side_key(last)
    equation = equation_key(first, last) if len(sides) == 2 else None
    if equation is None:
        raise Unreadable
    return None, equation


def unreadable() -> NoReturn:
    """Raise, where an expression is wanted."""
    raise Unreadable


def side_key(side: Tokens) -> str:
    """The key of what stands on one side of a relation."""
    united = split(side, frozenset({("cmd", "cup")}))
    if len(united) > 1:
        keys = [side_key(part) for part in united]
        if not all(key[0] in "{([" or part[0] == ("op", "\\{") for key, part in zip(keys, united, strict=True)):
            raise Unreadable  # names of sets
        return as_set(union(parts_of(keys)))
    parts = split(side, frozenset({("cmd", "setminus")}))
    if len(parts) == 2:
        return as_set(without(side_key(parts[0]), parts_of([side_key(parts[1])])))
    ratio = split(side, frozenset({("op", ":")}))
    if len(ratio) > 1:
        return ratio_key([read(part) for part in ratio])
    infinite = [token for token in side if token != ("op", "+")]
    if infinite in ([("cmd", "infty")], [("op", "-"), ("cmd", "infty")]):
        return "oo" if len(infinite) == 1 else "-oo"
    if len(side) == 1 and side[0][0] == "text":
        return '"' + " ".join(str(side[0][1]).casefold().split()) + '"'
    return node_key(read(side))


def node_key(node: Node) -> str:
    """The key of a tree."""
    if node[0] == "seq":
        return sequence_key(node)
    if node[0] == "pct":
        return node_key(node[1]) + "%"
    if node[0] == "deg":
        return node_key(node[1])
    if node[0] == "base":
        return f"{node[1]}_{node[2]}"
    rows = matrix_of(node)
    if rows is not None:
        return (
            "matrix["
            + "; ".join("[" + "; ".join(expression_key(cell) for cell in row) + "]" for row in rows)
            + "]"
        )
    return expression_key(node)


def sequence_key(node: Node) -> str:
    """A tuple, list, interval or set."""
    _, opening, closing, parts = node
    braces = opening in ("\\{", "{")
    defined = split(parts[0], PROPERTY) if braces and len(parts) == 1 else []
    if len(defined) == 2 and is_name(defined[0]):
        return statement(defined[1])  # a set by its property
    entries = [entry for part in parts if part for entry in items(part)]
    if braces:
        return as_set([key for _, key in entries], nested=True) if entries else "{}"
    if len(entries) < 2 or len(entries) != len(parts):
        raise Unreadable
    return f"{opening}{'; '.join(key.partition(' | ')[0] for _, key in entries)}{closing}"


def parts_of(keys: Sequence[str]) -> list[str]:
    """Keys with sets opened up."""
    return [part for key in keys for part in (elements(key) if key.startswith("{") else [key])]


def ratio_key(parts: Sequence[Node]) -> str:
    """A ratio in lowest terms."""
    values = [evaluate(part, {}) for part in parts if not symbols(part)]
    exact = [value for value in values if isinstance(value, Fraction) and value >= 0]
    if len(exact) < len(parts) or not any(exact):
        raise Unreadable
    shared = Fraction(gcd(*(v.numerator for v in exact)), lcm(*(v.denominator for v in exact)))
    return ":".join(number_text(value / shared) for value in exact)


def between(sides: Sequence[Tokens], relations: Sequence[Token]) -> str:
    """A < x ≤ b as an interval."""
    down = [relation in (("op", ">"), ("cmd", "ge")) for relation in relations]
    if not is_name(sides[1]) or down[0] != down[1]:
        raise Unreadable
    low, high = (sides[2], sides[0]) if down[0] else (sides[0], sides[2])
    first, second = (relations[1], relations[0]) if down[0] else (relations[0], relations[1])
    opening, closing = "(" if first[0] == "op" else "[", ")" if second[0] == "op" else "]"
    return f"{opening}{side_key(low)}; {side_key(high)}{closing}"
