"""Packed evidence: every table is the same, what is left out is said, what was changed is found."""

from __future__ import annotations

import gzip
import json
import shutil

import pytest
from typer.testing import CliRunner

from alftbench.cli.app import app
from alftbench.errors import BadInput, UsageError
from alftbench.publish.board import Board, publish, trial_folders
from alftbench.publish.pack import pack
from tests.helpers import ROOT

RESULTS = ROOT / "results" / "tiny"
TRIALS = ["base-seed0", "base-seed1", "vanilla-grpo-seed0", "vanilla-grpo-seed1"]


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Two seeds of two methods, packed, with the texts of seed 1."""
    into = tmp_path_factory.mktemp("packed") / "results" / "tiny"
    return into, pack([RESULTS / name for name in TRIALS], into, [1])


def board(folder):
    """The board `tiny` with its pages gone."""
    shutil.copytree(ROOT / "leaderboards" / "tiny", folder)
    return Board.read(folder)


def test_every_table_comes_out_of_what_was_packed(packed, tmp_path):
    into, done = packed
    whole = publish(board(tmp_path / "a" / "tiny"), [RESULTS / name for name in TRIALS])
    ours = publish(board(tmp_path / "b" / "tiny"), trial_folders(into))
    assert json.dumps(ours.to_json()) == json.dumps(whole.to_json())
    one, other = ((tmp_path / x / "tiny" / "table.csv").read_bytes() for x in "ab")
    assert one == other
    assert (done.trials, done.runs, done.with_texts) == (4, 16, 8)
    assert "their texts for 8 of them" in (tmp_path / "b" / "tiny" / "README.md").read_text("utf-8")
    assert "of all 16 runs" in (tmp_path / "a" / "tiny" / "README.md").read_text("utf-8")


def test_it_is_small_and_says_how_small(packed):
    into, done = packed
    sizes = {path: path.stat().st_size for path in into.rglob("*") if path.is_file() and path.name[0] != "."}
    assert done.bytes == sum(sizes.values())
    whole = sum(p.stat().st_size for name in TRIALS for p in (RESULTS / name).rglob("*"))
    assert done.bytes < whole / 3
    assert not [path for path in sizes if path.name.startswith(("traces", "log_ratios"))]


@pytest.mark.parametrize("name", ["answers.jsonl.gz", "metrics.json.gz", "equilibrium.json.gz"])
def test_what_was_changed_in_it_is_found(packed, tmp_path, name):
    shutil.copytree(packed[0], tmp_path / "tiny")
    path = tmp_path / "tiny" / "vanilla-grpo-seed0" / "sums" / name
    content = gzip.decompress(path.read_bytes()).decode()
    changed = content.replace("true", "false", 1) if "answers" in name else content.replace("0.", "1.", 1)
    assert changed != content
    path.write_bytes(gzip.compress(changed.encode()))
    with pytest.raises(BadInput, match=name.removesuffix(".gz")):
        publish(board(tmp_path / "board"), trial_folders(tmp_path / "tiny"))


def test_packing_again_replaces_and_a_seed_without_texts_loses_them(packed, tmp_path):
    trials = [RESULTS / name for name in TRIALS[:2]]
    pack(trials, tmp_path / "p", [0, 1])
    again = pack(trials, tmp_path / "p", [0])
    assert again.with_texts == 4
    assert sorted(p.parts[-3] for p in (tmp_path / "p").rglob("samples.jsonl.gz")) == ["base-seed0"] * 4


def test_packed_evidence_can_be_packed_again(packed, tmp_path):
    again = pack(trial_folders(packed[0]), tmp_path / "p", [1])
    assert again.bytes == packed[1].bytes


@pytest.mark.parametrize("command", ["regrade", "export"])
def test_what_needs_texts_says_that_they_were_left_behind(packed, tmp_path, command):
    run = packed[0] / "base-seed0" / "sums"
    more = ["--output-dir", str(tmp_path / "o")] if command == "export" else []
    done = CliRunner().invoke(app, [command, str(run), *more])
    assert done.exit_code != 0
    assert "leaves the texts of its samples behind" in str(done.exception)


def test_nothing_is_packed_onto_itself_or_from_nowhere():
    with pytest.raises(UsageError, match="give another folder"):
        pack([RESULTS / TRIALS[0]], RESULTS, [0])
    with pytest.raises(UsageError, match="no trial"):
        pack([], RESULTS, [0])


def test_the_command_says_what_it_did(tmp_path, monkeypatch):
    shutil.copytree(RESULTS / TRIALS[0], tmp_path / "some" / TRIALS[0])
    done = CliRunner().invoke(app, ["pack", str(tmp_path / "some"), str(tmp_path / "p"), "--texts", "3"])
    assert done.exit_code == 0, done.output
    assert "1 trials, 4 runs, 0 with the texts of their samples" in done.output


def test_a_packed_bomb_is_no_record(packed, tmp_path):
    shutil.copytree(packed[0], tmp_path / "tiny")
    path = tmp_path / "tiny" / "vanilla-grpo-seed0" / "sums" / "metrics.json.gz"
    path.write_bytes(gzip.compress(b" " * 70_000_000))
    with pytest.raises(BadInput, match=r"metrics\.json"):
        publish(board(tmp_path / "board"), trial_folders(tmp_path / "tiny"))
