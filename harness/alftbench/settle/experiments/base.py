"""What an experiment is: a question, its arms, how one is played, and what is read off their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from alftbench.base.jsonio import digest, write_json, write_text
from alftbench.base.markdown import markdown
from alftbench.base.tables import Table
from alftbench.errors import UsageError
from alftbench.games.plotting import new_figure
from alftbench.settle.report import SeedSpread, spread
from alftbench.settle.runner import Row, play_all
from alftbench.types import Listener, nobody

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Choice:
    """What of an experiment is run.

    Args:
        full: all arms; else those that fit into three minutes of one core.
        seed: the first seed.
        seeds: how many; None takes the experiment's own number.
    """

    full: bool = False
    seed: int = 0
    seeds: int | None = None

    def __post_init__(self) -> None:
        """Refuse seeds that are none."""
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}; it must not be negative")
        if self.seeds is not None and self.seeds < 1:
            raise UsageError(f"seeds is {self.seeds}; it must be at least 1")

    def seed_list(self, quick: int, full: int) -> range:
        """The seeds, by default so many in the quick and in the full size."""
        default = full if self.full else quick
        return range(self.seed, self.seed + (default if self.seeds is None else self.seeds))


@dataclass(frozen=True)
class PlainArm:
    """An arm whose fields, numbers and words, are all that its figures depend on."""

    @property
    def name(self) -> str:
        """Every field with its value, so that no two arms share a name."""
        return ", ".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))


A = TypeVar("A", bound=PlainArm)


@dataclass(frozen=True)
class Experiment(Generic[A]):
    """One question, from its arms to its figure.

    Args:
        name: as the command names it.
        question: one sentence.
        cost: of the quick and the full size, in words.
        version: raised when the meaning of a row changes, so that no old row is continued.
        arms: what is run.
        play: an arm's figures, plain data.
        tables: what the rows show.
        answer: one sentence with its figures, from the rows.
        draw: the picture.
        inches: its width and height.
    """

    name: str
    question: str
    cost: str
    version: int
    arms: Callable[[Choice], Iterable[A]]
    play: Callable[[A], Row]
    tables: Callable[[Sequence[Row]], list[Table]]
    answer: Callable[[Sequence[Row]], str]
    draw: Callable[[Figure, Sequence[Row]], None]
    inches: tuple[float, float] = (9.0, 3.6)

    @property
    def identity(self) -> str:
        """What the rows depend on besides the arms' names."""
        return digest({"experiment": self.name, "version": self.version})

    def row(self, arm: A) -> Row:
        """An arm's settings and figures."""
        return {**asdict(arm), **self.play(arm)}


@dataclass(frozen=True, eq=False)
class Finding:
    """A finished experiment."""

    experiment: Experiment[Any]
    choice: Choice
    rows: tuple[Row, ...]

    def tables(self) -> list[Table]:
        """What the rows show."""
        return self.experiment.tables(self.rows)

    @property
    def answer(self) -> str:
        """One sentence with its figures."""
        return self.experiment.answer(self.rows)

    def to_json(self) -> dict[str, Any]:
        """Question, choice, cost and answer; the rows are in arms.jsonl."""
        return {
            "experiment": self.experiment.name,
            "question": self.experiment.question,
            "answer": self.answer,
            "choice": asdict(self.choice),
            "arms": len(self.rows),
            "seconds": round(sum(row["seconds"] for row in self.rows), 1),
        }

    def markdown(self) -> str:
        """Question, answer and tables as a page."""
        tables = "\n".join(map(markdown, self.tables()))
        return f"# {self.experiment.question}\n\n{self.answer}\n\n{tables}"

    def write(self, folder: Path) -> None:
        """table.md and report.json beside arms.jsonl."""
        write_text(folder / "table.md", self.markdown())
        write_json(folder / "report.json", self.to_json())

    def draw(self, path: Path) -> None:
        """The figure; its suffix picks the format.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        figure = new_figure(*self.experiment.inches)
        self.experiment.draw(figure, self.rows)
        figure.savefig(path, dpi=75)


def run_experiment(
    experiment: Experiment[Any], choice: Choice, folder: Path, listen: Listener = nobody
) -> Finding:
    """Play every arm that the folder does not hold yet; the full size continues the quick one.

    Raises:
        RunConflict: the folder holds arms of another experiment or of an earlier version of it.
    """
    wanted = list(dict.fromkeys(experiment.arms(choice)))
    rows = play_all(folder / "arms.jsonl", wanted, experiment.identity, experiment.row, listen)
    return Finding(experiment, choice, tuple(rows))


def where(rows: Iterable[Row], **values: Any) -> list[Row]:
    """The rows with these values."""
    return [row for row in rows if all(row[key] == value for key, value in values.items())]


def distinct(rows: Iterable[Row], *keys: str) -> list[tuple[Any, ...]]:
    """The combinations of values that occur, in order."""
    return list(dict.fromkeys(tuple(row[key] for key in keys) for row in rows))


def over(rows: Iterable[Row], key: str) -> SeedSpread:
    """Mean and deviation of a figure, without those that are unknown."""
    return spread([row[key] for row in rows])
