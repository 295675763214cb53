"""A Ray cluster: how to reach it, and how many actors it has room for."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alftbench.errors import AlftbenchError, MissingExtra, UsageError

REACH_SECONDS = 10.0
Share = Mapping[str, float]  # what one actor takes of a node, by Ray's names: CPU, GPU


@dataclass(frozen=True)
class RayCluster:
    """Which cluster, how many actors at most (None for as many as have room), and the threads of each.

    address: host:port of the head, or `auto` for the cluster that runs on this machine; None for $RAY_ADDRESS,
    and where that is not set for a cluster of one node, this machine, that ends with the command.
    """

    address: str | None = None
    actors: int | None = None
    threads: int = 1


def connect(cluster: RayCluster) -> Any:
    """Ray itself, connected.

    Raises:
        MissingExtra: Ray is not installed.
        UsageError: the address has another form.
        AlftbenchError: nobody answers there, or it is another version of Ray or Python.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        import ray._private.worker as worker
    except ImportError as error:
        raise MissingExtra("ray", "ray") from error
    # Ray prints a page for every lost node among the results, by no logger and with no option that stops it
    # (log_to_driver silences workers alone); the crew says it in a line.
    worker.print_to_stdstream = lambda *_, **__: None
    if not ray.is_initialized():
        address = cluster.address or os.environ.get("RAY_ADDRESS") or "local"
        check_address(address)
        try:
            ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL)
        except (OSError, RuntimeError, ValueError) as error:
            raise AlftbenchError(f"--ray-address {address}: {str(error).splitlines()[0]}") from error
    return ray


def check_address(address: str) -> None:
    """Knock first: Ray itself waits for more than a minute, and then ends the process.

    Raises:
        UsageError: the address is not host:port.
        AlftbenchError: nobody answers.
    """
    if address in ("local", "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        raise UsageError(
            f"--ray-address {address}: give host:port of the cluster's head, as 10.0.0.1:6379, or auto"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise AlftbenchError(
            f"--ray-address {address}: nobody answers there ({error}); is the cluster up? ray start --head"
        ) from None


def share(ray: Any, device: str, threads: int) -> Share:
    """What one actor takes: a GPU where the device is one and its threads' CPUs.

    Raises:
        UsageError: the device is a numbered one, which means another on every node.
    """
    if device.startswith("cuda:"):
        raise UsageError(f"--device {device}: on a cluster every actor has a GPU of its own; use --device cuda")
    has_gpu = any(node["Resources"].get("GPU") for node in nodes(ray))
    wants_gpu = device == "cuda" or (device == "auto" and has_gpu)
    return {"CPU": threads, "GPU": 1} if wants_gpu else {"CPU": threads}


def nodes(ray: Any) -> list[Any]:
    """The nodes that are alive."""
    return [node for node in ray.nodes() if node["Alive"]]


def room(ray: Any, wanted: Share) -> int:
    """Actors that the living nodes can hold, Σ_nodes min_r ⌊resources_r / share_r⌋, whoever else uses them."""
    return sum(
        int(min(node["Resources"].get(name, 0) // amount for name, amount in wanted.items()))
        for node in nodes(ray)
    )


def actors_for(ray: Any, cluster: RayCluster, wanted: Share) -> int:
    """How many actors to start.

    Raises:
        UsageError: more are asked for than have room.
        AlftbenchError: not one has room.
    """
    capacity = room(ray, wanted)
    needs = " and ".join(f"{amount:g} {name}" for name, amount in wanted.items())
    if capacity == 0:
        raise AlftbenchError(
            f"no node of the Ray cluster has room for an actor, which takes {needs}; "
            f"add nodes, or choose another --device or fewer --threads"
        )
    if cluster.actors and cluster.actors > capacity:
        raise UsageError(f"--actors {cluster.actors}: the cluster has room for {capacity}, each takes {needs}")
    return cluster.actors or capacity
