"""The packaged suites on the data that lies at hand."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from alftbench.base.jsonio import read_jsonl
from alftbench.suites.load import Selection, load_suite, read_orbits
from alftbench.suites.validate import validate

HERE = ["gsm8k", "svamp", "math500", "mathcheck-gsm", "mgsm"]
SHAPE = {"gsm8k": (1319, 1), "svamp": (1000, 1), "math500": (500, 1), "mathcheck-gsm": (129, 3), "mgsm": (250, 11)}


@pytest.mark.parametrize("name", HERE)
def test_every_suite_with_data_here_validates_in_full(name, shared_data):
    folder = str(shared_data("SOURCES.md").parent)
    report = validate(load_suite(name), Selection(data=folder))
    assert [(check.name, check.findings[:2]) for check in report.checks if check.findings] == []
    counts = {check.name: check.n for check in report.checks}
    problems, variants = SHAPE[name]
    assert counts["orbits"] == problems
    assert counts["prompts"] == problems * variants
    assert counts["references"] >= problems
    assert counts["near misses"] >= problems


@pytest.mark.parametrize("name", HERE)
def test_every_suite_with_data_here_runs(name, shared_data, warm, tmp_path):
    done = warm(
        "eval", "--suite", name, "--data", str(shared_data("SOURCES.md").parent), "--limit", "2", "--samples", "2",
        "--max-tokens", "4", "--output-dir", "run", "--offline", "--orbit", "names,formatting",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["config"]
    assert (config["suite"], config["suite_version"], config["n_problems"]) == (name, "1", 2)
    assert config["orbit"] == "names,formatting"
    samples = [row for _, row in read_jsonl(tmp_path / "run" / "samples.jsonl.gz")]
    assert len({(row["problem_id"], row["variant"]) for row in samples}) * 2 == len(samples)
    assert len(samples) > 2 * 2 * SHAPE[name][1]


def test_mathcheck_leaves_out_what_asks_for_another_unknown(shared_data):
    orbits = read_orbits(
        load_suite("mathcheck-gsm"), Selection(data=str(shared_data("orbits_mathcheck_gsm.jsonl")))
    )
    assert {variant.name for orbit in orbits for variant in orbit.variants} == {"seed", "paraphrase", "distractor"}


def test_mgsm_asks_in_the_language_of_its_question(shared_data):
    orbits = read_orbits(load_suite("mgsm"), Selection(data=str(shared_data("orbits_mgsm.jsonl"))))
    markers = load_suite("mgsm").info.answer_form
    for variant in orbits[7].variants:
        question = orbits[7].problem.metadata["questions"][variant.name]
        asked = variant.messages[-1]["content"]
        assert asked.startswith(question)
        assert markers[variant.name].partition("$answer")[0].strip(" :：") in asked


def test_reading_2750_rows_takes_well_under_a_second(shared_data):
    path = str(shared_data("orbits_mgsm.jsonl"))
    suite = load_suite("mgsm")
    started = time.process_time()
    read_orbits(suite, Selection(data=path))
    assert time.process_time() - started < 1.0


def test_a_suite_is_read_from_a_file_without_the_hub_library(shared_data):
    path = str(shared_data("gsm8k_test.jsonl"))
    code = (
        "import sys; from alftbench.suites.load import *; "
        f"read_orbits(load_suite('gsm8k'), Selection(data={path!r})); "
        "print(sorted({'datasets', 'pyarrow', 'huggingface_hub', 'torch', 'reasoning_gym'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_show_prints_an_orbit_as_the_model_sees_it_in_80_columns(warm, shared_data):
    path = str(shared_data("orbits_mathcheck_gsm.jsonl"))
    arguments = (
        "suites",
        "show",
        "mathcheck-gsm",
        "--problem",
        "mathcheck-gsm-082",
        "--data",
        path,
        "--orbit",
        "names:2",
    )
    shown = warm(*arguments, env={"COLUMNS": "80"}).stdout
    assert max(map(len, shown.splitlines())) <= 80
    for part in (
        "── seed ──",
        "── seed+names-1 ──",
        "── distractor+names-",
        "user:",
        "\\boxed{}",
        "written  12",
        "keys",
    ):
        assert part in shown
    declined = warm(*arguments[:-1], "shots,names")
    assert (
        declined.stderr
        == "shots: adds no phrasing to this problem: there are not two worked examples before the question\n"
    )
    assert "known MathCheck answers 12, GSM8K answers 13" in " ".join(shown.split())
