"""What the `hf` backend can, apart from its class, whose libraries take seconds to import."""

from __future__ import annotations

from alftbench.backends.base import BackendInfo
from alftbench.backends.hf.folder import check_model

INFO = BackendInfo(check=check_model, scores=True, enumerates=True, divides=True)
