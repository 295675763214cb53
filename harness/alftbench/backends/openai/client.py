"""A JSON client that asks again where that may help, and stops where it cannot."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from alftbench.backends.openai.body import TooLarge, Unreadable, read_body
from alftbench.base.foreign import one_line
from alftbench.base.jsonio import map_texts, parse_json
from alftbench.base.secrets import redacted, without
from alftbench.base.validate import Positive, Whole
from alftbench.errors import AlftbenchError, MissingExtra

if TYPE_CHECKING:
    import httpx2

AnswerT = TypeVar("AnswerT")

OF_THIS_REQUEST = {400, 413, 422}  # a prompt too long, a filter: the next request may be fine
MAY_PASS = {408, 409, 425, 429}  # and every 5xx
LONGEST_BACKOFF = 60.0  # seconds between two tries, unless the server asks for more
LONGEST_WAIT = 600.0  # a server that asks for more is not waited for
SAID = 300  # characters of a server's own message
COMPLAINT = 1 << 16  # bytes of the body of an error that are read


class Refused(AlftbenchError):
    """The server will not answer this request, whatever it does with others."""


class Unanswered(Exception):
    """No answer this time; `wait` is how many seconds the server asks for."""

    def __init__(self, what: str, wait: float = 0.0) -> None:
        super().__init__(what)
        self.wait = wait


@dataclass(frozen=True)
class Manners:
    """How to treat a server; no sample depends on it."""

    concurrency: Annotated[Whole, "requests at a time"] = 16
    timeout: Annotated[Positive, "seconds for one request"] = 600.0
    tries: Annotated[Whole, "before a request counts as unanswered"] = 8
    backoff: Annotated[Positive, "seconds of the first pause"] = 0.5
    requests_per_minute: Positive | None = None


class Client:
    """Posts JSON to one server; used as an async context manager."""

    def __init__(self, url: str, key: str | None, manners: Manners) -> None:
        import httpx2

        self._errors = httpx2.RequestError
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})
        limits = httpx2.Limits(max_connections=manners.concurrency, max_keepalive_connections=manners.concurrency)
        self._http = httpx2.AsyncClient(base_url=url, headers=headers, timeout=None, limits=limits)
        self._url, self._key, self._manners = url, key, manners
        self._pause = 60 / manners.requests_per_minute if manners.requests_per_minute else 0.0
        self._ready = 0.0
        self._hurried = False

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *what: Any) -> None:
        await self._http.__aexit__(*what)

    async def post(self, path: str, body: Any, most: int, read: Callable[[Any], AnswerT]) -> AnswerT:
        """The server's answer as `read` makes it of the JSON; a ValueError of `read` counts as no answer.

        Args:
            path: below the server's address.
            body: what is asked.
            most: bytes of an answer at most, unpacked.
            read: makes the answer of its JSON, from which the key is taken out.

        Raises:
            Refused: the server refuses this request; others may pass.
            AlftbenchError: it refuses every request, answers without end, or gave no answer in all tries.
        """
        tries = self._manners.tries
        for tried in range(1, tries + 1):
            await self._turn()
            try:
                return read(await self._once(path, body, most))
            except (Unanswered, ValueError) as error:
                asked = getattr(error, "wait", 0.0)
                if tried == tries or asked > LONGEST_WAIT or self._hurried:
                    raise AlftbenchError(self._giving_up(error, asked, tried)) from error
                self._ready = max(self._ready, time.monotonic() + asked if asked else 0.0)
                await asyncio.sleep(self._backoff(tried))
        raise AssertionError("a last try returns or raises")

    def hurry(self) -> None:
        """Try nothing again: what is under way ends as it may."""
        self._hurried = True

    async def _turn(self) -> None:
        """Wait as long as the server has asked everybody to, and for the next of the minute's requests."""
        while (wait := self._ready - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        self._ready = time.monotonic() + self._pause

    async def _once(self, path: str, body: Any, most: int) -> Any:
        try:
            async with asyncio.timeout(self._manners.timeout):
                reply, text = await self._exchange(path, body, most)
        except TimeoutError:
            raise Unanswered(f"no answer within {self._manners.timeout:g} s") from None
        except self._errors as error:
            raise Unanswered(f"{type(error).__name__}: {error}") from error
        except Unreadable as error:
            raise AlftbenchError(f"{self._url} answers {self._shown(str(error))}") from None
        if reply.status_code == 200:
            return self._parsed(text)
        what = f"{reply.status_code} {self._said(text)}"
        if reply.status_code in MAY_PASS or reply.status_code >= 500:
            raise Unanswered(what, seconds_asked(reply.headers.get("retry-after", "")))
        if reply.status_code in OF_THIS_REQUEST:
            raise Refused(what)
        unset = "" if self._key or reply.status_code != 401 else "; no key was sent: OPENAI_API_KEY is not set"
        raise AlftbenchError(f"{self._url} answers {what}{unset}")

    async def _exchange(self, path: str, body: Any, most: int) -> tuple[httpx2.Response, str]:
        """The server's reply and the text of its body, of an error only the beginning."""
        async with self._http.stream("POST", path, json=body) as reply:
            try:
                return reply, await read_body(reply, most if reply.status_code == 200 else COMPLAINT)
            except TooLarge as error:
                if reply.status_code == 200:
                    raise
                return reply, error.beginning

    def _parsed(self, text: str) -> Any:
        """The JSON of an answer, without the key: what a server sends back is recorded and published."""
        try:
            reply = map_texts(self._without_key, parse_json(text, by_model=True))
        except (ValueError, RecursionError):
            raise Unanswered(f"an answer that is not JSON: {self._shown(text, 60)}") from None
        if isinstance(reply, dict) and reply.get("error") and not reply.get("choices"):
            raise Unanswered(f"an answer that is an error: {self._said(text)}")
        return reply

    def _said(self, text: str) -> str:
        """The server's own message, on one line, without the key."""
        try:
            error = parse_json(text, by_model=True)["error"]
            text = str(error["message"]) if isinstance(error, dict) else str(error)
        except (ValueError, KeyError, TypeError):
            pass
        return self._shown(text)

    def _shown(self, text: str, most: int = SAID) -> str:
        return one_line(redacted(self._without_key(text)), most)

    def _without_key(self, text: str) -> str:
        return without(text, self._key) if self._key else text

    def _backoff(self, tried: int) -> float:
        """Twice as long after every try, by half at random so that requests do not return together."""
        return float(min(LONGEST_BACKOFF, self._manners.backoff * 2 ** (tried - 1)) * random.uniform(0.5, 1.0))

    def _giving_up(self, error: Exception, asked: float, tried: int) -> str:
        end = f"it asks to wait {asked:.0f} s" if asked > LONGEST_WAIT else f"gave up after {tried} tries"
        end += "" if self._key else "; no key was sent, as OPENAI_API_KEY is not set"
        rest = "the same command goes on with what was drawn, if anything was"
        return f"{self._url}: {self._shown(str(error))}; {end}; {rest}"


def check_address(url: str) -> None:
    """See that a request to an address could be sent, without sending one.

    Raises:
        MissingExtra: there is no HTTP client.
        ValueError: it is no address, its port is none, or its host cannot be a name.
    """
    try:
        import httpx2
    except ImportError as error:
        raise MissingExtra("httpx2", "openai") from error
    try:
        host = httpx2.URL(url).host
        named = not any(map(str.isspace, url)) and bool(host.encode("idna"))
    except httpx2.InvalidURL as error:
        raise ValueError(str(error)) from None
    except UnicodeError:  # an empty label, or one that is too long
        named = False
    if not named:
        raise ValueError("its host is no name")


def seconds_asked(retry_after: str) -> float:
    """What a Retry-After header asks for: seconds, or a date; 0 where it says nothing readable."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
