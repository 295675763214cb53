"""`compare --equilibrium enumerated` from end to end, interrupted, and beside rows measured in another way."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alftbench.backends.base import BackendOptions, TraceBounds
from alftbench.base.markdown import markdown
from alftbench.base.records import save_record
from alftbench.compare.plan import CompareRequest, Measuring, trials
from alftbench.compare.trial import suite_folder
from alftbench.equilibrium import traces as tracelists
from alftbench.equilibrium.quality import read_quality_file
from alftbench.equilibrium.scores import read_header
from alftbench.equilibrium.traces import LISTED, OPEN, ListJob, list_runs, read_listing
from alftbench.errors import BadInput, UsageError
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.publish.comparison import by_measure, compare_runs
from alftbench.publish.evidence import collect
from alftbench.publish.tables import equilibrium_table
from alftbench.suites.arithmetic import SPLITS, SUMS
from alftbench.suites.load import Selection, load_suite
from alftbench.training.trainer import parse_spec
from alftbench.types import Budget

BOUNDS = TraceBounds(0.05, 3_000)
TRAINED_ON = "sums, training problems"
COMMAND = [
    "compare", "diversity-game:diversity=0.2", "--suite", "sums", "--seeds", "1", "--budget-tokens", "5000",
    "--limit", "3", "--samples", "2", "--workers", "1", "--output-dir", "out",
    "--equilibrium-problems", "2", "--mass", "0.05", "--prefixes", "3000", "--measure-train", "2",
    "--tempered", "none",
]  # fmt: skip


@pytest.fixture(scope="module")
def compared(fork, tmp_path_factory) -> tuple[Path, dict]:
    """A small comparison in a folder, and its JSON."""
    folder = tmp_path_factory.mktemp("enumerated")
    done = fork(folder, *COMMAND, "--format", "json")
    assert done.code == 0, done.err
    return folder, json.loads(done.out)


def run_folder(folder: Path) -> Path:
    (path,) = folder.glob("out/results/tiny/diversity*/sums")
    return path


def test_the_table_says_what_was_enumerated_and_how_far(compared):
    _, table = compared
    base, row, _, _ = table["rows"]
    assert base["equilibrium"] == {}
    assert base["measured"] is None
    assert row["measured"] == {"how": "enumerated", "mass": 0.05, "problems": 2, "of": 3}
    for figure in row["equilibrium"].values():
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"]
        assert (figure["bound"], figure["no_power"]) == (False, "")


def test_the_board_says_it_too(compared):
    folder, _ = compared
    board = folder / "out/leaderboards/tiny"
    for name in ("README.md", "index.html"):
        page = (board / name).read_text(encoding="utf-8")
        assert "Enumerated but for 0.05" in page
        assert "2 of 3" in page
        assert "Estimates from samples" not in page


def test_every_completion_is_on_file_with_probabilities_that_add_up(compared):
    folder, _ = compared
    path = run_folder(folder) / LISTED
    made = plan(EvalRequest("tiny-sums", "sums", selection=Selection(limit=3)))
    assert {name: read_header(path)[name] for name in ("mass", "prefixes")} == {"mass": 0.05, "prefixes": 3000}
    found = list(read_listing(path, made.orbits))
    assert [orbit.problem.id for orbit, _ in found] == [orbit.problem.id for orbit in made.orbits[:2]]
    for orbit, traces in found:
        assert len(traces.log_prob_V) == len(orbit.variants)
        for log_prob_MY in traces.log_prob_V:
            sums = np.exp(log_prob_MY).sum(axis=1)
            assert (sums >= 0.95 - 1e-5).all()
            assert (sums <= 1 + 1e-5).all()


def planned(folder: Path):
    """The finished run as `list_runs` takes it."""
    run = run_folder(folder)
    request = EvalRequest(
        str(run.parent / "checkpoint"),
        "sums",
        name="x",
        selection=Selection(limit=3),
        samples=2,
        options=BackendOptions(),
    )
    made = plan(request)
    assert suite_folder(run.parent, made.suite, "test") == run
    return made, run


def list_job(made, folder: Path, bounds: TraceBounds = BOUNDS) -> ListJob:
    return ListJob(made, folder, 2, bounds)


def test_a_listing_that_was_interrupted_goes_on_with_the_next_problem(compared, tmp_path, monkeypatch):
    made, run = planned(compared[0])
    whole = gzip.decompress((run / LISTED).read_bytes())
    lines = whole.splitlines(keepends=True)
    (tmp_path / OPEN).write_bytes(b"".join(lines[:2]) + lines[2][:40])
    asked = []
    original = tracelists.phrasings
    monkeypatch.setattr(
        tracelists, "phrasings", lambda p, orbit, *a: asked.append(orbit) or original(p, orbit, *a)
    )
    list_runs([list_job(made, tmp_path)], "tiny-sums")
    assert [orbit.problem.id for orbit in asked] == [made.orbits[1].problem.id]
    assert gzip.decompress((tmp_path / LISTED).read_bytes()) == whole
    assert not (tmp_path / OPEN).exists()
    list_runs([list_job(made, tmp_path)], "tiny-sums")
    assert len(asked) == 1


def test_what_other_bounds_listed_is_not_taken_over(compared, tmp_path):
    made, run = planned(compared[0])
    lines = gzip.decompress((run / LISTED).read_bytes()).splitlines(keepends=True)
    (tmp_path / OPEN).write_bytes(b"".join(lines[:3]))
    list_runs([list_job(made, tmp_path, TraceBounds(0.05, 1))], "tiny-sums")
    found = list(read_listing(tmp_path / LISTED, made.orbits))
    assert [traces.samples for _, traces in found] == [(), ()]


def with_quality(compared, tmp_path, change):
    """The runs of a copy whose equilibrium.json was changed."""
    shutil.copytree(compared[0] / "out", tmp_path / "out")
    path = run_folder(tmp_path) / "equilibrium.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    save_record(path, content)
    return collect(sorted((tmp_path / "out/results/tiny").iterdir()))


def test_figures_are_over_the_problems_that_were_listed(compared, tmp_path):
    def forget_first(content):
        for values in content["per_problem"].values():
            values[0] = None

    runs = with_quality(compared, tmp_path, forget_first)
    row = next(row for row in compare_runs(runs, ["sums", TRAINED_ON], []).rows if row.measured)
    assert (row.measured.problems, row.measured.of) == (1, 3)
    values = read_quality_file(run_folder(compared[0])).per_problem["nash_gap"]
    assert np.isnan(values[2])
    assert row.equilibrium[3].value == pytest.approx(values[1])


def test_seeds_that_were_measured_in_two_ways_are_labelled_and_not_averaged(compared):
    runs = [run for run in collect(sorted((compared[0] / "out/results/tiny").iterdir())) if run.suite == "sums"]
    trained = next(run for run in runs if run.quality)
    config = {**trained.record.config, "sampling": {**trained.record.config["sampling"], "seed": 1}}
    other = replace(
        trained,
        record=replace(trained.record, config=config),
        quality=replace(trained.quality, enumerated=None),
    )
    table = compare_runs([*runs, other], ["sums"], [])
    (alike,) = by_measure(table.rows)
    assert alike.rows[0].equilibrium == ()
    assert alike.rows[0].measured.how == "mixed"
    assert "measured in different ways" in markdown(equilibrium_table("sums", alike))


def request(**changes) -> CompareRequest:
    made = CompareRequest((parse_spec("vanilla-grpo"),), "tiny-sums", ("sums",), 1, Budget(1000), Path("out"), "x")
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("measuring", "said"),
    [
        (Measuring(mass=0.0), "--mass 0.0"),
        (Measuring(mass=1.5), "--mass 1.5"),
        (Measuring(prefixes=0), "--prefixes 0"),
        (Measuring(problems=0), "--equilibrium-problems 0"),
        (Measuring(train=-1), "--measure-train -1"),
        (Measuring("sampled", mass=0.01), "--mass is of listed completions"),
    ],
)
def test_measuring_that_means_nothing_is_refused(measuring, said):
    with pytest.raises(UsageError, match=said):
        trials(request(measuring=measuring))


def test_what_is_listed_without_being_asked_is_what_an_embedded_model_can():
    sums, splits, other = SUMS.info, SPLITS.info, load_suite("gsm8k").info
    auto = Measuring()
    assert [auto.listed(suite, "tiny-sums") for suite in (sums, splits, other)] == [8, 4, 0]
    assert auto.listed(sums, "some/model") == auto.listed(sums, "") == 0
    assert Measuring(problems=20).listed(sums, "tiny-sums") == 20
    assert Measuring("sampled").listed(sums, "tiny-sums") == 0
    enumerated = Measuring("enumerated")
    assert (enumerated.listed(sums, "some/model"), enumerated.listed(other, "some/model")) == (8, None)
    assert auto.bounds(splits) == TraceBounds(0.05)
    assert Measuring(mass=0.01, prefixes=7).bounds(splits) == TraceBounds(0.01, 7)


def test_training_problems_have_rows_of_their_own(compared):
    folder, table = compared
    assert [row["suite"] for row in table["rows"]] == ["sums", "sums", TRAINED_ON, TRAINED_ON]
    trained = table["rows"][3]
    assert trained["measured"] == {"how": "enumerated", "mass": 0.05, "problems": 2, "of": 2}
    assert trained["metrics"]["accuracy"]["n_problems"] == 2
    assert {c["suite"] for c in table["comparisons"]} == {"sums", TRAINED_ON}
    page = (folder / "out/leaderboards/tiny/README.md").read_text(encoding="utf-8")
    assert f"## {TRAINED_ON}" in page
    record = json.loads(
        (run_folder(folder).parent / "sums_training_problems/run.json").read_text(encoding="utf-8")
    )
    assert (record["config"]["split"], record["config"]["n_problems"]) == ("train", 2)


def test_a_backend_that_cannot_enumerate_says_so(compared, tmp_path):
    made, _ = planned(compared[0])
    unable = replace(made, request=replace(made.request, backend="scripted"))
    with pytest.raises(UsageError, match="backend 'scripted' cannot enumerate"):
        list_runs([list_job(unable, tmp_path)], "tiny-sums")
    assert not list(tmp_path.iterdir())


def test_a_listing_that_was_changed_is_named(compared, tmp_path):
    made, run = planned(compared[0])
    text = gzip.decompress((run / LISTED).read_bytes()).decode().replace('"phrasings"', '"phrases"', 1)
    path = tmp_path / LISTED
    path.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(BadInput, match="line 2: not listed completions"):
        list(read_listing(path, made.orbits))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:1], "its probabilities add up to"),
        (lambda rows: [[*rows[0][:3], 5.0, 5.0], *rows[1:]], "its probabilities add up to"),
        (lambda rows: [[1, *rows[0][1:]], *rows[1:]], "a completion is no text"),
    ],
)
def test_a_listing_that_lacks_completions_is_named(compared, tmp_path, change, message):
    made, run = planned(compared[0])
    lines = [json.loads(line) for line in gzip.decompress((run / LISTED).read_bytes()).decode().splitlines()]
    name, rows = max(lines[1]["phrasings"].items(), key=lambda item: len(item[1]))
    lines[1]["phrasings"][name] = change(sorted(rows, key=lambda row: row[3]))
    (tmp_path / LISTED).write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
    with pytest.raises(BadInput, match=f"line 2: not listed completions .*{message}"):
        list(read_listing(tmp_path / LISTED, made.orbits))


def test_a_listing_that_lacks_problems_is_named(compared, tmp_path):
    made, run = planned(compared[0])
    lines = gzip.decompress((run / LISTED).read_bytes()).decode().splitlines(keepends=True)
    (tmp_path / LISTED).write_bytes(gzip.compress("".join(lines[:-1]).encode()))
    with pytest.raises(BadInput, match="lacks 1 problems; remove it"):
        list(read_listing(tmp_path / LISTED, made.orbits))
