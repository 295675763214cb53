"""Regrading runs of lm-eval's tasks and of its files; no model."""

from __future__ import annotations

import json

import pytest

from alftbench.errors import UsageError
from alftbench.evaluation.evaluate import evaluate
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.evaluation.regrade import plan_regrade, regrade
from alftbench.lm_eval.exporting import export
from alftbench.lm_eval.importing import ImportRequest, plan_import
from alftbench.suites.load import Selection


def test_another_filter_of_a_task_needs_no_model(sums_task, tmp_path):
    name = f"lm-eval:{sums_task}"
    evaluate(plan(EvalRequest("tiny-sums", f"{name}@strict")), tmp_path / "old")
    evaluate(plan(EvalRequest("tiny-sums", f"{name}@flexible")), tmp_path / "expected")
    regrade(plan_regrade(tmp_path / "old", f"{name}@flexible"), tmp_path / "new")
    for file in ("metrics.json", "answers.jsonl.gz"):
        assert (tmp_path / "new" / file).read_bytes() == (tmp_path / "expected" / file).read_bytes()


def test_an_imported_run_is_regraded_from_its_file(tmp_path):
    evaluate(plan(EvalRequest("tiny-sums", "sums", selection=Selection(limit=4), samples=3)), tmp_path / "run")
    _, samples = export(tmp_path / "run")
    evaluate(plan_import(ImportRequest(samples)), tmp_path / "imported")
    found = regrade(plan_regrade(tmp_path / "imported", data=str(samples)), tmp_path / "new")
    assert found.before == found.after
    assert found.changes == ()
    with pytest.raises(UsageError, match=r"needs --data SAMPLES\.jsonl"):
        plan_regrade(tmp_path / "imported")


def test_some_of_a_tasks_problems_are_regraded_and_exported(sums_task, tmp_path):
    suite = f"lm-eval:{sums_task}@strict"
    evaluate(plan(EvalRequest("tiny-sums", suite, selection=Selection(limit=6))), tmp_path / "run")
    _, samples = export(tmp_path / "run", suite_name=suite)
    rows = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    some = tmp_path / samples.name
    some.write_text("".join(json.dumps(row) + "\n" for row in rows if row["doc_id"] in (1, 4)), encoding="utf-8")
    evaluate(plan_import(ImportRequest(some, suite=suite, filter="strict")), tmp_path / "imported")
    found = regrade(plan_regrade(tmp_path / "imported", suite), tmp_path / "new")
    assert (found.n_samples, found.changes) == (2, ())
    written = export(tmp_path / "imported", suite_name=suite)[1].read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["doc_id"] for line in written} == {1, 4}
