"""Get a backend by name: what it can, where it finds a model, and the backend itself with the model loaded."""

from __future__ import annotations

from alftbench.backends.base import Backend, BackendClass, BackendInfo, BackendOptions
from alftbench.backends.hf import info as hf
from alftbench.base import entry_points
from alftbench.errors import PluginError

INFO_APART = {"hf": hf.INFO}  # importing this class takes seconds, which plans have no use for


def backend_class(name: str) -> BackendClass:
    """A registered backend.

    Raises:
        UnknownName: there is no such backend.
        PluginError: it cannot be imported, or does not say what it can.
    """
    plugin = entry_points.load("backend", name)
    if not isinstance(plugin, BackendClass) or not isinstance(plugin.info, BackendInfo):
        raise PluginError(f"backend plugin {name!r} lacks `info`, a BackendInfo that says what it can")
    return plugin


def backend_info(name: str) -> BackendInfo:
    """What a backend can; no model is loaded.

    Raises:
        UnknownName: there is no such backend.
        PluginError: it cannot be imported, or does not say what it can.
    """
    entry_points.find("backend", name)
    return INFO_APART.get(name) or backend_class(name).info


def find_model(name: str, info: BackendInfo) -> str:
    """Where a backend finds a model: a folder, a file, a hub id, or a server's name for it.

    Raises:
        UsageError: it finds none of that name.
    """
    return info.locate(name) if info.locate else name


def open_backend(name: str, model: str, options: BackendOptions) -> Backend:
    """A backend with a model loaded.

    Raises:
        UsageError: a setting is wrong, or the model cannot be used.
        PluginError: what the plugin gives is no backend.
    """
    backend = backend_class(name)(model, options)
    if not isinstance(backend, Backend):
        raise PluginError(f"backend plugin {name!r} lacks one of: info, about, sample()")
    return backend
