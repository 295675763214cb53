"""When a problem's text is to be taken to the letter, and when it is a story about quantities."""

from __future__ import annotations

import re

from alftbench.answers.canonical import canonical
from alftbench.answers.verifiers import VERIFIER
from alftbench.suites.orbits.asked import WORD_PROBLEM, Asked, is_english, words

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
NUMBER_WORD = "|".join(word for kind in ("small_numbers", "tens") for word in words(kind) if word != "one")
QUANTITY = re.compile(
    rf"(?!\b{YEAR}\b(?! [a-z]))\b\d+(?:[.,]\d+)*|\b(?:{NUMBER_WORD}|hundred|thousand|million|dozen|half|twice"
    r"|thrice|double|triple|thirds?|quarters?)\b",
    re.IGNORECASE,
)
LEAST_QUANTITIES = 2  # what asks for a fact ("In which year was Elizabeth born?") states fewer


def is_prose(asked: Asked) -> bool:
    """Could the same be said in another way: is the text no object of the question, and no program or list?

    False where anything is quoted or set apart as a word, where words for text are used (letters, words, names,
    titles, digits), for programs, pictures in code and bracketed lists, and where a verifier of the problem's own
    judges answers, which may look at the text, unless the suite declares a word problem.
    """
    text = asked.question
    judged = VERIFIER in asked.problem.metadata and not asked.problem.metadata.get(WORD_PROBLEM)
    braces = "\\" not in text and LISTED.search(text)  # LaTeX has both for other ends
    return not (judged or braces or any(rule.search(text) for rule in (OF_TEXT, QUOTED, PROGRAM)))


def is_word_problem(asked: Asked) -> bool:
    """Is this English prose that states at least two quantities, and is every right answer a number?

    False for answers of the kind `text`, whose questions ask for facts about those they name, unless the suite
    declares a word problem.
    """
    problem = asked.problem
    declared = problem.answer_kind != "text" or problem.metadata.get(WORD_PROBLEM)
    return bool(
        declared
        and is_prose(asked)
        and is_english(asked.question)
        and all(is_number(text) for text in problem.reference)
        and len(QUANTITY.findall(asked.question)) >= LEAST_QUANTITIES
    )


def is_number(reference: str) -> bool:
    """Is a right answer a number, also at the end of a worked solution ("... #### 18")?"""
    return canonical("number", reference.rpartition("####")[2]) is not None
