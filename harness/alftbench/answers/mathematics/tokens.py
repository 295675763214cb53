r"""Answers as tokens: LaTeX dressing taken off, numbers of several conventions read exactly.

A token is a pair (type, value). Types: `num` (a Fraction), `sym` (a name, subscript included), `cmd` (a LaTeX
command or the name of a function), `text` (words), `env` (begin or end of an array) and `op` (one character).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

from alftbench.answers.mathematics.vocabulary import (
    ALIASES,
    BRACES,
    FUNCTIONS,
    LETTER_UNITS,
    SCALES,
    SPELLED,
    TWO_SIGNS,
    UNITS,
)

MAX_TOKENS = 600
LITTLE = frozenset(("of", "to", "is", "no"))  # words of two letters that are no products
Token = tuple[str, Any]

WRAPPERS = re.compile(
    r"\\(?:left|right|middle|[bB]igg?[lrm]?|displaystyle|textstyle|limits|nolimits|hline|boldsymbol|bm|vec|overrightarrow"
    r"|hspace\*? ?\{[^{}]*\}|phantom ?\{[^{}]*\})(?![a-zA-Z])\.?"
)
SPACES = re.compile(r"(?<!\\)\\(?:(?:quad|qquad|enspace|thinspace)(?![a-zA-Z])|[,;:> ])|[~\s\u200b\ufeff]")
DOUBLED = re.compile(r"\\\\(?=[a-zA-Z(\[{])")
DELIMITERS = re.compile(r"\\[()\[\]]|\$\$|(?<!\\)\$")
CHOOSE = re.compile(r"\{([^{}]*)\\(choose|over)(?![a-zA-Z])([^{}]*)\}")
MODULUS = re.compile(
    r"\\pmod\s*(?:\{([^{}]*)\}|(\w))|\(\s*(?:\\mod|\\bmod|mod(?:ulo)?)(?![a-zA-Z])\s*(?:\{([^{}]*)\}|(\w+))\s*\)"
)
SPEED = re.compile(
    r"(?<=\d) (?:[kcm]?m|mi|ft|k?g|L|J|N|W|V|C|mol)/(?:s|h|hr|min|sec|m|L|kg|K)(?:\^\{?[23]\}?)?(?=\.?$)"
)
ORDINAL = re.compile(r"(?<=\d)(?:\^?\s?\{?(?:\\(?:text|mathrm)\s?\{)?(?:st|nd|rd|th)\b\}{0,2})")
GROUPED = re.compile(r"(?<=\d)(?: ?\{, ?\}|,\\!|\\,|\{\\,\}|\\ |\\;|\\:)\s*+(?=\d{3}(?!\d))")
REPLACED = {
    **dict.fromkeys("−–—‐‑‒―﹣➖˗", "-"),
    "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": "/", "∕": "/", "⁄": "/",
    "π": r"\pi ", "∞": r"\infty ", "√": r"\sqrt ",
    "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "±": r"\pm ", "∓": r"\mp ",
    "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ",
    "°": r"^\circ ", "º": r"^\circ ", "≈": r"\approx ", "∅": r"\emptyset ",
    "ℝ": r"\mathbb{R}", "⟨": r"\langle ", "⟩": r"\rangle ", "∖": r"\setminus ", "（": "(", "）": ")", "，": ",",
    "；": ";", "：": ":", "％": "%", "＝": "=", "【": "[", "】": "]", "、": ",", "。": ".", "।": ".",
    "′": "'", "’": "'", "€": "",
    "£": "", "¥": "", "₹": "", "元": "", "円": "",
    "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "⅔": r"\frac{2}{3}",
}  # fmt: skip
GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma sigma tau "
    "upsilon phi chi psi omega"
)
SMALL_GREEK = {chr(0x3B1 + i): rf"\{name} " for i, name in enumerate(GREEK_NAMES.split())}
TABLE = str.maketrans({**SMALL_GREEK, **REPLACED})
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
SUPERSCRIPT = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+")

TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<num>\d{1,3}(?:\.\d{3}){2,}(?![\d.])|\d+(?:\.\d*)?(?:[eE][+-]?\d+(?![\w.]))?|\.\d+(?:[eE][+-]?\d+(?!\w))?)
    |\\(?:text(?:bf|it|rm|sf|tt|sc|up|normal)?|mbox|hbox|emph|underline|math(?:rm|bf|it|sf|tt)|operatorname\*?|rm|bf)\s*\{(?P<text>[^{}]*)\}
    |\\(?P<env>begin|end)\s*\{(?P<name>[a-zA-Z]+\*?)\}(?:\s*\{[clr|\s]*\})?
    |(?P<lbrace>\\\{|\\lbrace(?![a-zA-Z]))|(?P<rbrace>\\\}|\\rbrace(?![a-zA-Z]))
    |(?P<row>\\\\(?:\[[^\]]*\])?|\\cr(?![a-zA-Z]))
    |\\mathbb\s*\{?\s*(?P<field>[A-Z])\s*\}?
    |\\(?P<cmd>[a-zA-Z]+)
    |\\(?P<escaped>[%$&#_|])
    |(?P<word>[^\W\d_]+)
    |(?P<two>\*\*|<=|>=|==|!=|\.\.\.)
    |(?P<op>.)""",
    re.VERBOSE | re.DOTALL,
)
THOUSANDS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])(?:\.\d+)?")
SPACED = re.compile(r"(?<![\d.,] )(?<![\d.,])[1-9]\d{0,2}(?:[ '\u00a0\u202f]\d{3})+(?![\d,])")
EUROPEAN = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:\.\d{3})+,\d+(?![\d,])")
DECIMAL_COMMA = re.compile(r"(?<![\d.,])0,(?=\d{2,}(?![\d,]))")
COMBINATIONS = re.compile(r"(?<![a-zA-Z\\])C_\{?(\d+)\}?\^\{?(\d+)\}?(?!\d)")
TIMES = re.compile(r"(?<=\d) [xX] (?=\d+(?:\.\d+)?(?: [xX] | ?=|$))")
CYCLE = re.compile(r"(?<![^-])(\d*)\.(\d*)\((\d+)\)$")
REPEATING = re.compile(r"(\d*)\.(\d*)\\(?:overline|bar|dot)\s*\{(\d+)\}")

GREEK_LETTERS = re.compile("[\u0391-\u03c9]+")


def tokens(text: str) -> tuple[Token, ...] | None:
    """The tokens of an answer, or None where there are too many."""
    sequence: list[Token] = []
    for match in TOKEN.finditer(grouped(text)):
        kind = match.lastgroup or "op"
        if kind == "space":
            sequence.append(("space", " "))
        else:
            sequence.extend(_read(match, "env" if kind == "name" else kind))
        if len(sequence) > MAX_TOKENS:
            return None
    return tuple(_in_context(sequence))


def dressed_down(raw: str) -> str:
    """An answer without delimiters, size commands and look-alike characters."""
    text = raw if raw.isascii() else ascii_like(raw)
    text = MODULUS.sub(_modulus, SPEED.sub("", ORDINAL.sub("", text)))
    if not any(sign in text for sign in "\\${"):
        return other_notations(text.strip())
    if "\\begin" not in text:
        text = DOUBLED.sub(r"\\", text)
    text = CHOOSE.sub(_infix, REPEATING.sub(_repeating, text))
    text = GROUPED.sub("", text)
    text = text.replace("\\!", "").replace("\\$", "").replace("\\#", "").replace("^\\circ", "\\circ ")
    text = text.replace("^{\\circ}", "\\circ ").replace("^ \\circ", "\\circ ").replace("^\\prime", "'")
    text = text.replace("^{\\prime}", "'")
    text = WRAPPERS.sub(" ", text)
    return other_notations(SPACES.sub(" ", DELIMITERS.sub(" ", text)).strip().rstrip("\\").strip())


def other_notations(text: str) -> str:
    """0.(3), 2 x 3 and C_5^2 as they are written elsewhere."""
    if ".(" in text or text.endswith(")"):
        text = CYCLE.sub(_repeating, text)
    if " x " in text or " X " in text:
        text = TIMES.sub(r" \\times ", text)
    return COMBINATIONS.sub(_combinations, text) if "C_" in text else text


def ascii_like(raw: str) -> str:
    """Digits of every script and look-alike signs as the plain ones."""
    text = SUPERSCRIPT.sub(lambda match: "^{" + match[0].translate(SUPERSCRIPTS) + "}", raw).translate(TABLE)
    if text.isascii():
        return text
    return "".join(_plain(c) for c in text)


def _plain(character: str) -> str:
    """The plain digit, sign or letter for one of another script or width; nothing for what is not seen."""
    if character.isdecimal():
        return str(unicodedata.digit(character))
    if "\uff00" <= character <= "\uffef" or "\U0001d400" <= character <= "\U0001d7ff":
        return unicodedata.normalize("NFKC", character)
    return "" if unicodedata.category(character) == "Cf" else character


def _repeating(match: re.Match[str]) -> str:
    r"""0.1\overline{6} as the fraction that it is."""
    whole, fixed, cycle = match.groups()
    scale = 10 ** len(fixed)
    value = Fraction(int(whole or 0)) + Fraction(int(fixed or 0), scale)
    value += Fraction(int(cycle), scale * (10 ** len(cycle) - 1))
    return rf" \frac{{{value.numerator}}}{{{value.denominator}}} "


def _modulus(match: re.Match[str]) -> str:
    r"""Every way to write (mod 5) as \pmod 5."""
    return rf" \pmod {{{next(part for part in match.groups() if part is not None)}}} "


def _combinations(match: re.Match[str]) -> str:
    r"""C_5^2 as \binom{5}{2}; C_2^5 is the power of a name."""
    among, chosen = match.groups()
    proper = len(among) < 10 and len(chosen) < 10 and int(chosen) <= int(among)
    return rf"\binom{{{among}}}{{{chosen}}}" if proper else match[0]


def _infix(match: re.Match[str]) -> str:
    r"""{a \choose b} and {a \over b} as \binom and \frac."""
    command = {"choose": "binom", "over": "frac"}[match[2]]
    return rf"\{command}{{{match[1]}}}{{{match[3]}}}"


def grouped(text: str) -> str:
    """Numbers with their thousands joined and a decimal comma made a point, outside of brackets."""
    text = SPACED.sub(lambda match: re.sub(r"\D", "", match[0]), text)
    if "," not in text:
        return text
    text = EUROPEAN.sub(lambda match: match[0].replace(".", "").replace(",", "."), text)
    if re.search(r"[(\[]|\\\{", text):
        return text
    return DECIMAL_COMMA.sub("0.", THOUSANDS.sub(lambda match: match[0].replace(",", ""), text))


def _read(match: re.Match[str], kind: str) -> list[Token]:
    value = match.group(kind)
    if kind == "env":
        return [("env", (match.group("env"), match.group("name")))]
    if kind in READERS:
        return READERS[kind](value)
    return [("op", BRACES.get(kind, value))]


def number(written: str) -> Token:
    """A number token; dots that group thousands are dropped, and huge exponents are no number."""
    if written.count(".") > 1:
        written = written.replace(".", "")
    mantissa, _, exponent = written.lower().partition("e")
    if len(mantissa) > 2000 or (exponent and abs(int(exponent[:9])) > 2000):
        return ("cmd", "huge")
    return ("num", Fraction((mantissa.rstrip(".") or "0") + (f"e{exponent}" if exponent else "")))


def _command(name: str) -> Token:
    name = ALIASES.get(name, name)
    if len(name) == 1:
        return ("op", name)
    return ("cmd", name)


def _text(value: str) -> list[Token]:
    r"""What \text{...} holds: a number, a letter, a connecting word or words."""
    inner = value.strip(" ,.;:()")
    if re.fullmatch(r"-?\d+(?:\.\d+)?", inner):
        return [("op", "-"), number(inner[1:])] if inner[0] == "-" else [number(inner)]
    if inner.lower() in ("and", "or"):
        return [("cmd", inner.lower())]
    if len(inner) == 1 and inner.isalpha():
        return [("letter", inner)]
    if re.match(r"-?\$?\d", inner):
        return list(tokens(inner) or ())
    if inner in FUNCTIONS or inner in SPELLED:
        return [_command(inner)]
    first, _, rest = inner.partition(" ")
    return [("text", first), ("text", rest.strip())] if rest and first.lower() in SCALES else [("text", inner)]


def _word(word: str) -> list[Token]:
    lower = word.lower()
    if lower in ("and", "or"):
        return [("cmd", lower)]
    if word in FUNCTIONS or word in ("Infinity",):
        return [_command(lower)]
    if word in SPELLED:
        return [_command(word)]
    if not word.isascii() and not GREEK_LETTERS.fullmatch(word):
        return [("text", word)]
    if len(word) == 1:
        return [("sym", word)]
    if lower in UNITS or lower in LITTLE or (len(word) > 2 and not word.isupper() and not is_product(word)):
        return [("text", word)]
    return [("sym", letter) for letter in word]


def is_product(word: str) -> bool:
    """Whether letters are a product of variables and not a word: xyz, abc, pqr."""
    return word.isascii() and word.islower() and all(ord(b) - ord(a) == 1 for a, b in pairwise(word))


def _in_context(sequence: list[Token]) -> list[Token]:
    r"""Tokens whose neighbours say what they are.

    A space matters between two numbers only (3 1/2 is a mixed number, 3 12 is nothing), and \text{m} is a unit
    behind a number, else a name.
    """
    kept: list[Token] = []
    for i, (kind, value) in enumerate(sequence):
        before = kept[-1] if kept else ("start", "")
        if kind == "letter":
            unit = value in LETTER_UNITS and (
                before[0] == "num" or before == ("op", "}") or before == ("cmd", "pi")
            )
            kept.append(("text" if unit else "sym", value))
        elif (
            (kind, value) == ("sym", "a")
            and before[0] in ("start", "text")
            and sequence[i + 2 : i + 3]
            and sequence[i + 2][0] == "text"
        ):
            kept.append(("text", value))  # days a week
        elif kind == "cmd" and value in UNITS and before[0] == "num" and i + 1 == len(sequence):
            kept.append(("text", value))  # 5 sec, 5 min
        elif kind == "text" and value.lower() in SCALES and before[0] == "num" and not _attached(kept):
            kept += [("op", "*"), ("num", Fraction(SCALES[value.lower()]))]
        elif kind != "space" or (
            before[0] == "num" and i + 1 < len(sequence) and sequence[i + 1][0] == "num" and not _attached(kept)
        ):
            kept.append((kind, value))
    return kept


def _attached(kept: list[Token]) -> bool:
    """Whether the last number is an exponent or an index."""
    return len(kept) > 1 and kept[-2] in (("op", "^"), ("op", "_"))


READERS: dict[str, Callable[[str], list[Token]]] = {
    "num": lambda value: [number(value)],
    "text": _text,
    "word": _word,
    "cmd": lambda value: [_command(value)],
    "field": lambda value: [("cmd", f"bb{value}")],
    "two": lambda value: [_command(TWO_SIGNS[value])],
}
