r"""Text from outside, made safe to show: neither terminal nor page obeys it, and an error stays within a screen.

Text from outside is what a model, a server, a file, a plugin or the command line says. It is kept as it is where
it is data, and passes through here where it is shown.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from alftbench.base.jsonio import without_nan

SCREEN = 1000  # characters of an error or a warning
# Controls, formats such as another direction or a tag, halves of pairs, separators of lines, blank letters.
HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
JOINERS = "\u200c\u200d"
JOINED = {"Lo", "Mn", "Mc", "So", "Sk"}  # scripts of India, Arabic, pictures: behind these a joiner is spelling


def visible(text: str, keep: str = "") -> str:
    r"""A text with the characters escaped that a terminal would obey or hide, such as \x07 and \u202e.

    Args:
        text: the text.
        keep: such characters that stay, "\n\t" where a text of several lines is shown.
    """
    return HIDDEN.sub(lambda match: match[0] if match[0] in keep else _escaped(match), text)


def _escaped(match: re.Match[str]) -> str:
    char, start = match[0], match.start()
    if char in JOINERS and start and unicodedata.category(match.string[start - 1]) in JOINED:
        return char
    return char.encode("unicode_escape").decode()


def one_line(text: str, most: int = SCREEN) -> str:
    """A message as one visible line of about `most` characters; what is left out of its middle is counted."""
    lines = (" ".join(line.split()) for line in cut(text, most).splitlines())
    return cut(visible("; ".join(filter(None, lines))), most)


def cut(text: str, most: int) -> str:
    """The beginning and the end of a text that is longer than `most`."""
    left_out = len(text) - most
    if left_out <= most // 10:
        return text
    first = most * 2 // 3
    return f"{text[:first]}… [{left_out:,} more characters] …{text[first - most :]}"


def json_text(value: Any, indent: int | None = None) -> str:
    r"""JSON that a terminal can show: NaN becomes null, a hidden character its \u escape, which reads the same."""
    text = json.dumps(without_nan(value), indent=indent, ensure_ascii=False)
    return HIDDEN.sub(lambda match: match[0] if match[0] == "\n" else json.dumps(match[0])[1:-1], text)
