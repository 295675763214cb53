"""`compare` of what is finished: runs, trials, results folders and models, paired on the same problems."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from alftbench.base.jsonio import digest
from alftbench.base.records import save_record
from alftbench.base.stats import paired_difference
from alftbench.compare.finished import FinishedRequest, compare_finished, finished_folders, sources
from alftbench.errors import BadInput, UsageError
from alftbench.publish.comparison import compare_runs
from alftbench.publish.evidence import collect, read_evidence
from alftbench.suites.load import Selection
from tests.helpers import ROOT

TINY = ROOT / "results" / "tiny"
BASE, VANILLA, GAME = (TINY / f"{name}-seed0" for name in ("base", "vanilla-grpo", "diversity-game"))


def request(*folders: Path, **changes) -> FinishedRequest:
    return FinishedRequest(folders, ("sums",), changes.pop("output", Path("out")), **changes)


def compared(*folders: Path, **changes):
    asked = request(*folders, **changes)
    return compare_finished(asked, sources(asked))


def with_record(run: Path, target: Path, change) -> Path:
    """A copy of a run whose record says something else."""
    shutil.copytree(run, target)
    content = json.loads((target / "run.json").read_text(encoding="utf-8"))
    del content["record_sha256"]
    change(content)
    content["id"] = digest(content["config"])[:12]
    save_record(target / "run.json", content)
    return target


def test_two_runs_are_paired_on_their_problems():
    outcome = compared(BASE / "sums", VANILLA / "sums")
    assert [(row.method, row.seeds) for row in outcome.table.rows] == [("base", (0,)), ("vanilla-grpo", (0,))]
    base, vanilla = (read_evidence(folder / "sums").per_problem["accuracy"][None] for folder in (BASE, VANILLA))
    found = next(c for c in outcome.table.comparisons if c.metric == "accuracy")
    assert found.p_value == paired_difference(vanilla, base).p_value
    assert (found.n_pairs, found.n_seeds) == (100, 1)


def test_a_results_folder_is_its_board():
    table = compared(TINY).table
    runs = collect(sorted(TINY.iterdir()))
    order = [row.method for row in table.rows if row.suite == table.rows[0].suite]
    suites = list(dict.fromkeys(row.suite for row in table.rows))
    assert table == compare_runs(runs, suites, order)
    assert len(table.rows) == 28


def test_trials_of_one_method_are_its_seeds_until_nothing_else_is_there():
    two = compared(*(TINY / f"{name}-seed{seed}" for name in ("base", "vanilla-grpo") for seed in range(2))).table
    assert {row.method: row.seeds for row in two.rows} == {"base": (0, 1), "vanilla-grpo": (0, 1)}
    apart = compared(VANILLA / "sums", TINY / "vanilla-grpo-seed1" / "sums").table
    assert [row.method for row in apart.rows] == [
        f"vanilla-grpo ({TINY}/vanilla-grpo-seed{seed}/sums)" for seed in range(2)
    ]


def test_one_seed_in_two_folders_is_two_methods(tmp_path):
    again = shutil.copytree(VANILLA, tmp_path / "again")
    table = compared(BASE, VANILLA, again).table
    names = {row.method for row in table.rows}
    assert names == {"base", f"vanilla-grpo ({VANILLA})", f"vanilla-grpo ({again})"}
    same = [c for c in table.comparisons if c.baseline != "base"]
    assert {(c.difference, c.p_value) for c in same if c.n_pairs} == {(0.0, 1.0)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r["config"]["sampling"].update(temperature=0.5), r"temperature \(0.5 and 1.0\)"),
        (lambda r: r["config"]["sampling"].update(n=16), r"n \(16 and 8\)"),
        (lambda r: r["config"].update(suite_version="2"), r"suite version \(2 and 1\)"),
        (
            lambda r: r["config"].update(regraded={"code": {"alftbench": "0.2.0", "commit": "abc"}}),
            r"grading \(regraded by 0.2.0 abc and as sampled\)",
        ),
        (lambda r: r["config"].update(dtype="bfloat16"), r"dtype \(bfloat16 and auto\)"),
    ],
)
def test_unlike_runs_are_refused_by_what_differs_unless_told(tmp_path, change, said):
    other = with_record(BASE / "sums", tmp_path / "other", lambda r: (change(r), r.update(name="other")))
    with pytest.raises(BadInput, match=f"differ in {said}: not comparable; --allow-different"):
        compared(BASE / "sums", other)
    outcome = compared(BASE / "sums", other, allow_different=True)
    assert len(outcome.different) == 1
    assert {c.p_value for c in outcome.table.comparisons} == {1.0}


def test_what_is_allowed_is_paired_on_the_problems_that_are_shared(tmp_path):
    """A run that lacks the first 40 problems and has the others in another order."""
    whole = read_evidence(BASE / "sums")
    kept = list(range(40, 100))[::-1]

    def shorten(content):
        metrics = json.loads((BASE / "sums" / "metrics.json").read_text(encoding="utf-8"))
        metrics["problems"] = [metrics["problems"][i] for i in kept]
        metrics["per_problem"] = {name: [v[i] for i in kept] for name, v in metrics["per_problem"].items()}
        metrics.pop("phrasings")
        (tmp_path / "short" / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
        sha256 = hashlib.sha256((tmp_path / "short" / "metrics.json").read_bytes()).hexdigest()
        content.update(name="short", metrics_sha256=sha256)

    short = with_record(BASE / "sums", tmp_path / "short", shorten)
    with pytest.raises(BadInput, match=r"differ in problems \(60, digest \w+ and 100, digest \w+\)"):
        compared(VANILLA / "sums", BASE / "sums", short)
    table = compared(VANILLA / "sums", short, allow_different=True).table
    found = next(c for c in table.comparisons if c.metric == "accuracy")
    vanilla = read_evidence(VANILLA / "sums").per_problem["accuracy"]
    expected = np.mean(whole.per_problem["accuracy"][40:] - vanilla[40:])
    assert (found.n_pairs, found.difference) == (60, pytest.approx(expected))


def test_a_model_is_evaluated_first_and_once(tiny, tmp_path):
    models = [shutil.copytree(tiny, tmp_path / name) for name in ("left", "right")]
    asked = request(*models, output=tmp_path / "out", selection=Selection(limit=3), samples=2)
    outcome = compare_finished(asked, sources(asked))
    assert [row.method for row in outcome.table.rows] == ["left", "right"]
    assert {(c.difference, c.p_value) for c in outcome.table.comparisons if c.n_pairs == 3} == {(0.0, 1.0)}
    runs = sorted((tmp_path / "out" / "evaluated").glob("*/samples.jsonl.gz"))
    stamps = [run.stat().st_mtime_ns for run in runs]
    assert len(stamps) == 2
    assert compare_finished(asked, sources(asked)).table == outcome.table
    assert [run.stat().st_mtime_ns for run in runs] == stamps


def test_folders_and_trainers_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "vanilla-grpo"):
        (tmp_path / name).mkdir()
    assert finished_folders(["vanilla-grpo", "coherence-grpo:beta=0.1"]) == ()
    assert finished_folders(["a", "./vanilla-grpo"]) == (Path("a"), Path("vanilla-grpo"))
    for arguments, said in [
        (["a", "vanilla-grpo"], "a is a folder of finished work and vanilla-grpo names a trainer"),
        (["a", "runs/nope"], "runs/nope: no such folder"),
        (["a", "./a"], "is named twice"),
    ]:
        with pytest.raises(UsageError, match=said):
            finished_folders(arguments)
    with pytest.raises(UsageError, match="a: holds no run"):
        sources(request(Path("a")))


def test_runs_of_different_suites_have_nothing_to_compare():
    with pytest.raises(BadInput, match="nothing to compare: no two methods are of one suite"):
        compared(BASE / "sums", VANILLA / "splits")


def test_the_command_shows_tables_and_refuses_what_has_no_meaning(cli):
    done = cli("compare", str(BASE / "sums"), str(GAME / "sums"), "--format", "json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["different"] == []
    assert {c["candidate"] for c in shown["comparisons"]} == {"diversity-game"}
    for wrong, said in [
        ([str(BASE), str(GAME), "--seeds", "2"], "--seeds has no meaning for finished runs"),
        (["vanilla-grpo", "--allow-different"], "--allow-different needs folders of finished runs"),
        ([str(BASE), "vanilla-grpo"], "names a trainer"),
    ]:
        refused = cli("compare", *wrong)
        assert refused.returncode == 2
        assert said in refused.stderr
        assert refused.stderr.count("\n") == 1
