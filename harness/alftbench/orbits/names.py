"""Name substitution: the people of a word problem under other names."""

from __future__ import annotations

import re

import numpy as np

from alftbench.orbits.asked import Asked, is_english, words
from alftbench.types import Message

GROUPS = tuple(frozenset(words(group)) for group in ("women", "men", "either"))
SHORT_FORMS = frozenset(frozenset(pair.split("-")) for pair in words("short_forms"))
TOKEN = re.compile(r"(?<![\w-])[A-Z][a-z]+(?![\w-])")
NAMED_AFTER = re.compile(
    r"(?:[A-Z]\w*|\b(?:St|Mt)\.|&) $"  # a capital before: Lake Henry, San Diego, Mount Isabel
)
TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Miss|Uncle|Aunt|Grandpa|Grandma|Coach|King|Queen|Prince|Princess)\.? $")
SENTENCE_START = re.compile(r"(?:^|[.!?:;]\s+|[\"“]\s*)[A-Z]\w* $")
SURNAME = re.compile(r" [A-Z][a-z]+(?!['’]s? [a-z]+ing)| (?:&|Street|Avenue)")


def names(asked: Asked, rng: np.random.Generator) -> tuple[Message, ...] | None:
    """Other first names for the people of a problem, each name for one throughout, of the same gender.

    Keeps the answer: nothing but who it is about changes, pronouns still fit, and no two people get one name.
    Only names that are nothing else in English are replaced, and none that is part of a longer proper name.
    Declines where there is none, where a right answer holds one, where two may be one person (Tim and Timothy),
    and in other languages than English.
    """
    text = asked.question
    found = people(text)
    if not found or not is_english(text) or may_be_one(found, text) or in_answers(found, asked.references):
        return None
    taken = {word[:3].casefold() for word in re.findall(r"\w+", text)}
    new: dict[str, str] = {}
    for name in found:
        group = next(group for group in GROUPS if name in group)
        # None ends in s, so that every possessive is 's; none begins like another, so that they stay apart.
        free = sorted(n for n in group if n[:3].casefold() not in taken and not n.endswith("s"))
        new[name] = free[rng.integers(len(free))]
        taken.add(new[name][:3].casefold())
    return asked.with_question(rename(text, new))


def people(text: str) -> list[str]:
    """First names in a text that stand for themselves everywhere, in order of appearance."""
    found: dict[str, bool] = {}
    for match in TOKEN.finditer(text):
        name = match[0]
        if any(name in group for group in GROUPS):
            found[name] = found.get(name, True) and stands_alone(text, match)
    return [name for name, alone in found.items() if alone]


def stands_alone(text: str, match: re.Match[str]) -> bool:
    """Is a name not part of a longer proper name, such as Lake Henry or Mary Poppins?"""
    before, after = text[: match.start()], text[match.end() :]
    follows = NAMED_AFTER.search(before) and not TITLE.search(before) and not SENTENCE_START.search(before)
    return not follows and not SURNAME.match(after)


def may_be_one(found: list[str], text: str) -> bool:
    """Could two names be one person's: begin alike (Martha, Marta), long and short form, or without a capital?"""
    others = {match[0] for match in TOKEN.finditer(text)} | set(found)
    alike = any(
        name != other and (name[:3] == other[:3] or frozenset((name, other)) in SHORT_FORMS)
        for name in found
        for other in others
    )
    return alike or any(re.search(rf"\b{name.lower()}\b", text) for name in found)


def in_answers(found: list[str], references: tuple[str, ...]) -> bool:
    """Does a right answer hold one of the names?"""
    words = {word.casefold() for text in references for word in re.findall(r"\w+", text)}
    return any(name.casefold() in words for name in found)


def rename(text: str, new: dict[str, str]) -> str:
    """Every old name replaced; the bare apostrophe of James' becomes 's."""
    pattern = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, new))})(['’](?!\w))?(?![\w-])")

    def other(match: re.Match[str]) -> str:
        bare = match[2] + "s" if match[2] and match[1].endswith("s") else match[2] or ""
        return new[match[1]] + bare

    return pattern.sub(other, text)
