"""Transformations of what stands around a question, or of how it is set: wording, formatting, few-shot order."""

from __future__ import annotations

import numpy as np

from alftbench.suites.orbits.asked import Asked, Declined, is_english
from alftbench.suites.orbits.literal import why_no_prose
from alftbench.suites.orbits.sentences import split
from alftbench.types import Message

FRAMES = {
    "boxed": (
        "Solve this problem.\n\n{question}\n\nShow your steps, then give the final answer in \\boxed{{}}.",
        "Question: {question}\n\nReason it through and put the final answer in \\boxed{{}}.",
        "{question}\n\nExplain how you get there. The last thing you write is the answer in \\boxed{{}}.",
        "Here is a problem:\n\n{question}\n\nWhat is the answer? Think first, then write it in \\boxed{{}}.",
        "Please answer the following and put the final answer in \\boxed{{}}; show your reasoning.\n\n{question}",
        "I need help with this one.\n\n{question}\n\nTake it step by step and box the result: \\boxed{{}}.",
        "{question}\n\nWrite down your reasoning, and at the end the answer in \\boxed{{}}.",
        "Read carefully and solve:\n\n{question}\n\nFinal answer in \\boxed{{}}, after your working.",
    ),
    "marker": (
        "{question}\n\nEnd with a line that begins with \"Answer:\".",
        "Question: {question}\n\nGive the result on a last line of the form \"Answer: ...\".",
        "Please answer this.\n\n{question}\n\nYour last line must be \"Answer:\" followed by the answer.",
        "{question}\n\nWrite \"Answer:\" and then the answer on the final line.",
    ),
}  # fmt: skip


def wording(asked: Asked, rng: np.random.Generator) -> tuple[Message, ...] | Declined:
    """Another instruction around the same question.

    Keeps the answer: the question is untouched, and the new instruction asks for the answer in a form that the
    suite's rules read. Declines where the rules name no such form, or where the question is not English, since the
    instructions are.
    """
    form = next((rule for rule in asked.rules if rule in FRAMES), None)
    if form is None:
        return Declined(f"the suite's answer rules name no form among {', '.join(FRAMES)}")
    if not is_english(asked.question):
        return Declined("the question is not English prose")
    frames = FRAMES[form]
    frame = frames[rng.integers(len(frames))]
    return asked.with_content(frame.format(question=asked.question.strip()))


def lines(text: str) -> str | None:
    """A sentence per line."""
    parts = split(text)
    return "\n".join(parts) if len(parts) > 1 else None


def bullets(text: str) -> str | None:
    """The statements as a list, the question after it."""
    *facts, question = split(text)
    return "\n".join(f"- {fact}" for fact in facts) + f"\n\n{question}" if len(facts) > 1 else None


def quoted(text: str) -> str:
    """The question as a Markdown quotation."""
    return "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())


def headed(text: str) -> str:
    """The question under a Markdown heading."""
    return f"## Problem\n\n{text.strip()}"


def set_apart(text: str) -> str | None:
    """The last sentence as a paragraph of its own."""
    *facts, question = split(text)
    return f"{' '.join(facts)}\n\n{question}" if facts else None


LAYOUTS = (lines, bullets, quoted, headed, set_apart)


def formatting(asked: Asked, rng: np.random.Generator) -> tuple[Message, ...] | Declined:
    """The same words, set in another way: lines, a list, a quotation, a heading, a paragraph for the question.

    Keeps the answer: every word stays, in its order. What splits sentences is left out where it cannot tell them
    apart. Declines where a question is set in lines already, holds LaTeX displays, or is about its own text.
    """
    if "\n" in asked.question.strip() or "\\[" in asked.question:
        return Declined("the question is set in lines already")
    if why := why_no_prose(asked):
        return Declined(why)
    for place in rng.permutation(len(LAYOUTS)):
        text = LAYOUTS[place](asked.question)
        if text is not None:
            return asked.with_question(text)
    return Declined("no layout fits the question")


def shots(asked: Asked, rng: np.random.Generator) -> tuple[Message, ...] | Declined:
    """The worked examples before the question in another order.

    Keeps the answer: the question is untouched, and examples do not refer to each other. Declines where there are
    fewer than two.
    """
    *shown, question = asked.messages
    first = next((place for place, message in enumerate(shown) if message["role"] != "system"), len(shown))
    pairs = [tuple(shown[place : place + 2]) for place in range(first, len(shown), 2)]
    if len(pairs) < 2 or any([m["role"] for m in pair] != ["user", "assistant"] for pair in pairs):
        return Declined("there are not two worked examples before the question")
    order = rng.permutation(len(pairs))
    return (*shown[:first], *(message for place in order for message in pairs[place]), question)
