"""The `openai` backend: any server that speaks OpenAI's chat completions or completions."""

from __future__ import annotations

import asyncio
import math
import os
import re
from collections import deque
from collections.abc import AsyncIterator, Container, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from alftbench.backends.base import ARGS, BackendInfo, BackendOptions, plain_text
from alftbench.backends.openai.client import Client, Manners, Refused, check_address
from alftbench.base.bounds import FIELD
from alftbench.base.secrets import keep_secret
from alftbench.base.seeds import integer_seed
from alftbench.base.settings import read_settings
from alftbench.errors import AlftbenchError, UsageError
from alftbench.types import Sample, SampleKey, SamplingParams, Variant

PORTION_SECONDS = 0.5  # finished draws are handed over about this often
ABSURD = 10  # times max_tokens, beside a token a byte: no count of tokens is higher
LEAST_BYTES = 1 << 20  # of an answer that a server may give, reasoning that it shows included
TOKEN_BYTES, LOGPROB_BYTES = 64, 448  # of a token in JSON, and of what is said of its probability
REFUSED_AT_FIRST = 32  # as many refusals without one answer: it is not the prompts
ADDRESS = "must be an address like http://localhost:8000/v1"
PATHS = {"chat": "chat/completions", "completions": "completions"}
FINISHED = {"length": "length", "max_tokens": "length", "content_filter": "content_filter"}


@dataclass(frozen=True)
class OpenAISettings(Manners):
    """What --backend-args may say to this backend, beside how to treat the server."""

    base_url: Annotated[str, "where the server is"] = "https://api.openai.com/v1"
    api_key_env: Annotated[str | None, "the environment variable with the key"] = None
    endpoint: Literal["chat", "completions"] = "chat"
    requests: Annotated[Literal["draw", "prompt"], "one per draw, or one for all draws of a prompt"] = "draw"
    token_limit: Annotated[
        Literal["max_tokens", "max_completion_tokens"], "what the server calls the most tokens of an answer"
    ] = "max_tokens"


@dataclass(frozen=True)
class Request:
    """What one HTTP request asks for: some draws of one prompt."""

    variant: Variant
    draws: tuple[int, ...]


class OpenAIBackend:
    """Samples from an OpenAI-compatible server, many requests at a time; the model is the server's name for it."""

    info = BackendInfo(locate=None, pace=frozenset(field.name for field in fields(Manners)))
    about: Mapping[str, Any] = {}  # what the server computes on it does not say

    def __init__(self, model: str, options: BackendOptions) -> None:
        if (options.device, options.dtype, options.batch_size) != ("auto", "auto", None):
            raise UsageError("--device, --dtype and --batch-size: the server of the openai backend decides these")
        self.settings = read_settings(OpenAISettings, options.args, ARGS)
        self.url = base_url(self.settings.base_url)
        self.key = api_key(self.settings.api_key_env)
        self.model, self.logprobs = model, options.logprobs

    def sample(
        self, variants: Sequence[Variant], params: SamplingParams, done: Container[SampleKey] = ()
    ) -> Iterator[list[Sample]]:
        """Ask for what is missing, `concurrency` requests at a time; a portion about twice a second."""
        requests = self._requests(variants, params.n, done)
        answered = any((v.problem_id, v.name, draw) in done for v in variants for draw in range(params.n))
        with asyncio.Runner() as runner:
            portions = self._portions(requests, params, answered)
            while portion := runner.run(_following(portions)):
                yield portion

    def _requests(self, variants: Sequence[Variant], n: int, done: Container[SampleKey]) -> list[Request]:
        """One request per missing draw, or one for all draws of every prompt that misses any."""
        missing = [
            (v, tuple(draw for draw in range(n) if (v.problem_id, v.name, draw) not in done)) for v in variants
        ]
        if self.settings.requests == "draw":
            return [Request(v, (draw,)) for v, draws in missing for draw in draws]
        return [Request(v, tuple(range(n))) for v, draws in missing if draws]

    async def _portions(
        self, requests: Sequence[Request], params: SamplingParams, answered: bool
    ) -> AsyncIterator[list[Sample]]:
        """Portions as requests finish; refusals wait until one request was answered.

        Raises:
            AlftbenchError: the server cannot be used, or refuses everything; what has finished is yielded first.
        """
        refused = False
        finished: list[Sample] = []
        left = deque(requests)

        async def work(client: Client) -> None:
            while left:
                finished.extend(await self._complete(client, left.popleft(), params))

        async with Client(self.url, self.key, self.settings) as client, Tasks() as workers:
            workers.start(work(client) for _ in range(min(self.settings.concurrency, len(left))))
            while workers.running:
                await workers.wait(PORTION_SECONDS)
                answered = answered or any(s.finish_reason != "error" for s in finished)
                if finished and answered:
                    portion = finished.copy()
                    finished.clear()  # before the yield: workers may still add to it as the loop comes to rest
                    yield portion
                refused = refused or len(finished) >= REFUSED_AT_FIRST
                if workers.failure or refused:
                    left.clear()  # what is under way may still end well
                    client.hurry()
            if workers.failure:
                raise workers.failure
            if refused or finished:
                raise AlftbenchError(f"{self.url} refuses one request after another: {self._refusal}")

    async def _complete(self, client: Client, request: Request, params: SamplingParams) -> list[Sample]:
        """All draws of a request; what a server leaves out is asked for again, what it refuses is an error."""
        samples: list[Sample] = []
        left = request.draws
        while left:
            try:
                body = self._body(request.variant, left, params)
                read = partial(read_samples, request.variant, left, params.max_tokens, self.logprobs)
                most = self._most_bytes(request.variant, len(left), params)
                received = await client.post(PATHS[self.settings.endpoint], body, most, read)
            except Refused as refusal:
                self._refusal = str(refusal)
                received = [
                    Sample(request.variant.problem_id, request.variant.name, d, "", "error", 0) for d in left
                ]
            samples += received
            left = left[len(received) :]
        return samples

    def _most_bytes(self, variant: Variant, draws: int, params: SamplingParams) -> int:
        """How long an answer may be: ample for what was asked, and for a prompt that comes back."""
        prompt = sum(len(message["content"].encode()) for message in variant.messages)
        token = TOKEN_BYTES + (LOGPROB_BYTES if self.logprobs else 0)
        return LEAST_BYTES + draws * (8 * prompt + token * params.max_tokens)

    def _body(self, variant: Variant, draws: Sequence[int], params: SamplingParams) -> dict[str, Any]:
        chat = self.settings.endpoint == "chat"
        body: dict[str, Any] = {
            "model": self.model,
            "n": len(draws),
            "temperature": params.temperature,
            "top_p": params.top_p,
            self.settings.token_limit: params.max_tokens,
        }
        body |= {"messages": list(variant.messages)} if chat else {"prompt": plain_text(variant.messages)}
        if params.temperature > 0:
            body["seed"] = integer_seed(params.seed, variant.problem_id, variant.name, draws[0], bits=31)
        if params.stop:
            body["stop"] = list(params.stop)
        if self.logprobs:
            body["logprobs"] = True if chat else 1
        return body


class Tasks:
    """Tasks that end together: on the way out, whatever still runs is cancelled."""

    def __init__(self) -> None:
        self.running: set[asyncio.Task[None]] = set()
        self.failure: BaseException | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *what: Any) -> None:
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)

    def start(self, work: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Begin tasks."""
        self.running |= {asyncio.create_task(task) for task in work}

    async def wait(self, seconds: float) -> None:
        """Wait a little, less if a task fails; keep the first failure."""
        ended, self.running = await asyncio.wait(
            self.running, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION
        )
        failures = [error for task in ended if (error := task.exception())]
        self.failure = self.failure or next(iter(failures), None)


async def _following(portions: AsyncIterator[list[Sample]]) -> list[Sample]:
    """The next portion, an empty one at the end."""
    return await anext(portions, [])


def base_url(text: str) -> str:
    """Where the server is.

    Raises:
        MissingExtra: there is no HTTP client.
        UsageError: no request can be sent there, or it holds a secret: records name it.
    """
    if re.search(r"@|[?#]|[&;=].*=", text.partition(":")[2]):
        raise UsageError("--backend-args base_url: records name it, so it must hold no key; use api_key_env")
    try:
        url = urlsplit(text)
        if url.scheme not in {"http", "https"} or not url.hostname or url.port == 0 or url.fragment:
            raise ValueError("no http address")
        check_address(text)
    except ValueError as error:
        raise UsageError(f"--backend-args base_url={text!r}: {error}; {ADDRESS}") from None
    return text.rstrip("/") + "/"


def api_key(variable: str | None) -> str | None:
    """The key in an environment variable, by default OPENAI_API_KEY, which may be missing.

    Raises:
        UsageError: the variable was named and is not set, or what it holds cannot be sent.
    """
    name = variable or "OPENAI_API_KEY"
    key = os.environ.get(name) or None
    if variable and key is None:
        raise UsageError(
            "--backend-args api_key_env: that environment variable is not set; give its name, not the key"
        )
    if key and not all("!" <= sign <= "~" for sign in key):
        raise UsageError(f"the environment variable {name} holds no key: a space, a line's end or no ASCII")
    if key:
        keep_secret(key)
    return key


def read_samples(
    variant: Variant, draws: Sequence[int], max_tokens: int, logprobs: bool, reply: Any
) -> list[Sample]:
    """The samples in a server's answer, at most one per draw asked for.

    Raises:
        ValueError: it is not an answer of the protocol.
    """
    try:
        choices = sorted(reply["choices"], key=lambda choice: choice.get("index") or 0)[: len(draws)]
        if not choices:
            raise ValueError("an answer without a choice")
        usage = reply.get("usage") if len(choices) == 1 else None
        said = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
        return [
            _sample(choice, variant, draw, said, max_tokens, logprobs)
            for choice, draw in zip(choices, draws, strict=False)
        ]
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"an answer that is none ({type(error).__name__}: {error})") from error


def _sample(choice: Any, variant: Variant, draw: int, said: Any, max_tokens: int, logprobs: bool) -> Sample:
    """One choice; its tokens are counted by the server, by its log-probabilities, or estimated from the text."""
    text = (choice["message"]["content"] if "message" in choice else choice["text"]) or ""
    if len(text) > FIELD:
        raise ValueError(f"an answer of {len(text):,} characters, more than the {FIELD:,} that are read")
    values = _token_log_probs(choice, text) if logprobs else None
    counted = said if can_be_count(said, text, max_tokens) else None
    if counted is None and values is not None:
        counted = len(values)
    return Sample(
        variant.problem_id,
        variant.name,
        draw,
        text=str(text),
        finish_reason=FINISHED.get(choice.get("finish_reason"), "stop"),
        n_tokens=math.ceil(len(text.encode()) / 4) if counted is None else counted,
        logprob=None if values is None else math.fsum(values),
        n_tokens_estimated=counted is None,
    )


def can_be_count(said: Any, text: str, max_tokens: int) -> bool:
    """Can what a server says be the number of tokens of a text? A whole number, not 0 of some text, not absurd.

    A server may count what it does not show, such as reasoning, and may overstep `max_tokens` somewhat.
    """
    if isinstance(said, bool) or not isinstance(said, int):
        return False
    return min(1, len(text)) <= said <= ABSURD * max_tokens + len(text.encode())


def _token_log_probs(choice: Any, text: str) -> list[float] | None:
    """Log-probabilities of the drawn tokens, None where the server gives none that are numbers."""
    given = choice.get("logprobs") or {}
    drawn = [token["logprob"] for token in given.get("content") or ()] or given.get("token_logprobs") or []
    values = [float(value) for value in drawn]
    return values if all(map(math.isfinite, values)) and (values or not text) else None
