"""tiny-sums in a form whose heads vLLM's CPU kernels know: 32 wide where the model's own are 16."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

NARROW, WIDE = 16, 32


def widen(source: Path, target: Path) -> Path:
    """The same function of the same tokens, up to rounding: heads padded with zeros.

    Position i of a head turns with i + width/2 at the rate base^(-2i/width), so halves go to the starts of the
    wide halves and the base is squared; attention divides by the root of the width, so queries grow by √2.
    """
    shutil.copytree(source, target)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config["head_dim"] = WIDE
    config["rope_parameters"]["rope_theta"] **= WIDE / NARROW
    (target / "config.json").write_text(json.dumps(config), encoding="utf-8")
    weights = load_file(source / "model.safetensors")
    save_file(
        {name: _widened(name, w) for name, w in weights.items()}, target / "model.safetensors", {"format": "pt"}
    )
    return target


def _widened(name: str, weight: Tensor) -> Tensor:
    if name.endswith("o_proj.weight"):
        return _pad_heads(weight.T.contiguous()).T.contiguous()
    if name.endswith(("k_proj.weight", "v_proj.weight")):
        return _pad_heads(weight)
    if name.endswith("q_proj.weight"):
        return _pad_heads(weight) * math.sqrt(WIDE / NARROW)
    return weight


def _pad_heads(rows: Tensor) -> Tensor:
    """Rows (heads × 16, hidden) → (heads × 32, hidden): each half of a head at the start of a wide half."""
    halves = rows.reshape(-1, 2, NARROW // 2, rows.shape[-1])
    wide = halves.new_zeros(halves.shape[0], 2, WIDE // 2, halves.shape[-1])
    wide[:, :, : NARROW // 2] = halves
    return wide.reshape(-1, rows.shape[-1])
