"""Chat templates of models, rendered in a worker that can be stopped, within limits of time, memory and length."""

from __future__ import annotations

import atexit
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from alftbench.backends import chat_template
from alftbench.errors import ModelRefused
from alftbench.launch.workers import Limits, Needs, Result, Workers, WorkerStatus
from alftbench.types import Message

LIMITS = Limits(seconds=2.0, megabytes=512)
LONGEST_TEMPLATE = 1 << 20  # characters; templates of large families have some ten thousand
MOST_ADDED = 1 << 20  # characters that a template may give beyond those of the messages
REMEMBERED = 4096  # prompts; training and scoring ask for the same ones again

Names = tuple[tuple[str, str], ...]


class TemplateRefusal(ModelRefused):
    """The template itself says that it takes no such chat; some take no system prompt."""


def rendered(template: str, messages: Sequence[Message], names: Mapping[str, Any]) -> str:
    """The text of a chat up to where the model's turn begins, as its template makes it.

    Args:
        template: in Jinja.
        messages: the chat.
        names: what the template may use besides, such as bos_token; values that JSON can hold.

    Raises:
        TemplateRefusal: the template does not take this chat.
        ModelRefused: it is no template, fails, or passes a limit of `LIMITS`, of its own length or of its text's.
    """
    chat = tuple((message["role"], message["content"]) for message in messages)
    fixed = tuple((name, json.dumps(value)) for name, value in names.items())
    return _rendered(template, chat, fixed)


@lru_cache(maxsize=REMEMBERED)
def _rendered(template: str, chat: tuple[tuple[str, str], ...], names: Names) -> str:
    if len(template) > LONGEST_TEMPLATE:
        raise ModelRefused(f"the model's chat template has {len(template)} characters; use template=none")
    messages = [{"role": role, "content": content} for role, content in chat]
    most = MOST_ADDED + sum(len(content) for _, content in chat)
    values = {name: json.loads(value) for name, value in names}
    return text_of(_WORKERS.submit(chat_template.render.__name__, template, messages, values, most).result())


def text_of(result: Result) -> str:
    """The text that a worker came to.

    Raises:
        TemplateRefusal: the template does not take this chat.
        ModelRefused: there is no text.
    """
    ends = {
        WorkerStatus.TIMEOUT: f"takes more than {LIMITS.seconds:g} s for one prompt",
        WorkerStatus.MEMORY: f"takes more than {LIMITS.megabytes} MB for one prompt",
        WorkerStatus.FAILED: f"fails with {result.value}",
    }
    if result.status is not WorkerStatus.DONE:
        raise ModelRefused(f"the model's chat template {ends[result.status]}; use another template or model")
    ((kind, text),) = result.value.items()
    if kind == "text":
        return str(text)
    if kind == "refused":
        raise TemplateRefusal(f"the model's chat template refuses the prompt: {text!r:.200}")
    if kind == "long":
        raise ModelRefused("the model's chat template makes more than a million characters of one prompt")
    raise ModelRefused(f"the model's chat template fails: {text!r:.200}")


_WORKERS = Workers(chat_template.__name__, 1, LIMITS, Needs("jinja2", "jinja2>=3.1.6"))
atexit.register(_WORKERS.close)
