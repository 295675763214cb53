"""Secrets of this process, kept out of everything that is shown or recorded."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from functools import cache
from urllib.parse import quote, quote_plus

LEAST = 6  # a shorter key, such as vLLM's EMPTY, keeps nobody out
STARS = "***"
USUAL = ("OPENAI_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")  # environment variables that hold secrets
IN_TEXT = (  # secrets that nobody named: of an address, of a header
    re.compile(r"(?<=://)[^/\s@]*@"),
    re.compile(r"(?<=[?&;#])([\w-]*(?:key|token|secret|password|passwd|signature)=)[^&#;\s'\"]+", re.IGNORECASE),
    re.compile(r"\b((?:Bearer|Basic)\s{1,8})[\w+/=.~-]{8,}", re.IGNORECASE),
)
_given: set[str] = set()


def keep_secret(text: str) -> None:
    """Keep a text out of messages and records from now on."""
    _given.add(text)


def redacted(text: str) -> str:
    """A message without secrets: those of this process in any usual spelling, and what looks like one."""
    text = without(text, *_given, *(os.environ.get(name, "") for name in USUAL))
    credentials, parameters, headers = IN_TEXT
    text = credentials.sub(f"{STARS}@", text)
    return headers.sub(rf"\1{STARS}", parameters.sub(rf"\1{STARS}", text))


def without(text: str, *secrets: str) -> str:
    """A text with stars for secrets, as they are and as headers, addresses and JSON spell them."""
    for secret in secrets:
        if len(secret) >= LEAST:
            text = _spellings(secret).sub(STARS, text)
    return text


@cache
def _spellings(secret: str) -> re.Pattern[str]:
    """What a secret looks like in a text, the longest spelling first."""
    plain = {secret, json.dumps(secret)[1:-1], quote(secret), quote(secret, safe=""), quote_plus(secret)}
    plain |= {secret.encode().hex(), *_as_base64(secret.encode())}
    return re.compile("|".join(map(re.escape, sorted(plain, key=len, reverse=True))), re.IGNORECASE)


def _as_base64(secret: bytes) -> Iterator[str]:
    """The part that every base64 text with the secret in it has, by where in three bytes the secret begins."""
    for before in range(3):
        start, end = -(-before * 8 // 6), (before + len(secret)) * 8 // 6
        for encoded in (base64.b64encode, base64.urlsafe_b64encode):
            yield encoded(bytes(before) + secret).decode()[start:end]
