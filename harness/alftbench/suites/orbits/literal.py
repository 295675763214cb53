"""When a problem's text is to be taken to the letter, and when it is a story about quantities."""

from __future__ import annotations

import re

from alftbench.answers.canonical import canonical
from alftbench.answers.mathematics.vocabulary import ONES, TENS
from alftbench.answers.verifiers import VERIFIER
from alftbench.suites.orbits.asked import WORD_PROBLEM, Asked, is_english

OF_TEXT = re.compile(
    r"\b(?:words?|letters?|characters?|strings?|substrings?|sentences?|paragraphs?|texts?|lists?|names?|named|titles?"
    r"|titled|nicknames?|initials|surnames?|alphabet\w*|spell\w*|vowels?|consonants?|syllables?|punctuation|rhym\w+"
    r"|palindrom\w+|anagram\w*|acronyms?|cipher\w*|caesar|encod\w+|decod\w+|decrypt\w*|encrypt\w*|unscrambl\w+"
    r"|uppercase|lowercase|capitali[sz]\w+|digits?|numerals?|binary|hexadecimal"
    r"|phrases?|quot(?:e|es|ed|ation|ations)|abbreviat\w+|pronounc\w+|prefix|suffix|keystrokes?|[a-z]['’]s"
    r"|(?:times|often) (?:does|do|is|are) [a-z])\b",
    re.IGNORECASE,
)
QUOTED = re.compile(
    r"(?<!\d)[\"“”„«»`]"  # but not the inches of 64"
    r"|(?<!\w)['‘][^'’\n]+['’](?!\w)"  # nor an apostrophe
    r"|(?<![\w*])\*{1,2}\w[^*\n]*\*|(?<![\w_])_\w[^_\n]*_(?!\w)"
)
PROGRAM = re.compile(
    r"\[asy\]|\w\([^()]*\);|[-=]>|==|\+\+|&&|</?\w+>"
    r"|\b(?:for|while|if|print|range|len)\(|\b(?:for|while) \(|\bdef \w+\("
)
LISTED = re.compile(r"\[\s*[\[\"'“]|\[[^\[\]]*,[^\[\]]*,[^\[\]]*\]|[{}]")
YEAR = r"(?:1[5-9]|20)\d\d"
NUMBER_WORD = "|".join(word for word in ONES | TENS if word != "one")
QUANTITY = re.compile(
    rf"(?!\b{YEAR}\b(?! [a-z]))\b\d+(?:[.,]\d+)*|\b(?:{NUMBER_WORD}|hundred|thousand|million|dozen|half|twice"
    r"|thrice|double|triple|thirds?|quarters?)\b",
    re.IGNORECASE,
)
LEAST_QUANTITIES = 2  # what asks for a fact ("In which year was Elizabeth born?") states fewer


def why_no_prose(asked: Asked) -> str | None:
    """Why the same could not be said in another way; None where the text is no object of the question.

    It may not be where anything is quoted or set apart as a word, where words for text are used (letters, words,
    names, titles, digits), for programs, pictures in code and bracketed lists, and where a verifier of the
    problem's own judges answers, which may look at the text, unless the suite declares a word problem.
    """
    text = asked.question
    if VERIFIER in asked.problem.metadata and not asked.problem.metadata.get(WORD_PROBLEM):
        return "answers are judged by a verifier of the problem's own, which may look at its text"
    if "\\" not in text and LISTED.search(text):  # LaTeX has both for other ends
        return "the text holds a list in brackets"
    rules = ((OF_TEXT, "is about text"), (QUOTED, "is quoted or set apart"), (PROGRAM, "is code"))
    for rule, what in rules:
        if match := rule.search(text):
            return f"{match[0].strip()!r} {what}, so every word may matter"
    return None


def why_no_word_problem(asked: Asked) -> str | None:
    """Why this is no English prose that states two quantities or more and has a number for every right answer.

    Answers of the kind `text` are none, whose questions ask for facts about those they name, unless the suite
    declares a word problem.
    """
    problem = asked.problem
    if problem.answer_kind == "text" and not problem.metadata.get(WORD_PROBLEM):
        return "its answers are text: a question of fact is about what it names"
    if why := why_no_prose(asked):
        return why
    if not is_english(asked.question):
        return "it is not English prose"
    if not all(is_number(text) for text in problem.reference):
        return "a right answer is no number"
    n = len(QUANTITY.findall(asked.question))
    return None if n >= LEAST_QUANTITIES else f"it states {n} quantities, fewer than {LEAST_QUANTITIES}"


def is_number(reference: str) -> bool:
    """Is a right answer a number, also at the end of a worked solution ("... #### 18")?"""
    return canonical("number", reference.rpartition("####")[2]) is not None
