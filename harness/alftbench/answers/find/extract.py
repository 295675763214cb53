r"""Find the final answer in a completion, by named rules, with an outcome for every text.

Rules run in the order a suite gives; the last match of the first rule that yields an answer wins. `last-math` and
`last-number` are guesses: they are recorded as such, so strict and flexible scores can be told apart, and never
made of a text that the token limit cut off. Every rule takes time linear in the text.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from alftbench.answers.canonical import canonical
from alftbench.answers.find.context import in_context, taken_back
from alftbench.answers.find.place import Place, group, stripped
from alftbench.answers.find.prose import is_prose, last_group, last_value, pieces, said, says
from alftbench.answers.mathematics.forms import TEX
from alftbench.answers.mathematics.phrases import qualified
from alftbench.types import Answer, Outcome

GUESS = "last-number"
GUESSES = frozenset((GUESS, "last-math"))
LINES = frozenset(("minerva", "marker", "hashes"))  # rules that find a line, which may be a sentence
GRADING_RULES = ("minerva", "boxed", "hashes", "marker", "last-math", "last-number")
MAX_SCANNED = 20_000  # a final answer stands near the end; longer texts are read from there
LANGUAGES = (
    r"উত্তর(?:টি)?|\bantwort\b|\blösung\b|\brespuesta\b|\bréponse\b|答え|答案|解答|\bответ\b|\bjibu\b"
    r"|సమాధానం|คำตอบ|\banswer\b|\bcorrect (?:option|choice)\b"
)
IS = (
    r"is\b|ist\b|lautet\b|es\b|est\b|ni\b|হল|হলো|হচ্ছে|は|是|为|為|คือ|అనేది|is:"
    r"|(?:should|must) be(?= [\d$\\-])|[-–—:：=]"
)
MARKER = re.compile(
    rf"(?:{LANGUAGES})[ \t*]*+(?:(?:{IS})[ \t*]*+)(?:[:：][ \t*]*+)?(?=\S)"
    r"(?!(?:correct|right|verified|reasonable)\b)",
    re.IGNORECASE,
)
BARE_MARKER = re.compile(r"(?:উত্তর|సమాధానం|คำตอบ)[ \t*]++(?=[\d$\\-])")
STEMS = ("answer", "antwort", "respuesta", "jibu", "correct option", "correct choice")
ALL_STEMS = (*STEMS, "réponse", "lösung", "ответ", "উত্তর", "答", "解答", "సమాధానం", "คำตอบ")
WINDOW = 48  # characters at the end that are looked at first
NOT_THAT = re.compile(r"(?<=[\d$)}]),\s+not\s+[$(\\]*-?\d[\d.,]*[)$.\s\\]*\Z")
APART = re.compile(r"[^\d,./-]")
HASHES = re.compile(r"####[ \t]*+([^\n]++)")
NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?")
SIGNED = re.compile(NUMBER.pattern.replace("-?", "[-−﹣－]?", 1))  # the same, slower, with every minus sign
WORDED = re.compile(r'"[^"\d]*\d')  # words about a number
INSTEAD = re.compile(
    r"\W*(?:it(?:['’]s|\s+is)\s+)?not\s+[^\s,]{1,30},?\s+but\s+([^\n]{1,60})", re.IGNORECASE
)  # not 4 but 5
SEVERAL = re.compile(r"[\d\n?!]|\.\s+\S")  # sentences, or digits, which other rules find
COPULA = re.compile(r"\b(?:is|are|equals?|be)\s+")
LABEL = re.compile(r"[A-J](?: \| |\Z)")
MAX_SAID = 80  # characters of a sentence that names its answer in words
MAX_PHRASE = 6  # words of an answer that says nothing
REFUSAL = re.compile(r"\bI (?:do not know|don't know|cannot|can't|am unable to)\b", re.IGNORECASE)
BOX = re.compile(r"\\(?:boxed|fbox|framebox) *+\{|\\boxed (?=\d)")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
DELIMITER = re.compile(r"\\.|\$\$?", re.DOTALL)
FINAL = re.compile(r"(?:Final Answer:)?\s*(?:(?:The )?final answer is:?)?\s*")
CLOSING = {"\\(": "\\)", "\\[": "\\]", "$": "$", "$$": "$$"}
LED_BY_WORDS = re.compile(r"[^\w\\]*(?:[^\W\d_]{2,}|[^\W\d_] [a-z]{2,})")
THOUGHT = "</think>"


def extract(text: str, kind: str, rules: Sequence[str], finish_reason: str = "stop") -> Answer:
    """The final answer of a completion.

    Args:
        text: the completion.
        kind: the suite's answer kind, which decides the canonical key (see `canonical`).
        rules: names of extraction rules, in order of trust.
        finish_reason: "length" where the token limit cut the text off: an answer that touches the cut is
            incomplete, so its outcome is TRUNCATED. "error" where the backend got no completion.
    """
    if finish_reason == "error":
        return Answer(Outcome.BACKEND_ERROR)
    tail = text[-MAX_SCANNED:]
    for rule in rules:
        place = RULES[rule](tail)
        if place is None:
            continue
        cut = taken_back(tail, place.start if rule in LINES else place.end)
        if cut is not None:
            return _behind(extract(tail[cut:], kind, rules, finish_reason), len(text) - len(tail) + cut)
        if finish_reason == "length" and (rule in GUESSES or _touches_the_end(tail, place, rule)):
            break
        answer = _answer(kind, tail, place, rule)
        if answer is not None:
            return _behind(answer, len(text) - len(tail))
    return Answer(_why_no_answer(tail, finish_reason))


def read_answer(text: str, kind: str) -> Answer:
    """The answer that a text is, or, where it is a whole response, the one that it gives.

    A text with a box, or of more words than an answer has, is a response (`GRADING_RULES`).
    """
    response, text = text, text[-MAX_SCANNED:].rpartition(THOUGHT)[2]
    instead = INSTEAD.fullmatch(text)
    text = instead[1] if instead else text
    start = len(response) - len(text)
    whole = canonical(kind, text) if BOX.search(text) is None else None
    marked = _marker(text) is not None or "####" in text
    prose = marked or is_sentence(text, whole)
    bare = written(response, stripped(response, start, len(response)), whole, "bare")
    if whole is not None and not prose and not whole.startswith(TEX):
        return bare
    answer = extract(text, kind, GRADING_RULES)
    unread = answer.canonical is None or (answer.canonical.startswith(TEX) and not prose)
    if (
        answer.canonical is None
        and whole is not None
        and whole[0] != '"'
        and not whole.startswith(TEX)
        and says(text)
    ):
        return answer  # what it said is denied, or taken back
    named = _named(kind, response, start) if whole is not None and whole[0] == '"' and unread else None
    if named is not None:
        return named
    if whole is None or not (unread or (not prose and not LED_BY_WORDS.match(text))) or len(text.split()) > 60:
        return _behind(answer, start)
    return bare


def _named(kind: str, response: str, start: int) -> Answer | None:
    """What a short sentence without digits ends with: the angle is alpha; a guess."""
    if len(response) - start > MAX_SAID or SEVERAL.search(response, start):
        return None
    last = deque(COPULA.finditer(response, start), maxlen=1)
    if not last:
        return None
    place = stripped(response, last[0].end(), len(response), " .*\n")
    key = canonical(kind, place.read)
    read = in_context(response, place, False) if key and key[0] != '"' and not key.startswith(TEX) else None
    return None if read is None else written(response, read, key, "last-math")


def is_sentence(text: str, key: str | None) -> bool:
    """Whether a text says what the answer is, and is none as such: at least 5, the point (1,2), B: 5 meters."""
    if key is None or key.startswith(TEX):
        return is_prose(text)
    if is_label(key):
        return False
    short = len(text.split()) <= MAX_PHRASE and not ("$" in text or ":" in text or "\n" in text)
    return says(text) or (key[0] == '"' and "\n" in text.strip()) or (is_prose(text) and not short)


def is_label(key: str | None) -> bool:
    """Whether a key is a choice, maybe labelled (B: 5 meters)."""
    return key is not None and bool(LABEL.match(key))


def _touches_the_end(text: str, place: Place, rule: str) -> bool:
    """Does what a rule found end with the text, so that more of it may be cut off? A box has closed."""
    return rule != "boxed" and place.end >= len(text.rstrip())


def _answer(kind: str, text: str, place: Place, rule: str) -> Answer | None:
    """What a rule found in a text, as an answer: of prose, the piece that is one."""
    bare = rule in GUESSES and len(text.split()) <= MAX_PHRASE and not ("\n" in text or ":" in text or says(text))
    if bare and qualified(text):
        return None  # it says more than its number
    unread = None
    for found in _candidates(kind, text, place, rule):
        candidate = in_context(text, found, rule == "boxed")
        if candidate is None:
            continue
        key = canonical(kind, candidate.read)
        if (
            key is not None
            and not key.startswith(TEX)
            and (key[0] != '"' or rule not in GUESSES or not WORDED.match(key))
        ):
            return written(text, candidate, key, rule)
        if key is not None and unread is None and not (rule in GUESSES and is_prose(candidate.read)):
            unread = written(text, candidate, key, rule)
    return unread


def _candidates(kind: str, text: str, place: Place, rule: str) -> Iterator[Place]:
    """What may be the answer in the place that a rule found: behind a marker, the pieces of its sentence."""
    whole = canonical(kind, place.read)
    if kind != "math" or rule not in LINES or is_label(whole):
        yield place
        return
    short = len(place.read.split()) <= MAX_PHRASE and not says(place.read) and not set("$,") & set(place.read)
    if short and whole and whole[0] != '"' and not whole.startswith(TEX):
        yield place
    if place.read == text[place.start : place.end]:
        yield from (piece.behind(place.start) for piece in pieces(place.read))
    else:  # a list of boxes: no piece of it stands in the text as it is read
        yield from (Place(place.start, place.end, piece.read) for piece in pieces(place.read))


def written(text: str, place: Place, key: str | None, rule: str) -> Answer:
    """The answer in a place of a text."""
    raw = text[place.start : place.end]
    read = None if place.read == raw else place.read
    return Answer(Outcome.ANSWERED, raw, key, rule, (place.start, place.end), read)


def _behind(answer: Answer, start: int) -> Answer:
    """The same answer in a longer text, in which the one that was read starts at `start`."""
    if start == 0 or answer.span is None:
        return answer
    return replace(answer, span=(answer.span[0] + start, answer.span[1] + start))


def _why_no_answer(text: str, finish_reason: str) -> Outcome:
    if finish_reason == "length":
        return Outcome.TRUNCATED
    return Outcome.ABSTAINED if REFUSAL.search(text) else Outcome.UNPARSED


def _last(pattern: re.Pattern[str], text: str) -> Place | None:
    last = deque(pattern.finditer(text), maxlen=1)
    return group(last[0], last[0].lastindex or 0) if last else None


def _marker(text: str) -> Place | None:
    lower = text.lower()
    if not any(stem in lower for stem in (STEMS if lower.isascii() else ALL_STEMS)):
        return None
    starts = [
        match.end() for pattern in (MARKER, BARE_MARKER) for match in deque(pattern.finditer(text), maxlen=1)
    ]
    if not starts:
        return None
    end = text.find("\n", max(starts))
    return stripped(text, max(starts), len(text) if end < 0 else end)


def _number(text: str) -> Place | None:
    """The last number; near the end first, where a window does not cut through one."""
    text = without_denied(text)
    number = NUMBER if text.isascii() else SIGNED
    for start in (max(0, len(text) - WINDOW), 0):
        match = deque(number.finditer(text, start), maxlen=1)
        if match and (start == 0 or APART.search(text, start, match[0].start())):
            return group(match[0])
    return None


def _boxed(text: str) -> Place | None:
    r"""The content of the last \boxed{...}; of several in a row (\boxed{1} and \boxed{2}) of all."""
    if "\\" not in text:
        return None
    starts = [match.end() - 1 for match in BOX.finditer(text)]
    if not starts:
        return None
    last = _braced(text, starts[-1])
    if last is None:
        return None
    row, first = [last], text.rindex("\\", 0, starts[-1])
    for start in reversed(starts[-9:-1]):
        before = _braced(text, start)
        behind = before.end + (text[start] == "{") if before else len(text)
        if before is None or behind > first or not _in_a_row(text[behind:first]):
            break
        row.insert(0, before)
        first = text.rindex("\\", 0, start)
    return Place(row[0].start, last.end, ", ".join(place.read for place in row))


def _in_a_row(gap: str) -> bool:
    """Whether boxes with this between them are one answer: at most a few signs, or a connecting word."""
    if len(gap) > 40:
        return False
    words = re.findall(r"[^\W\d_]{2,}", re.sub(r"\\[a-z]+", " ", gap))
    if not words:
        return not re.search(r"[.=\n\d]", gap)
    return len(words) <= 3 and any(word in ("and", "or", "et", "und", "y") for word in words)


def _braced(text: str, start: int) -> Place | None:
    """What the brace at `start` holds; a box without braces holds a digit."""
    if text[start] != "{":
        return Place(start + 1, start + 2, text[start + 1])
    depth = 0
    for match in BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            inside = text[start + 1 : match.start()]
            return Place(start + 1, match.start(), inside)  # the brace closed: nothing was cut off
    return None


def without_denied(text: str) -> str:
    """A text without the value that it denies at its end: 5 of "it is 5, not 6"."""
    denied = NOT_THAT.search(text, max(0, len(text) - WINDOW))
    return text[: denied.start()] if denied else text


def _math(text: str) -> Place | None:
    """The last formula between math delimiters, or the number that stands behind it."""
    text = without_denied(text)
    last = deque(formulas(text), maxlen=1)
    number = last_value(text, last[0][1] if last else 0)
    grouped = last_group(text, last[0][1] if last else 0)
    if number and grouped and grouped.start <= number.start and grouped.end >= number.end:
        return grouped
    if last and number is None:
        return last[0][0]
    return None if number is None else said(text, number)


def formulas(text: str) -> Iterator[tuple[Place, int]]:
    """Every formula between math delimiters, and where it ends with them, in one pass."""
    opened: tuple[str, int] | None = None
    for match in DELIMITER.finditer(text):
        sign = match[0]
        if opened is None:
            if sign in CLOSING:
                opened = (sign, match.end())
        elif sign == CLOSING[opened[0]]:
            inner = text[opened[1] : match.start()]
            if opened[0] == "$" and "\n" in inner:
                opened = (sign, match.end())  # a formula in a line ends in it: this one opens
                continue
            if inner.strip():
                yield stripped(text, opened[1], match.start()), match.end()
            opened = None


def _minerva(text: str) -> Place | None:
    """What stands between the last "Final Answer:" and "I hope it is correct", as many prompts ask for."""
    end = text.rfind("I hope it is correct")
    start = max(text.rfind("Final Answer:", 0, end), text.rfind("final answer is", 0, end)) if end > 0 else -1
    line = text[start:end]
    if start < 0 or "\n\n" in line or len(line) > 600:
        return None
    if BOX.search(line):
        boxed = _boxed(line)
        return boxed and boxed.behind(start)
    lead = FINAL.match(text, start, end)
    return stripped(text, lead.end() if lead else start, end)


Rule = Callable[[str], Place | None]  # text → where its answer stands
RULES: dict[str, Rule] = {
    "minerva": _minerva,
    "boxed": _boxed,
    "hashes": lambda text: _last(HASHES, text) if "####" in text else None,
    "marker": _marker,
    "last-math": _math,
    GUESS: _number,
}
