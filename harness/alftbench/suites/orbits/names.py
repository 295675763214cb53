"""Name substitution: the people of a word problem under other names."""

from __future__ import annotations

import re
from itertools import chain

import numpy as np

from alftbench.suites.orbits.asked import Asked, Declined, words
from alftbench.suites.orbits.literal import why_no_word_problem
from alftbench.types import Message

GROUPS = tuple(frozenset(words(group)) for group in ("women", "men", "either"))
FAMILIES = [family.split("-") for family in words("families")]
KNOWN = frozenset(chain(*GROUPS, *FAMILIES))
RELATIVES = {name: {kin for family in FAMILIES if name in family for kin in family} for name in chain(*FAMILIES)}
TOKEN = re.compile(r"(?<![\w-])[A-Z][a-z]+(?![\w-])")
NAMED_AFTER = re.compile(
    r"(?:[A-Z]\w*|\b(?:St|Mt)\.|&"  # a capital before: Lake Henry, San Diego, Mount Isabel
    r"|\b(?:novel|book|opera|film|movie|musical|play|show|series|song|album|painting|poem|magazine|ship|boat|yacht"
    r"|hurricane|storm|lake|mount|island|saint|king|queen|prince|princess|pope|president)) $"  # the novel Emma
)
TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Miss|Uncle|Aunt|Grandpa|Grandma|Coach)\.? $")
SENTENCE_START = re.compile(  # a word that has its capital from the sentence alone
    r"(?:^|[.!?:;]\s+)(?:If|When|Whenever|While|Since|As|After|Before|Once|Until|Unless|Because|Although|Though"
    r"|For|In|At|On|By|With|From|To|Of|And|But|So|Or|Then|Now|Today|Yesterday|Tomorrow|Tonight|Together|Later|Next"
    r"|Finally|Meanwhile|Both|Suppose|Assume|Assuming|Given|Does|Did|Do|Is|Are|Was|Were|Has|Have|Had|Can|Could"
    r"|Will|Would|Should|That|Her|His|Their|My|Our) $"
)
SURNAME = re.compile(r"(?:['’]s)? [A-Z][a-z]+(?!['’]s? [a-z]+ing)| (?:&|Street|Avenue|[IVX]+\b)")
ALIAS = re.compile(
    r"\bfor short\b|\bknown as\b|\bcalled\b|\bcalls? (?:him|her)self\b|\ba\.?k\.?a\b", re.IGNORECASE
)


def names(asked: Asked, rng: np.random.Generator) -> tuple[Message, ...] | Declined:
    """Other first names for the people of a problem, each name for one throughout, of the same gender.

    Keeps the answer: nothing but who it is about changes, pronouns still fit, and no two people get one name.
    Only names that are nothing else in English are replaced, and none that is part of a longer proper name.
    Declines where there is none, where a right answer holds one, where two may be one person (Tim and Timothy,
    Beth and Elizabeth) or one is told by an initial, where text is meant as text, and for what is no word problem
    in English: a question of fact is about the one it names.
    """
    text = asked.question
    first_names = people(text)
    if why := why_no_word_problem(asked) or why_not_these(first_names, text, asked.problem.reference):
        return Declined(why)
    taken = {word.title() for word in re.findall(r"\w+", text) if word[0].isupper() or word.title() in KNOWN}
    new: dict[str, str] = {}
    for name in first_names:
        group = next(group for group in GROUPS if name in group)
        # None ends in s, so that every possessive is 's; none is like another, so that they stay apart.
        free = sorted(
            n for n in group - taken if not n.endswith("s") and not any(alike(n, word) for word in taken)
        )
        if not free:
            return Declined(f"no name is left that is unlike all others, to replace {name}")
        new[name] = free[rng.integers(len(free))]
        taken.add(new[name])
    return asked.with_question(rename(text, new))


def why_not_these(first_names: list[str], text: str, references: tuple[str, ...]) -> str | None:
    """Why the people of a text cannot be given other names, None where they can."""
    if alias := ALIAS.search(text):
        return f"{alias[0]!r} may give one person two names"
    if not first_names:
        return "it has no first name that is known and nothing else"
    if may_be_one(first_names, text):
        return f"two words may name one person ({', '.join(first_names)})"
    return "a right answer holds a name" if in_answers(first_names, references) else None


def people(text: str) -> list[str]:
    """First names in a text that stand for themselves everywhere, in order of appearance."""
    alone: dict[str, bool] = {}
    for match in TOKEN.finditer(text):
        name = match[0]
        if any(name in group for group in GROUPS):
            alone[name] = alone.get(name, True) and stands_alone(text, match)
    return [name for name, is_alone in alone.items() if is_alone]


def stands_alone(text: str, match: re.Match[str]) -> bool:
    """Is a name not part of a longer proper name, such as Lake Henry or Mary Poppins?"""
    before, after = text[: match.start()], text[match.end() :]
    follows = NAMED_AFTER.search(before) and not TITLE.search(before) and not SENTENCE_START.search(before)
    return not follows and not SURNAME.match(after)


def may_be_one(first_names: list[str], text: str) -> bool:
    """Could two words be one person's: names that are alike, or a name in another spelling or as an initial?"""
    others = {match[0] for match in TOKEN.finditer(text)}
    return any(
        any(name != other and alike(name, other) for other in others) or spelt_otherwise(name, text)
        for name in first_names
    )


def alike(name: str, other: str) -> bool:
    """Could two names be one person's: begin alike (Martha, Marta), one inside the other, or in one family?"""
    one, two = sorted((name.casefold(), other.casefold()), key=len)
    inside = len(one) > 2 and (two.startswith(one) or two.endswith(one))
    return inside or one[:3] == two[:3] or other in RELATIVES.get(name, ())


def spelt_otherwise(name: str, text: str) -> bool:
    """Is a name also there without or in capitals, joined to something (Mary-Kate), or as an initial (M)?"""
    joined = rf"[\w-]{name}|{name}(?:-|[^\W_])"
    initial = rf"(?<=[\w,(] )(?<![.] ){name[0]}\b(?!['’.-]\w)|\({name[0]}\)"
    other_case = rf"\b(?:{name.lower()}|{name.upper()})\b"
    return any(re.search(pattern, text) for pattern in (joined, initial, other_case))


def in_answers(first_names: list[str], references: tuple[str, ...]) -> bool:
    """Does a right answer hold one of the names?"""
    words = {word.casefold() for text in references for word in re.findall(r"\w+", text)}
    return any(name.casefold() in words for name in first_names)


def rename(text: str, new: dict[str, str]) -> str:
    """Every old name replaced; the bare apostrophe of James' becomes 's."""
    pattern = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, new))})(['’](?!\w))?(?![\w-])")

    def other(match: re.Match[str]) -> str:
        bare = match[2] + "s" if match[2] and match[1].endswith("s") else match[2] or ""
        return new[match[1]] + bare

    return pattern.sub(other, text)
