"""Grade pairs of a gold answer and a prediction, as a stream: rows in, grades out in the same order."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from alftbench.answers.confirm import Confirmation, as_bytes, read_text
from alftbench.answers.find.extract import GUESSES, read_answer
from alftbench.answers.judge.judge import Judge, Verdict, settled
from alftbench.base.jsonio import parse_json
from alftbench.errors import BadInput
from alftbench.launch.workers import Result
from alftbench.types import Outcome

KIND = "math"
AHEAD = 64  # rows that may wait for workers behind the row that is written next
GOLD_UNPARSED = "gold_unparsed"


@dataclass(frozen=True)
class AnswerPair:
    """One pair to grade; `label` is what somebody else says about it, None where nobody does."""

    id: str | int
    gold: str
    prediction: str
    label: bool | None = None


@dataclass(frozen=True)
class Grade:
    """What was found: `outcome` is the prediction's, or gold_unparsed where the gold answer cannot be read.

    guessed: the prediction names no answer, so its last formula or number was taken.
    """

    id: str | int
    equivalent: bool
    outcome: str
    gold_key: str | None
    prediction_key: str | None
    guessed: bool = False


def read_rows(lines: Iterable[str], source: str) -> Iterator[AnswerPair]:
    """The rows of a JSONL text; blank lines are passed over.

    Raises:
        BadInput: a line is not a row; names the line.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield read_row(line, number, source)


def read_row(line: str, number: int, source: str) -> AnswerPair:
    """One line; a row without an id is called by its line number."""
    place = f"{source}, line {number}"
    try:
        row = parse_json(line)
    except ValueError as error:
        raise BadInput(f"{place}: not JSON ({error}); correct or remove the line") from None
    if not isinstance(row, dict):
        raise BadInput(f"{place}: expected an object with gold and prediction, found {type(row).__name__}")
    name, label = row.get("id", number), row.get("equivalent")
    if isinstance(name, bool) or not isinstance(name, (str, int)):
        raise BadInput(f"{place}: id is {type(name).__name__}, must be a string or a whole number")
    if label is not None and not isinstance(label, bool):
        raise BadInput(f"{place}: equivalent is {label!r}, must be true, false or absent")
    return AnswerPair(name, _text(row, "gold", place), _text(row, "prediction", place), label)


def _text(row: Mapping[str, Any], field: str, place: str) -> str:
    value = row.get(field)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        fault = "is missing" if field not in row else f"is {type(value).__name__}"
        raise BadInput(f"{place}: {field} {fault}, must be a string or a number")
    return str(value)


def grade(
    rows: Iterable[AnswerPair], judge: Judge, secret: str | None = None
) -> Iterator[tuple[AnswerPair, Grade]]:
    """Every row with its grade, in order; slow comparisons run in the judge's workers meanwhile.

    Args:
        rows: as they come.
        judge: whose workers.
        secret: says where verdicts are confirmed; the process's own if not given.

    Raises:
        MissingPackage: a row needs math-verify, which is not installed.
    """
    waiting: deque[tuple[AnswerPair, Grade, Verdict | Future[Result] | None]] = deque()
    confirmation = Confirmation(KIND, judge, as_bytes(secret))
    for row in rows:
        waiting.append(begin(row, confirmation))
        while waiting and (len(waiting) > AHEAD or ready(waiting[0][2])):
            yield finish(*waiting.popleft())
    while waiting:
        yield finish(*waiting.popleft())


def begin(
    row: AnswerPair, confirmation: Confirmation
) -> tuple[AnswerPair, Grade, Verdict | Future[Result] | None]:
    """Read both answers and ask the judge; None where there is nothing to ask."""
    gold, prediction = read_answer(row.gold, KIND), read_answer(row.prediction, KIND)
    outcome = str(prediction.outcome) if gold.canonical is not None else GOLD_UNPARSED
    guessed = prediction.rule in GUESSES
    draft = Grade(row.id, False, outcome, gold.canonical, prediction.canonical, guessed)
    if gold.canonical is None or prediction.canonical is None:
        return row, draft, None
    text_of = {gold.canonical: read_text(gold), prediction.canonical: read_text(prediction)}
    asked = confirmation.judge.ask_accepts(gold.canonical, prediction.canonical, text_of)
    if asked is Verdict.SAME and not confirmation.accepts(read_text(gold), read_text(prediction)):
        asked = Verdict.DIFFERENT
    return row, draft, asked


def ready(asked: Verdict | Future[Result] | None) -> bool:
    """Can this be settled without waiting?"""
    return not isinstance(asked, Future) or asked.done()


def finish(row: AnswerPair, draft: Grade, asked: Verdict | Future[Result] | None) -> tuple[AnswerPair, Grade]:
    """The grade once its verdict is there; a limit that was hit is an outcome and never equal."""
    if asked is None:
        return row, draft
    verdict = settled(asked)
    outcome = draft.outcome if verdict.decided else OUTCOMES[verdict]
    return row, replace(draft, equivalent=verdict is Verdict.SAME, outcome=str(outcome))


OUTCOMES = {
    Verdict.TIMEOUT: Outcome.TIMEOUT,
    Verdict.MEMORY: Outcome.TIMEOUT,  # over a limit is over a limit
    Verdict.UNPARSED: Outcome.UNPARSED,
}


class Summary:
    """Counts over the grades of a run, and the ids of the rows that somebody should look at."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.rows = self.equivalent = self.labelled = self.guessed = 0
        self.outcomes: Counter[str] = Counter()
        self.unreadable: list[str | int] = []
        self.wrongly_equal: list[str | int] = []
        self.wrongly_unequal: list[str | int] = []

    def add(self, row: AnswerPair, grade: Grade) -> None:
        """Count one grade."""
        self.rows += 1
        self.equivalent += grade.equivalent
        self.outcomes[grade.outcome] += 1
        self.guessed += grade.guessed
        if grade.outcome == GOLD_UNPARSED:
            self.unreadable.append(grade.id)
        elif row.label is not None:
            self.labelled += 1
            if grade.equivalent != row.label:
                (self.wrongly_equal if grade.equivalent else self.wrongly_unequal).append(grade.id)

    @property
    def graded(self) -> int:
        """Rows whose gold answer could be read."""
        return self.rows - len(self.unreadable)

    @property
    def disagreeing(self) -> list[str | int]:
        """Rows whose label says otherwise."""
        return [*self.wrongly_equal, *self.wrongly_unequal]

    def to_json(self) -> dict[str, Any]:
        """Counts and shares, each share with its 95% interval."""
        agreement = share(self.labelled - len(self.disagreeing), self.labelled) | {
            "false_equal": len(self.wrongly_equal),
            "wrongly_equal": self.wrongly_equal,
            "wrongly_unequal": self.wrongly_unequal,
        }
        return {
            "rows": self.rows,
            "equivalent": share(self.equivalent, self.graded),
            "guessed": share(self.guessed, self.rows),
            "outcomes": dict(self.outcomes.most_common()),
            "secret": self.secret,
            **({"agreement": agreement} if self.labelled else {}),
        }


def share(count: int, n: int) -> dict[str, Any]:
    """A share with Wilson's interval."""
    from alftbench.base.stats import wilson  # scipy takes a second: the first grades do not wait for it

    low, high = wilson(count, n)
    return {"count": count, "n": n, "share": count / n if n else float("nan"), "low": low, "high": high}
