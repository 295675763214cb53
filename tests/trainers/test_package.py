"""A package that `trainers new` writes installs, trains, passes its own test and the kit."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from alftbench.errors import UsageError
from alftbench.training.package import write_package


@pytest.mark.parametrize("name", ["", "My Method", "../x", "a/b", "vanilla-grpo", "check", "-x", "nul", "a" * 300])
def test_a_name_that_is_none_or_taken_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match=r"use small letters|the name is taken"):
        write_package(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_new_package_installs_trains_and_is_sound(warm, tmp_path):
    done = warm("trainers", "new", "rare-right", "--into", "mine")
    assert done.returncode == 0, done.stderr
    assert "alftbench trainers check rare-right" in done.stdout
    again = warm("trainers", "new", "rare-right", "--into", "mine")
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    folder, site = tmp_path / "mine" / "alftbench-rare-right", tmp_path / "site"
    offline = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(site))
    install = [sys.executable, "-m", "pip", "install", *offline, "-e", str(folder)]
    subprocess.run(install, check=True, capture_output=True)
    env = {"PYTHONPATH": f"{site}{os.pathsep}{folder}"}
    trained = warm("train", "rare-right:rarity=1", "--steps", "2", "--limit", "4", env=env)
    assert trained.returncode == 0, trained.stderr
    assert "2 steps" in trained.stdout
    checked = warm("trainers", "check", "rare-right", env=env)
    assert checked.returncode == 0, checked.stdout
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    own = subprocess.run(tests, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True)
    assert own.returncode == 0, own.stdout
    assert "1 passed" in own.stdout


def test_a_trainer_is_shown_by_its_name_as_before(warm):
    shown = warm("trainers", "vanilla-grpo").stdout
    assert "learning_rate" in shown
    assert warm("trainers", "show", "vanilla-grpo").stdout == shown
    for arguments in (("vanilla-grpo", "--format", "json"), ("--format", "json", "vanilla-grpo")):
        assert warm("trainers", *arguments).stdout.startswith("{")
    assert "did you mean 'vanilla-grpo'" in warm("trainers", "vanila-grpo").stderr
