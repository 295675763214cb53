"""Where a record comes from: package versions, commit, hardware; nothing that names a person or a folder."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from alftbench import __version__


@dataclass(frozen=True)
class Hardware:
    """What `in_words` needs of a provenance's hardware."""

    cpu: str
    cores: int | None


@dataclass(frozen=True)
class Engine:
    """What `in_words` tells of a provenance's engine."""

    gpu: str = ""
    dtype: str = ""


@dataclass(frozen=True)
class Origin:
    """What `in_words` needs of a record's provenance."""

    alftbench: str
    python: str
    packages: Mapping[str, str]
    hardware: Hardware
    engine: Engine = Engine()


PACKAGES = ("numpy", "scipy", "tokenizers", "torch", "transformers", "vllm", "lm-eval")


def provenance() -> dict[str, Any]:
    """Date, versions, commit and hardware of this process."""
    return {
        "alftbench": __version__,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": packages(),
        "commit": commit(),
        "hardware": {"machine": platform.machine(), "cpu": cpu_name(), "cores": os.cpu_count()},
    }


def in_words(record: Mapping[str, Any]) -> str:
    """One line on what a record was made with."""
    hardware, engine = record["hardware"], record.get("engine", {})
    versions = [f"alftbench {record['alftbench']}", f"Python {record['python']}"]
    versions += [f"{name} {version}" for name, version in sorted(record["packages"].items())]
    place = [
        f"{hardware['cores']} × {hardware['cpu']}",
        *(engine[name] for name in ("gpu", "dtype") if name in engine),
    ]
    code = ", running code that came with the model" if record.get("trust_remote_code") else ""
    return f"{', '.join(versions)}, on {', '.join(place)}{code}"


def packages() -> dict[str, str]:
    """Versions of the packages that results depend on."""
    return {name: number for name in PACKAGES if (number := installed(name))}


def versions() -> dict[str, str]:
    """This package's version, Python's, and those of `packages`."""
    return {"alftbench": __version__, "python": platform.python_version(), **packages()}


def installed(package: str) -> str | None:
    """A package's version, or None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    """The commit of a source checkout, "+dirty" where files differ from it; None for an installed package."""
    here = Path(__file__).parent
    head = _git(here, "rev-parse", "HEAD")
    if head is None or _git(here, "ls-files", "--error-unmatch", __file__) is None:
        return None
    return head + ("+dirty" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def cpu_name() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
