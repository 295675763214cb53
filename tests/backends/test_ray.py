"""The ray launcher on a real cluster of three nodes: the same samples, also when a node is killed midway."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from alftbench.backends.base import BackendOptions
from alftbench.backends.hf.backend import HfBackend
from alftbench.errors import UsageError
from alftbench.launch.cluster import check_address, room, share
from alftbench.suites.arithmetic import SUMS
from alftbench.types import SamplingParams, Variant
from tests.helpers import register, wait_until

pytest.importorskip("ray")

EVAL = ("eval", "--limit", "10", "--samples", "4", "--batch-size", "4")
PLUGIN = '''
import os
from alftbench.backends.base import BackendInfo
from alftbench.backends.scripted import FunctionBackend

class Moody:
    """Ends its process, or raises, over one problem; `model` says which of the two."""

    info = BackendInfo(locate=None)
    about = {}

    def __init__(self, model, options):
        if model == "unloadable":
            os.kill(os.getpid(), 9)
        self.model, self.inner = model, FunctionBackend(lambda variant, draw: f"{variant.name} {draw}")

    def sample(self, variants, params, done=()):
        if variants[0].problem_id == "sums-94-67":
            if self.model == "deadly":
                os.kill(os.getpid(), 9)
            if self.model == "faulty":
                raise ZeroDivisionError("of the model")
        yield from self.inner.sample(variants, params, done)
'''


class Nodes:
    """A cluster in a process of its own: a head without CPUs and two workers with one each."""

    CODE = """
import os, signal
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
workers = [cluster.add_node(num_cpus=1) for _ in range(2)]
print(cluster.address, *(node.all_processes["raylet"][0].process.pid for node in workers), flush=True)
signal.signal(signal.SIGTERM, lambda *_: None)
signal.pause()
cluster.shutdown()
"""

    def __init__(self, path: Path, log: Path) -> None:
        env = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(path)}
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", self.CODE], env=env, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        assert self.process.stdout is not None
        self.address, *raylets = self.process.stdout.readline().split()
        self.raylets = [int(pid) for pid in raylets]

    def actors(self) -> dict[int, list[str]]:
        """What the actors of each worker node do, by the process id of the node's raylet."""
        return {
            raylet: [name for pid in children(raylet) if "Sampler" in (name := command(pid))]
            for raylet in self.raylets
        }

    def close(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=60)


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """A folder with a backend as a stranger would install it."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "moody.py").write_text(PLUGIN)
    register(folder, "moody", "[alftbench.backends]\nmoody = moody:Moody\n")
    return folder


@pytest.fixture(scope="module")
def cluster(plugin, tmp_path_factory):
    nodes = Nodes(plugin, tmp_path_factory.mktemp("cluster") / "log")
    yield nodes
    nodes.close()


@pytest.fixture(scope="module")
def unbroken(fork, tmp_path_factory):
    """The samples of a run in a single process."""
    folder = tmp_path_factory.mktemp("unbroken")
    assert fork(folder, *EVAL, "--output-dir", "run").code == 0
    return (folder / "run" / "samples.jsonl.gz").read_bytes()


def lines(tmp_path: Path) -> int:
    """Samples on disk of a run that is not complete."""
    path = tmp_path / "run" / "samples.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def begin(tmp_path: Path, *options: str) -> subprocess.Popen[str]:
    """An evaluation under way, which has put at least one portion on disk."""
    before = lines(tmp_path)
    started = subprocess.Popen(
        [sys.executable, "-m", "alftbench.cli", *EVAL, *options, "--output-dir", "run"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: lines(tmp_path) > before or started.poll() is not None)
    return started


def messages(stderr: str) -> list[str]:
    """What a command said, but for waiting: on a busy machine an actor takes long to start or to leave."""
    return [line for line in stderr.splitlines() if "waiting for room for an actor" not in line]


def no_actors(cluster: Nodes) -> bool:
    return not any(cluster.actors().values())


@pytest.mark.parametrize(("n", "rows"), [(4, 8), (4, 3), (8, 1000)])
def test_a_unit_alone_forms_the_batches_that_it_has_among_all(tiny, n, rows, monkeypatch):
    backend = HfBackend(tiny, BackendOptions(device="cpu", batch_size=rows))
    variants = [v for orbit in SUMS.orbits()[:3] for v in orbit.variants]
    variants.insert(3, Variant("long", "v", ({"role": "user", "content": "1 " * 4000},)))
    params = SamplingParams(n=n, max_tokens=4)
    seen: list[object] = []
    monkeypatch.setattr(backend, "_sample_batch", lambda batch, *_: seen.append(batch) or [])
    refused, *_ = [list(portion) for portion in backend.sample(variants, params)]
    together, seen[:] = list(seen), []
    units = backend.units(variants, params)
    alone, *_ = [list(portion) for unit in units for portion in backend.sample(unit, params)]
    assert seen == together
    assert alone == refused
    assert sorted(v.name + v.problem_id for u in units for v in u) == sorted(
        v.name + v.problem_id for v in variants
    )


def test_samples_are_those_of_a_single_process(cli, cluster, unbroken, tmp_path):
    done = cli(
        *EVAL, "--launcher", "ray", "--ray-address", cluster.address, "--format", "json", "--output-dir", "run"
    )
    assert (done.returncode, messages(done.stderr)) == (0, [])
    run = json.loads(done.stdout)["run"]
    assert (tmp_path / "run" / "samples.jsonl.gz").read_bytes() == unbroken
    assert run["provenance"]["launcher"] | {"version": ""} == {
        "name": "ray", "version": "", "nodes": 3, "actors": 2, "each": {"CPU": 1}
    }  # fmt: skip
    assert not {"launcher", "actors", "ray"} & {*run["config"]}
    wait_until(lambda: no_actors(cluster), 60)


def test_a_run_begun_on_a_cluster_and_killed_goes_on_without_it(warm, cluster, unbroken, tmp_path):
    started = begin(tmp_path, "--launcher", "ray", "--ray-address", cluster.address, "--actors", "1")
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()
    assert 0 < lines(tmp_path) < 240
    wait_until(lambda: no_actors(cluster), 60)
    done = warm(*EVAL, "--output-dir", "run")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "samples.jsonl.gz").read_bytes() == unbroken


@pytest.mark.parametrize(
    ("model", "line"),
    [
        (
            "faulty",
            "error: problem sums-94-67, phrasing {}: the backend failed with ZeroDivisionError: of the model",
        ),
        ("deadly", "error: problem sums-94-67, phrasing {} ended 3 actors, the last with: "),
        ("unloadable", "error: the loading of the model ended 3 actors, the last with: "),
    ],
)
def test_a_model_that_raises_or_kills_its_actor_is_one_line(warm, cluster, plugin, tmp_path, model, line):
    """What other prompts gave before stays."""
    done = warm(
        "eval", "--backend", "moody", "--model", model, "--limit", "4", "--launcher", "ray",
        "--ray-address", cluster.address, "--output-dir", "run", env={"PYTHONPATH": str(plugin)},
    )  # fmt: skip
    *warned, said = messages(done.stderr)
    names = [v.name for v in SUMS.orbits()[2].variants]
    assert done.returncode == 1
    assert any(said.startswith(line.format(name)) for name in names), done.stderr
    assert all("warning: a Ray actor was lost; " in each for each in warned), done.stderr
    assert (tmp_path / "run" / "samples.jsonl").exists() == (model != "unloadable")
    wait_until(lambda: no_actors(cluster), 60)


@pytest.mark.parametrize(
    ("options", "code", "line"),
    [
        (("--ray-address", "{free}"), 1, "nobody answers there"),
        (("--ray-address", "{cluster}", "--actors", "3"), 2, "--actors 3: the cluster has room for 2"),
        (("--ray-address", "{cluster}", "--device", "cuda"), 1, "takes 1 CPU and 1 GPU;"),
    ],
)
def test_a_cluster_that_does_not_serve_is_one_line(warm, cluster, tmp_path, options, code, line):
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = f"127.0.0.1:{server.getsockname()[1]}"
    filled = [option.format(free=free, cluster=cluster.address) for option in options]
    done = warm(*EVAL, "--launcher", "ray", *filled, "--output-dir", "run")
    assert done.returncode == code
    assert done.stderr.startswith("error: ")
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("address", ["nonsense", "ray://127.0.0.1:10001", ":6379", "host:", "host:port"])
def test_an_address_of_another_form_is_refused(address):
    with pytest.raises(UsageError, match="give host:port"):
        check_address(address)


def known(*resources):
    """Ray as it lists these nodes, and one that is dead."""
    living = [{"Alive": True, "Resources": each} for each in resources]
    return SimpleNamespace(nodes=lambda: [*living, {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}])


def test_actors_take_a_gpu_each_where_there_are_some_else_the_cpus_of_their_threads():
    cpus, gpus = known({}, {"CPU": 8.0}, {"CPU": 3.0}), known({"CPU": 8.0, "GPU": 2.0}, {"CPU": 1.0, "GPU": 4.0})
    assert [share(cpus, device, 3) for device in ("auto", "cpu")] == [{"CPU": 3}, {"CPU": 3}]
    assert [share(gpus, device, 1) for device in ("auto", "cuda", "cpu")] == [{"CPU": 1, "GPU": 1}] * 2 + [
        {"CPU": 1}
    ]
    assert [room(cpus, {"CPU": threads}) for threads in (1, 3, 4, 9)] == [11, 3, 2, 0]
    assert [room(gpus, {"CPU": threads, "GPU": 1}) for threads in (1, 5, 9)] == [3, 1, 0]
    with pytest.raises(UsageError, match="use --device cuda"):
        share(gpus, "cuda:0", 1)


def test_options_of_ray_need_its_launcher(warm):
    done = warm(*EVAL, "--actors", "2")
    assert (done.returncode, done.stderr) == (2, "error: --ray-address and --actors need --launcher ray\n")


def test_without_the_extra_one_line_says_what_to_install(cli, tmp_path):
    (tmp_path / "ray.py").write_text("raise ImportError('no such package')")
    done = cli(*EVAL, "--launcher", "ray", env={"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (
        1,
        "error: ray is not installed; run: pip install 'alftbench[ray]'\n",
    )


def test_after_ctrl_c_the_actors_are_gone_and_a_node_killed_midway_costs_no_sample(cluster, unbroken, tmp_path):
    """Last of all: the cluster has a node less then."""
    options = ("--launcher", "ray", "--ray-address", cluster.address)
    started = begin(tmp_path, *options, "--actors", "1")
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=30)
    assert (started.returncode, said) == (130, "interrupted; nothing is lost, run the same command again\n")
    wait_until(lambda: no_actors(cluster), 60)

    started = begin(tmp_path, *options)
    loaded = [raylet for raylet, names in cluster.actors().items() if any("load" not in name for name in names)]
    for process in (loaded[0], *children(loaded[0])):
        os.kill(process, signal.SIGKILL)
    left = lines(tmp_path)
    _, said = started.communicate(timeout=120)
    assert left < 240
    assert started.returncode == 0, said
    assert re.fullmatch(r"warning: a Ray actor was lost; problem \S+, phrasing .+ goes to another\n", said)
    assert (tmp_path / "run" / "samples.jsonl.gz").read_bytes() == unbroken
