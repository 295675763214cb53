"""A command that trains: what it is asked, what is refused of what it hands back, kills, and a board it joins."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from alftbench.errors import PluginError, UsageError
from alftbench.suites.load import Selection
from alftbench.training.train import TrainJob, plan_training, run_training
from alftbench.training.trainer import TrainerSpec, parse_spec
from alftbench.types import Budget
from alftbench_trainers.external.command import digests_of
from alftbench_trainers.external.files import about
from tests.helpers import ROOT, wait_until

EXAMPLE = ROOT / "docs" / "plugins" / "external_reinforce.py"
COPY = """
import json, pathlib, shutil, sys
asked = json.loads(pathlib.Path(sys.argv[-1]).read_text())
shutil.copytree(asked["model"], asked["checkpoint"])
pathlib.Path(asked["cost"]).write_text(json.dumps({"generated_tokens": 7, "flops": 2.5}))
"""
"""A command that keeps the contract and learns nothing: it hands the model back."""
STEP = {"step": 1, "generated_tokens": 3, "reward": 0.5, "grad_norm": 1.0}


def job(command: str, **changes) -> TrainJob:
    settings = {"suites": ("sums",), "budget": Budget(tokens=100), "selection": Selection("train", limit=3)}
    spec = parse_spec(f"external:command={command}")
    return TrainJob(spec, "tiny-sums", **{**settings, **changes}, device="cpu")


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Train with a script of Python; gives the record."""
    monkeypatch.chdir(tmp_path)

    def run(code: str, arguments: str = "", folder: str = "run", **changes):
        Path("trainer.py").write_text(code, encoding="utf-8")
        command = f"{shlex.quote(sys.executable)} trainer.py {arguments}".strip()
        return run_training(plan_training(job(command, **changes)), tmp_path / folder)

    return run


def test_a_command_takes_all_that_follows():
    command = 'torchrun --n=2 "my trainer.py" --lr=1e-3,cosine --command=x'
    spec = parse_spec(f"external:command= {command}")
    assert spec == TrainerSpec("external", (("command", command),))
    assert parse_spec(str(spec)) == spec
    first = TrainerSpec("mine", (("command", "a=1,b"), ("zeal", "3")))
    assert str(first) == "mine:zeal=3,command=a=1,b"
    assert parse_spec(str(first)) == first
    assert parse_spec("mine:recommand=3").options == (("recommand", "3"),)


def test_the_request_has_the_limit_of_the_command_line(tmp_path):
    plan = plan_training(replace(job(sys.executable), max_tokens=7))
    assert [about(suite)["max_tokens"] for suite in plan.suites] == [7]


def test_the_request_says_everything(trained, tmp_path):
    keep = "\nshutil.copytree(pathlib.Path(sys.argv[-1]).parent, 'seen')\n"
    record = trained(COPY + keep, '--name "two words"', seed=5)
    assert (record.status, record.cost["generated_tokens"], record.cost["flops"]) == ("complete", 7, 2.5)
    assert record.cost["seconds"] > 0
    asked = json.loads((tmp_path / "seen" / "request.json").read_text())
    assert (asked["schema_version"], asked["seed"], asked["budget"]) == (1, 5, {"tokens": 100, "steps": None})
    suite = plan_training(job(sys.executable)).suites[0]
    sampling = suite.suite.info.sampling
    assert asked["suites"][0]["max_tokens"] == sampling.max_tokens
    assert asked["suites"][0]["temperature"] == sampling.temperature
    problems = [
        json.loads(line) for line in (tmp_path / "seen" / "problems" / "sums.jsonl").read_text().splitlines()
    ]
    assert [row["answers"] for row in problems] == [[*orbit.problem.reference] for orbit in suite.orbits]
    for row, orbit in zip(problems, suite.orbits, strict=True):
        asked_for = [[dict(message) for message in variant.messages] for variant in orbit.variants]
        assert [phrasing["messages"] for phrasing in row["phrasings"]] == asked_for
    assert not (tmp_path / "run" / "state").exists()


def test_the_command_and_the_files_it_names_are_the_runs_identity(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.py").write_text("1")
    Path("b.toml").write_text("2")
    Path("run.sh").write_text("#!/bin/sh\n")
    assert set(digests_of([sys.executable, "a.py", "--config=b.toml", "missing.py"])) == {
        "a.py",
        "--config=b.toml",
    }
    assert set(digests_of(["run.sh", "a.py"])) == {"run.sh", "a.py"}
    before = plan_training(job(f"{sys.executable} a.py")).config
    Path("a.py").write_text("3")
    after = plan_training(job(f"{sys.executable} a.py")).config
    assert before["options"]["command"] == after["options"]["command"]
    assert before["options"]["files"] != after["options"]["files"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "give the command that trains"),
        ("no-such-program x", "there is no program 'no-such-program'"),
        ("python 'x", "close or escape the quote"),
    ],
)
def test_a_command_that_cannot_start_is_refused(command, message):
    with pytest.raises(UsageError, match=message):
        plan_training(job(command))


def cost(text: str) -> str:
    return f"{COPY}\npathlib.Path(asked['cost']).write_text({text!r})\n"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "without its cost file"),
        (cost("{oops"), "cost.json: not readable as JSON"),
        (cost("[3]"), "cost.json: "),
        (cost("{}"), "generated_tokens"),
        (cost('{"generated_tokens": -1}'), "generated_tokens: must be a whole number, at least 0"),
        (cost('{"generated_tokens": 1, "watts": 3}'), "watts"),
        (cost('{"generated_tokens": 101}'), "it generated 101 tokens with a budget of 100"),
        (COPY + "\nshutil.rmtree(asked['checkpoint'])", "without a checkpoint"),
        (COPY + "\npathlib.Path(asked['checkpoint'], 'config.json').unlink()", "has no config.json"),
        (COPY + "\n[p.unlink() for p in pathlib.Path(asked['checkpoint']).glob('*.safetensors')]", "safetensors"),
        (COPY + "\n[p.unlink() for p in pathlib.Path(asked['checkpoint']).glob('tokenizer*')]", "lacks a token"),
        ("import sys; sys.exit('bad\\x1b[2J news\\nat the end')", r"exit code 1: bad\x1b[2J news; at the end;"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "was killed by SIGTERM; the same"),
        (COPY + "\nopen(asked['updates'], 'w').write('{\"step\": 1}\\n')", "a line that is no step"),
        (COPY + "\nopen(asked['updates'], 'w').write('eval(1)\\n')", "a line that is no step"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(trained, code, message):
    with pytest.raises(PluginError) as raised:
        trained(code)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "\x1b" not in str(raised.value)


def test_what_it_writes_is_logged_and_its_steps_are_the_runs(trained, tmp_path):
    steps = f"open(asked['updates'], 'a').write({json.dumps(STEP) + chr(10)!r})"
    record = trained(f"{COPY}\n{steps}\nprint('hello')\nprint('careful', file=sys.stderr)")
    assert record.steps == 1
    assert (tmp_path / "run" / "external.log").read_text() == "hello\n"
    assert (tmp_path / "run" / "external.err").read_text() == "careful\n"
    (line,) = (tmp_path / "run" / "updates.jsonl").read_text().splitlines()
    assert json.loads(line).items() >= STEP.items()
    assert json.loads(line)["accuracy"] is None


SLEEPY = f"""
import os, time
{
    COPY.replace(
        "shutil.copytree",
        "state = pathlib.Path(asked['state'], 'pids'); old = state.exists()"
        "; state.open('a').write(str(os.getpid()) + chr(10)); old or time.sleep(600); shutil.copytree",
        1,
    )
}
"""


def alive(pid: int) -> bool:
    """Is a process there and no zombie?"""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_train_kills_the_command_and_goes_on(tmp_path, kill):
    (tmp_path / "sleepy.py").write_text(SLEEPY, encoding="utf-8")
    train = [sys.executable, "-m", "alftbench.cli", "train", f"external:command={sys.executable} sleepy.py"]
    train += ["--steps", "1", "--suite", "sums", "--limit", "1", "--device", "cpu", "--output-dir", "run"]
    quiet = {"stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background job ignores it
    running = subprocess.Popen(train, cwd=tmp_path, preexec_fn=heeding, **quiet)
    pids = tmp_path / "run" / "state" / "state" / "pids"
    wait_until(lambda: pids.exists() and pids.read_text().endswith("\n"))
    running.send_signal(kill)
    running.wait()
    wait_until(lambda: not alive(int(pids.read_text())), seconds=20)
    done = subprocess.run(train, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "train.json").read_text())["status"] == "complete"


def test_the_worked_example_joins_a_board(cli, tmp_path):
    shutil.copy(EXAMPLE, tmp_path)
    command = f"external:command={sys.executable} {EXAMPLE.name}"
    small = ["--suite", "sums", "--seeds", "1", "--budget-tokens", "1200", "--limit", "2", "--train-limit", "4"]
    small += ["--samples", "2", "--workers", "1", "--equilibrium", "sampled", "--device", "cpu"]
    done = cli("compare", command, *small)
    assert done.returncode == 0, done.stderr
    (train,) = (tmp_path / "runs").rglob("train.json")
    record = json.loads(train.read_text())
    assert 0 < record["cost"]["generated_tokens"] <= 1200
    assert record["steps"] == len((train.parent / "updates.jsonl").read_text().splitlines()) > 0
    board = (tmp_path / "runs" / "compare" / "leaderboards" / "tiny" / "table.csv").read_text()
    assert EXAMPLE.name in board


def test_the_worked_example_goes_on_where_it_was_killed(trained, tmp_path):
    code = EXAMPLE.read_text(encoding="utf-8").replace("SAVE_EVERY = 4, 2e-4, 5", "SAVE_EVERY = 4, 2e-4, 1")
    budget = Budget(steps=3)
    whole = trained(code, folder="whole", budget=budget)
    killed = code.replace("while budget", "if step == 0:\n    asked['budget']['steps'] = 2\nwhile budget")
    killed = killed.replace(
        "model.save_pretrained", "step == 2 and os.kill(os.getpid(), 9)\nmodel.save_pretrained"
    )
    Path("trainer.py").write_text(killed, encoding="utf-8")
    plan = plan_training(job(f"{shlex.quote(sys.executable)} trainer.py", budget=budget))
    with pytest.raises(PluginError, match="SIGKILL"):
        run_training(plan, tmp_path / "killed")
    Path("trainer.py").write_text(code, encoding="utf-8")
    record = run_training(plan, tmp_path / "killed")
    assert record.steps == 3
    assert record.checkpoint_sha256 == whole.checkpoint_sha256


def test_the_example_is_short_and_knows_nothing_of_us():
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 100
    assert "import alftbench" not in text
