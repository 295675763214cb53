"""What the `hf` backend can, apart from its class, whose libraries take seconds to import."""

from __future__ import annotations

from alftbench.backends.base import BackendInfo

INFO = BackendInfo(scores=True, enumerates=True, divides=True)
