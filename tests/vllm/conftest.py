"""Tests with the real vLLM, in its own environment: make test-vllm. Elsewhere they are skipped."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_collection_modifyitems(items):
    """Skip what is marked `vllm` where vLLM is missing; its own warnings are not ours."""
    for item in items:
        if item.get_closest_marker("vllm") and HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("default"))
            if find_spec("vllm") is None:
                item.add_marker(pytest.mark.skip(reason="vLLM is not installed here; run: make test-vllm"))


@pytest.fixture(scope="session")
def wide(tmp_path_factory):
    """tiny-sums as vLLM's CPU kernels take it."""
    from wide import widen

    from alftbench.backends.model_files import locate

    return widen(Path(locate("tiny-sums")), tmp_path_factory.mktemp("models") / "wide-sums")
