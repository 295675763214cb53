"""Regrading: new answers and metrics from old samples; the old run stays as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alftbench.answers import canonical
from alftbench.base.records import save_record
from alftbench.errors import BadInput, UsageError
from alftbench.evaluation.evaluate import evaluate
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.evaluation.regrade import plan_regrade, regrade
from alftbench.evaluation.run_folder import read_record, read_samples
from alftbench.evaluation.verify import verify
from alftbench.suites.load import Selection

GOLDEN = Path(__file__).parent / "golden"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def run(tmp_path):
    evaluate(plan(EvalRequest("tiny-sums", "sums", selection=Selection(limit=4), samples=3)), tmp_path / "old")
    return tmp_path / "old"


def test_the_same_code_gives_the_same_metrics_and_the_old_run_is_left_alone(run, tmp_path):
    before = contents(run)
    found = regrade(plan_regrade(run), tmp_path / "new")
    assert contents(run) == before
    assert found.before == found.after
    assert found.changes == ()
    assert read_samples(tmp_path / "new") == read_samples(run)
    assert (tmp_path / "new" / "metrics.json").read_bytes() == before["metrics.json"]
    old, new = verify(run), verify(tmp_path / "new")
    assert new.samples_sha256 == old.samples_sha256
    assert new.config["regraded"]["provenance"] == old.provenance
    assert new.config["regraded"]["run"] == old.id != new.id
    assert new.config["model_sha256"] == old.config["model_sha256"]


def test_other_answers_code_is_seen_sample_by_sample(run, tmp_path, monkeypatch):
    right = sum(json.loads((run / "metrics.json").read_text())["per_problem"]["accuracy"])
    assert right > 0
    monkeypatch.setitem(canonical.KINDS, "number", lambda raw: f"#{canonical.number_key(raw)}")
    found = regrade(plan_regrade(run), tmp_path / "new")
    assert found.n_samples == 72
    assert found.changes is not None
    assert len(found.changes) == 72
    assert all(change.after == f"#{change.before}" for change in found.changes)
    written = json.loads((tmp_path / "new" / "regrade.json").read_text())
    assert written["n_changed"] == 72
    assert len(written["changed"]) == 20
    assert written["from"]["metrics_sha256"] == verify(run).metrics_sha256


def test_metrics_say_before_and_after(run, tmp_path, monkeypatch):
    from alftbench.answers.find import extract

    monkeypatch.setitem(extract.RULES, "marker", lambda text: None)
    found = regrade(plan_regrade(run), tmp_path / "new")
    metrics = found.to_json()["metrics"]["accuracy"]
    assert metrics["before"]["value"] > metrics["after"]["value"] == 0.0


def test_a_run_of_earlier_code_without_recorded_answers_says_so(tmp_path):
    found = regrade(plan_regrade(GOLDEN / "complete"), tmp_path / "new")
    after = {metric.name: (metric.value, metric.n_samples) for metric in found.after}
    same = [metric for metric in found.before if not metric.name.startswith("distinct")]
    assert [(m.value, m.n_samples) for m in same] == [after[m.name] for m in same]
    assert "coherence" not in {metric.name for metric in found.before}  # it meant another figure
    assert found.changes is None
    assert found.to_json()["n_changed"] is None
    again = regrade(plan_regrade(tmp_path / "new"), tmp_path / "newer")
    assert again.changes == ()


def test_other_problems_and_changed_runs_are_refused(run, tmp_path):
    with pytest.raises(BadInput, match="its problems are not those of splits"):
        plan_regrade(run, "splits")
    with pytest.raises(UsageError, match="stays as it is"):
        regrade(plan_regrade(run), run)
    record = json.loads((run / "run.json").read_text())
    save_record(run / "run.json", {**record, "status": "running"})
    with pytest.raises(BadInput, match="unfinished"):
        plan_regrade(run)
    with pytest.raises(BadInput, match="no such file"):
        plan_regrade(tmp_path / "nowhere")


def test_an_interrupted_regrade_goes_on(run, tmp_path, monkeypatch):
    import alftbench.evaluation.regrade as regrading

    with monkeypatch.context() as patched:
        patched.setattr(regrading, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            regrade(plan_regrade(run), tmp_path / "new")
    regrade(plan_regrade(run), tmp_path / "new")
    assert read_record(tmp_path / "new").status == "complete"
    assert json.loads((tmp_path / "new" / "regrade.json").read_text())["n_changed"] == 0


def test_regrade_is_a_command(warm, run, tmp_path):
    done = warm("regrade", str(run))
    assert done.returncode == 0, done.stderr
    assert "0 of 72 answers changed" in done.stdout
    assert len(list((tmp_path / "runs").iterdir())) == 1
    failed = warm("regrade", str(run), "--output-dir", str(run))
    assert (failed.returncode, failed.stderr.count("\n")) == (2, 1)
