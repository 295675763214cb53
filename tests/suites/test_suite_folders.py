"""Folders of YAML suites: each is read when it is asked for, a broken one is named, and its name is its file's."""

from __future__ import annotations

import json

import pytest
import yaml

from alftbench.errors import PluginError, UnknownName
from alftbench.suites import catalogue
from alftbench.suites.catalogue import load_every, load_registered
from tests.helpers import MINE, register


@pytest.fixture
def strangers(tmp_path, monkeypatch):
    """A package with one good suite, one that is no YAML, and one that is called otherwise than its file."""
    register(tmp_path, "their-suites", "[alftbench.suite_folders]\nall = their_suites\ngone = no_such_package\n")
    folder = tmp_path / "their_suites"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "mine.yaml").write_text(yaml.safe_dump(MINE), encoding="utf-8")
    (folder / "other.yaml").write_text(yaml.safe_dump(MINE), encoding="utf-8")
    (folder / "torn.yaml").write_text("name: [", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_broken_file_is_named_and_the_others_go_on(strangers):
    loaded, broken = load_every()
    assert {"mine", "gsm8k", "sums"} <= set(loaded)
    assert not {"other", "torn"} & set(loaded)
    assert set(broken) == {"other", "torn", "their-suites: gone"}
    assert "of the package their-suites cannot be read: torn.yaml: not YAML" in str(broken["torn"])
    assert "other.yaml names it 'mine'; a file in a folder of suites is called as its suite" in str(
        broken["other"]
    )
    assert "cannot be listed: ModuleNotFoundError" in str(broken["their-suites: gone"])


def test_only_the_suite_that_is_asked_for_is_read(strangers, monkeypatch):
    read = []
    original = catalogue.read_suite
    monkeypatch.setattr(catalogue, "read_suite", lambda text, name: read.append(name) or original(text, name))
    assert load_registered("mine").info.name == "mine"
    assert read == ["mine.yaml"]
    with pytest.raises(UnknownName, match="did you mean 'mine'"):
        load_registered("mines")
    with pytest.raises(PluginError, match=r"torn\.yaml: not YAML"):
        load_registered("torn")


def test_the_command_line_lists_and_shows_a_stranger_s_suite(cli, strangers):
    env = {"PYTHONPATH": str(strangers)}
    listed = cli("suites", "list", "--format", "json", env=env)
    assert "mine" in {row["name"] for row in json.loads(listed.stdout)}
    assert listed.stderr.count("warning: ") == 3
    assert "needs --data FILE.jsonl" in cli("suites", "show", "mine", env=env).stderr
