from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.forks import Forks, forks

settings.register_profile("shared cores", deadline=None)  # a crowded machine is slow, not wrong
settings.load_profile("shared cores")
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What takes minutes and is not run each time."""
    parser.addoption("--every-kill", action="store_true", help="kill before every operation on files, not some")


@pytest.fixture(scope="session")
def tiny() -> str:
    """The embedded model's folder."""
    from alftbench.backends.model_files import locate

    return locate("tiny-sums")


@pytest.fixture
def shared_data():
    """A function from a file name to its path among the open data sets; skips where they are not at hand."""
    from tests.helpers import SHARED

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"{name} is not at ../shared/data")
        return path

    return find


@pytest.fixture
def cli(tmp_path):
    """Run the real command line in a fresh folder; returns the finished process."""

    def run(*arguments: str, env: dict[str, str] | None = None, cwd: Path = tmp_path):
        return subprocess.run(
            [sys.executable, "-m", "alftbench.cli", *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "100", **(env or {})},
            timeout=300,
        )

    return run


@pytest.fixture(scope="session")
def fork(tmp_path_factory) -> Iterator[Forks]:
    """Run a command in a fork of one process."""
    with forks(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def warm(fork, tmp_path):
    """As `cli`, in a fork of a process that has everything imported: for what does not need a new interpreter."""

    def run(*arguments: str, env: dict[str, str] | None = None, cwd: Path = tmp_path):
        done = fork(cwd, *arguments, environment=env or {})
        return subprocess.CompletedProcess(arguments, done.code, done.out, done.err)

    return run


BOUNDED = """
import resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))
import MODULES
from alftbench.cli import main
started, worked = time.perf_counter(), time.process_time()
try:
    main()
finally:
    print(time.process_time() - worked, time.perf_counter() - started, file=open("seconds", "w"))
"""


@pytest.fixture
def refusal(tmp_path):
    """Run the command line in 512 MB, imports included; returns its only line once it has refused within 2 s.

    The 2 seconds are the process's own, so that others at work beside it do not count; they begin when the command
    does, with Python and the modules it needs loaded. A server is waited for no longer than 10.
    """

    def run(*arguments: str, code: int, needs: str = "alftbench.suites.show", env: dict[str, str] | None = None):
        done = subprocess.run(
            [sys.executable, "-c", BOUNDED.replace("MODULES", needs), *arguments],
            cwd=tmp_path,
            capture_output=True,
            env={**os.environ, **(env or {})},
            timeout=300,
        )
        said = done.stderr.decode()
        assert done.returncode == code, said[-2000:]
        worked, waited = map(float, (tmp_path / "seconds").read_text().split())
        assert worked < 2
        assert waited < 10
        assert said.startswith("error: ")
        assert said.count("\n") == 1
        assert len(said) < 1500
        assert not done.stdout
        return said

    return run
