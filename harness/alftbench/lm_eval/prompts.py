"""Are the prompts in a samples file those of a task? Compared as far as the file holds them, and said how far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from alftbench.lm_eval.rows import SampleRow
from alftbench.types import Message, plain_prompt

SAME = "the task's"
TEMPLATE = "the task's messages, in order, within a chat template"
HASHED = "the task's, by their hashes"
NOT_COMPARED = "not compared: the file does not hold them"
SETTINGS = "num_fewshot=, chat= and multiturn= of the suite say which prompts it makes"


def compare_prompts(
    rows: Sequence[SampleRow], asked: Iterable[Sequence[Message]], stated: Mapping[str, Any]
) -> str:
    """How the prompts of a file were found to be the task's.

    A chat template is known by its traces: every prompt holds its messages' texts in order, and as many signs
    around them as every other prompt does. More examples than the task's, the same in every prompt, look like
    that too; what lm-eval's results file says of examples is compared by `misfit`.

    Args:
        rows: the lines of the file.
        asked: the task's own prompt for each.
        stated: the task's settings and the results file's, as `misfit` takes them.

    Raises:
        ValueError: a prompt is not the task's; says which.
    """
    hows, around = set(), set()
    for row, messages in zip(rows, asked, strict=True):
        how = likeness(row, messages)
        if how is None:
            raise ValueError(
                f"line {row.number}: the prompt of document {row.doc_id} is not the task's; {SETTINGS}"
            )
        hows.add(how)
        if how == TEMPLATE:
            around.add(signs(text_of(row)) - sum(signs(message["content"]) for message in messages))
    if len(around) > 1:
        raise ValueError(f"its prompts hold {min(around)} to {max(around)} signs beside the task's; {SETTINGS}")
    if hows & {TEMPLATE, NOT_COMPARED} and (other := misfit(**stated)):
        raise ValueError(f"the results file says {other}; {SETTINGS}")
    return "; ".join(sorted(hows))


def likeness(row: SampleRow, asked: Sequence[Message]) -> str | None:
    """How a line's prompt is the one that is asked, None where it is another."""
    if not any(message["content"] for message in row.messages):
        plain = plain_prompt(asked)
        if row.prompt_hash is None or plain is None:  # a hash of messages is of what a template made, or of JSON
            return NOT_COMPARED
        return HASHED if row.prompt_hash == sha256(plain.encode()).hexdigest() else None
    if [dict(message) for message in row.messages] == [dict(message) for message in asked]:
        return SAME
    chat = plain_prompt(asked) is None and plain_prompt(row.messages) is not None
    return TEMPLATE if chat and holds(text_of(row), asked) else None


def text_of(row: SampleRow) -> str:
    """The prompt of a line that is one text."""
    return plain_prompt(row.messages) or ""


def holds(text: str, messages: Sequence[Message]) -> bool:
    """Do the texts of messages stand in a text, one after the other? Templates may strip them."""
    end = 0
    for message in messages:
        content = message["content"].strip()
        start = text.find(content, end)
        if start < 0:
            return False
        end = start + len(content)
    return True


def signs(text: str) -> int:
    """Characters less white space, which templates strip."""
    return len("".join(text.split()))


def misfit(num_fewshot: int, chat: bool, results: Mapping[str, Any], task: str) -> str | None:
    """What a results file of lm-eval says that the prompts of a task cannot be, None where all fits.

    Args:
        num_fewshot: examples in the task's prompts.
        chat: are these messages?
        results: the file's content, empty where there is none.
        task: its name there.
    """
    shown = results.get("n-shot", {}).get(task, num_fewshot)
    if shown != num_fewshot:
        return f"{shown} examples a prompt, the suite has {num_fewshot}"
    if results.get("system_instruction"):
        return "that a system instruction was given"
    if "chat_template" in results and bool(results["chat_template"]) != chat:
        return f"that {'a' if results['chat_template'] else 'no'} chat template was used"
    return None
