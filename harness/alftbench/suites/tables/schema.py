"""The form of a suite's YAML: which keys there are and what they hold."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from alftbench.answers.canonical import KINDS
from alftbench.answers.find.extract import RULES
from alftbench.base.names import unfit_file
from alftbench.base.validate import NOT_EMPTY, Key, Rule, Text, Together, Whole, above, at_most, examine, one_of
from alftbench.suites.base import CHECKS
from alftbench.suites.tables.fields import TAKES, template_names


def holds_only(hole: str) -> Rule:
    """A template with one placeholder."""

    def fine(text: str) -> bool:
        template = string.Template(text)
        return template.is_valid() and set(template.get_identifiers()) == {hole}

    return Rule(f"text with ${hole} and no other placeholder ($$ is a dollar sign)", fine, alone=True)


NAME = Rule(
    "a name of letters, digits, dots, dashes and underscores",
    lambda text: bool(re.fullmatch(r"\w[\w.+-]*", text)) and not unfit_file(text),
    alone=True,
)
VERSION = Rule(
    "a whole number, or text that begins with one",
    lambda value: bool(re.fullmatch(r"[0-9][\w.+-]*", str(value))),
    alone=True,
)
SHA256 = Rule("64 hexadecimal digits", lambda value: bool(re.fullmatch("[0-9a-f]{64}", value)), alone=True)
FORMAT = Rule(
    "text with plain names in braces, such as {index:0>4}, at most 999 wide",
    lambda text: template_names(text) is not None,
    alone=True,
)
DIFFERENT = Rule("without repetition", lambda names: len(set(names)) == len(names))
Digest = Annotated[str, SHA256]
Texts = Annotated[tuple[Text, ...], NOT_EMPTY]
Plain = bool | int | float | str | None  # what a column can hold
Columns = Mapping[Text, bool | int | float | str | list[Plain] | None]


@dataclass(frozen=True)
class Phrasing(Together):
    """How one field is made of columns, where it is more than a column."""

    column: Text = ""
    join: Texts = ()
    format: Annotated[str, FORMAT] = ""
    take: Annotated[str, one_of(TAKES)] = ""

    @classmethod
    def together(cls, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """There is one way to make it."""
        ways = [way for way in ("column", "join", "format", "variants") if way in given]
        if len(ways) != 1:
            yield "", f"needs exactly one of column, join, format, variants; found {', '.join(ways) or 'none'}"


@dataclass(frozen=True)
class Field(Phrasing):
    """A field that may differ between the phrasings that one row holds."""

    variants: Mapping[Text, Text | Phrasing] | None = None


@dataclass(frozen=True)
class Fields(Together):
    """The fields of a problem."""

    id: Text | Field
    question: Text | Field
    reference: Text | Field
    variant: Text | Field = ""

    @classmethod
    def together(cls, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Phrasings of one row have one answer."""
        for role, rule in given.items():
            if role != "question" and isinstance(rule, Field) and rule.variants:
                yield role, "only the question can differ between the variants of a row"


@dataclass(frozen=True)
class FileSplit:
    """What is recorded of a split's file."""

    name: Text = ""
    rows: Whole = 1
    sha256: Digest = ""


@dataclass(frozen=True)
class HubSplit:
    """What is recorded of a split of the hub."""

    source: Annotated[Text, Key("from")] = ""
    rows: Whole = 1


@dataclass(frozen=True, kw_only=True)
class Source:
    """What the rows of a source mean."""

    keep: Columns | None = None
    drop: Columns | None = None
    rename: Mapping[Text, Text] | None = None
    fields: Fields


@dataclass(frozen=True, kw_only=True)
class File(Source):
    """A local file per split."""

    splits: Annotated[Mapping[Text, FileSplit | None], NOT_EMPTY]


@dataclass(frozen=True, kw_only=True)
class Hub(Source, Together):
    """A dataset of the hub."""

    id: Text
    revision: Text
    config: Text = ""
    files: Mapping[Text, Text] | None = None
    sha256: Mapping[Text, Digest] | None = None
    columns: Texts = ()
    splits: Annotated[Mapping[Text, HubSplit | None], NOT_EMPTY]

    @classmethod
    def together(cls, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """A digest belongs to a file."""
        for name in (given.get("sha256") or {}).keys() - (given.get("files") or {}).keys():
            yield f"sha256.{name}", "is the digest of a file that 'files' does not name"


@dataclass(frozen=True)
class Sampling:
    """How a suite is sampled where nobody says otherwise."""

    n: Whole = 1
    temperature: Annotated[float, Rule("0 (greedy) or above", lambda value: value >= 0)] = 0.0
    top_p: Annotated[float, above(0), at_most(1)] = 1.0
    max_tokens: Whole = 1


@dataclass(frozen=True)
class Example:
    """A problem that is shown solved."""

    question: Text
    answer: Text


@dataclass(frozen=True)
class Known:
    """A flaw that is known."""

    problem: Text
    note: Text
    check: Annotated[str, one_of(CHECKS)] = ""


Question = Annotated[str, holds_only("question")]
Answered = Annotated[str, holds_only("answer")]


@dataclass(frozen=True, kw_only=True)
class SuiteFile(Together):
    """The whole."""

    name: Annotated[str, NAME]
    version: Annotated[int | str, VERSION]
    description: Text
    licence: Text
    citation: Text
    homepage: Text = ""
    file: File | None = None
    hub: Hub | None = None
    variants: Annotated[tuple[str, ...], DIFFERENT] = ()
    answer_kind: Annotated[str, one_of(KINDS)]
    answer_rules: Annotated[tuple[Annotated[str, one_of(RULES)], ...], NOT_EMPTY]
    answer_form: Answered | Annotated[Mapping[Text, Answered], NOT_EMPTY] = ""
    system: str = ""
    prompt: Question | Annotated[Mapping[Text, Question], NOT_EMPTY]
    examples: tuple[Example, ...] = ()
    stop: tuple[Annotated[str, NOT_EMPTY], ...] = ()
    sampling: Sampling
    known: tuple[Known, ...] = ()

    @classmethod
    def together(cls, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """There are problems, and as many templates as phrasings."""
        if "file" not in given and "hub" not in given:
            yield "", "one of the keys 'file' and 'hub' is needed: where the problems come from"
        for where in ("prompt", "answer_form"):
            templates, variants = given.get(where), given.get("variants", ())
            if isinstance(templates, dict) and variants is not None:
                for name in sorted({*variants} ^ templates.keys()):
                    yield where, f"needs one template for each of 'variants'; {name!r} is on one side only"


def mistakes(spec: Any) -> Sequence[str]:
    """Everything that is wrong with the content of a suite's YAML, a line each; empty if nothing is."""
    return examine(SuiteFile, spec)[1]
