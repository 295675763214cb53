"""A prompt taken apart: the question inside its last message, and how another question is put in its place."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from alftbench.types import Message, Orbit, Problem, Variant

QUESTIONS = "questions"  # metadata of a problem: the question of each phrasing, where they differ
WORD_PROBLEM = "word_problem"  # metadata: true where a suite of texts declares a story about quantities
ENGLISH_SHARE = 0.2  # of the words; German, Spanish, French or Swahili word problems stay below a tenth


@dataclass(frozen=True)
class Declined:
    """What a transformation says where it cannot be sure to keep the answer."""

    why: str


@dataclass(frozen=True)
class Asked:
    """What a transformation sees: the messages, the question's place in the last one, and the problem itself.

    content = before + question + after. rules: the suite's answer rules, which say how an answer is to be written.
    """

    messages: tuple[Message, ...]
    before: str
    question: str
    after: str
    problem: Problem
    rules: tuple[str, ...]

    @classmethod
    def of(cls, orbit: Orbit, variant: Variant, rules: tuple[str, ...]) -> Asked:
        """Find the question: the one the problem states for this phrasing, or else the whole last message."""
        content = variant.messages[-1]["content"]
        stated = orbit.problem.metadata.get(QUESTIONS, {}).get(variant.name, orbit.problem.question)
        question = stated if content.count(stated) == 1 else content
        before, _, after = content.partition(question)
        return cls(variant.messages, before, question, after, orbit.problem, rules)

    def with_question(self, question: str) -> tuple[Message, ...]:
        """The same prompt with another question."""
        return self.with_content(self.before + question + self.after)

    def with_content(self, content: str) -> tuple[Message, ...]:
        """The same prompt with another last message."""
        return (*self.messages[:-1], {**self.messages[-1], "content": content})


@cache
def words(kind: str) -> list[str]:
    """A list of english.toml beside this module."""
    content = tomllib.loads(files(__package__).joinpath("english.toml").read_text(encoding="utf-8"))
    return str(content[kind]).split()


def is_english(text: str) -> bool:
    """Are at least a fifth of the words common English function words? What knows English grammar asks first."""
    said = text.casefold().split()
    known = frozenset(words("function_words"))
    return sum(word.strip(".,?!") in known for word in said) >= ENGLISH_SHARE * max(len(said), 1)
