from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT

COMMANDS = [
    "eval",
    "train",
    "compare",
    "grade",
    "solve",
    "rules",
    "leaderboard",
    "trainers",
    "suites",
    "backends",
    "metrics",
    "doctor",
]


def test_help_is_instant_and_does_not_import_torch():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = "import sys; sys.argv = ['alftbench', '--help']\ntry:\n import alftbench.cli; alftbench.cli.main()\n"
    code += "finally:\n print('HEAVY', sorted({'torch', 'numpy', 'pandas', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "HEAVY []" in done.stdout
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) <= 0.5


def test_every_command_has_help_and_stands_in_the_readme_or_docs(cli):
    texts = (ROOT / "README.md").read_text(encoding="utf-8")
    texts += "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))
    shown = cli("--help").stdout
    for command in COMMANDS:
        assert f"  {command} " in shown
        assert f"alftbench {command}" in texts


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["eval", "--suite", "sumz"], "no suite named 'sumz'; did you mean 'sums'?"),
        (["eval", "--model", "no-such-folder"], "no model folder 'no-such-folder'"),
        (["eval", "--samples", "0"], "--samples 0: must be at least 1"),
        (["eval", "--limit", "0"], "--limit 0: must be at least 1"),
        (["eval", "--temperature", "-1"], "--temperature -1.0: must be 0"),
        (["eval", "--temperature", "nan"], "--temperature nan"),
        (["eval", "--temperature", "0", "--samples", "4"], "use --samples 1"),
        (["eval", "--top-p", "0"], "--top-p 0.0"),
        (["eval", "--seed", "-1"], "--seed -1"),
        (["eval", "--backend", "vlm"], "no backend named 'vlm'"),
        (["eval", "--split", "dev"], "has no split 'dev'"),
        (["eval", "--suite", "gsm8k", "--offline"], "needs --data FILE"),
        (["eval", "--suite", "mine.yaml"], "--suite mine.yaml: no such file"),
        (["eval", "--orbit", "name"], "no transformation named 'name'; did you mean 'names'?"),
        (["eval", "--suite", "gsm8k", "--data", "one.jsonl"], "has 1319 rows in its test split, this file has 1"),
        (["suites", "show", "sums", "--problem", "100"], "suite sums has 100 problems"),
        (["suites", "show", "sums", "--problem", "x"], "with ids such as 'sums-"),
        (["suites", "validate", "sumz"], "no suite named 'sumz'"),
        (["eval", "--suite", "gsm8k", "--data", "missing.jsonl"], "missing.jsonl: no such file"),
        (["eval", "--suite", "gsm8k", "--data", "corrupt.jsonl"], "corrupt.jsonl, line 1: not JSON"),
        (["eval", "--device", "cuda:0", "--limit", "1", "--output-dir", "x"], "torch sees no such device"),
        (["eval", "--dtype", "int3", "--limit", "1", "--output-dir", "x"], "--dtype int3: use auto"),
        (["train", "vanila-grpo", "--steps", "1"], "did you mean 'vanilla-grpo'?"),
        (["train", "vanilla-grpo"], "give a budget"),
        (["train", "vanilla-grpo:lr=1", "--steps", "1"], "option lr: there is no such setting"),
        (["train", "coherence-grpo", "--suite", "gsm8k", "--data", "one.jsonl", "--steps", "1"],
         "suite gsm8k has only one; use one with several"),
        (["compare", "vanilla-grpo", "vanilla-grpo"], "the trainer vanilla-grpo is named twice"),
        (["compare", "--seeds", "0"], "--seeds 0"),
        (["compare", "--workers", "0"], "--workers 0"),
        (["compare", "--budget-tokens", "0"], "--budget-tokens 0"),
        (["compare", "--board", "../x"], "--board '../x'"),
        (["compare", "vanilla-grpo", "--suite", "gsm8k", "--data-unchecked", "--data", "one.jsonl",
          "--train-data", "one.jsonl"],
         "1 problems are in both"),
        (["settle", "--seeds", "0"], "--seeds: must be at least 1; try: alftbench settle --help"),
        (["eval", "--threads", "0"], "--threads: must be at least 1; try: alftbench eval --help"),
        (["eval", "--format", "yaml"], "--format: 'yaml' is not one of 'table', 'json'"),
        (["eval", "--nope"], "no such option: --nope"),
        (["eval", "--limit", "x"], "--limit: must be a valid integer"),
        (["evla"], "no such command 'evla'. Did you mean 'eval'"),
        (["train"], "missing argument 'trainer'; try: alftbench train --help"),
        (["eval", "--backend", "nope"], "no backend named 'nope'; known: hf"),
        (["eval", "--model", "one.jsonl"], "--model one.jsonl: is a file; give the folder"),
        (["eval", "--backend-args", "template=x", "--limit", "1", "--output-dir", "x"],
         "--backend-args template=x: must be one of auto, chat, none"),
        (["train", "vanilla-grpo", "--suite", "svamp", "--steps", "1"], "training problems in a YAML of your own"),
        (["grade", "-", "--time-limit", "0"], "--time-limit 0: must be"),
        (["import", "nothere.jsonl"], "nothere.jsonl: no such file"),
        (["settle", "--seed", "-1"], "seed is -1; it must not be negative"),
        (["solve", "missing.json"], "missing.json: cannot be read"),
        (["leaderboard", "nowhere"], "board.toml: no such file"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else None,
)  # fmt: skip
def test_bad_input_is_one_clear_line_and_leaves_nothing_behind(warm, tmp_path, arguments, message):
    if any(name in arguments for name in ("corrupt.jsonl", "one.jsonl")):
        (tmp_path / "corrupt.jsonl").write_text("{oops\n", encoding="utf-8")
        (tmp_path / "one.jsonl").write_text('{"id": "a", "question": "1+1?", "answer": "2"}\n', encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    done = warm(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.strip() and "━" not in line]
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("command", [["eval", "--limit", "1"], ["train", "vanilla-grpo", "--steps", "1"]])
def test_an_output_folder_that_cannot_be_written(cli, tmp_path, command):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    done = cli(*command, "--output-dir", "file/below")
    assert done.returncode == 2
    assert "cannot write to file/below" in done.stderr
    assert (tmp_path / "file").read_text(encoding="utf-8") == "in the way"


def test_debug_shows_the_traceback(cli):
    assert "Traceback" not in cli("eval", "--samples", "0").stderr
    done = cli("--debug", "eval", "--samples", "0")
    assert "Traceback" in done.stderr
    assert done.returncode == 2


def test_a_model_folder_without_weights(warm, tmp_path, tiny):
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (broken / name).write_bytes((Path(tiny) / name).read_bytes())
    done = warm("eval", "--model", "broken", "--limit", "1")
    assert done.returncode == 2
    assert "but no weights" in done.stderr
    assert "Traceback" not in done.stderr


def test_dry_run_writes_nothing(warm, tmp_path):
    done = warm("eval", "--limit", "4", "--dry-run")
    assert json.loads(done.stdout)["n_samples"] == 4 * 6 * 8
    made = json.loads(warm("compare", "--dry-run").stdout)
    assert len(made) == 3 + 3 * 3 + 3 * 3  # base, tempered base, trained
    assert made[-1]["trains_on"] == {"sums, train": 1000, "splits, train": 99}
    assert made[-1]["measured_on"] == {"sums, test": 100, "splits, test": 40}
    assert list(tmp_path.iterdir()) == []


def test_eval_prints_a_table_and_json_and_finds_its_run_again(cli, warm, tmp_path):
    table = cli("eval", "--limit", "2", "--samples", "2")
    assert table.returncode == 0, table.stderr
    assert "accuracy" in table.stdout
    (run,) = (tmp_path / "runs").iterdir()
    before = (run / "run.json").read_bytes()
    again = json.loads(warm("eval", "--limit", "2", "--samples", "2", "--format", "json").stdout)
    assert (run / "run.json").read_bytes() == before
    assert again["run"]["status"] == "complete"
    assert set(again["metrics"]["accuracy"]) >= {"value", "low", "high", "n_problems", "n_samples"}
    assert not any(str(tmp_path) in path.read_text(encoding="utf-8") for path in run.glob("*.json"))


@pytest.mark.parametrize("kind", ["trainers", "suites", "backends", "metrics"])
def test_plugins_are_listed(warm, kind):
    rows = json.loads(warm(kind, "--format", "json").stdout)
    assert rows
    assert all(row["name"] and row["description"] for row in rows)
    assert rows[0]["name"] in warm(kind).stdout


def test_doctor_names_what_is_missing_and_how_to_get_it(cli):
    findings = {row["what"]: row for row in json.loads(cli("doctor", "--format", "json").stdout)}
    for what in ("python", "torch", "memory", "disk", "torch threads"):
        assert findings[what]["found"]
    for row in findings.values():
        if row["found"] == "missing":
            assert row["advice"].startswith("pip install 'alftbench[")


def test_doctor_prints_commands_that_work_and_developers_packages_only_when_asked(warm):
    lines = warm("doctor", env={"COLUMNS": "200"}).stdout
    assert "(extra dev)" not in lines
    assert "(extra dev)" in warm("doctor", "--dev").stdout
    findings = {row["what"]: row for row in json.loads(warm("doctor", "--format", "json").stdout)}
    assert {"httpx2 (extra openai)", "ray (extra ray)", "vllm (extra vllm)"} <= set(findings)
    for row in findings.values():
        if row["found"] == "missing" and "(extra dev)" not in row["what"]:
            assert row["advice"] in lines


def test_a_broken_plugin_is_named_and_the_rest_goes_on(cli, warm, tmp_path):
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n", encoding="utf-8")
    groups = "".join(
        f"[alftbench.{kind}]\nbroken-one = no_such_module:Thing\n"
        for kind in ("trainers", "metrics", "suites", "backends")
    )
    (info / "entry_points.txt").write_text(groups, encoding="utf-8")
    env = {"PYTHONPATH": str(tmp_path)}
    listed = cli("trainers", env=env)
    assert listed.returncode == 0
    assert "vanilla-grpo" in listed.stdout
    assert "'broken-one' (no_such_module:Thing) cannot be loaded" in listed.stderr
    measured = warm("eval", "--limit", "1", "--samples", "1", env=env)
    assert measured.returncode == 0
    assert "'broken-one'" in measured.stderr
    assert "accuracy" in measured.stdout
    asked_for = warm("train", "broken-one", "--steps", "1", env=env)
    assert asked_for.returncode == 1
    assert "ModuleNotFoundError" in asked_for.stderr


GAME = {
    "beta": 0.5,
    "objective": {"name": "diversity", "lambda": 0.5},
    "prompts": [
        {"traces": [{"answer": "a", "logprob": -0.105360515657}, {"answer": "b", "logprob": -2.302585092994}]}
    ],
}


def test_solve_prints_the_closed_form_and_a_picture(cli, warm, tmp_path):
    """λ = β: p* is proportional to the square root of p0 = (0.9, 0.1), so 3/4 and 1/4."""
    (tmp_path / "game.json").write_text(json.dumps(GAME), encoding="utf-8")
    done = cli("solve", "game.json", "--format", "json", "--plot", "game.png")
    found = json.loads(done.stdout)
    assert found["answer_marginals"] == [{"a": pytest.approx(0.75), "b": pytest.approx(0.25)}]
    assert found["converged"] is True
    assert found["gap"] <= 1e-9
    assert (tmp_path / "game.png").read_bytes().startswith(b"\x89PNG")
    assert "0.750000" in warm("solve", "game.json", "--method", "mirror").stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": -1}, "beta: must be a number, at least 1e-100"),
        ({"objective": {"name": "fun"}}, "objective.name: must be one of correctness"),
        ({"objective": {"name": "diversity", "lambda": -2}}, "lambda"),
        ({"prompts": [{"traces": []}]}, "prompts[0].traces is empty"),
        (
            {"prompts": [{"traces": [{"answer": "a", "logprob": float("nan")}]}]},
            "prompts[0].traces[0].logprob: must be a number below +inf",
        ),
    ],
)
def test_a_bad_game_is_one_clear_line(warm, tmp_path, change, message):
    (tmp_path / "game.json").write_text(json.dumps({**GAME, **change}), encoding="utf-8")
    done = warm("solve", "game.json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_no_path_of_the_machine_stands_in_the_package():
    home = os.path.expanduser("~")
    for path in (ROOT / "harness").rglob("*.json"):
        assert home not in path.read_text(encoding="utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_the_output_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "alftbench.cli", "suites", "--format", "json"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: the output cannot be written: no space is left on the device\n"
