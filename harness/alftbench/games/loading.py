"""Reading GAME.json; every complaint names the file and the entry.

{"beta": 0.5,
 "objective": {"name": "diversity", "lambda": 0.3},
 "prompts": [{"weight": 0.5, "traces": [{"answer": "12", "logprob": -1.3}]}]}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.base.bounds import JSON_BYTES, read_text
from alftbench.base.jsonio import SURROGATE, JsonObject, parse_json
from alftbench.base.validate import Key, Rule, Together, at_least, at_most, brief, examine
from alftbench.errors import BadInput
from alftbench.games.game import Game, Prompt
from alftbench.games.objectives import (
    LARGEST_INDEX,
    LEAST_INDEX,
    BetaDivergence,
    Coherence,
    Consensus,
    Constraint,
    Correctness,
    Diversity,
    HardCoherence,
    Objective,
    PairwiseCoherence,
    QuadraticDiversity,
    TargetMatching,
    TsallisDiversity,
    arithmetic_mean,
    distribution,
    indicator_bonus,
)

T = TypeVar("T")
_LARGEST = 1e100
"""No number of a game is larger in size: sums and squares of such numbers are finite."""
_STRONGEST = 1e12
"""No objective is this many times stronger than its anchor: beyond, rounding leaves nothing of the anchor."""
SMALL = Rule(f"at most {_LARGEST:g} in size", lambda value: abs(value) <= _LARGEST)
Bounded = Annotated[float, SMALL]
NotNegative = Annotated[float, at_least(0), SMALL]
AnswerName = Annotated[str, Rule("without halves of characters", lambda text: not SURROGATE.search(text))]
LogProb = Annotated[
    Any,
    Rule(
        "a number below +inf (-Infinity is probability 0)",
        lambda value: isinstance(value, float) and value < math.inf,
        alone=True,
    ),
]
AnswerNames = tuple[AnswerName, ...]
TargetShares = Mapping[AnswerName, NotNegative]


@dataclass(frozen=True)
class _Trace:
    answer: AnswerName
    logprob: LogProb


@dataclass(frozen=True)
class _Prompt:
    traces: tuple[_Trace, ...]
    weight: Bounded = 1.0


@dataclass(frozen=True)
class _File:
    beta: Annotated[float, at_least(1 / _LARGEST), SMALL]
    objective: Mapping[str, Any]
    prompts: tuple[_Prompt, ...]


@dataclass(frozen=True)
class _Correctness:
    name: str
    correct: AnswerNames
    eta: Bounded = 1.0


@dataclass(frozen=True, kw_only=True)
class _Strength:
    name: str
    strength: Annotated[NotNegative, Key("lambda")]


@dataclass(frozen=True, kw_only=True)
class _Diversity(_Strength, Together):
    correct: AnswerNames = ()
    eta: Bounded = 1.0

    @classmethod
    def together(cls, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """A bonus is for correct answers."""
        if "eta" in given and "correct" not in given:
            yield "correct", "is missing; list the correct answers"


@dataclass(frozen=True, kw_only=True)
class _TargetMatching(_Strength):
    target: TargetShares


@dataclass(frozen=True, kw_only=True)
class _Tsallis(_Diversity):
    alpha: Annotated[float, at_least(LEAST_INDEX), at_most(LARGEST_INDEX)]


@dataclass(frozen=True, kw_only=True)
class _BetaDivergence(_TargetMatching):
    order: Annotated[float, at_least(LEAST_INDEX - 1), at_most(LARGEST_INDEX - 1)]


@dataclass(frozen=True)
class _Constraint:
    name: str
    A: tuple[tuple[Bounded, ...], ...]
    b: tuple[Bounded, ...]
    answers: AnswerNames


@dataclass(frozen=True, kw_only=True)
class _Coherence(Together):
    name: str
    strength: Annotated[NotNegative, Key("lambda")] = 0.0
    hard: bool = False

    @classmethod
    def together(cls, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Only the hard constraint has no strength."""
        if "strength" not in given and not given.get("hard"):
            yield "lambda", "is missing"


@dataclass(frozen=True, kw_only=True)
class _Consensus(_Strength):
    target: Literal["reference"] | TargetShares | None = None


def load_game(path: str | Path) -> Game:
    """Read a game.

    Args:
        path: a GAME.json file. An answer that only the objective mentions has reference probability zero.

    Raises:
        BadInput: the file cannot be read or does not describe a game; one line naming the file and the entry.
    """
    path = Path(path)
    raw = _content(path)
    try:
        game = _game(raw)
        _ = game.log_admissible_PZ  # An infeasible game is a bad input, not a failed solve.
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    return game


def _content(path: Path) -> Any:
    """What a file spells; whole numbers are read as floats: Python refuses those of more than 4300 digits."""
    try:
        return parse_json(read_text(path, JSON_BYTES), object_pairs_hook=JsonObject, parse_int=float)
    except BadInput:
        raise
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise BadInput(f"{path}: not valid JSON ({error})") from error


def _game(raw: object) -> Game:
    file = _checked(_File, raw)
    name = file.objective.get("name")
    if not isinstance(name, str) or name not in _KINDS:
        raise BadInput(f"objective.name: must be one of {', '.join(OBJECTIVES)}, is {brief(name)}")
    kind, build = _KINDS[name]
    entry = _checked(kind, file.objective, "objective")
    index = _answer_index(file.prompts, entry)
    prompts = tuple(
        Prompt(
            np.array([index[trace.answer] for trace in prompt.traces], dtype=np.int64),
            np.array([trace.logprob for trace in prompt.traces], dtype=float),
            prompt.weight,
        )
        for prompt in file.prompts
    )
    # The reference is needed before the objective: a consensus may be frozen at it.
    bare = Game(file.beta, Correctness(np.zeros(len(index))), tuple(index), prompts)
    for key, value in (("lambda", vars(entry).get("strength", 0.0)), ("eta", vars(entry).get("eta", 0.0))):
        if abs(value) > _STRONGEST * file.beta:
            raise BadInput(
                f"objective.{key}: must be at most {_STRONGEST:g} times beta, is {value:g} with beta {file.beta:g}"
            )
    return Game(file.beta, build(entry, index, bare), tuple(index), prompts)


def _checked(kind: type[T], raw: object, where: str = "") -> T:
    result, wrong = examine(kind, raw, where=where)
    if wrong:
        raise BadInput("; ".join(wrong))
    return result


def _answer_index(prompts: Iterable[_Prompt], entry: Any) -> dict[str, int]:
    """Every answer's position: first those of the traces, then those that only the objective mentions."""
    said = vars(entry)
    target = said.get("target")
    names = [trace.answer for prompt in prompts for trace in prompt.traces]
    names += [*(target if isinstance(target, dict) else ()), *said.get("correct", ()), *said.get("answers", ())]
    return {answer: z for z, answer in enumerate(dict.fromkeys(names))}


def _bonus_Z(entry: _Correctness | _Diversity, index: Mapping[str, int]) -> FloatArray:
    correct = np.zeros(len(index))
    correct[[index[answer] for answer in entry.correct]] = 1.0
    return indicator_bonus(correct, entry.eta)


def _target(target: Mapping[str, float], index: Mapping[str, int]) -> FloatArray:
    q = np.zeros(len(index))
    for answer, probability in target.items():
        q[index[answer]] = probability
    if not q.sum() > 0:
        raise BadInput("objective.target has no positive probability")
    return distribution(q)


def _consensus(entry: _Consensus, index: Mapping[str, int], reference: Game) -> Objective:
    if entry.target is None:
        return Consensus(entry.strength)
    if entry.target == "reference":
        return Consensus(entry.strength, arithmetic_mean(reference.log_reference_PZ, reference.weights_P))
    return Consensus(entry.strength, _target(entry.target, index))


def _constraint(entry: _Constraint, index: Mapping[str, int], _: Game) -> Objective:
    rows, names = entry.A, entry.answers
    if len(rows) != len(entry.b) or not rows:
        raise BadInput(f"objective.A has {len(rows)} rows and objective.b {len(entry.b)} entries; they must match")
    if len(set(names)) != len(names):
        raise BadInput("objective.answers names an answer twice")
    A = np.zeros((len(rows), len(index)))
    for c, row in enumerate(rows):
        if len(row) != len(names):
            raise BadInput(f"objective.A[{c}] has {len(row)} entries for {len(names)} objective.answers")
        A[c, [index[name] for name in names]] = row
    return Constraint(A, np.array(entry.b))


_KINDS: dict[str, tuple[type[Any], Callable[[Any, Mapping[str, int], Game], Objective]]] = {
    "correctness": (_Correctness, lambda entry, index, _: Correctness(_bonus_Z(entry, index))),
    "diversity": (_Diversity, lambda entry, index, _: Diversity(entry.strength, _bonus_Z(entry, index))),
    "quadratic_diversity": (
        _Diversity,
        lambda entry, index, _: QuadraticDiversity(entry.strength, _bonus_Z(entry, index)),
    ),
    "tsallis_diversity": (
        _Tsallis,
        lambda entry, index, _: TsallisDiversity(entry.strength, entry.alpha, _bonus_Z(entry, index)),
    ),
    "target_matching": (
        _TargetMatching,
        lambda entry, index, _: TargetMatching(entry.strength, _target(entry.target, index)),
    ),
    "beta_divergence": (
        _BetaDivergence,
        lambda entry, index, _: BetaDivergence(entry.strength, entry.order, _target(entry.target, index)),
    ),
    "constraint": (_Constraint, _constraint),
    "coherence": (_Coherence, lambda entry, *_: HardCoherence() if entry.hard else Coherence(entry.strength)),
    "consensus": (_Consensus, _consensus),
    "pairwise_coherence": (_Strength, lambda entry, *_: PairwiseCoherence(entry.strength)),
}
OBJECTIVES = tuple(_KINDS)
