"""What the text around a value says about it: a sign, a count, a doubt, a denial, or that it is taken back."""

from __future__ import annotations

import re
from collections import deque

from alftbench.answers.find.place import Place, stripped
from alftbench.answers.mathematics.doubts import LATIN
from alftbench.answers.mathematics.numerals import POWERS, SIGN
from alftbench.answers.mathematics.qualifying import ATTACHED, EQUATED, ahead, behind
from alftbench.answers.mathematics.vocabulary import SCALES, words

WINDOW = 120  # characters on each side that are read
DRESSING = " \t\n$*({}[~\\\"'“"  # between a value and the words before it
SPACING = re.compile(r"(?:\\[,;:! ])+\Z")
COMMAND = re.compile(r"\\[a-zA-Z]+\Z")
MINUS = re.compile(rf"(?:(?<![\w)\]}}])|(?<=[^\x00-\x7f]))(?:{SIGN})[\s-]*\Z", re.IGNORECASE)
DASH = re.compile(
    r"(?:(?<![^\s=(:${])[-−–⁻](?:\\[,;:! ]|\$)?\(?|(?:[=(:]\s*[-−–]|\A\s*[-−–—])[\s(]*)\Z"
)  # –5, = - 5, -(5; no bullet
SIGNED = re.compile(r"(?:[√∛∜¬≠≤≥±]|(?<![<>\w-])[<>]|(?<![\w)\]])!)[\s(]*\Z")  # √5, x > 5
HARMLESS = re.compile(
    r"\\(?:(?:[fmh]box|boxed)|(?:text|math)[a-z]*|approx|implies|[rR]ightarrow|to|therefore|q?quad|left|displaystyle)"
)  # commands before a value that leave it what it is
MARKED = re.compile(r"[½⅓¼¾⅔²³⁴-⁹₀-₉‰]|(?:\s?[-+]\s?[xyznt]|[inxyz]|\\pi)(?![^\W\d_])")  # 5², 5x, 5 - x
BOX_OPENED = re.compile(r"\\(?:boxed|fbox|framebox)\s*\{?\s*\Z")
OPERAND = re.compile(
    r"(?:\d|[/^√]\s*\{?|\\(?:times|cdot|div)\s*|\\sqrt(?:\[\d+\])?\s*\{|\\[dt]?frac\s*\{(?:[^{}]*\}\s*\{)?|[\s=($][-−])\Z"
)  # before a box
OPERATED = re.compile(r"\}?\s*(?:(?:[+*/·×]|\\(?:times|cdot|div)(?![a-z]))\s*\d|[-−_^]\{?\d)")  # behind it
FILLED = re.compile(r"[^.\n]{0,40}?=")  # 3 + \boxed{4} = 7
UNREAL = re.compile(r"\bwould\s+(?:be|have\s+been)\W*\Z", re.IGNORECASE)
IF = re.compile(r"\W{0,4}(?:if|unless)\b", re.IGNORECASE)
CALCULATED = re.compile(r"[\d)\]}]\s*\Z")  # 24 minus
COUNTED = re.compile(rf"(?:[\s-]+(?:{'|'.join([*SCALES, *POWERS])})(?![^\W\d_]))+", re.IGNORECASE)
RETRACTING = words(
    """
    no nope not wrong incorrect mistaken mistake error slip scratch forget ignore strike oops correction thought
    thoughts reflection reconsideration hold hmm recheck redo recount recalculate recompute rethink reconsider
    update couldn back sorry apologies bad disregard looking rechecking rechecked recounting
    recounted recalculating recomputing rethinking reconsidering miscounted miscalculating miscalculated
    misread misspoke t isn can cannot edit actually wait
    """
)  # one of them stands in whatever `RETRACTION` finds
RETRACTION = re.compile(
    r"""\b(?:wait|hold\s+on|hmm+|oh|oops|sorry|actually|hang\s+on|or)\b[,.!…—:;\s-]*(?:but\s+)?no\b
    |\b(?:scratch|forget|ignore|strike)\s+(?:that|this|it)\b|\boops\b|\bon\s+second\s+thoughts?\b|\bcorrection\b
    |\bi\s+(?:take\s+(?:that|it)\s+back|was\s+(?:wrong|mistaken)|(?:have\s+)?made\s+an?\s+(?:\w+\s+)?(?:mistake|error|slip)
      |miscalculated|misread|misspoke)
    |\b(?:that|this|it|which)(?:['’]s|\s+is|\s+was|\s+must\s+be|\s+seems)\s+(?:clearly\s+|actually\s+|obviously\s+)?
      (?:wrong|incorrect|mistaken|a\s+mistake|an\s+error
        |not\s+(?:right|correct|true|the\s+(?:right|correct|final)?\s*(?:answer|result)))\b
    |\b(?:that|this|it)\s+(?:isn['’]t|cannot\s+be|can['’]t\s+be)\s+(?:right|correct|true)\b
    |(?<=[\d})$%])[?.!,;—–-]*\s+(?:no|nope)\b(?=\s*[.,!;:—-]|\s*\Z|\s+wait)
    |\n[\s*]*edit\s*:
    |\bon\s+(?:further\s+|closer\s+)?(?:reflection|reconsideration|second\s+look)\b|\bhold\s+on\b|\bhmm+\b
    |\blet\s+(?:me|us|'s)\s+(?:recheck|redo|recount|recalculate|recompute|rethink|reconsider|try\s+again)\b
    |\b(?:sorry|apologies|my\s+bad|disregard|looking\s+again)\b
    |\b(?:re-?check|re-?count|re-?calculat|re-?comput|re-?think|re-?consider|mis-?count|mis-?calculat)\w*
    |\bupdated?\s*:|\b(?:that|this|it)\s+(?:cannot|can['’]t|can\s+not|couldn['’]t|could\s+not)\s+be\b
    |\b(?:it['’]s|it\s+is)\s+actually\b
    |\bactually,?\s+(?:it['’]s|it\s+is|the\s+(?:answer|result)\s+is)\b
    |\bwait\b[,.!…—\s-]*(?:but\s+)?(?:that|this|it|i|we)\s+(?:double[\s-]?)?(?:count(?:s|ed)|forgot|missed|neglected|overlooked)\b
    |\bnot\s+(?:equal\s+to\s+)?(?=[$\\\d-])[^\n.;]{1,40}?(?:,?\s+but\b|[;,]\s*(?:it\s+is|it['’]s|rather)\b)""",
    re.IGNORECASE | re.VERBOSE,
)  # fmt: skip


def taken_back(text: str, start: int) -> int | None:
    """Where the last words end, from `start` on, that take back what was said before; None where none do."""
    if len(text) - start < 3 or RETRACTING.isdisjoint(LATIN.findall(text[start:].lower())):
        return None
    last = deque(RETRACTION.finditer(text, start), maxlen=1)
    return last[0].end() if last else None


def in_context(text: str, place: Place, marked: bool) -> Place | None:
    """A value with the sign or the count beside it; None where the words around change it otherwise, or deny it.

    Args:
        text: the response.
        place: where the value stands in it.
        marked: a box says that it is the answer.
    """
    if place.end == len(text) and stands_alone(text, place.start):
        return place
    before, after = around(text, place.start, place.end)
    if UNREAL.search(before) and IF.match(after):
        return None
    if (marked or BOX_OPENED.search(before)) and is_operand(before, after):
        return None
    if marked:
        return None if ahead(undressed(before), marked) or behind(after, marked) else place
    if is_part(before, after):
        return None
    sign, count = MINUS.search(before) or DASH.search(before), COUNTED.match(after)
    if sign is None and count is None:
        return None if ahead(undressed(before)) or behind(after) else place
    start = place.start - (len(before) - sign.start() if sign else 0)
    end = place.end + (count.end() if count else 0)
    before, after = around(text, start, end)
    if CALCULATED.search(before) or ahead(undressed(before)) or behind(after):
        return None
    return stripped(text, start, end)


def around(text: str, start: int, end: int) -> tuple[str, str]:
    """What stands before and behind a part of a text, as far as it is read."""
    return text[max(0, start - WINDOW) : start], text[end : end + WINDOW]


def is_part(before: str, after: str) -> bool:
    r"""Whether a value is part of another: x^5, f(5), √5, ≠ 5, 5½, 5!, and behind a command like \sqrt."""
    if ATTACHED.search(before[-4:]) or EQUATED.search(before) or SIGNED.search(before) or MARKED.match(after):
        return True
    if not before:
        return after.startswith("!")
    command = COMMAND.search(before.rstrip(" {($")) if "\\" in before[-16:] else None
    return command is not None and not HARMLESS.fullmatch(command[0])


def is_operand(before: str, after: str) -> bool:
    r"""Whether a box is a part of a formula that asks for no filling in: 2\boxed{5}, \boxed{5} + 1."""
    opened = BOX_OPENED.sub("", before)
    return bool(OPERAND.search(opened) or OPERATED.match(after)) and not FILLED.match(after)


def stands_alone(text: str, start: int) -> bool:
    """Whether no word stands before a place in its line, but a letter and a colon: A: 42."""
    return text[start - 2 : start] in (": ", "# ") and start - text.rfind("\n", 0, start) <= 5


def undressed(before: str) -> str:
    """A text without the brackets, dollars and commands at its end."""
    before = SPACING.sub("", before).rstrip(DRESSING)
    return COMMAND.sub("", before).rstrip(DRESSING) if "\\" in before[-12:] else before
