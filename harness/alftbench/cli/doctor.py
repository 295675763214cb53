"""What this machine has and what it lacks, each with the command that helps."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

from alftbench.base.provenance import cpu_name, installed

GIB = 1 << 30
DEV = "dev"
EXTRA = re.compile(r"""extra == ["']([^"']+)["']""")


@dataclass(frozen=True)
class MachineFact:
    """One thing looked at; `advice` is empty where nothing needs doing."""

    what: str
    found: str
    advice: str = ""


def examine(dev: bool = False) -> list[MachineFact]:
    """Everything that `alftbench doctor` shows; the packages of its developers only where they are asked for."""
    return [
        MachineFact("python", platform.python_version()),
        MachineFact("processor", f"{os.cpu_count()} × {cpu_name()}"),
        memory(),
        disk(Path.cwd()),
        *torch_findings(),
        *extras(dev),
    ]


def memory() -> MachineFact:
    """Physical memory, and what is free of it."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") / GIB
    return MachineFact("memory", f"{total:.1f} GiB, {free:.1f} GiB unused")


def disk(folder: Path) -> MachineFact:
    """Free space where runs are written by default."""
    free = shutil.disk_usage(folder).free / GIB
    advice = "free some space: a run that cannot be written stops" if free < 1 else ""
    return MachineFact("disk", f"{free:.1f} GiB free here", advice)


def torch_findings() -> Iterator[MachineFact]:
    """Torch, its threads and CUDA."""
    import torch

    yield MachineFact("torch", torch.__version__)
    yield MachineFact("torch threads", f"{torch.get_num_threads()} by default; alftbench uses 1 per process")
    if not torch.cuda.is_available():
        yield MachineFact("CUDA", "none", "nothing to do on a CPU; on a GPU machine install a CUDA build of torch")
        return
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        yield MachineFact(f"cuda:{index}", f"{properties.name}, {properties.total_memory / GIB:.0f} GiB")


def extras(dev: bool) -> Iterator[MachineFact]:
    """Packages of every extra, by this distribution's own metadata; users' extras first."""
    needed = [
        (extra_of(requirement), requirement) for requirement in map(Requirement, requires("alftbench") or [])
    ]
    for extra, requirement in sorted(needed, key=lambda item: item[0] == DEV):
        if not extra or (extra == DEV and not dev):
            continue
        version = installed(requirement.name)
        yield MachineFact(
            f"{requirement.name} (extra {extra})",
            version or "missing",
            "" if version else f"pip install 'alftbench[{extra}]'",
        )


def extra_of(requirement: Requirement) -> str:
    """The extra that asks for a package, empty where alftbench itself does."""
    match = EXTRA.search(str(requirement.marker or ""))
    return match[1] if match else ""
