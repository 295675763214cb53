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
class Finding:
    """One thing looked at; `advice` is empty where nothing needs doing."""

    what: str
    found: str
    advice: str = ""


def examine(dev: bool = False) -> list[Finding]:
    """Everything that `alftbench doctor` shows; the packages of its developers only where they are asked for."""
    return [
        Finding("python", platform.python_version()),
        Finding("processor", f"{os.cpu_count()} × {cpu_name()}"),
        memory(),
        disk(Path.cwd()),
        *torch_findings(),
        *extras(dev),
    ]


def memory() -> Finding:
    """Physical memory, and what is free of it."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") / GIB
    return Finding("memory", f"{total:.1f} GiB, {free:.1f} GiB unused")


def disk(folder: Path) -> Finding:
    """Free space where runs are written by default."""
    free = shutil.disk_usage(folder).free / GIB
    advice = "free some space: a run that cannot be written stops" if free < 1 else ""
    return Finding("disk", f"{free:.1f} GiB free here", advice)


def torch_findings() -> Iterator[Finding]:
    """Torch, its threads and CUDA."""
    import torch

    yield Finding("torch", torch.__version__)
    yield Finding("torch threads", f"{torch.get_num_threads()} by default; alftbench uses 1 per process")
    if not torch.cuda.is_available():
        yield Finding("CUDA", "none", "nothing to do on a CPU; on a GPU machine install a CUDA build of torch")
        return
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        yield Finding(f"cuda:{index}", f"{properties.name}, {properties.total_memory / GIB:.0f} GiB")


def extras(dev: bool) -> Iterator[Finding]:
    """Packages of every extra, by this distribution's own metadata; users' extras first."""
    needed = [
        (extra_of(requirement), requirement) for requirement in map(Requirement, requires("alftbench") or [])
    ]
    for extra, requirement in sorted(needed, key=lambda item: item[0] == DEV):
        if not extra or (extra == DEV and not dev):
            continue
        version = installed(requirement.name)
        yield Finding(
            f"{requirement.name} (extra {extra})",
            version or "missing",
            "" if version else f"pip install 'alftbench[{extra}]'",
        )


def extra_of(requirement: Requirement) -> str:
    """The extra that asks for a package, empty where alftbench itself does."""
    match = EXTRA.search(str(requirement.marker or ""))
    return match[1] if match else ""
