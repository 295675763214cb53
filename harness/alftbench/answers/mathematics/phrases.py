r"""Answers in words: choices, times of day, dates, and words that change what a number says.

A key of words stands in quotes and is compared as it is: it is never sent to symbolic algebra, which drops words.
"""

from __future__ import annotations

import re

from alftbench.answers.mathematics.doubts import DISOWNED
from alftbench.answers.mathematics.qualifying import (
    AHEAD,
    ANSWERS,
    FRACTION,
    LINKS,
    ORDINAL,
    TRAILING,
    VALUE,
    ahead,
    behind,
    changes,
)
from alftbench.answers.mathematics.tails import PREDICATE, WORD
from alftbench.answers.mathematics.tokens import is_product
from alftbench.answers.mathematics.vocabulary import (
    ADVERBS,
    DENIALS,
    DIRECTIONS,
    ERAS,
    FUNCTIONS,
    LEADS,
    LENGTHS,
    MONTHS,
    QUANTITIES,
    SPELLED,
)

WORDS = re.compile(r"[^\W\d_]+(?:(?:[-'’]|\.? +)[^\W\d_]+){0,5}")
TEXT_COMMAND = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|sc|up|normal)?|mbox|hbox|emph|underline|math(?:rm|bf|it|sf|tt)|operatorname)\s*\{([^{}]*)\}"
)
CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*(?:([ap])\.?\s*m\.?)?", re.IGNORECASE | re.ASCII)
MONTH_FIRST = re.compile(r"([a-z]{3,9})\.? (\d{1,2})(?:,? (\d{4}))?", re.IGNORECASE | re.ASCII)
MONTH_YEAR = re.compile(r"([a-z]{3,9})\.?,? (\d{4})", re.IGNORECASE | re.ASCII)
DAY_FIRST = re.compile(r"(\d{1,2}) (?:of )?([a-z]{3,9})\.?(?:,? (\d{4}))?", re.IGNORECASE | re.ASCII)
FORMULA = "@"  # stands for a sign, a variable or a command among words
PART = re.compile(r"\\[a-zA-Z]+|[^\W\d_]+(?:['’][^\W\d_]+)?|\d[\d.,]*|[=+*/^<>(),;:|-]")
FIRST_CJK = "\u2e80"  # from here on, a letter is a word
TEXT_LIKE = re.compile(r"\\(?:text|[mh]box|math|operatorname|emph|underline)")
OPTION = re.compile(r"(?:[Oo]ption|[Cc]hoice)\s*\(?([A-J])")
CHOSEN = re.compile(
    r"(?:(?:so|thus|hence|therefore),?\s+)?"
    r"(?:(?:(?:i|we)(?:['’]d)?\s+(?:choose|pick|select|chose|picked|selected|go\s+with)"
    r"|it(?:['’]s|\s+is|\s+must\s+be)|(?:the\s+)?(?:option|choice|answer))\s+\(?((?-i:[A-J]))\)?"
    r"|\(?((?-i:[A-J]))\)?(?=\s+is))(?:\s+is\s+(?:the\s+)?(?:correct|right)(?:\s+(?:answer|choice|option|one))?)?"
    r"|(?:so|thus|hence|therefore),?\s+\(?((?-i:[A-J]))\)?",
    re.IGNORECASE,
)  # I choose B; choice B is right
AFFIRMED = re.compile(
    r"(yes|true), (?:it|they|that|this|we|he|she|there) (?:is|are|does|do|can|was|were|will|has|have)"
    r"|(no|false), (?:it|they|that|this|we|he|she|there) (?:is|are|do|does|can|was|were|will|has|have)"
    r"(?: ?not|n['’]t)",
    re.IGNORECASE,
)  # yes, it is
LETTERED = re.compile(r"\(?([A-J])\)")
ORDINAL_OF = re.compile(
    r"\d(?:st|nd|rd|th)\b[\s}]+"
    r"(?!(?:power|of|day|grade|floor|month|year|week|place|row|column|person|position|hour)\b)[^\W\d_]"
)  # the 5th prime is not 5
GROUPED = re.compile(r"[(\[][^()\[\]]*,[^()\[\]]*[)\]]")
LIMIT = re.compile(
    r"(?:\\text\s*\{\s*)?"
    r"(at least|(?:max|min)(?=\s+\d)|at most|between"
    r"|(?:no )?(?:more|less|fewer|greater) than|not|except|up to|over|under)"
    r"(?![a-zA-Z])\s*\}?\s*([^\s}].*)",
    re.IGNORECASE | re.DOTALL,
)
LABELLED = re.compile(
    r"(?:\\(?:text|textbf|textrm|mathrm|mathbf|mbox)\s*\{\s*\(([A-J])\)[.:]?\s*\}|\(([A-J])\)\s|([A-J])[).:]\s)\s*(\S.*)",
    re.DOTALL,
)
NO_VALUE = re.compile(
    r"\(?[a-zA-Z]\)?$|[-+] |[+*/=^<>_,;)&]|(?:and|or)\b"
    r"|\\(?:cdot|times|div|cup|cap|setminus|in|le|ge|ne|text *\{ *(?:and|or))(?![a-zA-Z])"
)  # what goes on with a letter, and is nothing that it labels


def label(text: str) -> tuple[str, str] | None:
    r"""The letter of a labelled choice and what it labels: \textbf{(C)}\ 12, D) 42, B: 5 meters."""
    whole = TEXT_COMMAND.fullmatch(text)
    match = LABELLED.fullmatch(whole[1].strip() if whole else text)
    if match is None or any(pattern.match(match[4]) for pattern in (NO_VALUE, LABELLED, DISOWNED)):
        return None
    return match[1] or match[2] or match[3], match[4]


def limit(text: str) -> tuple[str, str] | None:
    """The words in front of a formula that change what it says, and the formula: at least, at most, not."""
    match = LIMIT.fullmatch(text)
    if match is None or LIMIT.match(match[2]):
        return None
    return " ".join(match[1].casefold().split()), match[2]


def phrase_key(text: str) -> str | None:
    """The key of an answer that is words, a time or a date; None where it is none of them."""
    lettered = LETTERED.fullmatch(text)
    if lettered:
        return lettered[1]
    plain = TEXT_COMMAND.sub(r" \1 ", text).strip(" ().,:;{}")
    if not plain:
        return None
    if not plain[0].isdigit() and not plain[0].isalpha():
        return None
    option = OPTION.fullmatch(plain) or CHOSEN.fullmatch(plain)
    if option:
        return next(letter for letter in option.groups() if letter)
    affirmed = AFFIRMED.fullmatch(plain)
    plain = affirmed[1] or affirmed[2] if affirmed else plain
    return words_key(plain) or clock_key(plain) or date_key(plain)


def words_key(plain: str) -> str | None:
    """A choice in words: case, brackets and spacing do not count."""
    if not WORDS.fullmatch(plain) or plain.lower() in ("pi", "infinity", "oo", "inf", "infty"):
        return None
    if len(plain) <= 2 and plain.lower() not in ("no", "up"):
        return None
    if (len(plain) <= 4 and is_product(plain)) or is_named(plain):
        return None
    return quoted(plain)


def is_named(plain: str) -> bool:
    """Whether words are names of letters and functions, as in alpha and sec x, and not a function alone."""
    named = plain.split()
    return named[-1] not in FUNCTIONS and all(
        word in SPELLED or word in FUNCTIONS or len(word) == 1 or is_product(word) for word in named
    )


def quoted(plain: str) -> str:
    """Words as a key, without case and spacing."""
    return '"' + " ".join(plain.casefold().split()) + '"'


def clock_key(plain: str) -> str | None:
    """A time of day in 24 hours: 3:05, 3:05 p.m., 3 pm. A number alone is none."""
    match = CLOCK.fullmatch(plain)
    if match is None or not (match[2] or match[3]) or int(match[2] or 0) > 59:
        return None
    hour = int(match[1])
    if match[3] is None:
        return f"{hour}:{match[2]}" if hour <= 24 else None
    if not 1 <= hour <= 12:
        return None
    return f"{hour % 12 + (12 if match[3] in 'pP' else 0)}:{match[2] or '00'}"


def date_key(plain: str) -> str | None:
    """A day of a month, either first, with or without a year; a month of a year."""
    plain = " ".join(plain.split())
    month_year = MONTH_YEAR.fullmatch(plain)
    if month_year and month_name(month_year[1]):
        return f'"{month_name(month_year[1])} {month_year[2]}"'
    month_first, day_first = MONTH_FIRST.fullmatch(plain), DAY_FIRST.fullmatch(plain)
    if month_first:
        month, day, year = month_first.groups()
    elif day_first:
        day, month, year = day_first.groups()
    else:
        return None
    name = month_name(month)
    if name is None or not 1 <= int(day) <= 31:
        return None
    return f'"{name} {int(day)}{f" {year}" if year else ""}"'


def month_name(written: str) -> str | None:
    """A month in full; None where a word is none."""
    name = MONTHS.get(written.lower()[:3], "")
    return name if name.startswith(written.lower()) else None


def qualified(text: str) -> bool:
    """Whether an answer holds words that change what its numbers and formulas say: at least 5, 5 BC, twice x.

    Words on the left of an equation name what is asked for: denials count there, and what is done to an answer.
    """
    name, _, rest = text.rpartition("=")
    named = [item for item, _ in parts(name)]
    if FORMULA in named or VALUE in named:
        named, rest = [], text
    if any(word in DENIALS for word in named) or (not ANSWERS.isdisjoint(named) and any(map(changes, named))):
        return True
    found = parts(rest)
    said = [item for item, _ in found]
    first = next((place for place, item in enumerate(said) if item in (VALUE, FORMULA)), None)
    if first is None:
        return any(map(changes, said))
    start, end = found[first][1]
    if led_strangely(said[:first], rest):
        return True
    if ahead(rest[:start]) or any(
        changes(word, AHEAD) or word == "but" or ORDINAL.fullmatch(word) for word in said[:first]
    ):
        return True
    return behind(rest[end:]) or any(map(alters, said[first + 1 :], [*said[first + 2 :], ""], said[first:]))


def led_strangely(lead: list[str], text: str) -> bool:
    """Whether words before a value are not known to leave it: one alone, a noun and of, any before (1, 2)."""
    named = [word for word in lead if word not in LINKS]
    group = GROUPED.search(text)
    if group:
        behind_it = [word for word in WORD.findall(text[group.end() :].lower()) if len(word) > 1]
        return not LEADS.issuperset(named) or not (LEADS | PREDICATE | LINKS).issuperset(behind_it)
    if lead and lead[-1] == "of" and named:
        return named[-1] not in LEADS and named[-1] not in QUANTITIES
    return len(named) == 1 and len(lead) == 1 and not LEADS.issuperset(named) and unknown(lead[0])


def unknown(word: str) -> bool:
    """Whether a word alone before a value may change it: no adverb, no quantity, and of a script with spaces."""
    return word not in QUANTITIES and word not in ADVERBS and word < FIRST_CJK


def parts(text: str) -> list[tuple[str, tuple[int, int]]]:
    """The words of an answer, `VALUE` for numbers and `FORMULA` for all other signs, and where each stands."""
    return [(kind_of(match), match.span()) for match in PART.finditer(text) if not TEXT_LIKE.match(match[0])]


def kind_of(match: re.Match[str]) -> str:
    """A word in lower case, or what stands for it."""
    word = match[0]
    if word[0].isdigit():
        return VALUE
    if (
        not word[0].isalpha()
        or word in FUNCTIONS
        or word in SPELLED
        or (len(word) == 1 and word not in "aI" and word < FIRST_CJK)
    ):
        return FORMULA
    return word.casefold().replace("’", "'")


def alters(word: str, following: str, leading: str) -> bool:
    """Whether a word behind a value changes it, or a number stands there that is no item of a list."""
    if word == VALUE:
        return leading not in (VALUE, FORMULA, "and", "or")
    if word in ("square", "cubic"):
        return following not in LENGTHS
    if word in ("pair", "pairs", "couple", "couples"):
        return following != "of"
    if (leading, word) == ("left", "over"):
        return False
    return changes(word, TRAILING) or bool(FRACTION.fullmatch(word)) or word in ERAS | DIRECTIONS
