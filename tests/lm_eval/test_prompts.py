"""The prompts in a samples file are compared with those of the task that it is said to be of."""

from __future__ import annotations

import hashlib
import json

import pytest

from alftbench.errors import BadInput
from alftbench.lm_eval.importing import ImportRequest, plan_import
from alftbench.suites.load import load_suite
from tests.helpers import peer_row, write_peer, write_task


def task_file(folder, suite, prompt=lambda row, messages: messages[0]["content"], keep=True, **changes):
    """Samples of a task as lm-eval writes them, with a prompt made of the task's own."""
    rows = []
    for orbit in load_suite(suite).orbits():
        text = prompt(orbit, orbit.variants[0].messages)
        row = peer_row(int(orbit.problem.id), orbit.problem.reference[0], ["5"], doc=orbit.problem.metadata["doc"])
        row["arguments"]["gen_args_0"]["arg_0"] = text
        hashed = hashlib.sha256(str(text).encode()).hexdigest()
        rows.append({**row, "prompt_hash": hashed, **({} if keep else {"arguments": None}), **changes})
    return write_peer(folder, rows, name="samples_local_sums_2026-01-02T03-04-05.678901.jsonl")


def templated(orbit, messages, before="<s>", examples=""):
    """A prompt as a chat template makes it, which strips texts."""
    return f"{before}{examples}" + "".join(f"[{m['role']}] {m['content'].strip()}\n" for m in messages) + "[bot]"


def prompts_of(samples, suite, **request):
    return plan_import(ImportRequest(samples, suite=suite, **request)).config["imported"]["prompts"]


def with_results(folder, **content):
    path = folder / "results.json"
    path.write_text(json.dumps({"results": {}, **content}), encoding="utf-8")
    return path


def test_prompts_are_compared_with_the_tasks(sums_task, tmp_path):
    suite = f"lm-eval:{sums_task}"
    assert prompts_of(task_file(tmp_path, suite), suite) == "the task's"
    others = task_file(tmp_path, suite, lambda orbit, messages: "Q: 1+1?\nA: 2\n\n" + messages[0]["content"])
    with pytest.raises(BadInput, match="line 1: the prompt of document 0 is not the task's") as raised:
        prompts_of(others, suite)
    assert "\n" not in str(raised.value)
    with pytest.raises(BadInput, match="is not the task's"):
        prompts_of(task_file(tmp_path, f"{suite}:chat=true", templated), suite)


def test_prompts_that_were_left_out_are_compared_by_hash_or_not_at_all(sums_task, tmp_path):
    suite = f"lm-eval:{sums_task}"
    assert prompts_of(task_file(tmp_path, suite, keep=False), suite) == "the task's, by their hashes"
    others = task_file(tmp_path, suite, lambda orbit, messages: "Another", keep=False)
    with pytest.raises(BadInput, match="is not the task's"):
        prompts_of(others, suite)
    bare = task_file(tmp_path, suite, keep=False, prompt_hash=None)
    assert prompts_of(bare, suite) == "not compared: the file does not hold them"
    with pytest.raises(BadInput, match="the results file says 3 examples a prompt, the suite has 0"):
        prompts_of(bare, suite, results=with_results(tmp_path, **{"n-shot": {"local_sums": 3}}))


def test_chats_are_recognised_in_a_servers_words_and_within_a_template(sums_task, tmp_path):
    suite = f"lm-eval:{sums_task}:chat=true"
    served = task_file(tmp_path, suite, lambda orbit, messages: [json.dumps([dict(m) for m in messages])])
    assert prompts_of(served, suite) == "the task's"
    chats = task_file(tmp_path, suite, templated)
    assert prompts_of(chats, suite) == "the task's messages, in order, within a chat template"
    for content, message in (
        ({"n-shot": {"local_sums": 2}}, "2 examples a prompt"),
        ({"system_instruction": "Be brief."}, "a system instruction"),
        ({"chat_template": None}, "no chat template was used"),
    ):
        with pytest.raises(BadInput, match=message):
            prompts_of(chats, suite, results=with_results(tmp_path, **content))
    growing = task_file(tmp_path, suite, lambda o, m: templated(o, m, examples="[user] 1+1? " * int(o.problem.id)))
    with pytest.raises(BadInput, match="signs beside the task's"):
        prompts_of(growing, suite)
    with pytest.raises(BadInput, match="is not the task's"):
        prompts_of(task_file(tmp_path, suite, lambda o, m: "[user] 2+2? [bot]"), suite)


def test_a_document_stands_once_in_a_tasks_file(sums_task, tmp_path):
    path = task_file(tmp_path, f"lm-eval:{sums_task}")
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, lines[2]]), encoding="utf-8")
    with pytest.raises(BadInput, match="document 2 stands on another line too"):
        prompts_of(path, f"lm-eval:{sums_task}")


@pytest.mark.parametrize("multiturn", [True, False])
def test_few_shot_chats_that_lm_eval_makes_are_recognised(sums_task, tiny, tmp_path, multiturn):
    from lm_eval.tasks import TaskManager
    from transformers import AutoTokenizer

    sums = str(sums_task.parent / "sums.jsonl")
    data = {"data_files": {"test": sums, "train": sums}}
    shots = {"training_split": "train", "fewshot_split": "train", "num_fewshot": 3}
    task = write_task(tmp_path / "few.yaml", "few", sums, dataset_kwargs=data, **shots)
    (theirs,) = TaskManager(include_defaults=False).load([str(task)])["tasks"].values()
    theirs.set_fewshot_seed(1234)
    template = AutoTokenizer.from_pretrained(tiny).apply_chat_template
    theirs.build_all_requests(
        apply_chat_template=True,
        fewshot_as_multiturn=multiturn,
        chat_template=lambda chat, add_generation_prompt=True: template(
            chat, tokenize=False, add_generation_prompt=add_generation_prompt
        ),
        tokenizer_name="tiny",
    )
    made = {str(instance.doc_id): instance.args[0] for instance in theirs.instances}
    suite = f"lm-eval:{task}:chat=true,multiturn={str(multiturn).lower()}"
    samples = task_file(tmp_path, suite, lambda orbit, messages: made[orbit.problem.id])
    assert prompts_of(samples, suite).endswith("within a chat template")
    with pytest.raises(BadInput, match="not of lm-eval:few"):
        prompts_of(samples, f"{suite},num_fewshot=2")
