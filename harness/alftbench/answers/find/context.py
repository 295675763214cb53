"""What the text around a value says about it: a sign, a count, a doubt, a denial, or that it is taken back."""

from __future__ import annotations

import re
from collections import deque

from alftbench.answers.find.place import Place, stripped
from alftbench.answers.mathematics.numerals import POWERS, SIGN
from alftbench.answers.mathematics.qualifying import ATTACHED, LATIN, ahead, behind
from alftbench.answers.mathematics.vocabulary import SCALES, words

WINDOW = 120  # characters on each side that are read
DRESSING = " \t\n$*({}[~\\\"'“"  # between a value and the words before it
SPACING = re.compile(r"(?:\\[,;:! ])+\Z")
COMMAND = re.compile(r"\\[a-zA-Z]+\Z")
MINUS = re.compile(rf"(?:(?<![\w)\]}}])|(?<=[^\x00-\x7f]))(?:{SIGN})[\s-]*\Z", re.IGNORECASE)
DASH = re.compile(r"(?:(?<![^\s=(:$])[-−–—⁻]|(?:\A|[=(:])\s*[-−–—]\s*)\(?\s*\Z")  # –5, = - 5, -(5; no bullet
SIGNED = re.compile(r"(?:[√∛∜¬≠≤≥±]|(?<![<>\w-])[<>]|(?<![\w)\]])!)[\s(]*\Z")  # √5, x > 5
PASSED = words("approx implies Rightarrow rightarrow to therefore quad qquad left displaystyle $")
MARKED = re.compile(r"[½⅓¼¾⅔²³⁴-⁹‰]")
CALCULATED = re.compile(r"[\d)\]}]\s*\Z")  # 24 minus
COUNTED = re.compile(rf"(?:[\s-]+(?:{'|'.join([*SCALES, *POWERS])})(?![^\W\d_]))+", re.IGNORECASE)
RETRACTING = words(
    """
    no nope not wrong incorrect mistaken mistake error slip scratch forget ignore strike oops correction thought thoughts
    back miscalculated misread misspoke t isn can cannot
    """
)  # one of them stands in whatever `RETRACTION` finds
RETRACTION = re.compile(
    r"""\b(?:wait|hold\s+on|hmm+|oh|oops|sorry|actually|hang\s+on|or)\b[,.!…—:;\s-]*(?:but\s+)?no\b
    |\b(?:scratch|forget|ignore|strike)\s+(?:that|this|it)\b|\boops\b|\bon\s+second\s+thoughts?\b|\bcorrection\b
    |\bi\s+(?:take\s+(?:that|it)\s+back|was\s+(?:wrong|mistaken)|(?:have\s+)?made\s+an?\s+(?:\w+\s+)?(?:mistake|error|slip)
      |miscalculated|misread|misspoke)
    |\b(?:that|this|it|which)(?:['’]s|\s+is|\s+was|\s+must\s+be|\s+seems)\s+(?:clearly\s+|actually\s+|obviously\s+)?
      (?:wrong|incorrect|mistaken|a\s+mistake|an\s+error|not\s+(?:right|correct|true|the\s+(?:right|correct|final)?\s*(?:answer|result)))\b
    |\b(?:that|this|it)\s+(?:isn['’]t|cannot\s+be|can['’]t\s+be)\s+(?:right|correct|true)\b
    |(?<=[\d})$%])[?.!,;—–-]*\s+(?:no|nope)\b(?=\s*[.,!;:—-]|\s*\Z|\s+wait)
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
        marked: a box says that it is the answer.
    """
    if place.end == len(text) and stands_alone(text, place.start):
        return place
    before = text[max(0, place.start - WINDOW) : place.start]
    after = text[place.end : place.end + WINDOW]
    if not marked and (
        ATTACHED.search(before[-4:])
        or signed_ahead(before)
        or MARKED.match(after)
        or (place.start == 0 < len(after) and after[0] == "!")
    ):
        return None
    if (
        not ahead(undressed(before), marked)
        and not behind(after, marked)
        and not (DASH.search(before) and not marked)
    ):
        return place
    sign, count = MINUS.search(before) or DASH.search(before), COUNTED.match(after)
    if marked or (sign is None and count is None):
        return None
    start = place.start - (len(before) - sign.start() if sign else 0)
    end = place.end + (count.end() if count else 0)
    before, after = text[max(0, start - WINDOW) : start], text[end : end + WINDOW]
    if CALCULATED.search(before) or ahead(undressed(before)) or behind(after):
        return None
    return stripped(text, start, end)


def stands_alone(text: str, start: int) -> bool:
    """Whether no word stands before a place in its line, but a letter and a colon: A: 42."""
    return text[start - 2 : start] in (": ", "# ") and start - text.rfind("\n", 0, start) <= 5


def signed_ahead(before: str) -> bool:
    """Whether a sign or a command that makes another value of the one behind it ends a text: √, ≠, \\sqrt."""
    if (
        not before
        or before[-1].isalnum()
        or (before[-1] == " " and before[-2:-1].isalnum() and "\\" not in before[-12:])
    ):
        return False
    command = COMMAND.search(before.rstrip(" {($"))
    if (
        command
        and not command[0][1:].startswith(("text", "math", "boxed", "fbox", "mbox", "hbox"))
        and command[0][1:] not in PASSED
    ):
        return True
    return SIGNED.search(before) is not None


def undressed(before: str) -> str:
    """A text without the brackets, dollars and commands at its end."""
    before = SPACING.sub("", before).rstrip(DRESSING)
    return COMMAND.sub("", before).rstrip(DRESSING) if "\\" in before[-12:] else before
