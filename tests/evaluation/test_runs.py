from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from alftbench.base.seeds import stream
from alftbench.errors import BadInput, RunConflict, UsageError
from alftbench.evaluation.evaluate import evaluate
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.evaluation.run_folder import RunFolder, read_record, verify
from alftbench.suites.load import Selection, load_suite, read_orbits
from alftbench.types import Sample
from tests.helpers import wait_until

CONFIG = {"suite": "sums", "seed": 0}
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


def test_a_killed_evaluation_goes_on(tmp_path, cli):
    arguments = ["eval", "--samples", "16", "--batch-size", "32", "--output-dir"]
    whole = cli(*arguments, "whole", "--format", "json")
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen(
        [sys.executable, "-m", "alftbench.cli", *arguments, "killed"], cwd=tmp_path, stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    samples = tmp_path / "killed" / "samples.jsonl"
    wait_until(lambda: samples.exists() and samples.stat().st_size > 10_000)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert read_record(tmp_path / "killed").status == "running"
    again = cli(*arguments, "killed", "--format", "json")
    assert json.loads(again.stdout)["metrics"] == json.loads(whole.stdout)["metrics"]
    assert verify(tmp_path / "killed").samples_sha256 == verify(tmp_path / "whole").samples_sha256


def test_models_are_found_or_refused(tmp_path, tiny):
    assert locate(tiny) == tiny
    assert locate("org/name") == "org/name"
    for wrong in ("nothing-here", str(tmp_path), "./no/folder"):
        with pytest.raises(UsageError, match="model folder"):
            locate(wrong)


def test_the_embedded_model_is_the_one_that_was_made(tiny):
    from pathlib import Path

    made = json.loads((Path(tiny) / "MADE.json").read_text(encoding="utf-8"))
    assert fingerprint(tiny) == made["sha256"]
    assert (Path(tiny) / "model.safetensors").stat().st_size < 2_000_000


def test_a_folder_has_one_writer(tmp_path):
    from alftbench.base.locks import sole_writer

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


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 48 KiB; skips where this user may not mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs more rights")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(small_disk, cli, tmp_path):
    arguments = ["eval", "--limit", "25", "--samples", "4", "--batch-size", "64", "--output-dir"]
    whole = cli(*arguments, "whole")
    assert whole.returncode == 0, whole.stderr
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 16_000)
    run = small_disk / "run"
    full = cli(*arguments, str(run))
    assert full.returncode == 1
    assert "cannot be written: No space left on device; what is there is kept" in full.stderr
    assert "Traceback" not in full.stderr
    assert read_record(run).status == "running"
    kept = [row for _, row in read_jsonl(run / "samples.jsonl")]
    assert kept
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    again = cli(*arguments, str(run))
    assert again.returncode == 0, again.stderr
    assert verify(run).samples_sha256 == verify(tmp_path / "whole").samples_sha256
