"""`--config FILE.toml` gives what the command line could give, and the command line wins."""

from __future__ import annotations

import json

import pytest

SHORT = """
steps = 1
suite = ["sums"]
limit = 4
max-tokens = 8
[options]
group = 2
orbits = 1
"""


def config_of(folder):
    return json.loads((folder / "train.json").read_text(encoding="utf-8"))["config"]


def test_a_file_gives_options_and_the_command_line_wins(cli, tmp_path):
    (tmp_path / "a.toml").write_text(SHORT, encoding="utf-8")
    spec = "vanilla-grpo:group=3"
    done = cli("train", spec, "--config", "a.toml", "--max-tokens", "6", "--output-dir", "from-file")
    assert done.returncode == 0, done.stderr
    config = config_of(tmp_path / "from-file")
    assert config["budget"] == {"tokens": None, "steps": 1}
    assert (list(config["suites"]), config["max_tokens"]) == (["sums"], 6)
    assert (config["options"]["group"], config["options"]["orbits"]) == (3, 1)
    line = ["--steps", "1", "--suite", "sums", "--limit", "4", "--max-tokens", "6", "--output-dir", "from-line"]
    assert cli("train", f"{spec},orbits=1", *line).returncode == 0
    assert config_of(tmp_path / "from-line") == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_tokenz = 8", "there is no option 'max_tokenz'; did you mean 'max-tokens'?"),
        ("steps = 1\n[options]\ngruop = 4", "option gruop: there is no such setting; did you mean 'group'?"),
        ("max-tokens = 8\nmax_tokens = 9", "max_tokens is given twice"),
        ("steps = [", "cannot be read as TOML"),
        ("[options]\ngroup = [4]", "options.group must be a number, a word without comma, true or false"),
        ("options = 4", "options must be a table, [options]"),
        ('steps = "many"', "--steps: must be a valid integer"),
    ],
)
def test_what_a_file_cannot_say_is_refused_in_one_line(cli, tmp_path, text, message):
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    done = cli("train", "vanilla-grpo", "--config", "a.toml")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_compare_takes_evals_options_and_those_of_its_methods_from_a_file(cli, tmp_path):
    (tmp_path / "a.toml").write_text("seeds = 1\n[options]\ngroup = 4\n", encoding="utf-8")
    done = cli(
        "compare", "vanilla-grpo", "--config", "a.toml", "--max-tokens", "8", "--temperature", "0.5", "--dry-run"
    )
    assert done.returncode == 0, done.stderr
    assert "vanilla-grpo:group=4" in {trial["method"] for trial in json.loads(done.stdout)}
