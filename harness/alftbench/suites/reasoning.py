"""Procedural suites, `reasoning-gym:<dataset>[:key=value,...]`: seeded, and judged by the dataset's own verifier.

`size` and `seed` choose the problems; other keys are the dataset's. An item is drawn once, and train never holds
a question of test. Answers are classes by their text; a class is right if the verifier gives a spelling of it
its full score.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, get_type_hints

from alftbench.answers import verifiers
from alftbench.base.seeds import name_key
from alftbench.base.settings import parse_pairs, read_settings
from alftbench.base.validate import Count, Whole
from alftbench.errors import BadInput, MissingExtra, UnknownName, UsageError
from alftbench.suites.base import SuiteInfo
from alftbench.suites.orbits.asked import WORD_PROBLEM
from alftbench.types import Orbit, Problem, SamplingParams, Variant

if TYPE_CHECKING:
    from reasoning_gym.dataset import ProceduralDataset

FAMILY = "reasoning-gym"
PROMPT = "{question}\n\nReason step by step and write only the final answer in \\boxed{{}}."
SAMPLING = SamplingParams(n=8, max_tokens=1024)
SIZE, MAX_DRAWS = 100, 20  # problems per split; items drawn per problem wanted, before a dataset counts as small
WORD_PROBLEMS = frozenset(
    {"aiw", "chain_sum", "coin_flip", "gcd", "gsm_symbolic", "lcm", "products"}
)  # numbers in prose
# Datasets whose verifier was read, in reasoning-gym 0.1.25, and runs no answer as code (eval, exec, sympy's
# parser); a test reads them again. Models write answers, so a dataset that is not here is refused.
READ = frozenset(files("alftbench.suites").joinpath("reasoning.txt").read_text(encoding="utf-8").split())


@dataclasses.dataclass(frozen=True)
class ItemSource:
    """What makes an item again: dataset, its options, its seed, and how many items it may give."""

    dataset: str
    options: tuple[tuple[str, Any], ...]
    seed: int
    size: int


@dataclasses.dataclass(frozen=True)
class ProceduralSuite:
    """One dataset of reasoning-gym with one configuration."""

    info: SuiteInfo
    dataset: str
    options: tuple[tuple[str, Any], ...]
    size: int
    seed: int

    def orbits(self, split: str = "test", data: str | None = None) -> Sequence[Orbit]:
        """`size` different problems of a split.

        Raises:
            UsageError: a file is given, which would be ignored.
            BadInput: the dataset has not that many different problems, or one without an answer.
        """
        if data is not None:
            raise UsageError(f"suite {self.info.name} makes its own problems; leave the data file out")
        test = list(self._items("test", frozenset()))
        if split == "test":
            return [self._orbit(split, index, item) for index, item in test]
        seen = frozenset(item["question"] for _, item in test)
        return [self._orbit(split, index, item) for index, item in self._items(split, seen)]

    def _items(self, split: str, taken: frozenset[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """The first `size` items whose question is new."""
        seen = set(taken)
        wanted = len(seen) + self.size
        for index in range(MAX_DRAWS * self.size):
            item = entry(self._source(split), index)
            if item["question"] not in seen:
                seen.add(item["question"])
                yield index, item
            if len(seen) == wanted:
                return
        raise BadInput(
            f"suite {self.info.name}: only {len(seen) - len(taken)} different problems in "
            f"{MAX_DRAWS * self.size} draws; ask for a smaller size="
        )

    def _source(self, split: str) -> ItemSource:
        """A split's items. They are seeded with seed + index, so the seeds of splits must lie far apart."""
        seed = name_key(f"{self.dataset} {split} {self.seed}") % 2**31
        return ItemSource(self.dataset, self.options, seed, MAX_DRAWS * self.size)

    def _orbit(self, split: str, index: int, item: Mapping[str, Any]) -> Orbit:
        if item["answer"] is None:
            raise BadInput(f"suite {self.info.name}: {self.dataset} states no answer; choose another dataset")
        problem = Problem(
            id=f"{self.dataset}-{split}-{index:04}",
            question=item["question"],
            reference=(str(item["answer"]),),
            answer_kind="text",
            metadata={
                verifiers.VERIFIER: FAMILY,
                **dataclasses.asdict(self._source(split)),
                "index": index,
                **({WORD_PROBLEM: True} if self.dataset in WORD_PROBLEMS else {}),
            },
        )
        content = PROMPT.format(question=item["question"])
        return Orbit(problem, (Variant(problem.id, "original", ({"role": "user", "content": content},)),))


def family(text: str) -> ProceduralSuite:
    """The suite of `<dataset>[:key=value,...]`.

    Raises:
        MissingExtra: reasoning-gym is not installed.
        UsageError: no such dataset or key, a value does not fit, or the verifier would run an answer as code.
    """
    dataset, _, rest = text.partition(":")
    name = f"{FAMILY}:{text}"
    config = configuration(dataset)
    if dataset not in READ:
        raise UsageError(
            f"suite {name}: its verifier runs answers as code, or was not read for that; models write answers, "
            f"so choose another dataset"
        )
    given = read_options(name, rest, config)
    size, seed = given.pop("size"), given.pop("seed")
    options = tuple(sorted(given.items()))
    suite = ProceduralSuite(describe(name, dataset), dataset, options, size, seed)
    try:
        entry(ItemSource(dataset, options, 0, size), 0)
    except Exception as error:
        raise UsageError(f"suite {name}: {type(error).__name__}: {error}") from error
    return suite


def describe(name: str, dataset: str) -> SuiteInfo:
    """What a procedural suite says of itself; its version is the library's, which makes the problems."""
    from importlib.metadata import version

    return SuiteInfo(
        name=name,
        version=f"1, reasoning-gym {version('reasoning-gym')}",
        description=f"problems of {dataset}, made by reasoning-gym and judged by its verifier",
        licence="Apache-2.0",
        citation="Stojanovski et al., Reasoning Gym, arXiv 2505.24760",
        sampling=SAMPLING,
        splits=("test", "train"),
        answer_rules=("boxed",),
    )


def read_options(name: str, text: str, config: type) -> dict[str, Any]:
    """key=value,... with each value of its field's type: size, seed, and the dataset's own of plain kinds."""
    hints = get_type_hints(config)
    plain = [field.name for field in dataclasses.fields(config) if hints[field.name] in (bool, int, float, str)]
    known: list[Any] = [(field, hints[field], None) for field in plain if field not in ("size", "seed")]
    kind = dataclasses.make_dataclass("Options", [("size", Whole, SIZE), ("seed", Count, 0), *known])
    pairs = parse_pairs(f"suite {name}", text)
    options: Any = read_settings(kind, pairs, f"suite {name}:")
    return {key: getattr(options, key) for key in ("size", "seed", *pairs)}


def configuration(dataset: str) -> type:
    """A dataset's configuration class."""
    try:
        from reasoning_gym.factory import DATASETS
    except ImportError:
        raise MissingExtra("reasoning-gym", "reasoning-gym") from None
    if dataset not in DATASETS:
        raise UnknownName("dataset of reasoning-gym", dataset, DATASETS)
    _, config = DATASETS[dataset]
    return config  # type: ignore[no-any-return]


@lru_cache(maxsize=16)
def open_dataset(source: ItemSource) -> ProceduralDataset:
    """A dataset whose items are made when they are asked for."""
    import reasoning_gym

    return reasoning_gym.create_dataset(source.dataset, seed=source.seed, size=source.size, **dict(source.options))


@lru_cache(maxsize=4096)
def entry(source: ItemSource, index: int) -> Mapping[str, Any]:
    """One item: question, answer and what the verifier needs."""
    item: Mapping[str, Any] = open_dataset(source)[index]
    return item


def accepts(problem: Problem, answer: str) -> bool:
    """Does the dataset's verifier give an answer its full score?"""
    stated = problem.metadata
    source = ItemSource(stated["dataset"], tuple(map(tuple, stated["options"])), stated["seed"], stated["size"])
    return bool(open_dataset(source).score_answer(answer, dict(entry(source, stated["index"]))) >= 1.0)


verifiers.register(FAMILY, accepts)
