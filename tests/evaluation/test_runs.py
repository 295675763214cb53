from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alftbench.backends.base import BackendOptions
from alftbench.backends.hf.backend import HfBackend
from alftbench.backends.model_files import fingerprint, locate
from alftbench.base.jsonio import (
    append_jsonl,
    digest,
    drop_torn_line,
    read_json,
    read_jsonl,
    without_nan,
    write_json,
)
from alftbench.base.locks import sole_writer
from alftbench.base.seeds import stream
from alftbench.errors import BadInput, PluginError, RunConflict, UsageError
from alftbench.evaluation.evaluate import evaluate
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.evaluation.run_folder import NotAllThere, RunFolder, read_record
from alftbench.evaluation.verify import verify
from alftbench.suites.load import Selection, load_suite, read_orbits
from alftbench.types import Sample

CONFIG = {
    "suite": "sums", "suite_version": "1", "suite_sha256": "0", "split": "test", "n_problems": 1, "backend": "hf",
    "dtype": "auto", "sampling": {"n": 1, "seed": 0}, "seed": 0,
}  # fmt: skip
SAMPLE = Sample("p1", "plain", 0, "Answer: 3", "stop", 4)


def small_plan(**changes):
    return plan(
        EvalRequest(
            **{"model": "tiny-sums", "suite": "sums", "selection": Selection(limit=3), "samples": 2, **changes}
        )
    )


def test_a_run_is_sealed_and_verified(tmp_path):
    run = RunFolder.open(tmp_path / "r", "m", CONFIG)
    run.append([SAMPLE], 0.5)
    run.seal([SAMPLE.key])
    again = RunFolder.open(tmp_path / "r", "m", CONFIG)
    assert again.complete
    assert list(again.samples()) == [SAMPLE]
    with pytest.raises(BadInput, match=r"metrics\.json: cannot be read"):
        verify(tmp_path / "r")
    again.save_metrics({"metrics": []})
    record = verify(tmp_path / "r")
    assert (record.n_samples, record.generated_tokens, record.seconds) == (1, 4, 0.5)
    assert not (tmp_path / "r" / "samples.jsonl").exists()


def test_a_torn_last_line_is_dropped_and_nothing_else(tmp_path):
    run = RunFolder.open(tmp_path, "m", CONFIG)
    run.append([SAMPLE], 0.0)
    with (tmp_path / "samples.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"problem_id": "p1", "vari')
    assert list(RunFolder.open(tmp_path, "m", CONFIG).samples()) == [SAMPLE]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))), st.integers(0, 40))
def test_jsonl_survives_a_cut_anywhere(tmp_path_factory, texts, cut):
    path = tmp_path_factory.mktemp("cut") / "lines.jsonl"
    append_jsonl(path, [{"text": text} for text in texts])
    content = path.read_bytes()
    path.write_bytes(content[: max(0, len(content) - cut)])
    drop_torn_line(path)
    kept = [row["text"] for _, row in read_jsonl(path)]
    assert kept == texts[: len(kept)]


@given(st.lists(st.text(st.characters() | st.characters(categories=["Cs"])), min_size=1))
def test_samples_of_any_text_are_written_and_read(tmp_path_factory, texts):
    run = RunFolder.open(tmp_path_factory.mktemp("any"), "m", CONFIG)
    samples = [replace(SAMPLE, draw=draw, text=text) for draw, text in enumerate(texts)]
    run.append(samples, 0.0)
    expected = [re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text) for text in texts]
    assert [sample.text for sample in run.samples()] == expected
    run.seal([sample.key for sample in samples])
    assert [sample.text for sample in run.samples()] == expected


def test_half_a_character_in_what_a_user_wrote_is_named(tmp_path):
    path = tmp_path / "lines.jsonl"
    lines = [r'{"q": "pair \ud83d\ude00"}', r'{"q": "spelled \\ud800"}', r'{"q": ["half \udE00"]}']
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(BadInput, match=r"lines\.jsonl, line 3: holds \\ude00, half of a pair"):
        list(read_jsonl(path))
    assert [row["q"] for _, row in read_jsonl(path, by_model=True)] == [
        "pair \N{GRINNING FACE}", r"spelled \ud800", ["half \N{REPLACEMENT CHARACTER}"]
    ]  # fmt: skip
    rows = '{"id": "a", "question": "1+1?", "answer": "2"}\n{"id": "b", "question": "\\ud800 3?", "answer": "5"}\n'
    path.write_text(rows, encoding="utf-8")
    with pytest.raises(BadInput, match=r"line 2: holds \\ud800"):
        read_orbits(load_suite("gsm8k"), Selection(data=str(path), data_unchecked=True))


def test_deeply_nested_json_is_no_json(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(BadInput, match="nested too deeply"):
        read_json(path)
    with pytest.raises(BadInput, match=r"line 1: not JSON \(nested too deeply"):
        list(read_jsonl(path))


def test_a_corrupt_line_in_the_middle_is_named(tmp_path):
    run = RunFolder.open(tmp_path, "m", CONFIG)
    (tmp_path / "samples.jsonl").write_text("garbage\n", encoding="utf-8")
    with pytest.raises(BadInput, match="line 1: not JSON"):
        list(run.samples())


def test_another_configuration_is_refused_and_nothing_changes(tmp_path):
    RunFolder.open(tmp_path, "m", CONFIG)
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(RunConflict, match=r"seed: 0 there, 1 asked for"):
        RunFolder.open(tmp_path, "m", {**CONFIG, "seed": 1})
    assert (tmp_path / "run.json").read_bytes() == before


def test_changed_samples_are_noticed(tmp_path):
    run = RunFolder.open(tmp_path, "m", CONFIG)
    run.append([SAMPLE], 0.0)
    run.seal([SAMPLE.key])
    forged = json.dumps({**asdict(SAMPLE), "text": "Answer: 4"}) + "\n"
    (tmp_path / "samples.jsonl.gz").write_bytes(gzip.compress(forged.encode()))
    with pytest.raises(BadInput, match="the samples were changed"):
        verify(tmp_path)


def test_changed_metrics_and_changed_records_are_noticed(tmp_path):
    run = RunFolder.open(tmp_path, "m", CONFIG)
    run.append([SAMPLE], 0.0)
    run.seal([SAMPLE.key])
    run.save_metrics({"metrics": []})
    (tmp_path / "metrics.json").write_text('{"metrics": [1]}', encoding="utf-8")
    with pytest.raises(BadInput, match=r"metrics\.json: digest differs"):
        verify(tmp_path)
    record = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    record["config"]["seed"] = 7
    (tmp_path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(BadInput, match="the record was changed"):
        verify(tmp_path)


def test_evaluating_a_finished_run_again_checks_its_samples(tmp_path):
    evaluate(small_plan(), tmp_path)
    (tmp_path / "samples.jsonl.gz").write_bytes(gzip.compress(b"{}\n"))
    with pytest.raises(BadInput, match="the samples were changed"):
        evaluate(small_plan(), tmp_path)


def test_an_unfinished_run_is_no_evidence(tmp_path):
    RunFolder.open(tmp_path, "m", CONFIG)
    with pytest.raises(BadInput, match="unfinished"):
        verify(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema_version": 1, "x": 2}', '{"schema_version": 99}'])
def test_a_record_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match=r"run\.json"):
        read_record(tmp_path)


def test_nan_is_written_as_null(tmp_path):
    write_json(tmp_path / "x.json", {"a": [1.0, float("nan"), float("inf")]})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1.0, None, None]}
    assert without_nan({"b": (2, "x")}) == {"b": [2, "x"]}


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})


def test_streams_differ_by_every_key():
    keys = [(0, "a", "b", 0), (1, "a", "b", 0), (0, "b", "a", 0), (0, "a", "b", 1), (0, "a", "c", 0)]
    draws = {stream(seed, *rest).random() for seed, *rest in keys}
    assert len(draws) == len(keys)
    assert stream(0, "a", "b", 0).random() in draws


def test_the_same_seed_gives_the_same_samples_and_another_does_not(tmp_path):
    first = evaluate(small_plan(), tmp_path / "1")
    second = evaluate(small_plan(), tmp_path / "2")
    other = evaluate(small_plan(seed=1), tmp_path / "3")
    assert first.samples_sha256 == second.samples_sha256 != other.samples_sha256
    assert (tmp_path / "1" / "metrics.json").read_bytes() == (tmp_path / "2" / "metrics.json").read_bytes()


def test_provenance_says_what_auto_became(tmp_path):
    """Not part of what identifies a run: the same command on another device would go on with it."""
    record = evaluate(small_plan(), tmp_path / "r")
    assert record.provenance["engine"] == {"device": "cpu", "dtype": "float32", "threads": 1}
    assert "float32" not in json.dumps(record.config)


def test_greedy_takes_one_sample_and_repeats_it(tmp_path):
    record = evaluate(small_plan(temperature=0.0, samples=1), tmp_path / "1")
    assert (
        record.samples_sha256
        == evaluate(small_plan(temperature=0.0, samples=1, seed=5), tmp_path / "2").samples_sha256
    )


def test_an_interrupted_evaluation_keeps_what_it_has_and_ends_the_same(tmp_path, tiny):
    """Half of a batch is on disk: the batch is drawn again, only what is missing is added."""
    whole = evaluate(small_plan(), tmp_path / "whole")
    samples = list(RunFolder.open(tmp_path / "whole", "tiny-sums", small_plan().config).samples())
    broken = RunFolder.open(tmp_path / "broken", "tiny-sums", small_plan().config)
    broken.append(samples[5:11], 0.1)
    assert evaluate(small_plan(), tmp_path / "broken").samples_sha256 == whole.samples_sha256


def test_models_are_found_or_refused(tmp_path, tiny):
    assert locate(tiny) == tiny
    assert locate("org/name") == "org/name"
    for wrong in ("nothing-here", str(tmp_path), "./no/folder"):
        with pytest.raises(UsageError, match="model folder"):
            locate(wrong)


def test_the_embedded_model_is_the_one_that_was_made(tiny):
    made = json.loads((Path(tiny) / "MADE.json").read_text(encoding="utf-8"))
    assert fingerprint(tiny) == made["sha256"]
    assert (Path(tiny) / "model.safetensors").stat().st_size < 2_000_000


def test_a_folder_has_one_writer(tmp_path):
    with sole_writer(tmp_path), pytest.raises(RunConflict, match="another process"):
        evaluate(small_plan(), tmp_path)
    assert evaluate(small_plan(), tmp_path).status == "complete"


def limit_file_size(size):
    """Make every write beyond `size` bytes fail in this process, as a full disk does (EFBIG for ENOSPC)."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_rows_that_do_not_fit_leave_no_part_behind(tmp_path):
    """In a process of its own: a file holds 100 bytes, one row fits and two do not."""
    code = (
        "from pathlib import Path\n"
        "from alftbench.errors import NotWritten\n"
        "from alftbench.base.jsonio import append_jsonl, write_json\n"
        "append_jsonl(Path('rows.jsonl'), ['a' * 60])\n"
        "write_json(Path('value.json'), 1)\n"
        "for write in (lambda: append_jsonl(Path('rows.jsonl'), ['b' * 20, 'c' * 60]),\n"
        "              lambda: write_json(Path('value.json'), 'd' * 200)):\n"
        "    try:\n"
        "        write()\n"
        "    except NotWritten as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
        preexec_fn=lambda: limit_file_size(100),
    )  # fmt: skip
    first, second = done.stdout.splitlines()
    assert first.startswith("rows.jsonl cannot be written: File too large; what is there is kept")
    assert second.startswith("value.json cannot be written: ")
    assert (tmp_path / "rows.jsonl").read_text() == json.dumps("a" * 60) + "\n"
    assert (tmp_path / "value.json").read_text() == "1\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl", "value.json"]


@pytest.fixture(scope="module")
def in_portions(tmp_path_factory):
    """The record of an evaluation in portions of 8 samples."""
    return evaluate(small_plan(options=BackendOptions(batch_size=8)), tmp_path_factory.mktemp("portions"))


def removed_under_way(monkeypatch, damage):
    """Damage the samples once, when the second portion has been kept."""
    keep, calls = RunFolder.append, []

    def keep_and_damage(self, samples, seconds):
        keep(self, samples, seconds)
        calls.append(len(samples))
        if len(calls) == 2:
            damage(self.path / "samples.jsonl")

    monkeypatch.setattr(RunFolder, "append", keep_and_damage)
    return calls


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:1000]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes() * 2),
    ],
    ids=["removed", "cut", "emptied", "doubled"],
)
def test_samples_lost_under_way_are_drawn_before_the_run_is_sealed(tmp_path, monkeypatch, in_portions, damage):
    calls = removed_under_way(monkeypatch, damage)
    record = evaluate(small_plan(options=BackendOptions(batch_size=8)), tmp_path)
    assert len(calls) >= 5  # portions of the 36 samples
    assert (record.samples_sha256, record.n_samples) == (in_portions.samples_sha256, 36)
    assert verify(tmp_path) == record


def test_a_run_is_not_sealed_without_every_sample_or_with_another(tmp_path):
    run = RunFolder.open(tmp_path, "m", CONFIG)
    run.append([SAMPLE, replace(SAMPLE, draw=1)], 0.0)
    one, two, three = (("p1", "plain", draw) for draw in range(3))
    for wanted in ([one, two, three], [one, three], [one], []):
        with pytest.raises(NotAllThere):
            run.seal(wanted)
        assert read_record(tmp_path).status == "running"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["run.json", "samples.jsonl"]
    run.seal([one, two])
    assert read_record(tmp_path).n_samples == 2


def test_a_sample_that_nobody_asked_for_or_a_second_one_is_named(tmp_path):
    run = RunFolder.open(tmp_path, "m", CONFIG)
    run.append([SAMPLE, SAMPLE], 0.0)
    assert run.keys({SAMPLE.key}) == {SAMPLE.key}
    with pytest.raises(BadInput, match="is no sample of this evaluation; remove the line"):
        run.keys({("p1", "plain", 1)})
    run.append([replace(SAMPLE, text="Answer: 4")], 0.0)
    with pytest.raises(NotAllThere, match=r"missing or there twice, at \('p1', 'plain', 0\); remove its lines"):
        run.seal([SAMPLE.key])


def test_samples_without_a_record_are_not_taken_for_those_of_another_run(tmp_path):
    for name in ("samples.jsonl", "samples.jsonl.gz"):
        evaluate(small_plan(), tmp_path / name)
        (tmp_path / name / "run.json").unlink()
        if name == "samples.jsonl":
            (tmp_path / name / "samples.jsonl.gz").rename(tmp_path / name / name)
        before = sorted(path.name for path in (tmp_path / name).iterdir())
        with pytest.raises(RunConflict, match=rf"holds {name} without a run\.json"):
            evaluate(small_plan(seed=1), tmp_path / name)
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == before


def test_a_complete_run_that_lost_its_samples_keeps_its_record_until_there_are_new_ones(tmp_path, monkeypatch):
    whole = evaluate(small_plan(), tmp_path)
    (tmp_path / "samples.jsonl.gz").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(HfBackend, "sample", lambda *_: (_ for _ in ()).throw(PluginError("no")))
        with pytest.raises(PluginError):
            evaluate(small_plan(), tmp_path)
    assert read_record(tmp_path) == whole
    again = evaluate(small_plan(), tmp_path)
    assert (again.samples_sha256, again.metrics_sha256) == (whole.samples_sha256, whole.metrics_sha256)


def test_figures_of_answers_that_are_no_more_are_not_evidence(tmp_path):
    """Killed between the answers of a second grading and their metrics."""
    evaluate(small_plan(), tmp_path)
    run = RunFolder.open(tmp_path, "tiny-sums", small_plan().config)
    run.save_answers(["{}\n"] * 36)
    with pytest.raises(BadInput, match=r"metrics\.json: digest differs"):
        verify(tmp_path)


def test_a_lock_is_never_written_through_a_link_and_never_waited_for(tmp_path):
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    (tmp_path / ".lock").symlink_to(tmp_path / "mine")
    with pytest.raises(UsageError, match="cannot write to"), sole_writer(tmp_path):
        pass
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "mine"
    with pytest.raises(UsageError, match="cannot write to"), sole_writer(Path("/proc/alftbench/run")):
        pass
