"""The list of doors says of each what is so, and a name that two packages take is an error that names both."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tomllib

import pytest

from alftbench.base import entry_points
from alftbench.plugins import DOORS, Doors
from tests.helpers import ROOT, register


def test_every_kind_of_plugin_has_its_door_and_every_group_of_ours_is_one():
    assert {door.kind for door in DOORS} == set(entry_points.GROUPS)
    assert len(DOORS) == len(entry_points.GROUPS)
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    assert set(ours) == {door.group for door in DOORS}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.kind)
def test_a_door_names_a_contract_a_signature_and_a_page(door):
    module, name = door.contract.split(":")
    assert isinstance(getattr(importlib.import_module(module), name), type)
    signature = getattr(Doors, door.kind.replace(" ", "_"))
    assert (signature.__doc__ or signature.fget.__doc__).strip()
    assert f"`{door.group}`" in (ROOT / door.page).read_text(encoding="utf-8")


def test_the_list_of_doors_costs_nothing_to_read():
    code = "import sys, alftbench.plugins; print([m for m in ('torch', 'numpy', 'yaml') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("command", "group", "name", "value"),
    [
        ("trainers", "trainers", "vanilla-grpo", "json:loads"),
        ("backends", "backends", "scripted", "json:loads"),
        ("metrics", "metrics", "accuracy", "json:loads"),
        ("suites", "suites", "sums", "json:loads"),
        ("suites", "suite_folders", "svamp", "svamps"),
    ],
)
def test_a_name_that_two_packages_take_is_an_error_that_names_both(warm, tmp_path, command, group, name, value):
    """The others are listed all the same. A folder takes the names of its files, whatever it is called itself."""
    register(tmp_path, "copy-cat", f"[alftbench.{group}]\n{name} = {value}\n")
    (tmp_path / "svamps").mkdir()
    (tmp_path / "svamps" / "svamp.yaml").touch()
    listed = warm(command, "--format", "json", env={"PYTHONPATH": str(tmp_path)})
    both = f"{name!r} is registered by the packages alftbench and copy-cat"
    assert both in listed.stderr
    assert name not in {row["name"] for row in json.loads(listed.stdout)}
    assert json.loads(listed.stdout)


def test_asking_for_a_name_that_two_packages_take_is_refused(warm, tmp_path):
    register(
        tmp_path, "copy-cat", "[alftbench.suites]\nsums = json:loads\n[alftbench.backends]\nhf = json:loads\n"
    )
    env = {"PYTHONPATH": str(tmp_path)}
    for options in (("--suite", "sums"), ("--suite", "splits")):
        done = warm("eval", *options, env=env)
        assert done.returncode == 1
        assert "is registered by the packages alftbench and copy-cat; uninstall one" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()
