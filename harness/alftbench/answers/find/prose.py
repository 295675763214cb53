r"""Where in a sentence its answer stands: formulas between dollar signs, else the leading or the last number."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

SENTENCE_END = re.compile(r"(?<![A-Z\d][A-Z])\.(?=\s+\S)|。|<\|")
FORMULA = re.compile(r"\$\$?([^$]++)\$|\\\(((?:[^\\]|\\[^()])*+)\\\)|\\\[((?:[^\\]|\\[^\[\]])*+)\\\]")
VALUE = re.compile(
    r"(?:\\\$|\$)?-?(?:\\[dt]?frac *\{[^{}]{1,40}\} *\{[^{}]{1,40}\}|\\sqrt *\{[^{}]{1,40}\}"
    r"|(?:\d{1,3}(?:(?:[, ]|\{,\}|,\\!)\d{3})+(?!\d)|\d+)(?:[.,]\d+)?(?:/\d+)?)(?: ?\\?%| ?π|\\pi)?"
)
HIDDEN = re.compile(r"\\(?:text|mbox|mathrm|textbf|operatorname)\s*\{[^{}]*\}|\\[a-zA-Z]+|\$[^$\n]*\$")
WORD = re.compile(r"[^\W\d_]{2,}")
LEADING = re.compile(r"\W*[^\W\d_]{2,}[,:]?\s+[^\W\d_]{2,}")
SPOKEN = frozenset(("so", "is", "are", "was", "thus", "hence", "we", "it", "the", "because", "therefore"))
MAX_WORDS = 4  # that a bare answer has beside its formula: 10 square feet per hour


def pieces(sentence: str) -> Iterator[str]:
    """What may be the answer in the text behind a marker, the likeliest first."""
    first = SENTENCE_END.split(sentence, maxsplit=1)[0].strip(" *")
    if not is_prose(first):
        yield first
    spoken = [(match.start(), match.end(), match[match.lastindex or 0]) for match in FORMULA.finditer(first)]
    spoken += [
        (match.start(), match.end(), plain_number(match[0])) for match in VALUE.finditer(FORMULA.sub(blank, first))
    ]
    if spoken:
        begins = [text for start, _, text in spoken if start == 0]
        yield begins[0] if begins else max(spoken)[2]
    elif is_prose(first) and len(first.split()) <= 6:
        yield first


def blank(match: re.Match[str]) -> str:
    """As many blanks as the match is long."""
    return " " * len(match[0])


def plain_number(written: str) -> str:
    """A number of running text: a comma before one or two digits is a decimal comma."""
    return re.sub(r"(?<=\d),(\d{1,2})(?!\d)", r".\1", written).strip()


def last_value(text: str) -> tuple[str, int] | None:
    """The last number of a text, with its % or π, and the place behind it."""
    match = deque(VALUE.finditer(text), maxlen=1)
    return (plain_number(match[0][0]), match[0].end()) if match else None


def is_prose(text: str) -> bool:
    """Whether a text is sentences, and not an answer as such."""
    if len(text) > 600:
        return "\\begin" not in text
    plain = HIDDEN.sub(" ", text)
    if "\n\n" in text.strip():
        return True
    words = [
        word
        for word in WORD.findall(plain)
        if word.lower() not in ("and", "or", "sqrt", "sin", "cos", "tan", "pi", "log", "ln")
    ]
    if SPOKEN & {word.lower() for word in words}:
        return True
    if not re.search(r"[\d$\\=]", text):
        return len(words) > 3
    return (
        len(words) > MAX_WORDS or bool(LEADING.match(plain)) or bool(re.search(r"[:：]\s|[。，]", plain) and words)
    )
