r"""Where in a sentence its answer stands: formulas between dollar signs, else the leading or the last number."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from alftbench.answers.find.place import Place, group, stripped
from alftbench.answers.mathematics.vocabulary import FUNCTIONS, SPELLED, words

SENTENCE_END = re.compile(
    r"(?<![A-Z\d][A-Z])\.(?=\s+\S)|。|<\|"
    r"|,?\s+(?:and\s+|but\s+)?\(?(?:not|rather than|instead of)\s+(?=[$\\\d-]|\(?[A-J]\b)"
)
FORMULA = re.compile(r"\$\$?([^$]++)\$|\\\(((?:[^\\]|\\[^()])*+)\\\)|\\\[((?:[^\\]|\\[^\[\]])*+)\\\]")
VALUE = re.compile(
    r"(?:\\\$|\$)?[-−﹣－]?(?:\\[dt]?frac *\{[^{}]{1,40}\} *\{[^{}]{1,40}\}|\\sqrt *\{[^{}]{1,40}\}"
    r"|(?:\d{1,3}(?:(?:[, ]|\{,\}|,\\!)\d{3})+(?!\d)|\d+)(?:[.,]\d+)?(?:/\d+)?)(?: ?\\?%| ?π|\\pi)?"
)
LETTER = re.compile(r"[\s(*]*([A-J])(?=\)?\**,?\s+(?:because|since|as)\b)")  # B because A is wrong
GROUP = re.compile(r"(?<![\w)\\])[(\[]\s*[^()\[\]\n]{1,40},[^()\[\]\n]{1,40}[)\]]")  # (1, 2), (8, ∞)
HIDDEN = re.compile(r"\\(?:text|mbox|mathrm|textbf|operatorname)\s*\{[^{}]*\}|\\[a-zA-Z]+|\$[^$\n]*\$")
WORD = re.compile(r"[^\W\d_]{2,}")
LEADING = re.compile(r"\W*[^\W\d_]{2,}[,:]?\s+[^\W\d_]{2,}")
SPOKEN = frozenset(("so", "is", "are", "was", "thus", "hence", "we", "it", "the", "because", "therefore"))
SAYS = re.compile(r"\b(?:is|are|equals?|be|as)\s+(?:equal\s+to\s+)?|[:=]\s*")
ARITHMETIC = re.compile(r"[\w\s+*/^(){}\[\].,\\!|√π·×−-]+")
MAX_FORMULA = 100  # characters
SAYING = (SPOKEN - {"the"}) | words(
    """
    were be been am has have had give gives gave get gets got make makes made need needs equal equals becomes
    leaves yields obtain find costs she he they that there then must should now
    """
)  # verbs, and words that join sentences
MAX_VALUES = 3  # from the end of a sentence: of "42 within 3 days" the first may be the answer
MAX_WORDS = 4  # that a bare answer has beside its formula: 10 square feet per hour


def pieces(sentence: str) -> Iterator[Place]:
    """What may be the answer in the text behind a marker, the likeliest first."""
    end = SENTENCE_END.search(sentence)
    first = stripped(sentence, 0, end.start() if end else len(sentence), " *")
    if not is_prose(first.read):
        yield first
    letter = LETTER.match(first.read)
    if letter:
        yield group(letter, 1).behind(first.start)
    spoken = [(match.start(), inner(match)) for match in FORMULA.finditer(first.read)]
    spoken += [(match.start(), value(match)) for match in VALUE.finditer(FORMULA.sub(blank, first.read))]
    if spoken:
        spoken.sort()
        likely = spoken[:1] if spoken[0][0] == 0 else spoken[: -MAX_VALUES - 1 : -1]
        yield from (place.behind(first.start) for _, place in likely)
    elif is_prose(first.read) and len(first.read.split()) <= 6:
        yield first


def inner(formula: re.Match[str]) -> Place:
    """What stands between the delimiters of a formula."""
    number = formula.lastindex or 0
    return Place(formula.start(number), formula.end(number), formula[number])


def value(match: re.Match[str]) -> Place:
    """A number of running text, read as `plain_number`."""
    return group(match)._replace(read=plain_number(match[0]))


def blank(match: re.Match[str]) -> str:
    """As many blanks as the match is long."""
    return " " * len(match[0])


def plain_number(written: str) -> str:
    """A number of running text: a comma before one or two digits is a decimal comma."""
    return re.sub(r"(?<=\d),(\d{1,2})(?!\d)", r".\1", written).strip()


def last_value(text: str, start: int = 0) -> Place | None:
    """The last number of a text from a place on, with its % or π."""
    last = deque(VALUE.finditer(text, start), maxlen=1)
    return value(last[0]) if last else None


def last_group(text: str, start: int = 0) -> Place | None:
    """The last pair, list or interval in brackets from a place on, if it holds no words."""
    last = deque(GROUP.finditer(text, start), maxlen=1)
    return group(last[0]) if last and not WORD.search(HIDDEN.sub(" ", last[0][0])) else None


def said(text: str, number: Place) -> Place:
    """The formula at the end of a sentence of which a number is part: x^2+1 of "the polynomial is x^2+1."."""
    start = max(0, number.start - MAX_FORMULA)
    match = deque(SAYS.finditer(text, start, number.start + 1), maxlen=1)
    end = SENTENCE_END.search(text, number.end, number.end + MAX_FORMULA)
    last = end.start() if end else len(text)
    if not match or last - number.end > MAX_FORMULA:
        return number
    formula = stripped(text, match[0].end(), last, " .\n*")
    others = {word for word in WORD.findall(formula.read) if word.lower() not in ("and", "or")}
    if formula.read == number.read or not ARITHMETIC.fullmatch(formula.read) or others - SPELLED - FUNCTIONS:
        return number
    return formula


def says(text: str) -> bool:
    """Whether a text has a verb, or a word that joins sentences."""
    return "\n\n" in text.strip() or not SAYING.isdisjoint(
        word.lower() for word in WORD.findall(HIDDEN.sub(" ", text))
    )


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
