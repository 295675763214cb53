from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest

from alftbench.answers.judge.judge import Judge, Verdict, shared_judge
from alftbench.errors import AlftbenchError, MissingPackage, UsageError
from alftbench.launch.workers import VANISHED, Limits, Result, Workers, WorkerStatus
from tests.helpers import ROOT

MODULE = "tests.answers.tasks"
SLACK = 20.0  # seconds that a busy machine may add by starting a process


def alive(pid: int) -> bool:
    """Is there such a process, zombies not counted?"""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def gone(pid: int, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def test_values_pass_through_whatever_is_in_them(pool):
    for value in ("", "a\nb\0c\ud800é☃", "x" * 10**6, None, True, [1, 2.5]):
        assert pool.submit("echo", value).result() == Result(WorkerStatus.DONE, value)


@pytest.mark.parametrize(
    ("function", "arguments", "result"),
    [
        ("hang", (), Result(WorkerStatus.TIMEOUT)),
        ("hold_the_interpreter", (), Result(WorkerStatus.TIMEOUT)),
        ("eat", (10_000,), Result(WorkerStatus.MEMORY)),
        ("eat_and_hide_it", (10_000,), Result(WorkerStatus.MEMORY)),
        ("crash", (), VANISHED),
        ("fail", (), Result(WorkerStatus.FAILED, "ValueError")),
        ("unserialisable", (), Result(WorkerStatus.FAILED, "TypeError")),
        ("no_such_function", (), Result(WorkerStatus.FAILED, "AttributeError")),
        ("chatter", (), Result(WorkerStatus.DONE, "reply")),
        ("eat", (10,), Result(WorkerStatus.DONE, 10 << 20)),
    ],
)
def test_every_end_has_a_status_and_the_next_task_is_served(pool, function, arguments, result):
    started = time.monotonic()
    assert pool.submit(function, *arguments).result() == result
    assert pool.submit("echo", 1).result() == Result(WorkerStatus.DONE, 1)
    assert time.monotonic() - started < 2 * 2.0 + SLACK


@pytest.mark.parametrize("function", ["write", "start", "system"])
def test_a_worker_reaches_nothing_outside(pool, tmp_path, function):
    assert pool.submit(function, str(tmp_path / "canary")).result() == Result(
        WorkerStatus.FAILED, "PermissionError"
    )
    assert not (tmp_path / "canary").exists()


def test_time_in_the_queue_does_not_count(pool):
    futures = [pool.submit("hang") for _ in range(3)] + [pool.submit("echo", n) for n in range(50)]
    assert [f.result().status for f in futures] == [WorkerStatus.TIMEOUT] * 3 + [WorkerStatus.DONE] * 50


def test_a_worker_that_died_while_idle_is_replaced():
    workers = Workers(MODULE, 1, Limits(10.0, 256))
    pid = workers.submit("pid").result().value
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    assert workers.submit("echo", 5).result() == Result(WorkerStatus.DONE, 5)
    workers.close()


def test_closing_ends_running_tasks_and_workers_start_again():
    workers = Workers(MODULE, 1, Limits(60.0, 256))
    pid = workers.submit("pid").result().value
    running, queued = workers.submit("hang"), workers.submit("echo", 1)
    time.sleep(0.2)
    started = time.monotonic()
    workers.close()
    assert time.monotonic() - started < SLACK
    assert not alive(pid)
    for future in (running, queued):
        with pytest.raises(CancelledError):
            future.result()
    assert workers.submit("echo", 2).result() == Result(WorkerStatus.DONE, 2)
    workers.close()


def test_a_module_that_cannot_be_imported_is_one_clear_error():
    workers = Workers("tests.answers.no_such_module", 1)
    with pytest.raises(MissingPackage, match="pip install"):
        workers.submit("echo").result()
    workers.close()


def test_a_missing_grader_stops_and_never_scores(tmp_path, monkeypatch):
    (tmp_path / "math_verify.py").write_text("raise ImportError('no math_verify here')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with Judge(workers=1) as judge:
        assert judge.same([("1", "2")]) == [Verdict.DIFFERENT]
        for _ in range(2):  # an error is not remembered as a verdict
            with pytest.raises(AlftbenchError, match=r"math-verify cannot be imported .*pip install"):
                judge.same([("tex:x", "tex:y")])


@pytest.mark.parametrize(
    "wrong", [{"workers": 0}, {"seconds": 0.0}, {"seconds": float("nan")}, {"megabytes": 255}]
)
def test_limits_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError):
        Judge(**wrong)


PAIR = ("tex:x+1", "tex:1+x")


def ask(judge: Judge) -> Verdict:
    return judge.same([PAIR])[0]


def ask_shared(_: int) -> Verdict:
    return shared_judge().same([PAIR])[0]


def in_child(context: str, judge: Judge, daemon: bool) -> bool:
    """Ask from a child process; its exit code says whether the verdict was right."""
    child = multiprocessing.get_context(context).Process(target=exit_by_verdict, args=(judge,), daemon=daemon)
    child.start()
    child.join(60)
    return child.exitcode == 0


def exit_by_verdict(judge: Judge) -> None:
    right = ask(judge) is Verdict.SAME
    judge.close()
    os._exit(0 if right else 1)


def test_threads_and_processes_at_once_forked_and_spawned(judge):
    """Eight threads ask, four of them through children; two are daemons, refused as parents by multiprocessing."""
    assert ask(judge) is Verdict.SAME  # the pool that children inherit is running
    kinds = [("fork", False), ("fork", True), ("spawn", False), ("spawn", True)]
    with ThreadPoolExecutor(8) as threads:
        direct = [
            threads.submit(judge.same, [(f"tex:x+{n}+{i}", f"tex:{n}+{i}+x") for i in range(5)]) for n in range(4)
        ]
        children = [threads.submit(in_child, context, judge, daemon) for context, daemon in kinds]
        assert all(child.result() for child in children)
        assert all(set(future.result()) == {Verdict.SAME} for future in direct)
    assert ask(judge) is Verdict.SAME  # the parent's workers are as they were


def test_a_multiprocessing_pool_may_judge():
    with multiprocessing.get_context("fork").Pool(2) as children:
        assert children.map(ask_shared, range(4)) == [Verdict.SAME] * 4


PARENT = """
import sys, time
from alftbench.launch.workers import Limits, Workers
workers = Workers("tests.answers.tasks", 2, Limits(float(sys.argv[2]), 256))
print(workers.submit("pid").result().value, flush=True)
workers.submit(sys.argv[1])
time.sleep(0.3)
print("busy", flush=True)
workers.submit("hang").result()
"""  # no guard of __main__: a worker must not run this again


def parent_with_worker(task: str, seconds: float) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, task, str(seconds)], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    assert process.stdout.readline() == "busy\n"
    return process, pid


@pytest.mark.parametrize("task", ["hang", "hold_the_interpreter"])
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(task, kill):
    process, pid = parent_with_worker(task, 1.0)
    process.send_signal(kill)
    process.wait(timeout=30)
    process.stdout.close()
    assert gone(pid)
