"""How closely the reader of an answer looks: with how many digits, and where its variables stand.

A key is made at public points, so that everybody makes the same one. Whoever knows the code knows these points
too, and can write x + (x − a)(x − b) where a and b are the points. So a verdict is confirmed at points that follow
from a secret, which is drawn after the code was published, and with more digits than an answer is long: a sum of
roots that agrees with π in 40 digits can be searched for; one that agrees in 2,300 does not fit into the 2,000
characters of an answer.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from alftbench.answers.mathematics.budget import change_over


@dataclass(frozen=True)
class Precision:
    """Digits of computations and of what is told of them.

    digits: of every computation; kept: in the key of a number; fingerprint: in that of an expression; guard: that
    rounding may have spoiled; hidden: a term smaller than another by so many digits does not show enough;
    work: steps that a function costs.
    """

    digits: int
    kept: int
    fingerprint: int
    guard: int
    hidden: int
    work: int

    @property
    def swamped(self) -> Any:
        """The share of another term below which a term does not show enough."""
        return context().mpf(10) ** -self.hidden

    @property
    def rounding(self) -> Any:
        """The share of a number below which a difference is rounding."""
        return context().mpf(10) ** (self.guard - self.digits)


PUBLIC = Precision(digits=75, kept=40, fingerprint=30, guard=15, hidden=20, work=10)
CONFIRMING = Precision(digits=3_000, kept=2_300, fingerprint=2_300, guard=100, hidden=400, work=600)


class _Look(threading.local):
    precision = PUBLIC
    secret = b""

    def __init__(self) -> None:
        self.contexts: dict[int, Any] = {}


_look = _Look()


def precision() -> Precision:
    """The precision of this thread now."""
    return _look.precision


def context() -> Any:
    """This thread's own mpmath context: precision is state, and threads must not share it."""
    digits = _look.precision.digits
    if digits not in _look.contexts:
        from mpmath import MPContext  # type: ignore[import-untyped]

        _look.contexts[digits] = MPContext()
        _look.contexts[digits].dps = digits
    return _look.contexts[digits]


@contextmanager
def confirming(secret: bytes) -> Iterator[None]:
    """Look with the digits and at the points that confirm a verdict."""
    before = _look.precision, _look.secret
    _look.precision, _look.secret = CONFIRMING, secret
    change_over()
    try:
        yield
    finally:
        _look.precision, _look.secret = before
        change_over()


def is_confirming() -> bool:
    """Does this thread look at secret points?"""
    return _look.precision is CONFIRMING


def point(name: str, which: int) -> Fraction:
    """Where a variable stands: a fraction between 1/2 and 5/2 that its name decides, or a secret and its name."""
    return _secret_point(_look.secret, name, which) if is_confirming() else _public_point(name, which)


def station(name: str, which: int) -> Fraction:
    """As `point`, where few digits will do: the whole numbers from 1, or secret points."""
    return point(name, which) if is_confirming() else Fraction(which + 1)


@lru_cache(maxsize=4096)
def _public_point(name: str, which: int) -> Fraction:
    digest = hashlib.blake2b(f"{which}:{name}".encode(), digest_size=4).digest()
    return Fraction(10_007 + 2 * (int.from_bytes(digest, "big") % 20_011), 20_021)


@lru_cache(maxsize=4096)
def _secret_point(secret: bytes, name: str, which: int) -> Fraction:
    """One of 2⁶³ odd numerators: a polynomial of degree d that is not 0 is 0 there with a chance below d/10¹⁸."""
    digest = hashlib.blake2b(f"{which}:{name}".encode(), key=secret, digest_size=8).digest()
    odd = 2 * (int.from_bytes(digest, "big") >> 1) + 1
    return Fraction(1, 2) + Fraction(odd, 1 << 63)
