"""Whether the words beside a value change what it says: minus 5, 5 dozen, less than 5, 5 is wrong, 5? No.

A word that names a unit or what is counted changes nothing: 12 apples are 12. A word of the vocabulary that counts
makes the answer another one, or is read (numerals.py): none is ever dropped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from alftbench.answers.mathematics.doubts import RETORT, doubted
from alftbench.answers.mathematics.tails import strange
from alftbench.answers.mathematics.vocabulary import (
    BASES,
    CARDINALS,
    COMPARATIVES,
    COUNTS,
    DENIALS,
    DIRECTIONS,
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
UNLIKE = re.compile(r"[不非没]\S{0,4}\s*\Z")
LETTERED = re.compile(r"\bto\s+the\s*\Z|(?:\b[a-z]\b\s*){4,}\Z", re.IGNORECASE)  # e to the 5, m i n u s 5
UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
PART = (
    r"(?:third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|[a-z]+teenth|[a-z]+tieth|hundredth"
    r"|[a-z]*thousandth|[a-z]+illionth)"
)
ORDINAL = re.compile(rf"first|second|{PART}s?|ths|rds|nds")
FRACTION = re.compile(rf"{PART}s|ths|rds|nds")
PLENTY = re.compile(
    r"[a-z]*[jz]?illi(?:on|ard)(?:s|en)?|[a-z]*illon(?:es)?|миллион\w*|миллиард\w*|[a-z]+(?:fold|tuple[ds]?)"
)
LARGE = ("hundred", "thousand", "million", "millier", "milliard")  # hundredweight
CLAUSE = re.compile(r"[.?!;:=,\n。，；：]")
ATTACHED = re.compile(
    r"(?:\^\{?|(?<![^\W_])[a-zA-Z]\(|\d[a-zA-Z]|\d:)\Z"
)  # x^5, f(5), 0x5, 1:5: no value by itself
SUFFIX = re.compile(
    r"['’]s\b|k(?![^\W\d_])|\s?[KMB](?=[\s.,;:!?)]|\Z)|[GT](?![^\W\d_])|\s?(?:mn|bn)\b|mil\b|\+(?=\s*(?:[.,;)$]|\Z))|\s*(?:B\.\s?C|A\.\s?D)\b|[})\]$\s]*\^|[₀-₉]|~~"
)  # 5k, 5 B.C., \boxed{5}^2
EQUATED = re.compile(
    r"(?:(?<![^\W\d_])(?:\d\s?[xyznt]|[-−][a-z]|[a-z]\s*[-+]\s*\d+)|[a-z]\^\{?\d+\}?|/\s?[a-z]|[a-z]\||(?:\\ln|\\log)\s[a-z]"
    r"|\\sqrt\{[a-z]\})\s*=\s*\Z"
)  # 2x = 5 is not x = 5
ANSWERS = words("answer result solution it this that value number")
LINKS = words(
    """
    the a an of than to by number numbers value equal equals be been exactly about approximately around roughly
    only just as it its it's itself actually really quite even yet possibly simply ever also any being that
    than's de del
    des du von much many la le el un una une der die das ein eine als que чем равно
    """
)
CHANGES = DENIALS | MULTIPLES | OPERATIONS | LIMITS | BASES | SIGNS | CARDINALS | SCALES.keys()
AHEAD = CHANGES | COMPARATIVES | WEEKDAYS | words("times percent percentage ad bc bce")
AHEAD_OF_BOXES = (DENIALS - {"no"}) | SIGNS | words("half twice double triple thrice quarter third")
BEHIND_BOXES = SCALES.keys() | words("squared cubed factorial doubled halved tripled gross score")
LATER = SCALES.keys() | words("squared cubed factorial below above doubled halved tripled")  # one word further on
NAMED = FUNCTIONS - words("cdot div infinity infty oo pi pm times")  # in front of what they are applied to
TRAILING = (CHANGES - words("other after before next within between rather from until till up")) | COUNTS
NUMBERS = words("numbers integers primes values multiples terms divisors digits elements")
DIVISORS = words(
    "factor divisor multiple part half third quarter square root reciprocal negative"
)  # of the answer
CLAUSES = words("and or but so because since as while which that if when where for who hence thus therefore then")
JOINTS = words("of than to by von de als que чем")
PAIRED = {
    ("per", "mille"),
    ("per", "thousand"),
    ("short", "of"),
    ("away", "from"),
    ("off", "from"),
    ("times", "itself"),
    ("percent", "of"),
    ("rounded", "up"),
    ("rounded", "down"),
}
SHORT_OF = words("shy short divisor divisors")  # of a value: another
COPULAS = words("is are was were es son est sont ist sind ni è é")
VERBS = words(
    """
    is was are were be been would seems seem looks appears can could cannot does do did will must may should has
    have won't ist war es era est était
    """
)
FAULTS = DENIALS | words(
    """
    too low high small large big far off guess attempt first initial initially tempting what out ruled excluded
    bound typo
    """
)


def spoken(text: str) -> list[str]:
    """The words of a text in lower case, hyphenated ones apart; numbers as `VALUE`."""
    plain = COMMAND.sub(" ", text) if "\\" in text else text
    if not plain.isascii():
        plain = UNSEEN.sub("", unicodedata.normalize("NFKC", plain))
    return [VALUE if word[0].isdigit() else word.replace("’", "'") for word in WORD.findall(plain.casefold())]


def ahead(text: str, marked: bool = False) -> bool:
    r"""Whether the text before a value ends in words that change it, or doubts it.

    A value that is marked as the answer, by a box, is changed by signs, multiples and denials only: the remainder
    is \boxed{3}, at most \boxed{2}.
    """
    if not text or text.isspace():
        return False
    if not text.isascii() and (text.rstrip().endswith(STUCK_AHEAD) or UNLIKE.search(text)):
        return True
    if LETTERED.search(text) or doubted(text):
        return True
    said = spoken(CLAUSE.split(text.rstrip(" :*$("))[-1])
    if said[-1:] == ["it"] and not COPULAS.isdisjoint(said[-2:-1]):
        return True  # is it 5? by no stretch is it 5
    linked = False
    while said and (said[-1] in LINKS or said[-2:] in (["in", "fact"], ["in", "truth"])):
        if said[-1] in LINKS:
            linked = said.pop() in JOINTS or linked
        else:
            del said[-2:]
    if linked and said and said[-1] in COMPARATIVES and counted(said[-2:-1]):
        return True
    return bool(said) and (boxed(said) if marked else led(said, linked))


def counted(said: Sequence[str]) -> bool:
    """Whether a word is a number: one less than."""
    return said == [VALUE] or not CARDINALS.isdisjoint(said)


def boxed(said: Sequence[str]) -> bool:
    """Whether words end so that they change the value in a box behind them."""
    return said[-1] in AHEAD_OF_BOXES or said[-1].endswith("n't") or denied_by_copula(said) or excepted(said)


def led(said: Sequence[str], linked: bool) -> bool:
    """Whether words end so that they change the value behind them; `linked` to it by of, than or to."""
    last, before = said[-1], said[-2:-1]
    if last in COPULAS:
        return denied_by_copula(said)
    if last == "but":
        return excepted(said)
    if last in ("and", "to", "or") and before == [VALUE]:
        return said[-3:-2] in (["between"], ["from"], ["neither"])
    if (last in SHORT_OF and linked) or (last, before) == ("or", ["than"]):
        return True
    if last == VALUE:
        return linked or before == ["base"]
    return changes(last, AHEAD) or last in NAMED or bool(ORDINAL.fullmatch(last) and (linked or not before))


def denied_by_copula(said: Sequence[str]) -> bool:
    """Whether words end in a verb with a denial in front: no es."""
    return said[-1] in COPULAS and not DENIALS.isdisjoint(said[-2:-1])


def excepted(said: Sequence[str]) -> bool:
    """Whether words end as in anything but 5, and not as in 4, but 5."""
    return said[-1] == "but" and said[-2:-1] not in ([], [VALUE])


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
        return not marked and strange(text)
    if marked:
        scaled = said[0] in BEHIND_BOXES or bool(FRACTION.fullmatch(said[0])) or "base" in said[:2]
        more = said[0] in COMPARATIVES and said[1:3] == ["than", VALUE]
        return scaled or more or faulted(said[:4], DENIALS | {"too"})
    return measured(said) or joined(said) or compared(said) or faulted(said, FAULTS) or strange(text)


def changes(word: str, vocabulary: frozenset[str] = CHANGES) -> bool:
    """Whether a word changes what a value says: it is of the vocabulary, or built like such words."""
    if word in vocabulary or PLENTY.fullmatch(word) or word.endswith("n't") or word.startswith(LARGE):
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
    if first == "less" and (second == VALUE or second in CARDINALS):
        return True
    if (first, second) == ("not", VALUE):
        return False  # 5, not 6
    if first in ("pair", "pairs", "couple", "couples") and second == "of":
        return False
    if changes(first, TRAILING) or FRACTION.fullmatch(first) or first in ERAS | DIRECTIONS:
        return True
    return first not in CLAUSES and (
        second in LATER or bool(FRACTION.fullmatch(second)) or not BASES.isdisjoint(said[:3])
    )


def joined(said: Sequence[str]) -> bool:
    """Whether words behind a value join it to another: or more, and a half, of 20, to the power, with a minus."""
    first, second, third = [*said, "", ""][:3]
    if (first, second) in PAIRED or said[1:3] == ["of", VALUE]:
        return True
    if first == "but":
        return second in COMPARATIVES
    if first in ("or", "and"):
        then = third if second in ("a", "an", "one") or third in COMPARATIVES else second
        return (
            then in COMPARATIVES | LIMITS | CARDINALS
            or then == "bit"
            or changes(then)
            or bool(ORDINAL.fullmatch(then))
        )
    if first in ("in", "with", "as", "to", "on") and not (OPERATIONS | SIGNS | MULTIPLES).isdisjoint(said[1:3]):
        return True
    if (first, second) == ("to", "the"):
        return third == "power" or bool(ORDINAL.fullmatch(third))
    if first == "in":
        return second == VALUE and not third
    if first not in ("of", "to", "out", "over", "by", "from", "times", "x"):
        return False
    return VALUE in (second, third) or second in CARDINALS or (first == "of" and any(map(changes, said[1:3])))


def compared(said: Sequence[str]) -> bool:
    """Whether words behind a value compare it: at least, less than 7, more than the answer; not more than Bob."""
    for place, word in enumerate(said[:3]):
        following, *rest = [*said[place + 1 :], ""]
        if word == "at" and following in ("least", "most", "minimum", "maximum"):
            return True
        if place and word in COMPARATIVES and said[place - 1] in NUMBERS:
            return False  # 5 numbers less than 7
        if word in COMPARATIVES and following == "than":
            return (
                rest[0] in ("", VALUE) or len(rest[0]) == 1 or changes(rest[0]) or not ANSWERS.isdisjoint(rest[:3])
            )
    return False


def faulted(said: Sequence[str], faults: frozenset[str]) -> bool:
    """Whether a clause that begins with a value finds fault with it: is too low, isn't right, does not work."""
    verb, *rest = said
    if verb in ("fails", "cannot") or verb.endswith("n't"):
        return True
    if verb in ("turns", "turned", "proves", "proved"):
        return not DENIALS.isdisjoint(rest[:4])
    if verb in VERBS and "answer" in rest and not DIVISORS.isdisjoint(rest):
        return True
    return verb in VERBS and any(word in faults or word.endswith("n't") for word in rest[:5])
