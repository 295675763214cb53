"""What a model's folder may hold, seen before anything is loaded from it: a folder may come from anybody.

Nothing here imports torch or transformers. `check_files` holds for every folder; `hf.folder` adds what belongs to
loading with transformers: code, weights, sizes.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alftbench.errors import ModelRefused

SETTINGS = ("config.json", "tokenizer_config.json", "generation_config.json", "special_tokens_map.json")
LARGEST_SETTINGS = 16 << 20  # bytes
LARGEST_VOCABULARY = 128 << 20  # bytes; the largest tokenizers in use have some 35 million
WEIGHTS = ".safetensors"
READ = {".json", ".jinja", ".model", ".txt", ".tiktoken", ".py", WEIGHTS}


def check_files(folder: Path) -> None:
    """Every file that a loader may read lies in this folder, can be read in time, and is JSON where it says so.

    A folder of the hub's cache may link to its blobs, and weights may be links: they are numbers anywhere.

    Raises:
        ModelRefused: it is not so.
    """
    home = cache_of(folder.resolve()) or folder.resolve()
    for path in files_of(folder):
        name = path.relative_to(folder)
        try:
            status, target = path.stat(), path.resolve(strict=True)
        except (OSError, RuntimeError):
            raise ModelRefused(f"{folder}: {name} cannot be read; is the link broken?") from None
        if not stat.S_ISREG(status.st_mode):
            raise ModelRefused(f"{folder}: {name} is no regular file; take it out of the folder")
        if path.suffix != WEIGHTS and not target.is_relative_to(home):
            raise ModelRefused(f"{folder}: {name} is a link to a file outside the folder; copy the file itself")
        check_size(folder, name, status.st_size)
    for settings in SETTINGS:
        read_settings_file(folder, settings)


def files_of(folder: Path) -> Iterator[Path]:
    """What a loader may read: in the folder itself, and the templates in a folder of their own."""
    for path in sorted((*folder.iterdir(), *folder.glob("additional_chat_templates/*"))):
        if path.suffix in READ and not (path.is_dir() and not path.is_symlink()):
            yield path


def cache_of(folder: Path) -> Path | None:
    """The hub's cache of a model that a folder is a snapshot in, None where it is none."""
    home = folder.parent.parent
    return home if folder.parent.name == "snapshots" and home.name.startswith("models--") else None


def check_size(folder: Path, name: Path, size: int) -> None:
    """Refuse texts larger than any model's, which would fill the memory of whoever parses them."""
    most = LARGEST_SETTINGS if name.name in SETTINGS or name.suffix == ".jinja" else LARGEST_VOCABULARY
    if name.suffix != WEIGHTS and size > most:
        raise ModelRefused(f"{folder}: {name} has {size >> 20} MB, more than {most >> 20} MB; it is no model's")


def read_settings_file(folder: Path, name: str) -> dict[str, Any]:
    """A JSON object of a model's folder; empty where there is no such file.

    Raises:
        ModelRefused: it is something else.
    """
    path = folder / name
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ModelRefused(f"{folder}: {name} is nested too deeply; it is no model's") from None
    except (OSError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise ModelRefused(f"{folder}: {name} cannot be read ({why:.120}); is the download complete?") from None
    if not isinstance(content, dict):
        raise ModelRefused(f"{folder}: {name} holds no settings but a {type(content).__name__}; it is no model's")
    return content
