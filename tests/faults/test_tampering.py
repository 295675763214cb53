"""What somebody changed in a board's evidence is one line that names the file, and the pages stay as they were."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alftbench.base.records import save_record
from alftbench.compare import compare as comparing
from alftbench.compare.plan import CompareRequest, trials
from alftbench.errors import AlftbenchError
from alftbench.publish.board import Board, publish, trial_folders
from alftbench.suites.load import Selection
from alftbench.training.trainer import parse_spec
from alftbench.types import Budget
from tests.forks import in_turn

RUN, TRAIN, QUALITY = "trained/sums/run.json", "trained/train.json", "trained/sums/equilibrium.json"
METRICS, SAMPLES = "trained/sums/metrics.json", "trained/sums/samples.jsonl.gz"
ANSWERS = "trained/sums/answers.jsonl.gz"


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A small comparison of one trainer with the base."""
    folder = tmp_path_factory.mktemp("published")
    # Steps so long that samples of the base and of the trained model differ.
    trainer = parse_spec("vanilla-grpo:orbits=1,group=2,learning_rate=0.002,warmup=0")
    request = CompareRequest(
        (trainer,), "tiny-sums", ("sums",), 1, Budget(900), folder, "tiny",
        Selection(limit=2), Selection(split="train", limit=2), samples=2,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "run_jobs", in_turn)
        assert not comparing.compare(request, trials(request)).failed
    results = folder / "results" / "tiny"
    [trained] = results.glob("vanilla*")
    trained.rename(results / "trained")
    publish(Board.read(folder / "leaderboards" / "tiny"), trial_folders(results))
    return folder


@pytest.fixture
def board(published, tmp_path) -> Callable[..., Any]:
    """Change a file of a copy of the evidence, and publish."""
    copy = tmp_path / "copy"
    shutil.copytree(published, copy)
    folder, results = copy / "leaderboards" / "tiny", copy / "results" / "tiny"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def change_and_publish(file: str, change: Callable[[Path], None]) -> str:
        change(results / file)
        with pytest.raises(AlftbenchError) as refused:
            publish(Board.read(folder), trial_folders(results))
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        line = str(refused.value)
        assert refused.value.exit_code == 2
        assert "\n" not in line
        assert line.isprintable()
        assert len(line) < 1_000
        return line

    change_and_publish.folder, change_and_publish.results = folder, results  # type: ignore[attr-defined]
    return change_and_publish


def edited(place: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set the value at a dotted place; `...` removes it."""

    def edit(record: dict[str, Any]) -> None:
        *parents, last = place.split(".")
        for name in parents:
            record = record[name]
        if value is ...:
            del record[last]
        else:
            record[last] = value

    return edit


def by_hand(edit: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """Change a record as an editor does."""

    def change(path: Path) -> None:
        record = json.loads(path.read_text(encoding="utf-8"))
        edit(record)
        path.write_text(json.dumps(record), encoding="utf-8")

    return change


def with_digest(edit: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """Change a record and make its digest anew, as a forger does."""

    def change(path: Path) -> None:
        record = json.loads(path.read_text(encoding="utf-8"))
        edit(record)
        save_record(path, record)

    return change


EDITS = [
    (RUN, "name", "best"), (RUN, "n_samples", 10**6), (RUN, "generated_tokens", 1), (RUN, "seconds", 0.1),
    (RUN, "status", "running"), (RUN, "provenance.hardware.cpu", "abacus"), (RUN, "provenance.engine.gpu", "H100"),
    (RUN, "provenance.commit", None), (RUN, "config.sampling.seed", 9), (RUN, "config.model", "other"),
    (RUN, "id", "0" * 12), (RUN, "metrics_sha256", None), (RUN, "answers_sha256", None), (RUN, "provenance", ...),
    (RUN, "record_sha256", ...), (RUN, "record_sha256", None), (RUN, "record_sha256", 3), (RUN, "extra", 1),
    (TRAIN, "cost.generated_tokens", 1), (TRAIN, "cost.flops", 1.0), (TRAIN, "cost.seconds", 0),
    (TRAIN, "steps", 0), (TRAIN, "method", "best"), (TRAIN, "provenance.python", "4"),
    (TRAIN, "config.budget.tokens", 5), (TRAIN, "record_sha256", ...), (TRAIN, "cost", ...),
    (QUALITY, "per_problem.kl", [0.0, 0.0]), (QUALITY, "game", None), (QUALITY, "inputs.trainer", "x"),
    (QUALITY, "record_sha256", ...), (QUALITY, "problems", ["a", "b"]), (QUALITY, "enumerated", {"mass": 0.1}),
]  # fmt: skip


@pytest.mark.parametrize(("file", "place", "value"), EDITS, ids=lambda value: str(value)[-24:])
def test_a_record_edited_by_hand_is_refused(board, file, place, value):
    line = board(file, by_hand(edited(place, value)))
    assert file in line
    assert "the record was changed" in line


FORGED = [
    (RUN, "id", "0" * 12, "the id is not that of its config"), (RUN, "status", "done", "status: must be one of"),
    (RUN, "status", "running", "unfinished"), (RUN, "samples_sha256", None, "complete without samples_sha256"),
    (RUN, "n_samples", "3", "n_samples: must be a whole number"), (RUN, "n_samples", 25, "samples were changed"),
    (RUN, "n_samples", None, "n_samples: must be a whole number"), (RUN, "provenance", [], "must be a table"),
    (RUN, "provenance.hardware", ..., "provenance: hardware: is missing"), (RUN, "name", ..., "name: is missing"),
    (RUN, "provenance.hardware.cores", "2", "hardware.cores: must be"), (RUN, "seconds", True, "seconds: must be"),
    (RUN, "schema_version", True, "not a RunRecord of schema version"), (RUN, "schema_version", 99, "version"),
    (RUN, "schema_version", ..., "schema version"), (RUN, "config", 3, "config: must be a table"),
    (TRAIN, "cost.generated_tokens", 901, "generated 901 tokens with a budget of 900"),
    (TRAIN, "cost.flops", -1.0, "negative"), (TRAIN, "cost.passes", 1, "passes: unknown key"),
    (TRAIN, "cost.flops", "1", "flops: must be a number"),
    (TRAIN, "steps", -1, "steps: must be"), (TRAIN, "checkpoint_sha256", None, "complete without"),
    (TRAIN, "status", "running", "not the checkpoint of train.json"), (TRAIN, "method", "x", "different methods"),
    (TRAIN, "config.seed", 1, "the id is not that of its config"), (TRAIN, "cost", 3, "cost: must be a table"),
    (QUALITY, "per_problem.kl", [0.0], "lacks figures"), (QUALITY, "per_problem.kl", ["x", 0], "must be a table"),
    (QUALITY, "problems", ["a", "b"], "of other problems"), (QUALITY, "inputs", [], "inputs: must be a table"),
    (QUALITY, "enumerated", {}, "lacks figures"), (QUALITY, "inputs.samples_sha256", "0", "from other samples"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "place", "value", "said"), FORGED, ids=lambda value: str(value)[-24:])
def test_a_record_that_cannot_be_is_one_line_even_with_its_digest_made_anew(board, file, place, value, said):
    assert said in board(file, with_digest(edited(place, value)))


def metrics_changed(edit: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """Change metrics.json and every digest that covers it."""

    def change(path: Path) -> None:
        by_hand(edit)(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        with_digest(edited("metrics_sha256", sha256))(path.with_name("run.json"))

    return change


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("metrics", ..., "metrics: is missing"), ("metrics", [3], "metrics[0]: must be a table"),
        ("problems", ["p"], "per_problem: must be 1 values"), ("bounds", {}, "bounds: must be the smallest"),
        ("per_problem.accuracy", ["x", 0], "accuracy[0]: must be"), ("per_problem", [], "per_problem: must be"),
        ("per_problem.accuracy", [0.5], "must be 2 values"), ("phrasings.names", [], "phrasings.per_problem"),
    ],
)  # fmt: skip
def test_metrics_that_cannot_be_are_one_line(board, place, value, said):
    assert said in board(METRICS, metrics_changed(edited(place, value)))


def lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    """Change the lines of a compressed file."""
    return lambda path: path.write_bytes(
        gzip.compress(b"".join(change(gzip.decompress(path.read_bytes()).splitlines(keepends=True))))
    )


def swapped(path: Path) -> None:
    """Take the file of the other run."""
    shutil.copy(path.parents[2] / "base-seed0" / "sums" / path.name, path)


def replaced_by_folder(path: Path) -> None:
    """A folder in the place of a file."""
    path.unlink()
    path.mkdir()


def linked_nowhere(path: Path) -> None:
    """A link to nothing in the place of a file."""
    path.unlink()
    path.symlink_to("nowhere")


ANYWHERE: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "empty": lambda path: path.write_bytes(b""),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "folder": replaced_by_folder,
    "swapped": swapped,
}
LINES: dict[str, Callable[[Path], object]] = {
    "edited": lines(lambda rows: [rows[0].replace(b'"draw": 0', b'"draw": 7'), *rows[1:]]),
    "twice": lines(lambda rows: [rows[0], *rows]),
    "one less": lines(lambda rows: rows[1:]),
    "reordered": lines(lambda rows: rows[::-1]),
    "nulls": lines(lambda rows: [b"null\n"] * len(rows)),
    "linked": linked_nowhere,
}
TEXT: dict[str, Callable[[Path], object]] = {
    "list": lambda path: path.write_text("[]"),
    "null": lambda path: path.write_text("null"),
    "deep": lambda path: path.write_text("[" * 100_000),
    "surrogate": by_hand(lambda record: record.update(name="\ud800", game={"objective": "\ud800"})),
    "large": by_hand(lambda record: record.update(n_samples=10**400, steps=10**400)),
}
CHANGES = (
    [(file, name, change) for file in (RUN, METRICS, SAMPLES, ANSWERS) for name, change in ANYWHERE.items()]
    + [(file, name, ANYWHERE[name]) for file in (TRAIN, QUALITY) for name in ("cut", "empty", "no text", "folder")]
    + [(file, name, change) for file in (SAMPLES, ANSWERS) for name, change in LINES.items()]
    + [(file, name, change) for file in (RUN, TRAIN, QUALITY, METRICS) for name, change in TEXT.items()]
)


@pytest.mark.parametrize(("file", "name", "change"), CHANGES, ids=[f"{name} {file}" for file, name, _ in CHANGES])
def test_a_file_that_was_changed_is_named(board, file, name, change):
    line = board(file, change)
    assert re.search(re.escape(file.rpartition("/")[2]) + "|train.json", line), line


def test_what_does_not_change_the_evidence_does_not_change_the_page(board):
    """A file more, a record with its keys in another order, a run behind a link."""
    (board.results / "trained" / "sums" / "notes.txt").write_text("mine", encoding="utf-8")
    record = json.loads((board.results / RUN).read_text(encoding="utf-8"))
    (board.results / RUN).write_text(json.dumps(dict(reversed(record.items()))), encoding="utf-8")
    (board.results / "trained").rename(board.results.parent / "elsewhere")
    (board.results / "trained").symlink_to("../elsewhere")
    before = (board.folder / "README.md").read_bytes()
    publish(Board.read(board.folder), trial_folders(board.results))
    assert (board.folder / "README.md").read_bytes() == before
