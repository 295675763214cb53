"""Where a model's files lie, and the digest that says which model it was."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from alftbench.backends.model_folder import check_files, read_settings_file
from alftbench.errors import UsageError

EMBEDDED = Path(__file__).parent / "embedded"
DEFAULT_MODEL = "tiny-sums"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
IDENTITY_SUFFIXES = {".safetensors", ".json", ".jinja", ".model", ".txt"}
NOT_IDENTITY = {"MADE.json"}


def locate(model: str) -> str:
    """The folder of an embedded model or of a path, or a hub id as it is.

    Raises:
        UsageError: the name is neither an embedded model, nor a folder with a config.json, nor like a hub id.
        ModelRefused: the folder holds links to elsewhere, special files, or files too large or malformed.
    """
    embedded = EMBEDDED / model
    if model and (embedded / "config.json").is_file():
        check_files(embedded)
        return str(embedded)
    folder = Path(model).expanduser()
    if (folder / "config.json").is_file():
        check_files(folder)
        return str(folder.resolve())
    if folder.is_file():
        raise UsageError(f"--model {model}: is a file; give the folder with config.json and the weights")
    if folder.exists():
        raise UsageError(f"{model} is not a model folder: it has no config.json")
    if HUB_ID.fullmatch(model) and not model.startswith(".") and not folder.parent.is_dir():
        return model
    names = ", ".join(sorted(path.name for path in EMBEDDED.iterdir() if path.is_dir()))
    raise UsageError(f"no model folder {model!r}; give a folder with config.json, a hub id, or one of: {names}")


def is_embedded(model: str) -> bool:
    """Is a model, by its name, one that comes with the package?"""
    return bool(model) and (EMBEDDED / model / "config.json").is_file()


def context_length(model: str) -> int | None:
    """Tokens of prompt and completion together at most, as the config.json of a model's folder says."""
    config = read_settings_file(Path(model), "config.json")
    text = config.get("text_config")
    length = (text if isinstance(text, dict) and text else config).get("max_position_embeddings")
    return length if isinstance(length, int) else None


def fingerprint(folder: str | Path) -> str:
    """SHA-256 over the names and contents of the files that make up a model; a hub id has none."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).iterdir()):
        if path.suffix in IDENTITY_SUFFIXES and path.name not in NOT_IDENTITY:
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def model_digest(model: str) -> str | None:
    """What says which model it was: the digest of its folder or file; a name alone has none."""
    path = Path(model)
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return fingerprint(model) if path.is_dir() else None
