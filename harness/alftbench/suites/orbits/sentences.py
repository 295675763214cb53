"""Sentences: where they end, and which may change places."""

from __future__ import annotations

import re

import numpy as np

from alftbench.suites.orbits.asked import Asked, Declined, is_english
from alftbench.suites.orbits.literal import why_no_word_problem
from alftbench.types import Message

END = re.compile(r"(?<=[.!?])[\s]+(?=[A-Z$\d])")
NOT_AN_END = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Mt|Jr|Sr|No|vs|etc|approx|Inc|Co|Ave|Rd|lbs?|oz|ft|in|sq|min|hrs?|sec|yds?|mph)"
    r"|\b[A-Za-z]|\b[ap]\.m|\bU\.S|\be\.g|\bi\.e)\.$"
)
REFERS = re.compile(
    r"\b(?:he|she|it|they|him|her|hers|his|its|them|their|theirs|himself|herself|itself|themselves|this|that|these"
    r"|those|such|then|next|previous|prior|former|latter|earlier|later|after|afterwards?|before|first|second|third|last|finally|also|too|another|others?"
    r"|remaining|rest|left|both|same|so|but|however|if|when|while|until|again|instead|now|still|already|the|who"
    r"|which|you|we|i|total|each|one|ones|some|any|named|called)\b|\d (?:more|fewer|less) than\b",
    re.IGNORECASE,
)
COMPARES = re.compile(r"\b(?:more|fewer|less|than|as|twice|thrice|times|half|double|triple|[a-z]{2,}er)\b")
WITH_A_NAME = re.compile(r"\b(?:than|as) [A-Z][a-z]+")
POINTS_BACK = re.compile(
    r"\b(?:he|she|it|him|her|hers|his|its|this|that|these|those|former|latter|other|another|respectively"
    r"|first(?:ly)?|second(?:ly)?|third|fourth|fifth|last|final|next|previous|prior|preceding|following|subsequent"
    r"|earli(?:er|est)|later|latest|above|below|mentioned|listed|introduced|middle|before|after|between"
    r"|in turn|in (?:that |the same )?order|order of|(?:person|number|no|item|statement|fact)\.? \d+)\b|#\d"
    r"|\b\d+(?:st|nd|rd|th)\b",
    re.IGNORECASE,
)
STATE = "has|have|had|owns?|costs?|weighs?|is|are|needs?|wants?|earns?|sells?|makes?|eats?|runs?|walks?|reads?"
ACT = "bought|sold|ate|read|made|earned|collected|picked|found|scored|caught|ran|walked|received|baked|sent|won"
SUBJECT = r"(?:There|An? [a-z]+(?: [a-z]+)?|[A-Z][a-z]+(?: and [A-Z][a-z]+)?)"
STATES = re.compile(rf"(?:{SUBJECT} (?:{STATE})|[A-Z][a-z]+ (?:{ACT})) ")


def split(text: str) -> list[str]:
    """The sentences of an English text, or the text whole where it quotes someone or is not English."""
    text = text.strip()
    if any(mark in text for mark in '"“”') or not is_english(text):
        return [text]
    parts = [""]
    for piece in END.split(text):
        if parts[-1] and not NOT_AN_END.search(parts[-1]):
            parts.append(piece)
        else:
            parts[-1] = f"{parts[-1]} {piece}".strip()
    return parts


def movable(sentence: str) -> bool:
    """Does a sentence state something of its subject, refer to no other sentence, and compare with names only?"""
    compares = COMPARES.search(sentence) and not WITH_A_NAME.search(sentence)
    return bool(STATES.match(sentence)) and not REFERS.search(sentence) and not compares and sentence.endswith(".")


def subjects_differ(facts: list[str]) -> bool:
    """Is every sentence about someone or something else? What one subject does may need its order."""
    subjects = [" ".join(fact.split()[: 2 if fact.startswith(("A ", "An ")) else 1]) for fact in facts]
    subjects = [subject for subject in subjects if subject != "There"]
    return len(set(subjects)) == len(subjects)


def sentences(asked: Asked, rng: np.random.Generator) -> tuple[Message, ...] | Declined:
    """Independent sentences at the beginning in another order.

    Keeps the answer under a conservative rule. Only the leading sentences move, and only if each states something
    of another subject and refers to no other sentence: no pronoun, article "the", word of order or comparison,
    unless it names what it compares with ("than Jane"). Nothing after them may hold a pronoun in the singular or
    a word of order ("the second person", "the latter"), whose meaning could hang on what came when. Declines
    otherwise, which is most of the time.
    """
    if why := why_no_word_problem(asked):
        return Declined(why)
    parts = split(asked.question)
    free = 0
    while free < len(parts) - 1 and movable(parts[free]) and subjects_differ(parts[: free + 1]):
        free += 1
    if free < 2:
        return Declined("it does not begin with two sentences that are independent for sure")
    if points := next(filter(None, map(POINTS_BACK.search, parts[free:])), None):
        return Declined(f"{points[0]!r} may mean what came when")
    order = rng.permutation(free)
    return asked.with_question(" ".join([*(parts[place] for place in order), *parts[free:]]))
