"""Number words and digits: three ↔ 3, where that is all that changes."""

from __future__ import annotations

import re
from itertools import zip_longest

import numpy as np

from alftbench.answers.mathematics import vocabulary
from alftbench.answers.mathematics.vocabulary import ONES
from alftbench.suites.orbits.asked import Asked, Declined
from alftbench.suites.orbits.literal import why_no_word_problem
from alftbench.types import Message

SMALL, TENS = list(ONES), list(vocabulary.TENS)
SCALES = {name: vocabulary.SCALES[name] for name in ("hundred", "thousand", "million")}
VALUES = ONES | vocabulary.TENS
WORD = "|".join(sorted([*VALUES, *SCALES], key=len, reverse=True))
SAID = re.compile(rf"\b(?:{WORD})(?:(?:-| and | )(?:{WORD}))*\b", re.IGNORECASE)  # also what is left alone
PHRASE = re.compile(rf"(?<![\w-])(?:{WORD})(?:(?:-| and | )(?:{WORD})(?![A-Za-z]))*(?![A-Za-z])")
FRACTION = re.compile(
    r"(?:-| )(?:hal(?:f|ves)|thirds?|quarters?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?"
    r"|hundredths?|(?:and )?(?:a |one-?)(?:half|third|quarter|fourth)|by-|and a\b|(?:and )?\d+/\d+)",
)
MARK = r"[%°€¢£¥₹\"'’″′]"  # a unit in one mark: 64" tall, 20 ¢
DIGITS = re.compile(
    r"(?<![\w.,$€£¥₹#/:+*=^(\\-])(?<![+*/=^×÷(] )(\d{1,3}(?:,\d{3})+|\d{1,6})"
    rf"(?![\w/:^=]|\s?(?:{MARK})|\.\d|,\d| ?[+*/=^×÷]|-\d|\s*/)"
)
NUMERAL = re.compile(r"\d+(?:[.,]\d+)*")
FORMULA = re.compile(r"[$\\=<>≤≥≈√^]|\bmod\b")
NUMBERED = re.compile(r"(?:^|[.!?:;,]\s+|\n\s*)\d{1,2}[.)]\s|\(\d{1,2}\)|(?:^|\s)\d{1,2}\)\s")  # 1. Ann 2. Ben
AND = re.compile(  # what makes one range or enumeration of the numbers beside it: 1 to 4, 9 am to 5, 3, 4, and 5
    rf"(?:\s?(?:{MARK})|\s?[ap]\.?m\.?|\so['’]clock)?"
    r"(?:,?\s(?:and|or|to|through|till|until|by|versus|vs\.?|x)\s|,\s?|\s?[-–—−/&]\s?)[$€£¥₹#]?\s?",
    re.IGNORECASE,
)
LARGEST = 9_999  # what is spelt out at most: nobody writes 777,622 in words
NEAR = 20  # a number that a hyphen ties to a word is spelt out up to here: twenty-page, but 250-page
LABELS = "year|grade|page|chapter|number|level|room|class|size|day|week|no|step|question|unit|lane|route|phase"
LABEL = re.compile(rf"(?:\b(?:{LABELS}|base)|[#№])\.? $", re.IGNORECASE)  # Room 12 is a name, not a count
TITLED = re.compile(r"[a-z,;] [A-Z][a-z]+ $")  # so is Route 66: a capital inside a sentence
OPENS = re.compile(r"(?:^|[.!?]\s+|\n\s*)$")
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
MONTH = re.compile(rf"(?:{MONTHS})\b", re.IGNORECASE)
AFTER_MONTH = re.compile(rf"\b(?:{MONTHS}) $", re.IGNORECASE)
Replacements = list[tuple[re.Match[str], str | None]]  # numbers and their other spelling, None where left alone
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


def digits(asked: Asked, rng: np.random.Generator) -> tuple[Message, ...] | Declined:
    """Number words as digits: "three" as 3, "twenty-five" as 25.

    Keeps the answer: the same numbers in another spelling. Left as they are: "one", which is a pronoun as often
    as a number; words with a capital; fractions ("two thirds", "two and a half"); words beside another number;
    all of an enumeration that holds one of these. Declines where nothing is left to change, where a phrase of
    number words is not one number, where text is meant as text ("the word seven"), and for what is no word problem
    in English.
    """
    if why := why_no_word_problem(asked):
        return Declined(why)
    text = asked.question
    replacements: Replacements = []
    for match in PHRASE.finditer(text):
        value = read(match[0])
        if value is None:
            return Declined(f"{match[0]!r} is not one number")
        replacements.append((match, None if left_in_words(text, match) else format(value, ",")))
    return replaced(asked, all_or_none(text, [match.span() for match in SAID.finditer(text)], replacements))


def left_in_words(text: str, match: re.Match[str]) -> bool:
    """Is a phrase of number words better left alone?"""
    before, after = text[: match.start()], text[match.end() :]
    if match[0] in ("one", "hundred", "thousand", "million") or FRACTION.match(after):
        return True
    if " and " in match[0] and not any(scale in match[0] for scale in SCALES):
        return True
    beside = re.search(r"[\d$][\d.,]*[- ]$", before) or re.match(r"[- ](?:\$|\d)", after)
    return bool(beside or re.search(r"\b(?:half|third|quarter|one)[ -](?:of )?$", before))


def number_words(asked: Asked, rng: np.random.Generator) -> tuple[Message, ...] | Declined:
    """Digits as number words: 16 as "sixteen", 1,200 as "one thousand two hundred".

    Keeps the answer: the same numbers in another spelling. Left as they are: money, percentages, decimals,
    fractions, formulas, times, dates, years, ordinals, ranges, labels ("Room 12"), numbers with a unit attached or
    beside another number, and all of an enumeration that holds one of these ("from 1 to 4 pm"). Declines where
    nothing is left to change, where the text numbers its parts or is meant as text, and for what is no word
    problem in English.
    """
    text = asked.question
    formula = FORMULA.search(re.sub(r"\$ ?[\d.]", "", text))
    if formula or NUMBERED.search(text):
        return Declined("it holds a formula, or numbers its parts")
    if why := why_no_word_problem(asked):
        return Declined(why)
    replacements: Replacements = []
    for match in DIGITS.finditer(text):
        if left_in_digits(text, match):
            continue
        said = spell(int(match[1].replace(",", "")))
        replacements.append((match, said.capitalize() if OPENS.search(text[: match.start()]) else said))
    return replaced(asked, all_or_none(text, [match.span() for match in NUMERAL.finditer(text)], replacements))


def left_in_digits(text: str, match: re.Match[str]) -> bool:
    """Is a number better left in digits?"""
    before, after = text[: match.start()], text[match.end() :]
    value = int(match[1].replace(",", ""))
    if value > LARGEST or (match[1].startswith("0") and len(match[1]) > 1):
        return True
    is_year = 1500 <= value <= 2100 and re.search(r"\b(?:in|of|since|by|until|from) $", before)
    opens = OPENS.search(before)
    label = not opens and (LABEL.search(before) or TITLED.search(before) or AFTER_MONTH.search(before))
    hyphen = after.startswith("-") and value > NEAR
    dollars = re.search(r"[$€£¥₹] $", before)
    beside = re.search(r"\d[- ]$", before) or re.match(r"[- ](?:\$ ?)?\d", after) or word_beside(before, after)
    return bool(
        is_year or label or hyphen or dollars or beside or CLOCK.match(after) or MONTH.match(after.lstrip())
    )


def word_beside(before: str, after: str) -> bool:
    """Does a number word stand right beside, so that two numbers would run together?"""
    number = rf"(?:{WORD}|dozen)"
    return bool(re.search(rf"\b{number},?[- ]$", before, re.IGNORECASE) or re.match(rf",?[- ]{number}\b", after))


def all_or_none(text: str, spans: list[tuple[int, int]], replacements: Replacements) -> Replacements:
    """The replacements, but none in an enumeration or range of which another number is left alone."""
    new = {match.start() for match, said in replacements if said is not None}
    left, run = set[int](), list[int]()
    for (start, end), following in zip_longest(spans, spans[1:]):
        run.append(start)
        if following is None or not AND.fullmatch(text[end : following[0]]):
            left |= set(run) if not new.issuperset(run) else set()
            run = []
    return [(match, None if match.start() in left else said) for match, said in replacements]


def replaced(asked: Asked, replacements: Replacements) -> tuple[Message, ...] | Declined:
    """The prompt with every match replaced that has a replacement, if one has."""
    if all(new is None for _, new in replacements):
        return Declined("it holds no number that can be spelt otherwise for sure")
    text, end = "", 0
    for match, new in replacements:
        text += asked.question[end : match.start()] + (match[0] if new is None else new)
        end = match.end()
    return asked.with_question(text + asked.question[end:])
