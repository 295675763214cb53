"""Answers whose number, sign or root is written in words, with digits in its place."""

from __future__ import annotations

import re

from alftbench.answers.mathematics.numerals import SIGN, in_digits, root_in_words
from alftbench.answers.mathematics.phrases import TEXT_COMMAND
from alftbench.answers.mathematics.vocabulary import QUANTITIES

NEGATIVE = re.compile(rf"(?<![^\W\d_])(?:{SIGN})[\s-]+(?=[\d.$\\(]|[^\W\d_](?![^\W_]))", re.IGNORECASE)
WORDS = re.compile(r"[^\W\d_]{2}|[^\x00-\x7f]")
ABOUT = re.compile(r"^(?:approx|ca)\.\s*", re.IGNORECASE)
REMARK = re.compile(r"(?<=\d) *\(([^\W\d_]{3,}[^()\d]*)\)$")  # 12 (apples)
ARTICLE = re.compile(rf"\AAn? (?=(?:{'|'.join(sorted(QUANTITIES))}) )")  # A total of 24, and no letter A
AS_SAID = re.compile(
    r",\s+as\s+(?:was\s+)?(?:said|required|desired|claimed|stated|expected|needed|asked|shown)\W*\Z"
)


def spelled_out(text: str) -> str:
    """An answer with the number in words, or the sign, that it or its right-hand side begins with as digits."""
    if not WORDS.search(text):
        return text
    text = AS_SAID.sub("", ARTICLE.sub("", text))
    written = TEXT_COMMAND.sub(r" \1 ", text) if "\\" in text else text
    root = root_in_words(written.strip())
    if root:
        return root
    twice = in_digits(written) if written.endswith(")") else None
    plain = REMARK.sub(r" \1", written)
    name, equals, value = ABOUT.sub("", plain).rpartition("=")
    digits = in_digits(value)
    if twice or digits:
        return twice or name + equals + str(digits)
    signed = NEGATIVE.sub("-", name + equals + value)
    return text if signed == written else signed
