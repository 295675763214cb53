"""An orbit as text: what the model is told, phrasing by phrasing, and which answers are right."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import cache
from typing import Any

from rich.console import Console
from rich.text import Text

from alftbench.answers.partition import reference_keys
from alftbench.base.foreign import visible
from alftbench.errors import UsageError
from alftbench.suites.base import Grader, ReferenceGrader, Suite
from alftbench.suites.load import Selection, read_orbits
from alftbench.types import Message, Orbit

MOST_REFERENCES = 12


def pick(suite: Suite, selection: Selection, problem: str) -> Orbit:
    """A problem by its place, from 0, or by its id.

    Raises:
        UsageError: there is no such problem.
    """
    place = int(problem) if problem.isascii() and problem.isdigit() else None
    orbits = read_orbits(suite, replace(selection, limit=None if place is None else place + 1))
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
    title = f"{info.name}, version {info.version}: {problem.id}, {len(orbit.variants)} phrasings"
    blocks = [indented(title, width)]
    for variant in orbit.variants:
        messages = "\n".join(message_text(message, width) for message in variant.messages)
        blocks.append(f"{rule(visible(variant.name), width)}\n{messages}")
    blocks.append(rule("right answers", width))
    return "\n\n".join(blocks) + "\n" + answers_text(suite, orbit, width)


def answers_text(suite: Suite, orbit: Orbit, width: int) -> str:
    """The right answers, the keys of their classes, how an answer is found, and where a completion is cut."""
    problem, keys, stop = orbit.problem, right_keys(suite, orbit), suite.info.sampling.stop
    lines = [f"written  {some(problem.reference)}"]
    lines += [f"keys     {some(keys)}"] if keys is not None else []
    lines += [f"kind     {grading(suite, orbit)}"]
    lines += [f"stop     {' | '.join(map(repr, stop))}"] if stop else []
    lines += [f"known    {flaw.note}" for flaw in suite.info.flaws if flaw.problem == problem.id]
    return "\n".join(indented(line, width, "", " " * 9) for line in lines)


def right_keys(suite: Suite, orbit: Orbit) -> list[str] | None:
    """The keys of the right answers; None where the suite grades by rules of its own and has none."""
    return None if isinstance(suite, Grader) else sorted(reference_keys(orbit.problem))


def grading(suite: Suite, orbit: Orbit) -> str:
    """How an answer is found and judged."""
    kind, judge = orbit.problem.answer_kind, orbit.problem.metadata.get("verifier")
    if isinstance(suite, ReferenceGrader):
        return f"{kind}, {suite.grading}"
    if isinstance(suite, Grader):
        return f"{kind}, by rules of the suite's own"
    judged = f", judged by {judge}" if judge else ""
    return f"{kind}{judged}; found by {', '.join(suite.info.answer_rules)}"


def orbit_json(suite: Suite, orbit: Orbit) -> dict[str, Any]:
    """What `orbit_text` shows, as one JSON object."""
    return {
        **asdict(orbit),
        "keys": right_keys(suite, orbit),
        "grading": grading(suite, orbit),
        "stop": list(suite.info.sampling.stop),
    }


def some(texts: tuple[str, ...] | list[str]) -> str:
    """The first texts, and how many more there are."""
    more = f" and {len(texts) - MOST_REFERENCES} more" if len(texts) > MOST_REFERENCES else ""
    return " | ".join(texts[:MOST_REFERENCES]) + more


def rule(name: str, width: int) -> str:
    """A line with a name in it."""
    return f"── {name} " + "─" * max(0, min(width, 80) - len(name) - 4)


def message_text(message: Message, width: int) -> str:
    """Who speaks, and the text, wrapped to the width; its own line breaks stay."""
    lines = [indented(line, width, "  ", "  ") for line in message["content"].split("\n")]
    return f"{message['role']}:\n" + "\n".join(lines)


def indented(line: str, width: int, first: str = "", rest: str = "") -> str:
    """A line wrapped to a width in columns of the terminal, of which a Chinese character takes two."""
    shown = Text(visible(line, keep="\n\t"))
    folded = shown.wrap(console(), max(width - len(rest), 2), overflow="fold", tab_size=4)
    return "\n".join(f"{rest if place else first}{part.plain}".rstrip() for place, part in enumerate(folded))


@cache
def console() -> Console:
    """What rich's wrapping asks for its rules; nothing is printed on it."""
    return Console()
