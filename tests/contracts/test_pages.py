"""The pages about plugins: they show packages as they are, whose commands run and which keep the contracts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alftbench.plugins import DOORS
from tests.helpers import ROOT

PACKAGES = ROOT / "tests" / "plugins"
KINDS = sorted(path.name for path in PACKAGES.iterdir())
SAYS = {  # what the last command of a page prints, and the plugin's name in the contracts
    "backend": ("accuracy", "guess"),
    "metric": ("largest", "largest"),
    "suite": ("accuracy", "capitals"),
    "trainer": ("2 steps", "majority-vote"),
}


def page(kind: str) -> str:
    return (ROOT / "docs" / "plugins" / f"{kind}.md").read_text(encoding="utf-8")


def blocks(kind: str, language: str = r"\w+") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page(kind), re.DOTALL | re.MULTILINE)


def commands(kind: str) -> list[list[str]]:
    (block,) = blocks(kind, "sh")
    return [line.split() for line in block.splitlines()]


@pytest.fixture(params=KINDS, scope="module")
def installed(request, tmp_path_factory) -> tuple[str, Path, dict[str, str]]:
    """A page's kind, a copy of the packages, and an environment with the one of the page installed."""
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copytree(PACKAGES, folder / "tests" / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    (pip, *install), *_ = commands(request.param)
    assert pip == "pip"
    offline = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(folder / "site"))
    subprocess.run([sys.executable, "-m", "pip", *install, *offline], cwd=folder, check=True, capture_output=True)
    env = {**os.environ, "COLUMNS": "100", "PYTHONPATH": str(folder / "site")}
    return request.param, folder, env


def test_every_kind_of_package_has_a_page_and_every_door_one():
    assert {f"docs/plugins/{kind}.md" for kind in KINDS} == {door.page for door in DOORS}
    doors = page("README")
    for door in DOORS:
        assert f"| `{door.group}` |" in doors


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_shows_its_package_as_it_is(kind):
    shown = blocks(kind)
    for path in sorted((PACKAGES / kind).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            assert f"`{path.relative_to(ROOT)}`" in page(kind)
            assert path.read_text(encoding="utf-8") in shown, path


def test_the_commands_of_a_page_do_what_it_says(installed, fork):
    kind, folder, env = installed
    for name, *arguments in commands(kind)[1:]:
        assert name == "alftbench"
        done = fork(folder, *arguments, environment={"PYTHONPATH": env["PYTHONPATH"]})
        assert done.code == 0, done.err
    assert SAYS[kind][0] in done.out + done.err


def test_the_package_of_a_page_keeps_the_contract_of_its_door(installed):
    kind, _, env = installed
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", f"tests/contracts/test_{kind}s.py", "-k", SAYS[kind][1]],
        cwd=ROOT, env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b[1-9]\d* passed", done.stdout)
