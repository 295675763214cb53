"""What a run writes is what lm-eval's own code reads, and importing it gives the run again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from alftbench.errors import BadInput, UnknownName, UsageError
from alftbench.evaluation.answers import read_answers
from alftbench.evaluation.evaluate import evaluate
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.evaluation.run_folder import read_record, read_samples
from alftbench.evaluation.verify import verify
from alftbench.lm_eval.exporting import export
from alftbench.lm_eval.importing import ImportRequest, plan_import
from alftbench.lm_eval.rows import draws, read_rows, responses, task_of
from alftbench.suites.grade import grade_orbits
from alftbench.suites.load import Selection
from tests.helpers import peer_row, write_peer

FOUR = Selection(limit=4)
GOLDEN = Path(__file__).parent.parent / "evaluation" / "golden"


def metrics_of(folder):
    """Without the bounds of what counts right answers: a file of samples does not say how many there can be."""
    content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    for row in content["metrics"]:
        if row["name"].startswith("distinct_right@"):
            del content["bounds"][row["name"]], row["low"], row["high"]
    return content


def layout_of(folder):
    (results,) = (folder / "lm_eval").glob("*/results_*.json")
    (samples,) = (folder / "lm_eval").glob("*/samples_*.jsonl")
    return results, samples


def imported(samples, folder, **request):
    evaluate(plan_import(ImportRequest(samples, **request)), folder)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An evaluation of four problems in six phrasings with three draws each."""
    folder = tmp_path_factory.mktemp("layout") / "run"
    evaluate(plan(EvalRequest("tiny-sums", "sums", selection=FOUR, samples=3, name="org/a model")), folder)
    assert not (folder / "lm_eval").exists()
    assert set(export(folder)) == set(layout_of(folder))
    return folder


def test_lm_evals_own_code_reads_what_a_run_writes(run):
    from lm_eval.result_schema import EvalResults, SampleResult

    from lm_eval import utils

    results, samples = layout_of(run)
    assert results.parent.name == utils.sanitize_model_name("org/a model")
    names = [f"/{results.parent.name}/{path.name}" for path in (results, samples)]
    assert utils.get_results_filenames(names) == names[:1]
    assert utils.get_sample_results_filenames(names) == names[1:]
    assert utils.get_file_task_name(samples.name) == "sums"
    assert utils.get_file_datetime(samples.name) == re.sub(r"results_|\.json", "", results.name)
    content = json.loads(results.read_text(encoding="utf-8"))
    assert set(content) - {"alftbench"} <= set(EvalResults.__annotations__)
    table = utils.make_table(content)
    accuracy = next(m for m in metrics_of(run)["metrics"] if m["name"] == "accuracy")["value"]
    assert re.search(rf"exact_match\s*\|↑\s*\|\s*{accuracy:.4f}", table)
    rows = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 24
    assert all(set(row) - set(SampleResult.__annotations__) == {"exact_match", "alftbench"} for row in rows)
    assert content["task_hashes"]["sums"] == utils.hash_string(
        "".join(row["doc_hash"] + row["prompt_hash"] + row["target_hash"] for row in rows)
    )
    assert rows[0]["doc_hash"] == utils.hash_string(json.dumps(rows[0]["doc"], indent=2, ensure_ascii=False))


def test_datasets_reads_the_samples(run):
    import datasets

    _, samples = layout_of(run)
    loaded = datasets.load_dataset("json", data_files=str(samples), split="train")
    assert len(loaded) == 24
    assert len(loaded[0]["resps"][0]) == 3


def test_values_and_standard_errors_are_those_of_the_run(run):
    found = json.loads(layout_of(run)[0].read_text(encoding="utf-8"))["results"]["sums"]
    per_problem = np.array(metrics_of(run)["per_problem"]["accuracy"])
    assert found["exact_match,alftbench"] == found["accuracy,alftbench"] == pytest.approx(per_problem.mean())
    assert found["exact_match_stderr,alftbench"] == pytest.approx(per_problem.std(ddof=1) / 2)


def test_exporting_again_writes_the_same_two_files(run, tmp_path):
    before = [path.read_bytes() for path in layout_of(run)]
    evaluate(plan(EvalRequest("tiny-sums", "sums", selection=FOUR, samples=3, name="org/a model")), run)
    assert [path.read_bytes() for path in export(run)] == before
    assert [path.read_bytes() for path in export(run, tmp_path / "elsewhere")] == before


def test_a_run_of_earlier_code_says_how_it_is_measured_anew(tmp_path):
    old = GOLDEN / "complete"
    assert read_record(old).answers_sha256 is None
    with pytest.raises(BadInput, match=r"measured by version 1 of the metrics, this is 2, .*`alftbench regrade"):
        export(old, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_is_refused(run, tmp_path):
    with pytest.raises(BadInput, match="unfinished"):
        export(GOLDEN / "unfinished", tmp_path)
    with pytest.raises(UsageError, match="the run is of sums; `alftbench regrade` makes one of splits"):
        export(run, tmp_path, "splits")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suite", ["sums", "splits"])
def test_a_run_comes_back_from_its_layout(suite, tmp_path):
    evaluate(plan(EvalRequest("tiny-sums", suite, selection=Selection(limit=3), samples=4)), tmp_path / "run")
    again = imported(export(tmp_path / "run")[1], tmp_path / "again")
    assert metrics_of(again) == metrics_of(tmp_path / "run")
    assert read_samples(again) == read_samples(tmp_path / "run")
    assert list(read_answers(again)) == list(read_answers(tmp_path / "run"))
    twice = imported(export(again, data=str(export(tmp_path / "run")[1]))[1], tmp_path / "twice")
    assert metrics_of(twice) == metrics_of(again)
    assert verify(again).config["sampling"] == verify(tmp_path / "run").config["sampling"]


def test_a_task_of_lm_eval_comes_back_too(sums_task, tmp_path):
    suite = f"lm-eval:{sums_task}@flexible"
    made = plan(EvalRequest("tiny-sums", suite, selection=Selection(limit=6), samples=3, temperature=1.0))
    evaluate(made, tmp_path / "run")
    samples = export(tmp_path / "run", suite_name=suite)[1]
    by_file = imported(samples, tmp_path / "by_file")
    by_task = imported(samples, tmp_path / "by_task", suite=suite)
    assert metrics_of(by_file)["per_problem"] == metrics_of(tmp_path / "run")["per_problem"]
    assert metrics_of(by_task) == metrics_of(tmp_path / "run")
    assert read_record(by_task).config["suite_sha256"] == made.config["suite_sha256"]


# Files of lm-eval


def test_what_lm_eval_wrote_becomes_a_run(sums_task, tiny, tmp_path):
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    import lm_eval

    tracker = EvaluationTracker(output_path=str(tmp_path / "theirs"))
    theirs = lm_eval.simple_evaluate(
        HFLM(pretrained=tiny, device="cpu", dtype="float32", batch_size=8),
        model_args={"pretrained": tiny},
        tasks=[str(sums_task)],
        task_manager=TaskManager(include_defaults=False),
        evaluation_tracker=tracker,
        apply_chat_template=True,
        bootstrap_iters=0,
    )
    logged = theirs.pop("samples")
    tracker.save_results_aggregated(theirs, logged)
    tracker.save_results_samples("local_sums", logged["local_sums"])
    (samples,) = (tmp_path / "theirs").glob("*/samples_*.jsonl")
    for name in ("strict", "flexible"):
        folder = imported(samples, tmp_path / name, filter=name)
        expected = theirs["results"]["local_sums"][f"exact_match,{name}"]
        (accuracy,) = (m for m in metrics_of(folder)["metrics"] if m["name"] == "accuracy")
        assert (accuracy["value"], accuracy["n_problems"]) == (expected, 24)
        record = verify(folder)
        assert record.config["model"] == tiny  # model_name of lm-eval's results, found by its date
        assert record.config["imported"]["lm_eval"].startswith("0.4.")
        assert record.config["imported"]["unknown"] == ["finish_reason", "n_tokens"]
        assert record.config["sampling"]["temperature"] == 0.0
        assert record.config["sampling"]["seed"] == 1234
    suite = f"lm-eval:{sums_task}@flexible"
    made = plan_import(ImportRequest(samples, suite=f"{suite}:chat=true", filter="flexible"))
    assert made.config["imported"]["prompts"] == "the task's messages, in order, within a chat template"
    with pytest.raises(BadInput, match="is not the task's"):
        plan_import(ImportRequest(samples, suite=suite, filter="flexible"))


def test_repeats_become_draws(tmp_path):
    rows = [
        peer_row(0, "... #### 7", ["it is 7", "it is 8", "so #### 7", "The answer is 7."]),
        peer_row(1, "... #### 5", ["it is 4", "no idea", "it is 4", "\\boxed{5}"]),
    ]
    folder = imported(write_peer(tmp_path, rows), tmp_path / "run")
    found = metrics_of(folder)["per_problem"]
    assert found["accuracy"] == [0.75, 0.25]
    assert found["pass@4"] == [1.0, 1.0]
    assert found["maj@4"] == [1.0, 0.0]
    assert found["distinct@4"] == [2.0, 2.0]
    record = verify(folder)
    assert record.config["suite"] == "imported:gsm8k_cot"
    assert record.config["model"] == "unknown"
    assert record.config["sampling"] == {
        "n": 4, "temperature": 0.7, "top_p": None, "max_tokens": 64, "seed": None, "stop": ["Q:"]
    }  # fmt: skip
    assert {s.finish_reason for s in read_samples(folder)} == {"unknown"}


def test_one_response_a_prompt_keeps_lm_evals_verdict(tmp_path):
    rows = [
        peer_row(0, "Paris", ["I say Paris"]),
        peer_row(1, "Rome", ["Roma"]),
        peer_row(2, "Oslo", ["?"], filtered_resps=["[invalid]"]),
    ]
    folder = imported(write_peer(tmp_path, rows), tmp_path / "run", name="theirs")
    assert metrics_of(folder)["per_problem"]["accuracy"] == [1.0, 0.0, 0.0]
    assert metrics_of(folder)["per_problem"]["rate_answered"] == [1.0, 1.0, 0.0]
    assert verify(folder).name == "theirs"


def test_answer_rules_of_a_suite_can_be_asked_for(tmp_path):
    rows = [peer_row(0, "#### 7", ["6, that is, \\boxed{7.0} in all 9"])]
    path = write_peer(tmp_path, rows)
    assert metrics_of(imported(path, tmp_path / "a"))["per_problem"]["accuracy"] == [0.0]  # lm-eval said 9
    folder = imported(path, tmp_path / "b", suite="gsm8k")
    assert metrics_of(folder)["per_problem"]["accuracy"] == [1.0]
    assert verify(folder).config["suite"] == "imported:gsm8k_cot:like=gsm8k"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arguments": {"gen_args_0": {"arg_0": "p", "arg_1": " yes"}}}, "line 2: not a generate_until sample"),
        ({"resps": [[]]}, "line 2: not a sample of lm-eval"),
        ({"resps": [[["-1.5", "False"]]]}, "line 2: not a sample of lm-eval"),
        ({"arguments": {}}, "line 2: not a sample of lm-eval"),
        ({"doc_id": 0}, "line 2: problem 0 stands on line 1 already"),
        ({"resps": [["1", "2"]]}, "1 to 2 responses a prompt"),
        ({"exact_match": 0.5}, "line 2: the metric 'exact_match' is not 0 or 1"),
        ({"metrics": []}, "none there"),
        ({"doc_id": 3.5}, "not a sample of lm-eval: doc_id: must be a whole number, at least 0, is 3.5"),
        ({"doc_id": -3}, "not a sample of lm-eval: doc_id: must be a whole number, at least 0, is -3"),
        ({"doc_id": True}, "not a sample of lm-eval: doc_id: must be a whole number, at least 0, is true"),
        ({"doc": 5}, "not a sample of lm-eval: doc: must be a table of keys, is 5"),
        ({"filtered_resps": 5}, "not a sample of lm-eval: filtered_resps: must be a list, is 5"),
        ({"target": None}, "not a sample of lm-eval: target: must be text, a number or a list, is null"),
        ({"filter": ["a"]}, "filter is"),
        ({"metrics": 5}, "not a sample of lm-eval: metrics: must be a list, is 5"),
        ({"alftbench": 5}, "not a sample of lm-eval: alftbench: must be a table of keys, or null, is 5"),
        ({"arguments": {"gen_args_0": {"arg_0": 5, "arg_1": {}}}}, "the prompt is 5"),
        (
            {"arguments": {"gen_args_0": {"arg_0": "p", "arg_1": {"temperature": "hot"}}}},
            'not a sample of lm-eval: temperature: must be a number, at least 0, or null, is "hot"',
        ),
        ({"arguments": None}, "line 2: holds no prompt; only --suite lm-eval:TASK"),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_line(tmp_path, changes, message):
    rows = [peer_row(0, "5", ["5"]), {**peer_row(1, "6", ["6"]), **changes}]
    path = write_peer(tmp_path, rows)
    with pytest.raises(UsageError, match=message) as error:
        imported(path, tmp_path / "run")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "content",
    [5, [], {}, {"results": 5}, {"results": {}, "config": None}, {"results": {}, "n-shot": 3},
     {"results": {}, "task_hashes": []}, {"results": {}, "alftbench": {"config": {"sampling": 1}}}],
)  # fmt: skip
def test_a_results_file_that_is_none_is_one_line(tmp_path, content):
    path = write_peer(tmp_path, [peer_row(0, "5", ["5"])])
    results = tmp_path / "results.json"
    results.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BadInput, match=r"results\.json: not a results file of lm-eval"):
        imported(path, tmp_path / "run", results=results)


def test_half_a_character_in_a_response_is_replaced(tmp_path):
    path = write_peer(tmp_path, [peer_row(0, "5", ["5 \ud800"], filtered_resps=["5"])])
    (sample,) = read_samples(imported(path, tmp_path / "run"))
    assert sample.text == "5 \N{REPLACEMENT CHARACTER}"


ODD = [None, True, 5, -3, 3.5, "x", [], ["x"], {}, {"x": 1}, [[["x"]]]]


def places(value, path=()):
    """Every place in a JSON value, the whole first."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from places(item, (*path, key))


def changed(value, path, odd):
    """A value with another at one place."""
    if not path:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], odd)
    return copy


def refusal(path):
    """Why a file is not imported, None where it can be."""
    try:
        made = plan_import(ImportRequest(path))
        list(grade_orbits(made.suite, made.orbits, (s for row in read_rows(path) for s in draws(row))))
    except UsageError as error:
        return str(error)
    return None


@pytest.mark.parametrize("by", ["lm-eval", "us"])
def test_a_line_with_anything_anywhere_is_read_or_is_one_line(run, tmp_path, by):
    lines = layout_of(run)[1].read_text(encoding="utf-8").splitlines()
    row = peer_row(0, "5", ["5"]) if by == "lm-eval" else json.loads(lines[0])
    read = 0
    for place in list(places(row))[1:]:
        for odd in ODD:
            if line := refusal(write_peer(tmp_path, [changed(row, place, odd)])):
                assert "\n" not in line, (place, odd)
            else:
                read += 1
    assert read > 50  # a text instead of another, a field that nobody needs


def test_several_responses_without_numbers_need_a_suite(tmp_path):
    path = write_peer(tmp_path, [peer_row(0, "Paris", ["Paris", "Rome"])])
    with pytest.raises(UsageError, match="say with --suite whose answer rules"):
        imported(path, tmp_path / "run")


def test_a_filter_that_is_not_there_and_an_empty_file_are_named(tmp_path):
    path = write_peer(tmp_path, [peer_row(0, "5", ["5"])])
    with pytest.raises(UnknownName, match="strict-match"):
        read_rows(path, "strict-mtch")
    path.write_text("", encoding="utf-8")
    with pytest.raises(BadInput, match="no samples"):
        read_rows(path)


def test_samples_of_another_task_are_refused(sums_task, tmp_path):
    path = write_peer(tmp_path, [peer_row(0, "5", ["5"])])
    with pytest.raises(BadInput, match="line 1: document 0 is not that of lm-eval:local_sums@strict"):
        imported(path, tmp_path / "run", suite=f"lm-eval:{sums_task}")


@pytest.mark.parametrize(
    ("resps", "texts"),
    [([["a", "b"]], ("a", "b")), (["a", "b"], ("a", "b")), ([["a"]], ("a",)), ([[["a"], ["b"]]], ("a", "b"))],
)
def test_every_nesting_of_responses_is_read(resps, texts):
    assert responses(resps) == texts


def test_the_task_is_in_the_files_name(tmp_path):
    assert task_of(tmp_path / "samples_gsm8k_cot_2026-01-02T03-04-05.678901.jsonl") == "gsm8k_cot"
    assert task_of(tmp_path / "mine.jsonl") == "mine"


def test_an_interrupted_import_goes_on(run, tmp_path, monkeypatch):
    from alftbench.evaluation.run_folder import RunFolder

    samples = layout_of(run)[1]
    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "seal", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            imported(samples, tmp_path / "broken")
    assert read_record(tmp_path / "broken").status == "running"
    open_samples = tmp_path / "broken" / "samples.jsonl"
    open_samples.write_bytes(open_samples.read_bytes()[:-40])
    imported(samples, tmp_path / "broken")
    whole = imported(samples, tmp_path / "whole")
    assert verify(tmp_path / "broken").samples_sha256 == verify(whole).samples_sha256
    assert metrics_of(tmp_path / "broken") == metrics_of(whole)


def test_export_and_import_are_commands(warm, run, tmp_path):
    shown = warm("export", str(run), "--output-dir", "files")
    assert shown.returncode == 0, shown.stderr
    written = [tmp_path / line for line in shown.stdout.splitlines()]
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in layout_of(run)]
    done = warm("import", str(written[1]), "--output-dir", "mine", "--format", "json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["run"]["name"] == "org/a model"
    assert metrics_of(tmp_path / "mine") == metrics_of(run)
    failed = warm("import", "nowhere.jsonl")
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert "nowhere.jsonl" in failed.stderr
