"""The inside of a worker that renders chat templates: a template is a program that came with somebody's model.

The environment gives the same text as transformers' own (a test compares them), without the seconds that importing
transformers takes: Jinja's sandbox, in which nothing can be changed, and a few names that templates count on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace


def render(
    template: str, messages: Sequence[Mapping[str, str]], names: Mapping[str, Any], most: int
) -> dict[str, str]:
    """The text of a chat up to where the model's turn begins.

    Args:
        template: in Jinja.
        messages: role and content of each.
        names: what the template may use besides, such as the special tokens.
        most: characters that it may give.

    Returns:
        {"text": …}; {"refused": …} with what the template itself says; {"failed": …} with what went wrong in it;
        {"long": ""} where it gives more than `most` characters.
    """
    try:
        chunks = compiled(template).generate(
            messages=messages, tools=None, documents=None, add_generation_prompt=True, **names
        )
        parts, length = [], 0
        for chunk in chunks:
            parts.append(chunk)
            length += len(chunk)
            if length > most:
                return {"long": ""}
        return {"text": "".join(parts)}
    except TemplateError as error:
        return {"refused": str(error)[:most]}
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  it is anybody's program
        return {"failed": f"{type(error).__name__}: {error}"[:most]}


@lru_cache(maxsize=4)
def compiled(template: str) -> Template:
    """The template, ready to be rendered."""
    return environment().from_string(template)


def environment() -> ImmutableSandboxedEnvironment:
    """What templates are written for: Jinja's sandbox and the names that transformers adds to it."""
    sandbox = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, loopcontrols]
    )
    sandbox.filters["tojson"] = tojson
    sandbox.globals |= {
        "raise_exception": raise_exception,
        "strftime_now": strftime_now,
        "dict": PlainDict(),
        "namespace": PublicNamespace,
    }
    return sandbox


class GenerationBlock(Extension):
    """`{% generation %}` … `{% endgeneration %}` marks what the model wrote; here it is only its content."""

    tags = {"generation"}  # noqa: RUF012  Jinja's own declaration

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        """The block's content in a scope of its own."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("content"), [], [], body).set_lineno(line)

    def content(self, caller: Any) -> Any:
        """What stands in the block."""
        return caller()


class PlainDict:
    """The builtin `dict` without its attributes."""

    def __call__(self, *args: Any, **entries: Any) -> dict[Any, Any]:
        """A new dictionary."""
        return dict(*args, **entries)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        """As of `dict`."""
        return dict.fromkeys(*args)


class PublicNamespace(Namespace):
    """Jinja's `namespace` without names that begin with an underscore."""

    def __init__(*args: Any, **entries: Any) -> None:
        self, *rest = args
        content = dict(*rest, **entries)
        for name in content:
            check_public(name)
        Namespace.__init__(self, content)

    def __setitem__(self, name: str, value: Any) -> None:
        check_public(name)
        super().__setitem__(name, value)


def check_public(name: Any) -> None:
    """Refuse a name of Python's own kind."""
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace takes no name with an underscore in front: {name!r}")


def raise_exception(message: str) -> NoReturn:
    """How a template says that it does not take such a chat."""
    raise TemplateError(message)


def strftime_now(form: str) -> str:
    """Date and time as a template asks for it."""
    return datetime.now().strftime(form)


def tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON without the escapes for HTML that Jinja's own filter adds."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
