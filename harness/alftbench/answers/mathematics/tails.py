"""What may follow a value without changing it: what is not known in full makes it no value.

A noun or a unit may: 12 red apples. A verb, a preposition, an adverb or a clause may say anything, so those that
are known to say nothing of the value pass, and no others: 12 is the answer, 12 in total, 12, because 3 · 4 = 12.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from alftbench.answers.mathematics.vocabulary import ONES, PERCENT, words

END = re.compile(r"[.?!]+(?=\s|[)\]*\"'$]*\Z)|[;\n。！？]")  # of a sentence
PAUSE = re.compile(r"[,:，、]|\s[-–—]+\s|—")
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d[\d.,]*")
CLOSING = " \t$*)}]\\\"'”`"
PREDICATE = words(
    """
    the a an my our your his her their its this that these those correct right true final required desired needed
    wanted requested expected total overall sum answer answers result solution value number amount only so in and
    indeed exactly what we i you want were looking for asked all it to therefore thus clearly then also sought
    how many much left remaining be as possible smallest largest minimum maximum least greatest best first choice
    point pair interval set vertex center centre coordinates root roots option there here she he they have
    has had needs need gets got earns pays makes
    """
)  # 12 is the correct answer
VERBS = words(
    """
    is are was were be been being would will might may could can must shall should has have had does do did seems
    appears becomes became remains looks sounds feels turns gets goes makes equals lies stands
    """
)
JOINING = words(
    "because since as so thus hence therefore which who whose where when while for that then"
)  # a reason or a relative clause follows
PAUSED = JOINING | words(
    """
    and not if i we he she it they you there this these those the a an his her their its our my leaving giving
    making meaning namely respectively too please inclusive ie eg given using after with given
    """
)  # what a clause behind a comma may begin with
ABOUT = words(
    "with without under against into onto when once though although yet taken written read seen viewed but"
)
SAYING_SO = words("required expected desired stated claimed we the needed asked well before it there you")  # as …
INSIDE = words(
    """
    total all sum number length width height area volume size weight value a an each this that these those her his
    their its our my your my one every end whole box bag class room jar group school family garden park house store
    shop basket week month year day hour minute first second third last next same other town city bus train tank
    world country team set list row column line game library barn pool zoo picture simplest lowest
    """
)  # in total, in the box
NOTHING = words("the of")
ASIDE = words(
    """
    sign signs opposite flipped reversed inverted swapped exchanged interchanged mirrored reflected rotated
    shifted conjugated differentiated integrated negated negative minus retracted withdrawn revised retract
    withdraw reject instead double doubled triple tripled quadruple halve halved
    """
)  # wherever one of them stands behind a value, it may be another
DONE = words(
    """
    needed required used included sold left bed red speed feed seed hundred shared remained earned saved spent
    received collected bought added planted served united based finished completed covered owed seated
    expected indeed
    """
)  # end in -ed, and do nothing to a value
LOOSE = words(
    "tops max min onwards onward ahead older younger something somewhat thereabouts odd aside apart away late"
)
TURNED = (
    "left of",
    "right of",
    "written as",
    "read as",
    "if it",
    "but only",
    "or not",
    "or so",
    "and then some",
    *(f"{verb} not" for verb in ("might", "may", "could", "would", "should", "can", "does", "do", "did", "will")),
)
NOUNS = PERCENT | words(
    """
    people men women children feet teeth mice geese sheep fish deer dollar euro euros pound yen rupee cent
    total each altogether overall left remaining remain remains together here there now only indeed exactly
    precisely apple cm mm km m kg g mg ml l mph kmh rpm hz usd eur gbp inr rs yrs yr hrs hr mins min sec secs ft in
    inch mi lb lbs oz unit year day hour minute second month week meter metre mile foot yard gram litre degree
    radian point mark way student person child boy girl coin ball card book egg page word time item piece
    square cubic sq cu million thousand old wide long tall high deep per of for at on and or not if when while such
    that who which to from by so because since then thus hence is are was were will would have has had should must
    can could may might do does did money water rice milk sugar flour bread meat paper per capita equals equal
    also too as in combined text
    """
)  # after a number, beside plurals
PASSED = words("past until tonight tomorrow yesterday tops max min maximum minimum before")  # after a noun, too
DETERMINERS = words("the a an him her them us me it its")
MAX_NOUNS = 4  # words of a noun with its adjectives: 12 large red paper boxes
STRANGE_CJK = re.compile(
    r"[^。，,.\s]{0,6}?(?:倍|半|以[外上下内]|より|超|逆|平方|根|乗|负|負|不|非|错|錯|外|分之|割|除|ない|未満|余り)"
)


def strange(text: str) -> bool:
    """Whether what follows a value in its sentence says something that is not known to leave it as it is."""
    sentence = END.split(text.lstrip(CLOSING), maxsplit=1)[0]
    if not sentence:
        return False
    if sentence[0] > "\u2e80":
        return STRANGE_CJK.match(sentence) is not None
    first, *others = PAUSE.split(sentence)
    said = spoken(first)
    everything = said + [word for other in others for word in spoken(other)]
    if not everything:
        return False
    flat = " ".join(everything[:12])
    if not ASIDE.isdisjoint(everything[:12]) or any(turn in flat for turn in TURNED):
        return True
    return changed(said, first) or any(paused(spoken(other)) for other in others[:1])


def spoken(text: str) -> list[str]:
    """The words of a text in lower case."""
    return [word.lower().replace("’", "'") for word in WORD.findall(text)]


def changed(said: Sequence[str], sentence: str) -> bool:
    """Whether words that follow a value at once are more than what is counted, a known remark or a reason."""
    if not said:
        return False
    first, second, third = [*said, "", ""][:3]
    if first in VERBS:
        return not predicated(said[1:])
    if first in ABOUT or first in LOOSE or second in LOOSE:
        return True
    if (first, second) == ("to", "the"):
        return third != "nearest"
    if first == "as":
        return second not in SAYING_SO
    if first == "in":
        return (third if second == "the" else second) not in INSIDE and not second[:1].isdigit()
    if first.isascii() and not named(said, sentence):
        return True
    last = len(said) == 1 or second in ("by", "from", "to", "in", "with", "at", "on", "and")
    return last and first.endswith("ed") and len(first) > 4 and first not in DONE


def named(said: Sequence[str], sentence: str) -> bool:
    """Whether words begin with what is counted, or a known remark: red apples, Äpfel, people, left.

    A plural ends in s, and is no verb of something else (breaks the rule) and no number (sixes).
    """
    for place, word in enumerate(said[:MAX_NOUNS]):
        following = said[place + 1] if place + 1 < len(said) else ""
        if word in NOUNS or word[:1].isdigit() or len(word) <= 2 or "'" in word:
            return following not in PASSED
        if word.capitalize() in sentence:
            return True  # a name, or a noun in German
        if word.endswith("s") and not word.endswith(("wards", "ss")):
            return not verbal(said[place + 1 : place + 3]) and word.removesuffix("s").removesuffix("e") not in ONES
    return False


def verbal(following: Sequence[str]) -> bool:
    """Whether words make a verb of the one before them: breaks the rule, leads to a, and not days a week."""
    rest = following[1:] if following[:1] == ["to"] else following
    if rest[:1] in (["a"], ["an"]) and rest[1:] and rest is following:
        return rest[1] not in NOUNS
    return bool(rest) and (rest[0] in DETERMINERS or rest[0] in PASSED)


def predicated(said: Sequence[str]) -> bool:
    """Whether a value is said to be the answer, or what was asked for: is the correct answer, is left."""
    for word in said:
        if word in JOINING or word == "of":
            return True
        if word not in PREDICATE:
            return False
    return bool(said)


def paused(said: Sequence[str]) -> bool:
    """Whether a clause behind a comma begins in a way that is not known."""
    return bool(said) and said[0] not in PAUSED and not said[0][0].isdigit()
