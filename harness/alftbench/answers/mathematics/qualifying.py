"""Whether the words beside a value change what it says: minus 5, 5 dozen, less than 5, 5 is wrong, 5? No.

A word that names a unit or what is counted changes nothing: 12 apples are 12. A word of the vocabulary that counts
makes the answer another one, or is read (numerals.py): none is ever dropped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from alftbench.answers.mathematics.vocabulary import (
    BASES,
    CARDINALS,
    COMPARATIVES,
    DENIALS,
    ERAS,
    FUNCTIONS,
    LENGTHS,
    LIMITS,
    MULTIPLES,
    OPERATIONS,
    SCALES,
    SIGNS,
    STUCK_AHEAD,
    STUCK_BEHIND,
    WEEKDAYS,
    words,
)

VALUE = "#"  # stands for a number among words
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d[\d.,]*")
COMMAND = re.compile(r"\\(?:text|mbox|hbox|math|operatorname|emph|under)[a-z]*\*?|\\[a-zA-Z]+")
LATIN = re.compile("[a-z]+")
UNLIKE = re.compile(r"[不非没]\S{0,4}\s*\Z")
LETTERED = re.compile(r"\bto\s+the\s*\Z|(?:\b[a-z]\b\s*){4,}\Z", re.IGNORECASE)  # e to the 5, m i n u s 5
UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
ORDINAL = re.compile(
    r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|[a-z]+teenth|[a-z]+tieth"
    r"|hundredth|[a-z]*thousandth|[a-z]+illionth)s?|ths|rds|nds"
)
FRACTION = re.compile(r"(?:third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|[a-z]+teenth|[a-z]+tieth"
    r"|hundredth|[a-z]*thousandth|[a-z]+illionth)s|ths|rds|nds")  # fmt: skip
PLENTY = re.compile(
    r"[a-z]*[jz]?illi(?:on|ard)(?:s|en)?|[a-z]*illon(?:es)?|миллион\w*|миллиард\w*|[a-z]+(?:fold|tuple[ds]?)"
)
CLAUSE = re.compile(r"[.?!;:=,\n。，；：]")
ATTACHED = re.compile(r"(?:\^\{?|(?<![^\W_])[a-zA-Z]\(|\d[a-zA-Z])\Z")  # x^5, f(5), 0x5: no value by itself
SUFFIX = re.compile(
    r"['’]s\b|k(?![^\W\d_])|\s?[KMB](?=[\s.,;:!?)]|\Z)|(?:mn|bn|mil)\b|\s*(?:B\.\s?C|A\.\s?D)\b|[})\]$\s]*\^"
)  # 5k, 5 B.C., \boxed{5}^2
ANSWERS = words("answer result solution it this that value number")
LINKS = words(
    """
    the a an of than to by number numbers value equal equals be been exactly about approximately around roughly only
    just as it its it's itself actually really possibly simply ever also any than's de del des du von much many la le
    el un una une der die das ein eine
    """
)
CHANGES = DENIALS | MULTIPLES | OPERATIONS | LIMITS | BASES | SIGNS | CARDINALS | SCALES.keys()
AHEAD = CHANGES | COMPARATIVES | WEEKDAYS | words("times percent percentage ad bc bce")
AHEAD_OF_BOXES = (DENIALS - {"no"}) | SIGNS | words("half twice double triple thrice quarter third")
BEHIND_BOXES = SCALES.keys() | words("squared cubed factorial doubled halved tripled gross score")
LATER = SCALES.keys() | words("squared cubed factorial below above doubled halved tripled")  # one word further on
NAMED = FUNCTIONS - words(
    "cdot div infinity infty oo pi pm times"
)  # functions in front of what they are applied to
TRAILING = CHANGES - words("other after before next within between rather from until till up")
CLAUSES = words("and or but so because since as while which that if when where for who hence thus therefore then")
COPULAS = words("is are was were es son est sont ist sind ni")
VERBS = words(
    """
    is was are were be been would seems seem looks appears can could cannot does do did will must may should has have
    won't ist war es era est était
    """
)
FAULTS = DENIALS | words(
    "too low high small large big far off guess attempt first initial initially tempting what out"
)
JUDGED = r"(?:wrong|incorrect|false|impossible|invalid|mistaken|a mistake|an error|falsch|faux|incorrecto|неверно)"
RETORT = re.compile(
    rf"""[\s"'$*)\]}}.,;:!?—–-]{{0,8}}[\s(\[]*
    (?:(?:but|which|that|this|it|and|or|however|you|i|answer|value|result)\b[,\s]*|(?:is|are|was|were|'s|'re)\b\s*|(?:rather|actually|wait|oh|sorry|clearly)\b[,\s]*){{0,5}}
    (?:{JUDGED}\b|(?:no|nope|nein|non|нет)(?:\s+(?:wait|it|that|way|sorry)\b|\s*(?:[.,;:!?—–)-]|$))
    |not\s+(?:right|correct|true|the\s+(?:answer|case|result|solution)|it\b|quite|so\b|really)|too\s+(?:low|high|small|large|big)
    |(?:squared|cubed|doubled|tripled|halved|negated|inverted|factorial)\b)""",
    re.IGNORECASE | re.VERBOSE,
)
DOUBTS = words(
    """
    false wrong incorrect untrue doubt deny disagree mistake nonsense not ruled crossed first initially originally
    mistakenly wrongly might may could would had used tempted tempting no once previously say says said initial previous earlier old
    original another naive bad opposite half twice double triple square squared cube cubed reciprocal negative inverse
    root third quarter plus minus times doubled tripled halved divided multiplied increased decreased
    """
)  # one of them, or n't, stands in whatever `DOUBTED` finds
DOUBTED = re.compile(
    r"""\b(?:no\s+(?:way|chance)|false|wrong|incorrect|untrue|doubt|deny|disagree|mistake|nonsense|not\s+(?:the\s+case|true|think|believe|say|claim)
    |(?:ruled|crossed)\s+out)\b[^.?!\n]{0,60}\Z
    |n['’]t\s+(?:think|believe|say|answer|claim|write|put)\b[^.?!\n]{0,60}\Z
    |\b(?:i|we|one|you|they|some|people|many|he|she|someone|somebody|others)\b[^.,?!\n]{0,20}
    \b(?:first|initially|originally|mistakenly|wrongly|might|may|could|would|had|used|tempted|once|previously|say|says|said)\b[^.?!\n]{0,20}
    (?:\b(?:thought|think|guess|guessed|believed?|say|said|got|assumed?|answer(?:ed)?|claim(?:ed)?|that|it)\b)[^.,?!\n]{0,30}\Z
    |\btempt(?:ed|ing)\s+to\s+\w+\b[^.,?!\n]{0,30}\Z
    |\b(?:first|initially|originally|mistakenly|wrongly|at\s+first)\b,?\s+(?:i|we|one)\s+(?:got|had|thought|guessed|believed|found|said|obtained)\b[^.,?!\n]{0,30}\Z
    |\b(?:first|initial|previous|earlier|old|wrong|incorrect|false|original|another|naive|bad|opposite|half|twice|double|triple|squared?
    |cubed?|reciprocal|negative|inverse|root|third|quarter)\s+(?:of\s+)?(?:the\s+|my\s+|our\s+|this\s+)?(?:correct\s+|right\s+|final\s+)?
    (?:guess|attempt|answer|result|solution|thought|idea|intuition)\b[^.,?!\n]{0,20}\Z
    |\b(?:answer|result|solution)\s+(?:plus|minus|times|squared|cubed|doubled|tripled|halved|divided|multiplied|increased|decreased)\b[^.,?!\n]{0,30}\Z""",
    re.IGNORECASE | re.VERBOSE,
)


def spoken(text: str) -> list[str]:
    """The words of a text in lower case, hyphenated ones apart; numbers as `VALUE`."""
    plain = COMMAND.sub(" ", text) if "\\" in text else text
    if not plain.isascii():
        plain = UNSEEN.sub("", unicodedata.normalize("NFKC", plain))
    return [VALUE if word[0].isdigit() else word.replace("’", "'") for word in WORD.findall(plain.casefold())]


def ahead(text: str, marked: bool = False) -> bool:
    """Whether the text before a value ends in words that change it, or doubts it.

    A value that is marked as the answer, by a box, is changed by signs, multiples and denials only: the remainder
    is \\boxed{3}, at most \\boxed{2}.
    """
    if not text or text.isspace():
        return False
    if not text.isascii() and (text.rstrip().endswith(STUCK_AHEAD) or UNLIKE.search(text)):
        return True
    if LETTERED.search(text):
        return True
    said = spoken(CLAUSE.split(text.rstrip(" :*$("))[-1])
    if doubted(text):
        return True
    linked = False
    while said and said[-1] in LINKS:
        linked = said.pop() in ("of", "than", "to", "by", "von", "de") or linked
    if not said:
        return False
    last = said[-1]
    if last in COPULAS:
        return not DENIALS.isdisjoint(said[-2:-1])  # no es 5
    if last == "but":
        return said[-2:-1] not in ([], [VALUE])  # anything but 5, and not: but 5 is prime
    if marked:
        return last in AHEAD_OF_BOXES or last.endswith("n't")
    if last in ("and", "to", "or") and said[-2:-1] == [VALUE]:
        return said[-3:-2] in (["between"], ["from"], ["neither"])
    if last == VALUE:
        return linked or "base" in said[-2:]
    return (
        changes(last, AHEAD)
        or last in NAMED
        or (ORDINAL.fullmatch(last) is not None and (linked or len(said) == 1))
    )


def doubted(text: str) -> bool:
    """Whether a sentence that leads to a value says that it is not the answer, or the answer to something else."""
    sentence = text[max(text.rfind(". "), text.rfind("\n"), text.rfind("? "), text.rfind("! ")) + 1 :]
    lower = sentence.lower().replace("’", "'")
    if DOUBTS.isdisjoint(LATIN.findall(lower)) and "n't" not in lower:
        return False
    return DOUBTED.search(sentence) is not None


def behind(text: str, marked: bool = False) -> bool:
    """Whether the text behind a value begins with words that change or deny it; `marked` as for `ahead`."""
    if not text or text.isspace():
        return False
    if not text.isascii() and text.lstrip().startswith(STUCK_BEHIND):
        return True
    if RETORT.match(text) or SUFFIX.match(text):
        return True
    said = spoken(CLAUSE.split(text.lstrip(" $*)}\"'"), maxsplit=1)[0])[:8]
    if not said:
        return False
    if marked:
        return (
            said[0] in BEHIND_BOXES
            or bool(FRACTION.fullmatch(said[0]))
            or "base" in said[:2]
            or faulted(said[:4], DENIALS | {"too"})
        )
    return measured(said) or compared(said) or faulted(said, FAULTS)


def changes(word: str, vocabulary: frozenset[str] = CHANGES) -> bool:
    """Whether a word changes what a value says: it is of the vocabulary, or built like such words."""
    if word in vocabulary or PLENTY.fullmatch(word) or word.endswith("n't"):
        return True
    if word.isascii():
        return False
    folded = "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter))
    stuck = word.endswith(STUCK_AHEAD) or word.startswith(STUCK_BEHIND)
    return folded in vocabulary or stuck or of_two_scripts(word) or UNLIKE.search(word) is not None


def of_two_scripts(word: str) -> bool:
    """Whether Latin letters stand beside others in a word, as in a disguised one."""
    scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in word}
    return "LATIN" in scripts and not scripts.isdisjoint(("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"))


def measured(said: Sequence[str]) -> bool:
    """Whether words behind a value count, scale or compute: dozen, tenths, squared, base two, B.C."""
    first, second = [*said, ""][:2]
    if first in ("square", "cubic"):
        return second not in LENGTHS
    if (first, second) == ("not", VALUE):
        return False  # 5, not 6
    if first in ("pair", "pairs", "couple", "couples") and second == "of":
        return False
    if changes(first, TRAILING) or FRACTION.fullmatch(first) or first in ERAS:
        return True
    return first not in CLAUSES and (
        second in LATER or bool(FRACTION.fullmatch(second)) or not BASES.isdisjoint(said[:3])
    )


def compared(said: Sequence[str]) -> bool:
    """Whether words behind a value set it against another: or more, less than 7, of 20, and a half."""
    first, second, third = [*said, "", ""][:3]
    if (first == "or" and third in COMPARATIVES) or (first in ("away", "off") and second == "from"):
        return True
    if (first, second) in (("times", "itself"), ("percent", "of")) or (
        first == "of" and any(map(changes, said[1:3]))
    ):
        return True
    if first in ("or", "and"):
        third = third if second in ("a", "an", "one") else second
        return second in COMPARATIVES | LIMITS | CARDINALS or changes(third) or bool(ORDINAL.fullmatch(third))
    if first in ("in", "with", "as", "to", "on") and not (OPERATIONS | SIGNS | MULTIPLES).isdisjoint(said[1:3]):
        return True
    if first == "to" and second == "the":
        return third == "power" or bool(ORDINAL.fullmatch(third))
    if first in ("of", "to", "in", "out", "over", "by", "from", "times", "x"):
        return (VALUE in (second, third) and not (first == "in" and third)) or (
            first != "in" and second in CARDINALS
        )
    if first == "short":
        return second == "of"
    for place, word in enumerate(said[:3]):
        rest = said[place + 1 :]
        if word == "at" and rest[:1] and rest[0] in ("least", "most"):
            return True
        if word in COMPARATIVES and rest[:1] == ["than"]:
            return (
                len(rest) == 1
                or rest[1] in (VALUE, "it", "that", "this")
                or any(map(changes, rest[1:2]))
                or (not ANSWERS.isdisjoint(rest[1:4]))
            )
    return said[1:3] == ["of", VALUE]


def faulted(said: Sequence[str], faults: frozenset[str]) -> bool:
    """Whether a clause that begins with a value finds fault with it: is too low, isn't right, does not work."""
    verb, *rest = said
    if verb in ("fails", "cannot") or verb.endswith("n't"):
        return True
    return verb in VERBS and any(word in faults or word.endswith("n't") for word in rest[:5])
