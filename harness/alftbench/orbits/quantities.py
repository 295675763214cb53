"""Number words and digits: three ↔ 3, where that is all that changes."""

from __future__ import annotations

import re

import numpy as np

from alftbench.orbits.asked import Asked, is_english, words
from alftbench.types import Message

SMALL, TENS = words("small_numbers"), words("tens")
SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
VALUES = {word: value for value, word in enumerate(SMALL)} | {word: 10 * (i + 2) for i, word in enumerate(TENS)}
WORD = "|".join(sorted([*VALUES, *SCALES], key=len, reverse=True))
PHRASE = re.compile(rf"(?<![\w-])(?:{WORD})(?:(?:-| and | )(?:{WORD})(?![A-Za-z]))*(?![A-Za-z])")
FRACTION = re.compile(
    r"(?:-| )(?:hal(?:f|ves)|thirds?|quarters?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?"
    r"|hundredths?|(?:and )?(?:a |one-?)(?:half|third|quarter|fourth)|by-|and a\b|(?:and )?\d+/\d+)",
)
DIGITS = re.compile(
    r"(?<![\w.,$€£#/:+*=^(\\-])(?<![+*/=^×÷(] )(\d{1,3}(?:,\d{3})+|\d{1,6})"
    r"(?![\w%°/:^=]|\.\d|,\d| ?[+*/=^×÷]|-\d|\s*/)"
)
LARGEST = 9_999  # what is spelt out at most: nobody writes 777,622 in words
NEAR = 20  # a number that a hyphen ties to a word is spelt out up to here: twenty-page, but 250-page
LABELS = "year|grade|page|chapter|number|level|room|class|size|day|week|no|step|question|unit|lane|route|phase"
LABEL = re.compile(rf"(?:\b(?:{LABELS})|[#№])\.? $", re.IGNORECASE)  # Room 12 is a name, not a count
TITLED = re.compile(r"[a-z,;] [A-Z][a-z]+ $")  # so is Route 66: a capital inside a sentence
OPENS = re.compile(r"(?:^|[.!?:]\s+|\n\s*)$")
MONTH = re.compile(
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December)\b", re.IGNORECASE
)
CLOCK = re.compile(r" ?(?:[ap]\.?m\b|[AP]\.?M\b|o['’]clock|:)")


def spell(value: int) -> str:
    """A whole number below a million in words: 1250 is one thousand two hundred fifty.

    Raises:
        ValueError: the number is negative or too large.
    """
    if not 0 <= value < 1_000_000:
        raise ValueError(value)
    if value < 20:
        return SMALL[value]
    if value < 100:
        tens, units = divmod(value, 10)
        return TENS[tens - 2] + (f"-{SMALL[units]}" if units else "")
    scale, name = (1_000, "thousand") if value >= 1_000 else (100, "hundred")
    many, rest = divmod(value, scale)
    return f"{spell(many)} {name}" + (f" {spell(rest)}" if rest else "")


def read(phrase: str) -> int | None:
    """The number that a phrase of number words says, or None where it is not one number, such as "two three"."""
    total = current = 0
    last = None  # the size of what came before in this part: each must be smaller than the one before
    for word in re.split(r"-| and | ", phrase):
        if word in SCALES:
            if current == 0 or (word == "hundred" and current >= 10):
                return None
            current *= SCALES[word]
            if word != "hundred":
                if total and current >= total:
                    return None
                total, current = total + current, 0
            last = "hundred"
            continue
        value = VALUES[word]
        size = "tens" if value >= 20 else "units"
        if last == "units" or (last == "tens" and (size == "tens" or not 0 < value < 10)):
            return None
        current, last = current + value, size
    return total + current


def digits(asked: Asked, rng: np.random.Generator) -> tuple[Message, ...] | None:
    """Number words as digits: "three" as 3, "twenty-five" as 25.

    Keeps the answer: the same numbers in another spelling. Left as they are: "one", which is a pronoun as often
    as a number; words with a capital; fractions ("two thirds", "two and a half"); words beside another number.
    Declines where nothing is left to change, in other languages than English, and where a phrase of number words
    is not one number.
    """
    if not is_english(asked.question):
        return None
    text = asked.question
    made: list[tuple[re.Match[str], str | None]] = []
    for match in PHRASE.finditer(text):
        value = read(match[0])
        if value is None:
            return None
        made.append((match, None if left_in_words(text, match) else format(value, ",")))
    return replaced(asked, made)


def left_in_words(text: str, match: re.Match[str]) -> bool:
    """Is a phrase of number words better left alone?"""
    before, after = text[: match.start()], text[match.end() :]
    if match[0] in ("one", "hundred", "thousand", "million") or FRACTION.match(after):
        return True
    if " and " in match[0] and not any(scale in match[0] for scale in SCALES):
        return True
    beside = re.search(r"[\d$][\d.,]*[- ]$", before) or re.match(r"[- ](?:\$|\d)", after)
    return bool(beside or re.search(r"\b(?:half|third|quarter|one)[ -](?:of )?$", before))


def number_words(asked: Asked, rng: np.random.Generator) -> tuple[Message, ...] | None:
    """Digits as number words: 16 as "sixteen", 1,200 as "one thousand two hundred".

    Keeps the answer: the same numbers in another spelling. Left as they are: money, percentages, decimals,
    fractions, formulas, times, dates, years, ordinals, ranges, labels ("Room 12"), numbers with a unit attached or
    beside another number. Declines where nothing is left to change, and in other languages than English.
    """
    text = asked.question
    if not is_english(text) or "$" in re.sub(r"\$ ?[\d.]", "", text) or "\\" in text:
        return None
    made: list[tuple[re.Match[str], str | None]] = []
    for match in DIGITS.finditer(text):
        if left_in_digits(text, match):
            continue
        said = spell(int(match[1].replace(",", "")))
        made.append((match, said.capitalize() if OPENS.search(text[: match.start()]) else said))
    return replaced(asked, made)


def left_in_digits(text: str, match: re.Match[str]) -> bool:
    """Is a number better left in digits?"""
    before, after = text[: match.start()], text[match.end() :]
    value = int(match[1].replace(",", ""))
    if value > LARGEST or (match[1].startswith("0") and len(match[1]) > 1):
        return True
    is_year = 1500 <= value <= 2100 and re.search(r"\b(?:in|of|since|by|until|from) $", before)
    opens = OPENS.search(before)
    label = not opens and (LABEL.search(before) or TITLED.search(before) or MONTH.match(before.split(" ")[-2]))
    hyphen = after.startswith("-") and value > NEAR
    dollars = re.search(r"[$€£] $", before)
    beside = re.search(r"\d[- ]$", before) or re.match(r"[- ](?:\$ ?)?\d", after) or word_beside(before, after)
    return bool(
        is_year or label or hyphen or dollars or beside or CLOCK.match(after) or MONTH.match(after.lstrip())
    )


def word_beside(before: str, after: str) -> bool:
    """Does a number word stand right beside, so that two numbers would run together?"""
    number = rf"(?:{WORD}|dozen)"
    return bool(re.search(rf"\b{number}[- ]$", before, re.IGNORECASE) or re.match(rf"[- ]{number}\b", after))


def replaced(asked: Asked, made: list[tuple[re.Match[str], str | None]]) -> tuple[Message, ...] | None:
    """The prompt with every match replaced that has a replacement; None if none has."""
    if all(new is None for _, new in made):
        return None
    text, end = "", 0
    for match, new in made:
        text += asked.question[end : match.start()] + (match[0] if new is None else new)
        end = match.end()
    return asked.with_question(text + asked.question[end:])
