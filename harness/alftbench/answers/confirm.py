"""Verdicts confirmed where nobody could look before: at secret points, with more digits than an answer is long.

A key is public: whoever knows the code can write a text that has the key of another answer, such as
x + (x − a)(x − b) where a and b are the points at which expressions are known. So two texts of one key are one
answer only if their *closer* keys agree too, which are made at secret points (see `mathematics.precision`). What
points cannot tell at all (√(x − 5)² is 5 − x at every x below 5) is left to symbolic algebra. A secret belongs to
a run and is recorded with it, so that its verdicts can be made again; it is no key's part, so keys of different
runs stay comparable.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from alftbench.answers.canonical import canonical
from alftbench.answers.classes import KeyJudge
from alftbench.answers.equivalence import accepts, bare
from alftbench.answers.judge.judge import Judge, Verdict
from alftbench.answers.mathematics.budget import exhausted, renew
from alftbench.answers.mathematics.forms import TEX, math_key
from alftbench.answers.mathematics.precision import confirming
from alftbench.answers.mathematics.tokens import dressed_down
from alftbench.errors import BadInput
from alftbench.types import Answer

BYTES = 16
PLAIN = re.compile(r"[-\d.,/% ]*", re.ASCII)  # read exactly: there is nothing to confirm
Texts = dict[str, list[str]]  # the texts of every key, those of gold answers first


def drawn_secret() -> str:
    """A new secret, as a run's record holds it."""
    return secrets.token_hex(BYTES)


def as_bytes(secret: str | None) -> bytes:
    """A recorded secret; that of this process where none was recorded.

    Raises:
        BadInput: it is none.
    """
    if secret is None:
        return _OF_THIS_PROCESS
    if not re.fullmatch(rf"[0-9a-f]{{{2 * BYTES}}}", secret):
        raise BadInput(f"the secret of a run is {2 * BYTES} hexadecimal digits, not {secret[:40]!r}")
    return bytes.fromhex(secret)


_OF_THIS_PROCESS = secrets.token_bytes(BYTES)


@lru_cache(maxsize=1 << 13)
def closer_key(text: str, secret: bytes) -> str:
    """The key of a mathematical answer at the points of a secret; what is not read there stands as it is."""
    renew()
    try:
        with confirming(secret):
            key = math_key(text)
            if key is not None and not exhausted():
                return key
    except (ArithmeticError, ValueError, RecursionError):
        pass
    finally:
        renew()
    return TEX + dressed_down(text)


@dataclass(frozen=True)
class Confirmation:
    """Confirms what keys say of texts of one kind."""

    kind: str
    judge: Judge
    secret: bytes

    def accepts(self, gold: str, prediction: str) -> bool:
        """Is a prediction right by a gold answer, both as written, at the secret's points too?"""
        if gold == prediction or self.kind != "math" or (PLAIN.fullmatch(gold) and PLAIN.fullmatch(prediction)):
            return True
        keys = closer_key(gold, self.secret), closer_key(prediction, self.secret)
        accepted = None if TEX in keys[0] + keys[1] and keys[0] != keys[1] else accepts(*keys)
        return self.proven(gold, prediction) if accepted is None else accepted

    def of_keys(self, text_of: Mapping[str, str]) -> KeyJudge:
        """A judge of keys that confirms by the texts which have them."""
        return KeyJudge(self.judge, text_of, lambda gold, key: self.accepts(text_of[gold], text_of[key]))

    def proven(self, a: str, b: str) -> bool:
        """Does symbolic algebra find two texts the same?"""
        return self.judge.verify([(a, b)]) == [Verdict.SAME]

    def one_answer(self, texts: Sequence[str]) -> list[list[str]]:
        """Texts of one key in groups that are the same at the secret's points; the first holds the first text."""
        groups: dict[str, list[str]] = {}
        for text in texts:
            key = bare(
                canonical(self.kind, text) or "" if PLAIN.fullmatch(text) else closer_key(text, self.secret)
            )
            if key not in groups and TEX in key + "".join(groups):
                key = next((other for other, group in groups.items() if self.proven(group[0], text)), key)
            groups.setdefault(key, []).append(text)
        return list(groups.values())


def read_text(answer: Answer) -> str:
    """What the key of an answer was made of."""
    return (answer.raw if answer.read is None else answer.read) or ""


def confirmed(
    answers_VN: Sequence[Sequence[Answer]], golds: Iterable[str], confirmation: Confirmation
) -> tuple[Sequence[Sequence[Answer]], dict[str, str]]:
    """Answers with a key of its own for every text that only has the key of another answer.

    Args:
        answers_VN: N answers of each of V phrasings.
        golds: the gold answers as written: the texts that agree with them keep a key.
        confirmation: of the answers' kind.

    Returns:
        The answers, and a text of every key.
    """
    texts = texts_of(answers_VN, golds, confirmation.kind)
    if confirmation.kind != "math":
        return answers_VN, first_texts(texts)
    renamed: dict[str, str] = {}
    for key, group in same_bare(texts).items():
        for other in confirmation.one_answer(group)[1:] if len(group) > 1 else ():
            renamed.update(dict.fromkeys(other, unlike(key, other[0])))
    if not renamed:
        return answers_VN, first_texts(texts)
    answers = tuple(tuple(with_key(answer, renamed) for answer in row) for row in answers_VN)
    kept = [gold for gold in golds if gold not in renamed]
    return answers, first_texts(texts_of(answers, kept, confirmation.kind))


def first_texts(texts: Texts) -> dict[str, str]:
    """One text of every key, a gold answer where one has it."""
    return {key: group[0] for key, group in texts.items()}


def with_key(answer: Answer, renamed: dict[str, str]) -> Answer:
    """An answer under the key of its own, where it has one."""
    text = read_text(answer)
    return replace(answer, canonical=renamed[text]) if answer.canonical and text in renamed else answer


def unlike(key: str, text: str) -> str:
    """The key of a text that only looks like another answer, in quotes: nothing else is equal to it."""
    return f'"not {key}: {hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12]}"'


def same_bare(texts: Texts) -> Texts:
    """The texts of keys that decide as one; those that only stand as they are written need no confirmation."""
    together: Texts = {}
    for key, group in texts.items():
        if not key.startswith(TEX):
            together.setdefault(bare(key), []).extend(group)
    return together


def texts_of(answers_VN: Sequence[Sequence[Answer]], golds: Iterable[str], kind: str) -> Texts:
    """The distinct texts of every key: gold answers first, then short ones."""
    answers = {(answer.canonical, read_text(answer)) for row in answers_VN for answer in row if answer.canonical}
    ordered = sorted(answers, key=lambda pair: (len(pair[1]), pair[1]))
    texts: Texts = {}
    for key, text in [*((canonical(kind, gold), gold) for gold in golds), *ordered]:
        if key is not None and text not in texts.setdefault(key, []):
            texts[key].append(text)
    return texts
