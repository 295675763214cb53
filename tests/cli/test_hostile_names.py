"""Names and addresses at the door: refused with one line and exit 2 before anything is written."""

from __future__ import annotations

import pytest

from alftbench.errors import UsageError
from alftbench.training.trainer import parse_spec
from tests.base.test_foreign import TURNS

NAMES = ["..", ".", "", "../evil", "a\nb", "a\x1b[2Jb", "a\u202eb", "-x", "nul", "a" * 300]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_name_that_is_none(refusal, tmp_path, name):
    said = refusal("eval", f"--name={name}", "--limit", "1", "--samples", "1", code=2)
    assert "--name" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [*NAMES, "a/b", "a\\b"])
def test_a_board_name_that_is_none(refusal, tmp_path, name):
    said = refusal("compare", f"--board={name}", "--seeds", "1", code=2)
    assert "--board" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "..", "a\nb", "a\x1bb", "vanilla-grpo:lr=1\u202e"])
def test_a_trainer_that_is_none(name):
    with pytest.raises(UsageError, match=r"as a method's name it") as raised:
        parse_spec(name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ("eval", "--suite", f"no{TURNS[:20]}"),
        ("eval", "--suite", "imported:..\x1b[2J"),
        ("eval", "--model", "no\x1b[31m/such\nerror: fine"),
        ("eval", "--data", "no\x1b]8;;x\x07such\nfile.jsonl", "--suite", "gsm8k"),
        ("suites", "show", "no\nsuch\x1b[2J.yaml"),
        ("suites", "show", "x" * 100_000),
        ("solve", "no\nsuch\x07.json"),
        ("no\x1b[2Jsuch",),
        ("eval", "--no\x1b[2Jsuch"),
        ("leaderboard", "no\nsuch"),
        ("regrade", "no\x9bsuch"),
    ],
)
def test_what_is_no_name_comes_back_visible_and_on_one_line(refusal, arguments):
    said = refusal(*arguments, code=2)
    assert said.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    "address",
    ["http://me:pw-secret@localhost/v1", "http:///me:pw-secret@localhost", "http://localhost/v1?api_key=pw-secret",
     "http://localhost/v1#key=pw-secret", "http:\\\\me:pw-secret@localhost", "http://localhost/v1;key=pw-secret;b=1"],
)  # fmt: skip
def test_an_address_with_a_secret_is_refused_without_it(refusal, address):
    said = refusal(
        "eval", "--backend", "openai", "--model", "m", "--limit", "1", "--backend-args", f"base_url={address}",
        code=2,
    )  # fmt: skip
    assert "secret" not in said


def test_a_key_in_place_of_a_variables_name_is_not_repeated(cli):
    arguments = [
        "--backend",
        "openai",
        "--model",
        "m",
        "--limit",
        "1",
        "--backend-args",
        "api_key_env=sk_secret17",
    ]
    done = cli("--debug", "eval", *arguments, env={"OPENAI_API_KEY": ""})
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert "secret17" not in done.stderr + done.stdout
