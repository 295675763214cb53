"""How many trials a machine trains at a time: one per GPU, and per core where there is none."""

from __future__ import annotations

import os

import torch

from alftbench.backends.hf.loading import pick_device


def cuda_ids(device: str) -> tuple[str, ...]:
    """The CUDA devices that `--device` leaves open, as CUDA_VISIBLE_DEVICES names them; none if it names one."""
    chosen = pick_device(device)
    if chosen.type != "cuda" or chosen.index is not None:
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return tuple(visible.split(",")) if visible else tuple(map(str, range(torch.cuda.device_count())))


def at_once(device: str) -> int:
    """Trials at a time: the GPUs that may be used, or the cores."""
    if pick_device(device).type == "cpu":
        return os.cpu_count() or 1
    return len(cuda_ids(device)) or 1
