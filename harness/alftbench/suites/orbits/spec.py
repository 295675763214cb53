"""`--orbit wording,names:4,seed=7`: which transformations, how many of each, and how an orbit grows by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from alftbench.base.seeds import stream
from alftbench.base.settings import parse_pairs, read_value
from alftbench.base.validate import at_least, at_most
from alftbench.errors import UnknownName, UsageError
from alftbench.suites.orbits.asked import Asked, Declined
from alftbench.suites.orbits.frames import formatting, shots, wording
from alftbench.suites.orbits.names import names
from alftbench.suites.orbits.quantities import digits, number_words
from alftbench.suites.orbits.sentences import sentences
from alftbench.types import Message, Orbit, Variant

Transform = Callable[[Asked, np.random.Generator], tuple[Message, ...] | Declined]
TRANSFORMS: dict[str, Transform] = {
    "wording": wording,
    "names": names,
    "digits": digits,
    "number-words": number_words,
    "sentences": sentences,
    "formatting": formatting,
    "shots": shots,
}
TRIES = 8  # draws per phrasing before a transformation has nothing new to say
MOST = 64  # phrasings of one kind per problem


@dataclass(frozen=True)
class OrbitSpec:
    """Transformations with how many phrasings each is to add to every phrasing of a problem."""

    wanted: tuple[tuple[str, int], ...]
    seed: int = 0

    def __str__(self) -> str:
        """The spelling that `parse_orbit` reads; one specification has one."""
        items = [name if k == 1 else f"{name}:{k}" for name, k in self.wanted]
        return ",".join([*items, f"seed={self.seed}"] if self.seed else items)


def parse_orbit(text: str) -> OrbitSpec:
    """Read `name[:k],...[,seed=s]`.

    Raises:
        UnknownName: there is no such transformation.
        UsageError: a number is wrong, or a transformation is named twice.
    """
    owner = f"--orbit {text}:"
    items = [item for item in map(str.strip, text.split(",")) if item]
    spelled = (item.replace(":", "=") if set(":=") & set(item) else f"{item}=1" for item in items)
    pairs = parse_pairs(owner, ",".join(spelled))
    seed = read_value(Annotated[int, at_least(0), at_most(2**31)], owner, "seed", pairs.pop("seed", "0"))
    if unknown := next((name for name in pairs if name not in TRANSFORMS), None):
        raise UnknownName("transformation", unknown, TRANSFORMS)
    if not pairs:
        raise UsageError(f"--orbit {text!r}: name at least one of: {', '.join(TRANSFORMS)}")
    phrasings = Annotated[int, at_least(1), at_most(MOST)]
    return OrbitSpec(tuple((name, read_value(phrasings, owner, name, k)) for name, k in pairs.items()), seed)


def expand(orbit: Orbit, spec: OrbitSpec, rules: tuple[str, ...]) -> Orbit:
    """An orbit with the phrasings that a specification adds; the given ones stay first.

    A transformation that declines, or has no more prompts that are new, adds fewer: `count` says how many.
    """
    variants = list(orbit.variants)
    seen = {prompt_key(variant.messages) for variant in variants}
    for variant in orbit.variants:
        asked = Asked.of(orbit, variant, rules)
        for name, wanted in spec.wanted:
            prompts = distinct(asked, name, wanted, seen, spec.seed, orbit.problem.id, variant.name)
            for place, messages in enumerate(prompts, 1):
                variants.append(Variant(orbit.problem.id, f"{variant.name}+{name}-{place}", messages))
    return replace(orbit, variants=tuple(variants))


def distinct(
    asked: Asked, name: str, wanted: int, seen: set[str], seed: int, *keys: str
) -> Iterable[tuple[Message, ...]]:
    """Up to `wanted` prompts of a transformation that no other phrasing has; `seen` grows by them."""
    yielded = 0
    for draw in range(wanted + TRIES):
        messages = TRANSFORMS[name](asked, stream(seed, "orbit", name, *keys, draw))
        if isinstance(messages, Declined):
            return
        if (key := prompt_key(messages)) in seen:
            continue
        seen.add(key)
        yield messages
        yielded += 1
        if yielded == wanted:
            return


def why_declined(orbit: Orbit, name: str, seed: int, rules: tuple[str, ...]) -> str:
    """Why a transformation added nothing to the first phrasing of a problem."""
    first = orbit.variants[0]
    keys = (orbit.problem.id, first.name, 0)
    answer = TRANSFORMS[name](Asked.of(orbit, first, rules), stream(seed, "orbit", name, *keys))
    return answer.why if isinstance(answer, Declined) else "what it makes is there already"


def prompt_key(messages: Iterable[Message]) -> str:
    """A prompt as one text, to tell equal prompts."""
    return "\x00".join(f"{message['role']}\x01{message['content']}" for message in messages)


@dataclass(frozen=True)
class OrbitCount:
    """How many phrasings a transformation added, of how many wanted, and how many of the suite's it declined."""

    name: str
    wanted: int
    phrasings: int
    declined: int


def count(orbits: Iterable[Orbit], spec: OrbitSpec) -> list[OrbitCount]:
    """How often each transformation of a specification found something to say."""
    totals = {name: [0, 0, 0] for name, _ in spec.wanted}
    for orbit in orbits:
        present = {variant.name for variant in orbit.variants}
        given = [name for name in present if "+" not in name]
        for name, k in spec.wanted:
            added = [sum(f"{base}+{name}-{i}" in present for i in range(1, k + 1)) for base in given]
            for place, value in enumerate((k * len(given), sum(added), added.count(0))):
                totals[name][place] += value
    return [OrbitCount(name, *values) for name, values in totals.items()]
