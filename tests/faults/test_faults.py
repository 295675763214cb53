"""Kills, full disks, folders that refuse, files that vanish, two at once: the same result, or one line."""

from __future__ import annotations

import shutil
import subprocess
from itertools import count
from pathlib import Path

import pytest

from tests.faults.commands import COMMANDS, result
from tests.forks import KILLED, Command, Done, Forks

POINTS = {"eval": (7, 18, 29, 40), "train": (30, 70), "compare": (60, 140), "enumerated": (150,)}


@pytest.fixture(scope="module")
def whole(fork, tmp_path_factory) -> dict[str, Path]:
    """The folder of every command, run undisturbed."""
    folders = {name: tmp_path_factory.mktemp(name) for name in COMMANDS}
    for name, folder in folders.items():
        assert fork(folder, *COMMANDS[name]).code == 0
    return folders


def refused(done: Done, *codes: int) -> str:
    """The one line of a command that ended with one of these codes."""
    assert done.code in codes, done.err
    assert "Traceback" not in done.err
    assert done.line.startswith("error: "), done.err
    return done.line


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_before_an_operation_on_files_a_command_ends_the_same(fork, whole, tmp_path, pytestconfig, name):
    """Before some, or before every one with --every-kill; what is left is all that the next command finds."""
    every = pytestconfig.getoption("--every-kill")
    for point in count(1) if every else POINTS[name]:
        folder = tmp_path / str(point)
        killed = fork_of(fork, folder, name, kill_before=point)
        if every and killed.code == 0:
            print(f"{name}: killed before each of {killed.operations} operations")
            break
        assert killed.code == KILLED
        again = fork(folder, *COMMANDS[name])
        assert again.code == 0, (point, again.err)
        assert result(folder) == result(whole[name]), point
        shutil.rmtree(folder)


def fork_of(fork: Forks, folder: Path, name: str, **faults: int) -> Done:
    """Run a command in a new folder."""
    folder.mkdir()
    return fork(folder, *COMMANDS[name], **faults)


FULL = [("eval", 0), ("eval", 300), ("eval", 1_000), ("eval", 2_500), ("eval", 4_000), ("train", 3_000),
        ("compare", 200_000)]  # fmt: skip


@pytest.mark.parametrize(("name", "size"), FULL)
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(fork, whole, tmp_path, name, size):
    """A file may have so many bytes and no more."""
    line = refused(fork(tmp_path, *COMMANDS[name], largest_file=size), 1)
    assert "cannot be written: " in line, line
    assert "File too large" in line
    assert "the same command goes on" in line
    assert fork(tmp_path, *COMMANDS[name]).code == 0
    assert result(tmp_path) == result(whole[name])


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 48 KiB; skips where this user may not mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs more rights")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_without_space_keeps_what_is_there(small_disk, fork, tmp_path):
    command = ("eval", "--limit", "12", "--samples", "4", "--batch-size", "64", "--output-dir", "run")
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 30_000)
    line = refused(fork(small_disk, *command), 1)
    assert "cannot be written: No space left on device; what is there is kept" in line
    assert (small_disk / "run" / "samples.jsonl").read_bytes().count(b"\n") > 0
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    assert fork(small_disk, *command).code == 0
    assert fork(tmp_path, *command).code == 0
    assert result(small_disk / "run") == result(tmp_path / "run")


REFUSING = [("eval", "file"), ("eval", "below a file"), ("eval", "system"), ("eval", "missing link"),
            ("eval", "lock"), ("train", "lock"), ("compare", "lock")]  # fmt: skip


@pytest.mark.parametrize(("name", "place"), REFUSING)
def test_a_folder_that_cannot_be_written_is_one_line_and_nothing_is_left(fork, tmp_path, name, place):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "link").symlink_to("nowhere/at/all")
    (tmp_path / "locked").mkdir()
    for folder in ("locked", "locked/results/tiny"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / ".lock").symlink_to(tmp_path / "file")
    output = {
        "file": "file", "below a file": "file/run", "system": "/proc/alftbench/run", "missing link": "link",
        "lock": "locked",
    }[place]  # fmt: skip
    names = sorted(tmp_path.rglob("*"))
    line = refused(fork(tmp_path, *COMMANDS[name][:-1], output), 2)
    assert "cannot write to " in line
    assert sorted(tmp_path.rglob("*")) == names
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


@pytest.fixture
def unwritable(tmp_path):
    """A folder in a read-only file system; skips where this user may not mount one."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    yield folder
    subprocess.run(["umount", folder], capture_output=True)


def mount_read_only(folder: Path) -> None:
    """Make a folder refuse every write, which permissions do not for root."""
    bound = subprocess.run(["mount", "--bind", folder, folder], capture_output=True)
    if bound.returncode:
        pytest.skip("mounting needs more rights")
    subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)


@pytest.mark.parametrize("name", ["eval", "train", "compare"])
def test_a_read_only_disk_is_one_line(fork, whole, unwritable, name):
    shutil.copytree(whole[name], unwritable, dirs_exist_ok=True)
    mount_read_only(unwritable)
    assert "Read-only file system" in refused(fork(unwritable, *COMMANDS[name]), 2)
    assert result(unwritable) == result(whole[name])


OF_A_BOARD = ("README.md", "table.csv", "board.toml", "equilibrium.json", "log_ratios.jsonl.gz")


@pytest.mark.parametrize(
    ("name", "killed"), [("eval", None), ("eval", 20), ("train", None), ("train", 60), ("compare", None)]
)
def test_without_one_of_its_files_a_command_ends_the_same_or_says_what_to_do(fork, whole, tmp_path, name, killed):
    """Every whole file of a finished folder, or of one killed under way, is removed in turn."""
    start = whole[name]
    if killed:
        start = tmp_path / "start"
        assert fork_of(fork, start, name, kill_before=killed).code == KILLED
    files = [path.relative_to(start) for path in sorted(start.rglob("*")) if path.is_file()]
    for number, file in enumerate(files):
        if ".partial" in str(file) or (name == "compare" and file.name not in OF_A_BOARD):
            continue  # those of runs and of training are as in the other commands
        folder = tmp_path / str(number)
        shutil.copytree(start, folder)
        (folder / file).unlink()
        done = fork(folder, *COMMANDS[name])
        if done.code:
            assert "remove" in refused(done, 2), file
        else:
            lost = (
                str(file) if file.name == "updates.jsonl" and not killed else ""
            )  # a log that nothing is made of
            assert result(folder) == {k: v for k, v in result(whole[name]).items() if k != lost}, file


@pytest.mark.parametrize(("name", "times"), [("eval", 16), ("train", 2), ("compare", 2)])
def test_twin_commands_end_as_one(fork, whole, tmp_path, name, times):
    """Started at once, 20 times in all: one result, and whoever comes second says who is at work."""
    for number in range(times):
        folder = tmp_path / str(number)
        folder.mkdir()
        twins = fork.run(*[Command(str(folder), COMMANDS[name])] * 2)
        assert 0 in [done.code for done in twins]
        for done in twins:
            if done.code:
                assert "is being written by another process; wait for it to end" in refused(done, 2)
        assert result(folder) == result(whole[name]), number
