"""An orbit as text: what the model is told, phrasing by phrasing, and which answers are right."""

from __future__ import annotations

import textwrap

from alftbench.answers.partition import reference_keys
from alftbench.errors import UsageError
from alftbench.suites.base import Suite
from alftbench.suites.load import Selection, read_orbits
from alftbench.types import Message, Orbit

MOST_REFERENCES = 12


def pick(suite: Suite, selection: Selection, problem: str) -> Orbit:
    """A problem by its place, from 0, or by its id.

    Raises:
        UsageError: there is no such problem.
    """
    place = int(problem) if problem.isascii() and problem.isdigit() else None
    chosen = Selection(
        selection.split,
        selection.data,
        None if place is None else place + 1,
        selection.orbit,
        selection.data_unchecked,
    )
    orbits = read_orbits(suite, chosen)
    if place is not None and place < len(orbits):
        return orbits[place]
    for orbit in orbits:
        if orbit.problem.id == problem:
            return orbit
    raise UsageError(
        f"--problem {problem}: suite {suite.info.name} has {len(orbits)} problems in its {selection.split} split, "
        f"with ids such as {orbits[0].problem.id!r}"
    )


def orbit_text(suite: Suite, orbit: Orbit, width: int) -> str:
    """Every phrasing's messages under its name, then the right answers and their keys."""
    problem, info = orbit.problem, suite.info
    blocks = [f"{info.name}, version {info.version}: {problem.id}, {len(orbit.variants)} phrasings"]
    for variant in orbit.variants:
        messages = "\n".join(message_text(message, width) for message in variant.messages)
        blocks.append(f"{rule(variant.name, width)}\n{messages}")
    blocks.append(rule("right answers", width))
    return "\n\n".join(blocks) + "\n" + answers_text(suite, orbit, width)


def answers_text(suite: Suite, orbit: Orbit, width: int) -> str:
    """The right answers, the keys of their classes, and how an answer is found."""
    problem = orbit.problem
    keys = sorted(reference_keys(problem))
    judged = f", judged by {problem.metadata['verifier']}" if "verifier" in problem.metadata else ""
    lines = [
        f"written  {some(problem.reference)}",
        f"keys     {some(keys)}",
        f"kind     {problem.answer_kind}{judged}; found by {', '.join(suite.info.answer_rules)}",
    ]
    lines += [f"known    {flaw.note}" for flaw in suite.info.flaws if flaw.problem == problem.id]
    return "\n".join(textwrap.fill(line, width, subsequent_indent=" " * 9) for line in lines)


def some(texts: tuple[str, ...] | list[str]) -> str:
    """The first texts, and how many more there are."""
    more = f" and {len(texts) - MOST_REFERENCES} more" if len(texts) > MOST_REFERENCES else ""
    return " | ".join(texts[:MOST_REFERENCES]) + more


def rule(name: str, width: int) -> str:
    """A line with a name in it."""
    return f"── {name} " + "─" * max(0, min(width, 80) - len(name) - 4)


def message_text(message: Message, width: int) -> str:
    """Who speaks, and the text, wrapped to the width; its own line breaks stay."""
    lines = [textwrap.fill(line, width - 2) if line else "" for line in message["content"].splitlines()]
    return f"{message['role']}:\n" + textwrap.indent("\n".join(lines), "  ")
