from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.forks import Done, Forks, forks

settings.register_profile("shared cores", deadline=None)  # a crowded machine is slow, not wrong
settings.load_profile("shared cores")
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What takes minutes and is not run each time."""
    parser.addoption("--every-kill", action="store_true", help="kill before every operation on files, not some")


LONG = (
    "test_compare.py", "test_ray.py", "test_faults.py", "test_hostile_models.py", "test_training.py",
    "test_hostile_servers.py", "test_pages.py", "test_cli.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first: what begins last should not be what everybody waits for."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONG)))


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


MEGABYTES = 512
LIGHT = (
    "alftbench.cli", "alftbench.suites.show", "alftbench.evaluation.plan", "alftbench.compare.compare",
    "alftbench.games.rule_view", "alftbench.publish.board", "alftbench.lm_eval.importing",
    "alftbench.answers.pairs", "alftbench.answers.judge.judge", "httpx2", "alftbench.backends.openai.backend",
    "alftbench.evaluation.evaluate", "alftbench.cli.progress",
)  # fmt: skip


@pytest.fixture(scope="session")
def light(tmp_path_factory) -> Iterator[Forks]:
    """Run a command in a fork of a process that has what refusing needs: without torch."""
    with forks(tmp_path_factory.mktemp("hub"), *LIGHT) as running:
        yield running


def assert_refused(done: Done, code: int) -> str:
    """The only line of a command that refused within 2 s.

    The 2 seconds are the process's own, so that others at work beside it do not count; they begin when the command
    does, with Python and the modules it needs loaded. A server is waited for no longer than 10.
    """
    assert done.code == code, done.err[-2000:]
    assert done.worked < 2
    assert done.waited < 10
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert len(done.err) < 1500
    assert not done.out
    return done.err


@pytest.fixture
def refusal(light, tmp_path):
    """Run the command line in 512 MB, imports included; returns its only line once it has refused within 2 s."""

    def run(*arguments: str, code: int, env: dict[str, str] | None = None):
        done = light(tmp_path, *arguments, environment=env or {}, megabytes=MEGABYTES)
        return assert_refused(done, code)

    return run


BOUNDED = """
import resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (MEGABYTES << 20, MEGABYTES << 20))
import alftbench.suites.show
from alftbench.cli import main
started, worked = time.perf_counter(), time.process_time()
try:
    main()
finally:
    print(time.process_time() - worked, time.perf_counter() - started, file=open("seconds", "w"))
"""


@pytest.fixture
def new_refusal(tmp_path):
    """As `refusal`, in a new interpreter."""

    def run(*arguments: str, code: int):
        done = subprocess.run(
            [sys.executable, "-c", BOUNDED.replace("MEGABYTES", str(MEGABYTES)), *arguments],
            cwd=tmp_path,
            capture_output=True,
            timeout=300,
        )
        worked, waited = map(float, (tmp_path / "seconds").read_text().split())
        said = Done(done.returncode, done.stdout.decode(), done.stderr.decode(), 0, worked, waited)
        return assert_refused(said, code)

    return run
