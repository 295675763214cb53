"""Reading GAME.json; every complaint names the file and the entry.

{"beta": 0.5,
 "objective": {"name": "diversity", "lambda": 0.3},
 "prompts": [{"weight": 0.5, "traces": [{"answer": "12", "logprob": -1.3}]}]}
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.errors import BadInput
from alftbench.games.game import Game, Prompt
from alftbench.games.objectives import (
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
    arithmetic_mean,
    distribution,
    indicator_bonus,
)

_KEYS: dict[str, frozenset[str]] = {
    "correctness": frozenset({"correct", "eta"}),
    "diversity": frozenset({"lambda", "correct", "eta"}),
    "quadratic_diversity": frozenset({"lambda", "correct", "eta"}),
    "target_matching": frozenset({"lambda", "target"}),
    "constraint": frozenset({"A", "b", "answers"}),
    "coherence": frozenset({"lambda", "hard"}),
    "consensus": frozenset({"lambda", "target"}),
    "pairwise_coherence": frozenset({"lambda"}),
}
OBJECTIVES = tuple(_KEYS)
_LARGEST = 1e100
"""No number of a game is larger in size: sums and squares of such numbers are finite."""
_STRONGEST = 1e12
"""No objective is this many times stronger than its anchor: beyond, rounding leaves nothing of the anchor."""


def load_game(path: str | Path) -> Game:
    """Read a game.

    Args:
        path: a GAME.json file. An answer that only the objective mentions has reference probability zero.

    Raises:
        BadInput: the file cannot be read or does not describe a game; one line naming the file and the entry.
    """
    path = Path(path)
    try:
        # Whole numbers are read as floats: Python refuses those of more than 4300 digits.
        raw = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_Object, parse_int=float)
        game = _game(raw)
        _ = game.log_admissible_PZ  # An infeasible game is a bad input, not a failed solve.
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{path}: not valid JSON ({error})") from error
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    return game


class _Object(dict[str, Any]):
    """A JSON object that remembers a key that was given twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        keys = [key for key, _ in pairs]
        self.repeated = next((key for key in keys if keys.count(key) > 1), None) if len(self) < len(keys) else None


def _game(raw: object) -> Game:
    top = _mapping(raw, "the game")
    _only(top, {"beta", "objective", "prompts"}, "the game")
    beta = _number(_get(top, "beta", "the game"), "beta")
    if beta < 1 / _LARGEST:
        raise BadInput(f"beta is {beta:g}; it must be a positive number, at least {1 / _LARGEST:g}")
    rows = _list(_get(top, "prompts", "the game"), "prompts")
    prompts = [_RawPrompt.parse(row, f"prompts[{i}]") for i, row in enumerate(rows)]
    spec = _mapping(_get(top, "objective", "the game"), "objective")
    name = _known_name(spec)
    answers = _answer_index(prompts, spec)
    parsed = tuple(prompt.indexed(answers) for prompt in prompts)
    # The reference is needed before the objective: a consensus may be frozen at it.
    bare = Game(beta, Correctness(np.zeros(len(answers))), tuple(answers), parsed)
    objective = _BUILDERS[name](_Spec(spec, answers, bare))
    return Game(beta, objective, tuple(answers), parsed)


def _known_name(spec: Mapping[str, Any]) -> str:
    name = _get(spec, "name", "objective")
    if not isinstance(name, str) or name not in _KEYS:
        raise BadInput(f"objective.name is {name!r}; known: {', '.join(OBJECTIVES)}")
    _only(spec, _KEYS[name] | {"name"}, "objective")
    return name


@dataclass(frozen=True)
class _RawPrompt:
    """One prompt as it stands in the file."""

    answers: list[str]
    log_probs: list[float]
    weight: float

    @classmethod
    def parse(cls, raw: object, entry: str) -> _RawPrompt:
        prompt = _mapping(raw, entry)
        _only(prompt, {"weight", "traces"}, entry)
        traces = _list(_get(prompt, "traces", entry), f"{entry}.traces")
        answers, log_probs = [], []
        for y, raw_trace in enumerate(traces):
            here = f"{entry}.traces[{y}]"
            trace = _mapping(raw_trace, here)
            _only(trace, {"answer", "logprob"}, here)
            answers.append(_text(_get(trace, "answer", here), f"{here}.answer"))
            log_probs.append(_log_prob(_get(trace, "logprob", here), f"{here}.logprob"))
        return cls(answers, log_probs, _number(prompt.get("weight", 1.0), f"{entry}.weight"))

    def indexed(self, index: Mapping[str, int]) -> Prompt:
        return Prompt(
            np.array([index[answer] for answer in self.answers], dtype=np.int64),
            np.array(self.log_probs, dtype=float),
            self.weight,
        )


def _answer_index(prompts: Iterable[_RawPrompt], spec: Mapping[str, Any]) -> dict[str, int]:
    """Every answer's position: first those of the traces, then those that only the objective mentions."""
    seen = dict.fromkeys(answer for prompt in prompts for answer in prompt.answers)
    if isinstance(spec.get("target"), dict):
        seen |= dict.fromkeys(_text(name, "an answer of objective.target") for name in spec["target"])
    for key in ("correct", "answers"):
        if key in spec:
            names = _list(spec[key], f"objective.{key}")
            seen |= dict.fromkeys(_text(name, f"objective.{key}[{k}]") for k, name in enumerate(names))
    return {answer: z for z, answer in enumerate(seen)}


@dataclass(frozen=True)
class _Spec:
    """The objective's entry with what is needed to read it."""

    raw: Mapping[str, Any]
    index: Mapping[str, int]
    reference: Game

    def lambda_(self) -> float:
        value = _number(_get(self.raw, "lambda", "objective"), "objective.lambda")
        if value < 0:
            raise BadInput(f"objective.lambda is {value:g}; it must be zero or positive")
        return self._against_anchor(value, "objective.lambda")

    def _against_anchor(self, value: float, entry: str) -> float:
        if abs(value) > _STRONGEST * self.reference.beta:
            raise BadInput(
                f"{entry} is {value:g} with beta {self.reference.beta:g}; "
                f"it must be at most {_STRONGEST:g} times beta"
            )
        return value

    def bonus_Z(self, *, required: bool = False) -> FloatArray:
        if "correct" not in self.raw and (required or "eta" in self.raw):
            raise BadInput("objective.correct is missing; list the correct answers")
        eta = self._against_anchor(_number(self.raw.get("eta", 1.0), "objective.eta"), "objective.eta")
        correct = np.zeros(len(self.index))
        correct[[self.index[answer] for answer in self.raw.get("correct", [])]] = 1.0
        return indicator_bonus(correct, eta)

    def target(self) -> FloatArray:
        raw = _mapping(_get(self.raw, "target", "objective"), "objective.target")
        q = np.zeros(len(self.index))
        for answer, probability in raw.items():
            value = _number(probability, f"objective.target[{answer!r}]")
            if value < 0:
                raise BadInput(f"objective.target[{answer!r}] is {value:g}; it must be zero or positive")
            q[self.index[answer]] = value
        if not q.sum() > 0:
            raise BadInput("objective.target has no positive probability")
        return distribution(q)


def _coherence(spec: _Spec) -> Objective:
    hard = spec.raw.get("hard", False)
    if not isinstance(hard, bool):
        raise BadInput(f"objective.hard is {_kind(hard)}; it must be true or false")
    lambda_ = spec.lambda_() if "lambda" in spec.raw or not hard else 0.0
    return HardCoherence() if hard else Coherence(lambda_)


def _consensus(spec: _Spec) -> Objective:
    if "target" not in spec.raw:
        return Consensus(spec.lambda_())
    if spec.raw["target"] == "reference":
        game = spec.reference
        return Consensus(spec.lambda_(), arithmetic_mean(game.log_reference_PZ, game.weights_P))
    return Consensus(spec.lambda_(), spec.target())


def _constraint(spec: _Spec) -> Objective:
    names = _list(_get(spec.raw, "answers", "objective"), "objective.answers")
    rows = _list(_get(spec.raw, "A", "objective"), "objective.A")
    bounds = _list(_get(spec.raw, "b", "objective"), "objective.b")
    if len(rows) != len(bounds) or not rows:
        raise BadInput(f"objective.A has {len(rows)} rows and objective.b {len(bounds)} entries; they must match")
    if len(set(names)) != len(names):
        raise BadInput("objective.answers names an answer twice")
    A = np.zeros((len(rows), len(spec.index)))
    columns = [spec.index[name] for name in names]
    for c, raw_row in enumerate(rows):
        row = _list(raw_row, f"objective.A[{c}]")
        if len(row) != len(names):
            raise BadInput(f"objective.A[{c}] has {len(row)} entries for {len(names)} objective.answers")
        A[c, columns] = [_number(a, f"objective.A[{c}][{k}]") for k, a in enumerate(row)]
    return Constraint(A, np.array([_number(b, f"objective.b[{c}]") for c, b in enumerate(bounds)]))


_BUILDERS: dict[str, Callable[[_Spec], Objective]] = {
    "correctness": lambda spec: Correctness(spec.bonus_Z(required=True)),
    "diversity": lambda spec: Diversity(spec.lambda_(), spec.bonus_Z()),
    "quadratic_diversity": lambda spec: QuadraticDiversity(spec.lambda_(), spec.bonus_Z()),
    "target_matching": lambda spec: TargetMatching(spec.lambda_(), spec.target()),
    "constraint": _constraint,
    "coherence": _coherence,
    "consensus": _consensus,
    "pairwise_coherence": lambda spec: PairwiseCoherence(spec.lambda_()),
}


def _get(mapping: Mapping[str, Any], key: str, entry: str) -> Any:
    if key not in mapping:
        raise BadInput(f"{entry} has no {key!r}")
    return mapping[key]


def _only(mapping: Mapping[str, Any], known: Iterable[str], entry: str) -> None:
    unknown = sorted(set(mapping) - set(known))
    if unknown:
        raise BadInput(f"{entry} has an unknown key {unknown[0]!r}; known: {', '.join(sorted(known))}")


def _mapping(raw: object, entry: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise BadInput(f"{entry} is {_kind(raw)}; it must be an object")
    if isinstance(raw, _Object) and raw.repeated is not None:
        raise BadInput(f"{entry} has the key {raw.repeated!r} twice; leave one")
    return raw


def _list(raw: object, entry: str) -> list[Any]:
    if not isinstance(raw, list):
        raise BadInput(f"{entry} is {_kind(raw)}; it must be a list")
    return raw


def _text(raw: object, entry: str) -> str:
    if not isinstance(raw, str):
        raise BadInput(f"{entry} is {_kind(raw)}; it must be a string")
    if any("\ud800" <= character <= "\udfff" for character in raw):
        raise BadInput(f"{entry} is {raw!r}, which holds half of a character; write the character itself")
    return raw


def _float(raw: object, entry: str) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise BadInput(f"{entry} is {_kind(raw)}; it must be a number")
    return float(raw)


def _number(raw: object, entry: str) -> float:
    value = _float(raw, entry)
    if not abs(value) <= _LARGEST:
        shown = "NaN" if math.isnan(value) else f"{value:g}"
        raise BadInput(f"{entry} is {shown}; it must be finite, and at most {_LARGEST:g} in size")
    return value


def _log_prob(raw: object, entry: str) -> float:
    value = _float(raw, entry)
    if math.isnan(value) or value == math.inf:
        shown = "NaN" if math.isnan(value) else "+inf"
        raise BadInput(f"{entry} is {shown}; it must be a number below +inf (-Infinity is probability 0)")
    return value


def _kind(raw: object) -> str:
    names = {_Object: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(raw), "a number")
