import os
import signal
import time

import pytest

from alftbench.launch.local import Finished, Message, run_jobs
from alftbench.types import Progress


def work(job, listen):
    listen(Progress("starting", 0.0))
    if job == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "raises":
        raise ValueError("no")
    time.sleep(0.2)
    return job.upper()


def finished(jobs, workers):
    return {event.job: event for event in run_jobs(work, jobs, workers) if isinstance(event, Finished)}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_costs_its_own_job_only(workers):
    jobs = ["a", "killed", "b", "raises", "c", "killed", "d"]
    ends = finished(jobs, workers)
    assert {jobs[place]: end.result for place, end in ends.items() if end.error is None} == {
        name: name.upper() for name in "abcd"
    }
    assert [str(ends[place].error) for place in (1, 3, 5)] == [
        "its process was killed (out of memory?); run it again",
        "no",
        "its process was killed (out of memory?); run it again",
    ]


def test_every_job_is_heard():
    events = list(run_jobs(work, ["a", "b"], 2))
    assert {event.job for event in events if isinstance(event, Message)} == {0, 1}


def device_of(job, listen):
    time.sleep(0.5)  # so that one process cannot do all
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def test_processes_take_the_devices_in_turn():
    events = run_jobs(device_of, [*"abcd"], 2, ("3", "5"))
    assert {event.result for event in events if isinstance(event, Finished)} == {"3", "5"}
