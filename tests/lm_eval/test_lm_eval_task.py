"""Tasks of lm-eval as suites, against lm-eval itself on the same data with the same model."""

from __future__ import annotations

import json
import warnings

import pytest

from alftbench.backends.base import BackendOptions
from alftbench.backends.hf.backend import HfBackend
from alftbench.backends.scripted import FunctionBackend
from alftbench.errors import UsageError
from alftbench.evaluation.answers import read_partitions
from alftbench.evaluation.evaluate import draw_samples, evaluate, measure
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.evaluation.run_folder import RunFolder, read_samples
from alftbench.lm_eval.exporting import export
from alftbench.lm_eval.loading import normalised
from alftbench.metrics.summary import metrics_for
from alftbench.suites.grade import grade_orbits
from alftbench.suites.load import Selection, load_suite, read_orbits
from alftbench.suites.show import orbit_json, orbit_text, pick
from alftbench.suites.validate import validate
from tests.helpers import write_task


def by_lm_eval(task, model, chat=False, limit=None):
    """lm-eval's own evaluation of a task file."""
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    import lm_eval

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of lm-eval and what it uses
        lm = HFLM(pretrained=model, device="cpu", dtype="float32", batch_size=8)
        return lm_eval.simple_evaluate(
            lm,
            tasks=[str(task)],
            task_manager=TaskManager(include_defaults=False),
            apply_chat_template=chat,
            limit=limit,
            bootstrap_iters=100,
        )


def results_of(folder, suite):
    return json.loads(export(folder, suite_name=suite)[0].read_text(encoding="utf-8"))


def rows_of(folder, suite):
    lines = export(folder, suite_name=suite)[1].read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("backend", ["hf", "lm-eval"])
@pytest.mark.parametrize("chat", [False, True])
def test_exact_match_is_that_of_lm_eval_to_the_last_sample(sums_task, tiny, tmp_path, backend, chat):
    theirs = by_lm_eval(sums_task, tiny, chat)
    (name,) = theirs["results"]
    for chosen in ("strict", "flexible"):
        suite = f"lm-eval:{sums_task}@{chosen}" + (":chat=true" if chat else "")
        made = plan(EvalRequest("tiny-sums", suite, backend=backend))
        evaluate(made, tmp_path / chosen)
        samples = {s.problem_id: s.text for s in read_samples(tmp_path / chosen)}
        expected = [row for row in theirs["samples"][name] if row["filter"] == chosen]
        assert len(expected) == len(samples) == 24
        assert [samples[str(row["doc_id"])] for row in expected] == [row["resps"][0][0] for row in expected]
        per_problem = json.loads((tmp_path / chosen / "metrics.json").read_text())["per_problem"]["accuracy"]
        assert per_problem == [row["exact_match"] for row in expected]
        ours = results_of(tmp_path / chosen, suite)["results"][name]
        for key, value in theirs["results"][name].items():
            near = pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
            assert ours[key] == near, key
        assert ours["exact_match,alftbench"] == theirs["results"][name][f"exact_match,{chosen}"]
    if chat:
        assert 0 < ours["exact_match,flexible"] < 1  # else the test would compare nothing


def test_samples_files_are_those_of_lm_eval(sums_task, tiny, tmp_path):
    theirs = by_lm_eval(sums_task, tiny, chat=False)
    evaluate(plan(EvalRequest("tiny-sums", f"lm-eval:{sums_task}")), tmp_path)
    found = rows_of(tmp_path, f"lm-eval:{sums_task}")
    expected = theirs["samples"]["local_sums"]
    key = lambda row: (row["filter"], row["doc_id"])  # noqa: E731
    for ours, row in zip(sorted(found, key=key), sorted(expected, key=key), strict=True):
        same = ("doc_id", "doc", "target", "resps", "filtered_resps", "filter", "metrics", "exact_match")
        assert {name: ours[name] for name in same} == {name: row[name] for name in same}
        for name in ("doc_hash", "prompt_hash", "target_hash"):
            assert ours[name] == row[name]
        assert ours["arguments"]["gen_args_0"]["arg_0"] == row["arguments"][0][0]


@pytest.mark.parametrize("name", ["gsm8k_test.jsonl", "svamp.jsonl"])
def test_exact_match_on_open_data_is_that_of_lm_eval(name, shared_data, tiny, tmp_path):
    task = write_task(
        tmp_path / "task.yaml",
        "open_data",
        shared_data(name),
        doc_to_text="Question: {{question}}\nAnswer:",
        doc_to_target="{{answer}}",
    )
    theirs = by_lm_eval(task, tiny, limit=40)["results"]["open_data"]
    request = EvalRequest("tiny-sums", f"lm-eval:{task}@flexible", selection=Selection(limit=40))
    evaluate(plan(request), tmp_path / "run")
    ours = results_of(tmp_path / "run", f"lm-eval:{task}@flexible")["results"]["open_data"]
    assert ours["exact_match,flexible"] == theirs["exact_match,flexible"]
    assert ours["exact_match,strict"] == theirs["exact_match,strict"]
    assert ours["exact_match_stderr,flexible"] == theirs["exact_match_stderr,flexible"]


SCRIPT = {0: "Answer: 112", 1: "so 1+1\nAnswer: 0", 2: "no number", 3: "Answer: 1,13 or 7"}


def scripted_run(task_name, folder, script, n=1):
    made = plan(
        EvalRequest(
            "tiny-sums", task_name, selection=Selection(limit=4), samples=n, temperature=0.0 if n == 1 else 1.0
        )
    )
    run = RunFolder.open(folder, "scripted", made.config)
    draw_samples(made, run, FunctionBackend(script), lambda *_: None)
    run.seal(sorted(sample.key for sample in run.samples()))
    measure(made, run, metrics_for(made.params.n))
    return made, run


def test_answers_are_classes_of_what_the_filter_leaves(sums_task, tmp_path):
    made, run = scripted_run(f"lm-eval:{sums_task}@strict", tmp_path, lambda v, d: SCRIPT[int(v.problem_id)])
    found = list(read_partitions(run.path, made.suite, made.orbits))
    assert found == [graded.partition for _, graded in grade_orbits(made.suite, made.orbits, run.samples())]
    assert [p.classes_Z for p in found] == [("112",), ("0",), (), ("113",)]
    assert [p.correct_Z for p in found] == [(True,), (False,), (), (False,)]  # the references: 112, 113, 114, 115
    assert found[2].outcomes == {"unparsed": 1}
    both = results_of(tmp_path, f"lm-eval:{sums_task}@strict")["results"]["local_sums"]
    assert (both["exact_match,strict"], both["exact_match,flexible"]) == (0.25, 0.25)


def test_draws_are_averaged_by_us_and_the_first_counts_for_lm_eval(sums_task, tmp_path):
    scripted_run(f"lm-eval:{sums_task}@strict", tmp_path, lambda v, d: f"Answer: {112 + d}", n=2)
    found = results_of(tmp_path, f"lm-eval:{sums_task}@strict")["results"]["local_sums"]
    assert found["exact_match,strict"] == 0.25  # the first draw: 112 to each of 112, 113, 114, 115
    assert found["exact_match,alftbench"] == 0.25  # one of two right for the first two problems
    assert found["pass@2,alftbench"] == 0.5


def test_text_after_a_stop_string_is_not_read(sums_task, tmp_path):
    made, run = scripted_run(
        f"lm-eval:{sums_task}@flexible", tmp_path, lambda v, d: "It is 112\n\nQuestion: 5?\nAnswer: 999"
    )
    assert next(read_partitions(run.path, made.suite, made.orbits)).classes_Z == ("112",)


def test_sampling_is_the_tasks_own(sums_task):
    sampling = load_suite(f"lm-eval:{sums_task}").info.sampling
    assert (sampling.n, sampling.temperature, sampling.max_tokens) == (1, 0.0, 32)
    assert sampling.stop == ("\n\n", "Question:")


def test_few_shot_prompts_are_those_of_lm_eval(sums_task, tiny, tmp_path):
    from lm_eval.tasks import TaskManager

    data = sums_task.parent / "sums.jsonl"
    task = write_task(
        tmp_path / "few.yaml",
        "few",
        data,
        dataset_kwargs={"data_files": {"test": str(data), "train": str(data)}},
        training_split="train",
        fewshot_split="train",
        num_fewshot=3,
    )
    (theirs,) = TaskManager(include_defaults=False).load([str(task)])["tasks"].values()
    theirs.set_fewshot_seed(1234)
    theirs.build_all_requests()
    ours = read_orbits(load_suite(f"lm-eval:{task}"), Selection())
    assert [o.variants[0].messages[0]["content"] for o in ours] == [i.args[0] for i in theirs.instances]
    chat = read_orbits(load_suite(f"lm-eval:{task}:chat=true"), Selection())
    assert [m["role"] for m in chat[0].variants[0].messages] == ["user", "assistant"] * 3 + ["user"]
    assert len(load_suite(f"lm-eval:{task}:num_fewshot=1").orbits()[0].variants[0].messages) == 1


@pytest.mark.parametrize("sampler", ["default", "first_n"])
def test_more_examples_than_there_are_is_one_line(sums_task, tmp_path, sampler):
    data = sums_task.parent / "sums.jsonl"
    task = write_task(
        tmp_path / "few.yaml",
        "few",
        data,
        fewshot_split="test",
        num_fewshot=2,
        fewshot_config={"sampler": sampler},
    )
    assert len(read_orbits(load_suite(f"lm-eval:{task}:num_fewshot=23"), Selection(limit=1))) == 1
    with pytest.raises(
        UsageError, match="task few has 24 worked examples, num_fewshot=100 are too many"
    ) as caught:
        read_orbits(load_suite(f"lm-eval:{task}:num_fewshot=100"), Selection())
    assert "\n" not in str(caught.value)


def test_an_empty_stop_string_is_refused(sums_task, tmp_path):
    """lm-eval's hf model would end every answer at its first token."""
    data = sums_task.parent / "sums.jsonl"
    how = {"until": ["", "\n\n"], "max_gen_toks": 32, "do_sample": False}
    task = write_task(tmp_path / "empty.yaml", "empty", data, generation_kwargs=how)
    with pytest.raises(UsageError, match="task empty has an empty stop string; remove it from its until"):
        load_suite(f"lm-eval:{task}")
    one = write_task(tmp_path / "one.yaml", "one", data, generation_kwargs={**how, "until": "Q:"})
    assert load_suite(f"lm-eval:{one}").info.sampling.stop == ("Q:",)


def test_a_plain_prompt_gets_no_chat_template(tiny):
    backend = HfBackend(tiny, BackendOptions())
    from alftbench.backends.hf.loading import prompt_ids

    plain = prompt_ids(backend.tokenizer, ({"role": "plain", "content": "What is 1 + 2?"},))
    assert plain == backend.tokenizer.encode("What is 1 + 2?")
    assert plain != prompt_ids(backend.tokenizer, ({"role": "user", "content": "What is 1 + 2?"},))


@pytest.mark.parametrize(
    ("text", "rules", "key"),
    [
        ("$1,200.", {"regexes_to_ignore": [",", "\\$", "\\.$"]}, "1200"),
        ("Paris!", {"ignore_case": True, "ignore_punctuation": True}, "paris"),
        ("a1b2", {"ignore_numbers": True}, "ab"),
        (" kept ", {}, " kept "),
    ],
)
def test_keys_are_what_exact_match_compares(text, rules, key):
    from lm_eval.api.metrics import exact_match_hf_evaluate

    assert normalised(text, rules) == key
    assert exact_match_hf_evaluate([text], [key], **rules)["exact_match"] == 1.0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lm-eval:", "name a task"),
        ("lm-eval:no_such_file.yaml", "no task file"),
        ("lm-eval:{task}@lenient", "no filter of the task .* named 'lenient'"),
        ("lm-eval:{task}:chat=maybe", "must be true or false"),
        ("lm-eval:{task}:shots=2", "shots: there is no such setting"),
        ("lm-eval:{task}:metric=f1", "the task has exact_match"),
        ("lm-eval:{task}:num_fewshot=-1", "must be a whole number"),
        ("lm-eval:{task}:include_path=/no/such", None),
    ],
)
def test_a_wrong_name_is_one_line(sums_task, name, message):
    suite = name.format(task=sums_task)
    if message is None:
        assert load_suite(suite)  # a task file needs no folder
        return
    with pytest.raises(UsageError, match=message) as error:
        read_orbits(load_suite(suite), Selection())
    assert "\n" not in str(error.value)


def test_a_task_that_is_none_of_ours_is_refused(sums_task, tmp_path):
    data = sums_task.parent / "sums.jsonl"
    choice = write_task(
        tmp_path / "choice.yaml",
        "choice",
        data,
        output_type="multiple_choice",
        doc_to_choice=["1", "2"],
        doc_to_target=0,
        metric_list=[{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        filter_list=None,
    )
    with pytest.raises(UsageError, match="type multiple_choice; only generate_until"):
        load_suite(f"lm-eval:{choice}")
    unsafe = write_task(tmp_path / "unsafe.yaml", "unsafe", data, unsafe_code=True)
    with pytest.raises(UsageError, match="runs what models write"):
        load_suite(f"lm-eval:{unsafe}")
    votes = [{"name": "maj", "filter": [{"function": "take_first_k", "k": 4}, {"function": "majority_vote"}]}]
    several = write_task(tmp_path / "votes.yaml", "votes", data, filter_list=votes)
    with pytest.raises(UsageError, match="wants more responses at once"):
        scripted_run(f"lm-eval:{several}", tmp_path / "run", lambda v, d: "1")


def test_a_task_of_a_folder_is_found_by_name(sums_task):
    suite = load_suite(f"lm-eval:local_sums@flexible:include_path={sums_task.parent}")
    assert suite.info.name == "lm-eval:local_sums@flexible"
    assert suite.info.version.startswith("1.0 of lm-eval 0.4.")


def test_show_prints_a_task_as_it_is(sums_task):
    suite = load_suite(f"lm-eval:{sums_task}@strict")
    orbit = pick(suite, Selection(), "2")
    text = orbit_text(suite, orbit, 80)
    for part in (
        "plain:\n  What is 23 + 91?",
        "written  114",
        "kind     lm-eval, filter strict; right where exact_match is 1",
        "stop     '\\n\\n' | 'Question:'",
    ):
        assert part in text
    shown = orbit_json(suite, orbit)
    assert (shown["problem"]["reference"], shown["keys"], shown["stop"]) == (("114",), None, ["\n\n", "Question:"])


def test_validate_holds_a_task_to_its_own_scorer(sums_task):
    report = validate(load_suite(f"lm-eval:{sums_task}@strict"), Selection())  # finds "Answer: 112", never "112"
    counts = {check.name: check.n for check in report.checks if not check.skipped}
    assert report.fine
    assert counts == {"references": 24, "prompts": 24, "orbits": 24}


PICKY = """
def process_results(doc, results):
    return {"exact_match": float(results[0].strip().isdigit() and results[0].strip() in doc["answer"])}
"""


@pytest.mark.parametrize(
    ("row", "check", "what"),
    [
        ({"question": "What is 1 + 2?", "answer": "#### three"}, "references", "'three' is not graded as right"),
        ({"question": "What is 1 + 2?", "answer": "#### "}, "references", "has no right answer"),
        ({"question": "What is 17 + 95?", "answer": "#### 112"}, "prompts", "a prompt that occurs more than once"),
        (
            {"question": "What  is 17 + 95? ", "answer": "#### 112"},
            "prompts",
            "a prompt that occurs more than once",
        ),
        ({"question": " ", "answer": "#### 112"}, "prompts", "asks nothing"),
    ],
)
def test_validate_finds_what_is_wrong_with_a_task(sums_task, tmp_path, row, check, what):
    rows = (sums_task.parent / "sums.jsonl").read_text(encoding="utf-8").splitlines()
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join([*rows, json.dumps(row)]) + "\n", encoding="utf-8")
    (tmp_path / "picky.py").write_text(PICKY, encoding="utf-8")
    task = write_task(tmp_path / "odd.yaml", "odd", data)
    task.write_text(task.read_text(encoding="utf-8") + "process_results: !function picky.process_results\n")
    report = validate(load_suite(f"lm-eval:{task}"), Selection())
    found = {(item.name, finding.what) for item in report.checks for finding in item.findings}
    assert found
    assert {name for name, _ in found} == {check}
    assert any(what in said for _, said in found)


def test_samples_of_others_are_shown_and_validated_as_far_as_they_go(sums_task, tmp_path):
    scripted_run(f"lm-eval:{sums_task}@strict", tmp_path, lambda v, d: "Answer: 112")
    _, samples = export(tmp_path, suite_name=f"lm-eval:{sums_task}@strict")
    suite, selection = load_suite("imported:local_sums:filter=strict"), Selection(data=str(samples))
    assert "kind     judged, by rules of the suite's own" in orbit_text(suite, pick(suite, selection, "0"), 80)
    report = validate(suite, selection)
    assert report.fine
    assert {check.name for check in report.checks if not check.skipped} == {"prompts", "orbits"}
