"""Whether transformers may load a model: no code of its own unasked, safetensors, sizes that fit its weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from alftbench.backends.model_folder import WEIGHTS, check_files, read_settings_file
from alftbench.errors import ModelRefused, UsageError

TRUST = "--trust-remote-code"
INDEX = "model.safetensors.index.json"
PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
CONVERT = (
    "save it again as safetensors where that does no harm, by "
    "AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
)
LAYERS = re.compile(r"(layers?|blocks|depth)$")  # of settings whose value is how often something is built
COUNTS = re.compile(r"experts|labels|heads|groups")
SIZES = re.compile(r"(size|dim|width|embd|inner|rank)$")
NOT_OF_WEIGHTS = re.compile(r"position|token|window|block_size|_id$|length|seed")
USUAL_COUNT = 1024


def check_model(model: str, trusted: bool = False) -> None:
    """Whether a model may be loaded; of a hub id, what its files are is seen by transformers.

    Raises:
        ModelRefused: it needs code that came with it and is not `trusted`, its weights are no safetensors, or its
            config.json describes another model than the weights.
        UsageError: it has no weights at all.
    """
    folder = Path(model)
    if not folder.is_dir():
        return
    check_files(folder)
    config = read_settings_file(folder, "config.json")
    check_adapter(folder)
    check_weights(folder, config)
    if not trusted:
        check_code(folder, config)
        check_sizes(folder, config)


def code_digest(model: str) -> str | None:
    """SHA-256 over the Python files of a model's folder, which say what it runs where it is trusted."""
    folder = Path(model)
    if not folder.is_dir():
        return None
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def stated_trust(model: str, trusted: bool) -> dict[str, Any]:
    """What a configuration says of a model whose code may run; nothing of others, whose runs keep their ids."""
    return {"trust_remote_code": True, "code_sha256": code_digest(model)} if trusted else {}


def needs_code(model: str) -> ModelRefused:
    """The refusal of a model that needs code of its own."""
    return ModelRefused(
        f"{model} needs Python code that came with it, which is not run; "
        f"read the code, and if you trust it add {TRUST}"
    )


def check_code(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a kind of model that only code of the folder knows, and kernels, which are code of the hub."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or not is_known(kind):
        if "auto_map" in config:
            raise needs_code(str(folder))
        raise ModelRefused(
            f"cannot read the model {folder}: transformers does not know its model_type {kind!r:.60}; "
            f"use a newer transformers, or a model of a known type"
        )
    for name, value in settings_of(config):
        if name.endswith("implementation") and isinstance(value, str) and "/" in value:
            raise ModelRefused(
                f"{folder}: config.json asks for the kernel {value!r:.60} of the hub, which is code and "
                f"is not run; take {name} out, or add {TRUST}"
            )


def is_known(kind: str) -> bool:
    """Does transformers have this type of model? Its own list is asked only where no folder of it is named so."""
    place = find_spec("transformers")
    folders = place.submodule_search_locations if place and place.submodule_search_locations else []
    plain = re.fullmatch(r"[a-z][a-z0-9_]*", kind)
    if plain and any((Path(folder) / "models" / kind / "__init__.py").is_file() for folder in folders):
        return True
    from transformers import CONFIG_MAPPING

    return kind in CONFIG_MAPPING


def check_adapter(folder: Path) -> None:
    """Refuse adapters: whether they are loaded would hang on which packages are installed."""
    if (folder / "adapter_config.json").is_file():
        raise ModelRefused(
            f"{folder} holds an adapter (adapter_config.json), which is not loaded here; merge it into the "
            f"weights: model.merge_and_unload().save_pretrained(NEW_FOLDER)"
        )


def check_weights(folder: Path, config: Mapping[str, Any]) -> None:
    """A folder must hold its weights as safetensors: anything else is unpickled, which may run code."""
    named = config.get("transformers_weights", "model.safetensors")
    if not isinstance(named, str) or not named.endswith((WEIGHTS, INDEX)) or Path(named).name != named:
        raise ModelRefused(f"{folder}: config.json names weights {named!r:.60}, no safetensors in it; {CONVERT}")
    if (folder / named).is_file():
        files = shards(folder, named) if named.endswith(INDEX) else []
    elif (folder / INDEX).is_file():
        files = shards(folder, INDEX)
    else:
        raise no_weights(folder)
    for name in files:
        if not name.endswith(WEIGHTS) or Path(name).name != name:
            raise ModelRefused(f"{folder}: {INDEX} names {name!r:.60}, which is no safetensors file beside it")


def no_weights(folder: Path) -> UsageError:
    """The error of a folder without safetensors: a refusal of pickles, or of a folder that is no model yet."""
    pickled = next((path.name for path in sorted(folder.iterdir()) if path.suffix in PICKLED), None)
    if pickled:
        return ModelRefused(f"{folder} holds weights as {pickled}, which may run code; {CONVERT}")
    return UsageError(f"{folder} has a config.json but no weights (model{WEIGHTS}); is the download complete?")


def shards(folder: Path, index: str) -> list[str]:
    """The files that an index of weights names."""
    placed = read_settings_file(folder, index).get("weight_map")
    return sorted({str(name) for name in placed.values()}) if isinstance(placed, dict) else [""]


def check_sizes(folder: Path, config: Mapping[str, Any]) -> None:
    """No number of config.json makes a model that its weights are not: memory and time would go to nothing.

    A layer has a tensor of its own, any other count is a dimension of one or usual, and no size is larger than all
    the weights together.
    """
    shapes = list(tensor_shapes(folder))
    n_weights = sum(weights for weights, _ in shapes)
    largest = max([USUAL_COUNT, *(longest for _, longest in shapes)])
    for name, value in settings_of(config):
        most = most_of(name, len(shapes), largest, n_weights)
        if most is not None and isinstance(value, int | float) and not -1 <= value <= most:
            raise ModelRefused(
                f"{folder}: config.json says {name} {str(value)[:20]}, which its weights ({len(shapes)} tensors, "
                f"{n_weights} numbers) cannot be; are they of another model?"
            )


def most_of(name: str, n_tensors: int, largest: int, n_weights: int) -> int | None:
    """What a setting can be at most; None where weights say nothing of it, such as a number of positions."""
    if NOT_OF_WEIGHTS.search(name):
        return None
    for pattern, most in ((LAYERS, n_tensors), (COUNTS, largest), (SIZES, n_weights)):
        if pattern.search(name):
            return most
    return None


def settings_of(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every setting by its name, those of parts of the model and of lists too."""
    for name, value in config.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                yield from settings_of(each)
            else:
                yield name, each


def tensor_shapes(folder: Path) -> Iterator[tuple[int, int]]:
    """How many numbers each tensor of the weights has, and its longest side, by the headers of the files."""
    for path in sorted(folder.glob(f"*{WEIGHTS}")):
        try:
            with safe_open(path, framework="np") as tensors:
                for name in tensors.keys():  # noqa: SIM118  it is no dict
                    shape = tensors.get_slice(name).get_shape()
                    weights = 1
                    for side in shape:
                        weights *= side
                    yield weights, max(shape, default=1)
        except (SafetensorError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise ModelRefused(f"cannot read the model {folder}: {path.name}: {reason:.120}") from None
