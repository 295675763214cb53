"""What a metric's name means has a version: runs measured by an older one are measured anew, never mixed."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from alftbench.base.records import save_record
from alftbench.errors import BadInput
from alftbench.evaluation.evaluate import evaluate
from alftbench.evaluation.measure import current_metrics, renew
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.evaluation.regrade import plan_regrade, regrade
from alftbench.evaluation.run_folder import read_record
from alftbench.evaluation.verify import verify
from alftbench.publish.evidence import read_evidence
from alftbench.suites.load import Selection


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A run of today."""
    folder = tmp_path_factory.mktemp("run") / "sums"
    evaluate(plan(EvalRequest("tiny-sums", "sums", Selection(limit=4), samples=3)), folder)
    return folder


@pytest.fixture
def old(measured, tmp_path):
    """The same run as version 1 measured it: another coherence, and nothing said of a version."""
    folder = tmp_path / "old"
    shutil.copytree(measured, folder)
    content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    del content["version"]
    content["metrics"] = [row for row in content["metrics"] if row["name"] in ("accuracy", "coherence")]
    for row in content["metrics"]:
        row.pop("ratio_of", None)
    content["metrics"][1]["value"] = 0.123
    content["per_problem"] = {"accuracy": content["per_problem"]["accuracy"], "coherence": [0.123] * 4}
    rewrite(folder, content)
    return folder


def rewrite(folder, content, **changes):
    """Write metrics.json and what run.json says of it."""
    (folder / "metrics.json").write_text(json.dumps(content), encoding="utf-8")
    record = {**json.loads((folder / "run.json").read_text(encoding="utf-8")), **changes}
    del record["record_sha256"]
    record["metrics_sha256"] = hashlib.sha256((folder / "metrics.json").read_bytes()).hexdigest()
    save_record(folder / "run.json", record)


def test_an_old_run_is_read_as_if_it_were_measured_today(old, measured):
    before = (old / "metrics.json").read_bytes()
    now = json.loads((measured / "metrics.json").read_text(encoding="utf-8"))
    assert current_metrics(old, verify(old)) == now
    assert (old / "metrics.json").read_bytes() == before
    assert read_evidence(old).ratios == {"coherence": ("agreement", "agreement_within")}


def test_renewing_writes_what_todays_evaluation_would(old, measured):
    renew(old)
    assert (old / "metrics.json").read_bytes() == (measured / "metrics.json").read_bytes()
    assert verify(old).metrics_sha256 == read_record(measured).metrics_sha256
    stamp = (old / "run.json").stat().st_mtime_ns
    renew(old)
    assert (old / "run.json").stat().st_mtime_ns == stamp


def test_a_run_without_recorded_answers_names_the_command_that_measures_it(old, tmp_path):
    (old / "answers.jsonl.gz").unlink()
    rewrite(old, json.loads((old / "metrics.json").read_text(encoding="utf-8")), answers_sha256=None)
    with pytest.raises(BadInput, match=rf"version 1 .*`alftbench regrade {old}`"):
        read_evidence(old)
    regraded = regrade(plan_regrade(old), tmp_path / "new")
    assert [metric.name for metric in regraded.before] == ["accuracy"]
    assert read_evidence(tmp_path / "new").metrics


def test_a_regrade_tells_the_old_run_by_todays_metrics(old, measured, tmp_path):
    regraded = regrade(plan_regrade(old), tmp_path / "new")
    assert regraded.before == regraded.after


def test_a_newer_version_is_refused(measured, tmp_path):
    shutil.copytree(measured, tmp_path / "newer")
    content = json.loads((measured / "metrics.json").read_text(encoding="utf-8"))
    rewrite(tmp_path / "newer", {**content, "version": 99})
    with pytest.raises(BadInput, match=r"version 99 .* newer alftbench"):
        read_evidence(tmp_path / "newer")
