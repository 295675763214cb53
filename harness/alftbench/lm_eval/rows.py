"""Read the samples_*.jsonl of lm-eval: one line per document and filter, one or several responses a line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from alftbench.backends.base import UNKNOWN, Drawn
from alftbench.base.bounds import PEER_LINE
from alftbench.base.jsonio import parse_json, read_jsonl
from alftbench.base.validate import NOT_EMPTY, Count, Rule, at_least, brief, examine
from alftbench.errors import BadInput, UnknownName
from alftbench.types import PLAIN, Message, Sample

OURS = "alftbench"  # the one key under which the harness adds what lm-eval has no word for
NO_FILTER = "none"
INVALID = "[invalid]"  # lm-eval's word for a response without an answer
NAMED = re.compile(r"samples_(.+)_\d{4}-\d{2}-\d{2}T[\d.-]+")


TARGET = Rule("text, a number or a list", lambda value: type(value) in (str, int, float, list), alone=True)


@dataclass(frozen=True)
class PeerLine:
    """What a line of lm-eval must hold, beside what `first_request` and `responses` read."""

    doc_id: Count
    doc: Mapping[str, Any]
    target: Annotated[Any, TARGET]
    resps: Any
    filtered_resps: list[Any]
    metrics: tuple[str, ...] = ()
    prompt_hash: str | None = None
    alftbench: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Generation:
    """How a line says that it was sampled."""

    until: str | list[str] | None = None
    max_gen_toks: Count | None = None
    do_sample: bool | None = None
    temperature: Annotated[float, at_least(0)] | None = None
    top_p: Annotated[float, at_least(0)] | None = None


@dataclass(frozen=True)
class OurMetadata:
    """What a problem's metadata must be where it says how to grade."""

    answer_rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class OurProblem:
    """A problem as this harness wrote it into a line."""

    id: str
    question: str
    reference: Annotated[tuple[str, ...], NOT_EMPTY]
    answer_kind: str
    metadata: OurMetadata


@dataclass(frozen=True)
class OurPart:
    """What this harness adds to a line."""

    problem: OurProblem
    variant: str
    answer_rules: tuple[str, ...]
    answers: tuple[str | None, ...]
    right: tuple[bool, ...]
    draws: tuple[Drawn, ...] = ()


@dataclass(frozen=True)
class SampleRow:
    """A line: a document, its prompt and the responses to it.

    messages: the prompt; none where the file holds no prompts, of which prompt_hash may still say something.
    filtered: what the filter left of them, as lm-eval wrote it. metrics: lm-eval's verdicts by metric.
    extra: what this harness added when it wrote the line; empty for a peer's.
    """

    number: int
    doc_id: int
    doc: Any
    target: str
    messages: tuple[Message, ...]
    prompt_hash: str | None
    generation: Mapping[str, Any]
    texts: tuple[str, ...]
    filtered: Any
    filter: str
    metrics: Mapping[str, Any]
    extra: Mapping[str, Any]

    @property
    def problem_id(self) -> str:
        """The document's number, or the id that it had in this harness."""
        return str(self.extra["problem"]["id"]) if self.extra else str(self.doc_id)

    @property
    def variant(self) -> str:
        """The phrasing's name; lm-eval's documents have one."""
        return str(self.extra["variant"]) if self.extra else "original"


def read_rows(path: Path, filter_name: str | None = None) -> list[SampleRow]:
    """The lines of one filter, the file's first if none is named, by document.

    Raises:
        BadInput: a line is not a sample of a generate_until task; names the line.
        UnknownName: there is no such filter.
    """
    lines = list(read_jsonl(path, by_model=True, longest=PEER_LINE))
    if not lines:
        raise BadInput(f"{path}: no samples")
    names = list(dict.fromkeys(filter_of(path, number, row) for number, row in lines))
    chosen = filter_name or names[0]
    if chosen not in names:
        raise UnknownName(f"filter in {path.name}", chosen, names)
    rows = [as_row(path, n, row) for n, row in lines if row.get("filter", NO_FILTER) == chosen]
    return sorted(rows, key=lambda row: row.doc_id)


def filter_of(path: Path, number: int, row: Mapping[str, Any]) -> str:
    """The filter that a line is of."""
    name = row.get("filter", NO_FILTER)
    if not isinstance(name, str):
        raise BadInput(f"{path}, line {number}: not a sample of lm-eval: filter is {brief(name)}, must be a text")
    return name


def as_row(path: Path, number: int, row: Mapping[str, Any]) -> SampleRow:
    """One line of the file."""
    try:
        messages, generation = first_request(row.get("arguments"))
        if not isinstance(generation, Mapping):
            raise BadInput(f"{path}, line {number}: not a generate_until sample; only those have answers")
        check(PeerLine, row)
        check(Generation, generation)
        texts, extra = responses(row["resps"]), row.get(OURS) or {}
        if extra:
            check_part(extra, len(texts))
        return SampleRow(
            number=number,
            doc_id=row["doc_id"],
            doc=row["doc"],
            target=str(row["target"]),
            messages=messages,
            prompt_hash=row.get("prompt_hash"),
            generation=generation,
            texts=texts,
            filtered=row["filtered_resps"],
            filter=row.get("filter", NO_FILTER),
            metrics={name: row[name] for name in row.get("metrics", ()) if name in row},
            extra=extra,
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, BadInput):
            raise
        why = f"no {error} in it" if isinstance(error, KeyError) else str(error)
        raise BadInput(f"{path}, line {number}: not a sample of lm-eval: {why}") from None


def check(kind: Any, content: Any) -> None:
    """See that something is what a type says; keys that are not ours may be there.

    Raises:
        ValueError: it is not; names every mistake.
    """
    if wrong := examine(kind, content, closed=False)[1]:
        raise ValueError("; ".join(wrong))


def check_part(extra: Mapping[str, Any], n: int) -> None:
    """See that what this harness added to a line is whole, for n responses.

    Raises:
        ValueError: it is not.
    """
    check(OurPart, extra)
    for name in ("draws", "answers", "right"):
        if len(extra.get(name) or range(n)) != n:
            raise ValueError(f"{n} responses, but {len(extra[name])} {name} in what alftbench added")


def first_request(arguments: Any) -> tuple[tuple[Message, ...], Any]:
    """Prompt and generation settings, as lm-eval writes them or holds them in memory; none where it wrote none."""
    if arguments is None:
        return (), {}
    if isinstance(arguments, Mapping):
        request = arguments["gen_args_0"]
        return as_messages(request["arg_0"]), request["arg_1"]
    return as_messages(arguments[0][0]), arguments[0][1]


def as_messages(prompt: Any) -> tuple[Message, ...]:
    """The prompt as messages: a text is one, unless it is a JSON list of them, as lm-eval's chat servers get it.

    lm-eval writes such a text as a list of one, and plain messages where the server holds the template.
    """
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        prompt = prompt[0]
    if are_messages(prompt):
        return tuple({"role": message["role"], "content": message["content"]} for message in prompt)
    if not isinstance(prompt, str):
        raise ValueError(f"the prompt is {brief(prompt)}, must be a text or a list of messages")
    try:
        spelled = parse_json(prompt) if prompt.lstrip().startswith("[") else None
    except ValueError:
        spelled = None
    return as_messages(spelled) if are_messages(spelled) else ({"role": PLAIN, "content": prompt},)


def are_messages(prompt: Any) -> bool:
    """A list of chat messages, one at least?"""
    return (
        isinstance(prompt, list)
        and bool(prompt)
        and all(
            isinstance(m, Mapping) and isinstance(m.get("role"), str) and isinstance(m.get("content"), str)
            for m in prompt
        )
    )


def responses(resps: Any) -> tuple[str, ...]:
    """The texts of a document: [[r1, ..., rn]] for n repeats, [r1, ..., rn] as older versions wrote it."""
    if not isinstance(resps, Sequence) or isinstance(resps, str) or not resps:
        raise ValueError("resps holds no response")
    texts = resps[0] if isinstance(resps[0], list) and len(resps) == 1 else resps
    if any(isinstance(text, list) and len(text) == 1 for text in texts):
        texts = [text[0] if isinstance(text, list) else text for text in texts]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise ValueError("resps holds something other than texts")
    return tuple(texts)


def draws(row: SampleRow) -> list[Sample]:
    """The responses as samples; what lm-eval does not record stays unknown."""
    known = row.extra.get("draws") or [{} for _ in row.texts]
    return [
        Sample(
            problem_id=row.problem_id,
            variant=row.variant,
            draw=draw,
            text=text,
            finish_reason=said.get("finish_reason", UNKNOWN),
            n_tokens=said.get("n_tokens", 0),
            logprob=said.get("logprob"),
            n_tokens_estimated=said.get("n_tokens_estimated", False),
        )
        for draw, (text, said) in enumerate(zip(row.texts, known, strict=True))
    ]


def task_of(path: Path) -> str:
    """The task in a file's name, samples_<task>_<date>.jsonl; the whole stem where it is named otherwise."""
    match = NAMED.fullmatch(path.stem)
    return match[1] if match else path.stem
