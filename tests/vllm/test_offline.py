"""The vllm backend with the real engine, beside transformers on the same weights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from alftbench.backends.base import BackendOptions
from alftbench.backends.hf.backend import HfBackend
from alftbench.backends.model_files import locate
from alftbench.errors import UsageError
from alftbench.evaluation.run_folder import read_record
from alftbench.evaluation.verify import verify
from alftbench.suites.arithmetic import SUMS
from alftbench.types import SamplingParams

VARIANTS = [variant for orbit in SUMS.orbits() for variant in orbit.variants]
SMALL = {"gpu_memory_utilization": "0.3", "enforce_eager": "true"}
GREEDY = SamplingParams(n=1, temperature=0.0, max_tokens=32)


@pytest.fixture(scope="module")
def hf(wide):
    return HfBackend(str(wide), BackendOptions(device="cpu"))


@pytest.fixture(scope="module")
def vllm(wide):
    from alftbench.backends.vllm import VllmBackend

    return VllmBackend(str(wide), BackendOptions(device="cpu", args=SMALL, logprobs=True))


def drawn(backend, variants, params, done=()):
    return {s.key: s for portion in backend.sample(variants, params, done) for s in portion}


def test_the_widened_model_is_the_embedded_one(hf):
    tiny = HfBackend(locate("tiny-sums"), BackendOptions(device="cpu"))
    assert drawn(hf, VARIANTS[:60], GREEDY) == drawn(tiny, VARIANTS[:60], GREEDY)


@pytest.mark.vllm
def test_greedy_agrees_with_hf_and_partings_are_near_ties(hf, vllm):
    from agreement import partings

    same, parted = partings(hf, vllm, VARIANTS, GREEDY.max_tokens)
    assert len(VARIANTS) == 600
    assert same >= 0.9 * len(VARIANTS)
    assert all(p.rank <= 2 and p.gap < 1e-3 for p in parted)


@pytest.mark.vllm
def test_a_resumed_run_asks_for_the_rest_alone_and_draws_the_same(vllm):
    params = SamplingParams(n=6, max_tokens=32)
    whole = drawn(vllm, VARIANTS[:60], params)
    assert Counter(key[:2] for key in whole) == {(v.problem_id, v.name): 6 for v in VARIANTS[:60]}
    vllm.engine.reset_prefix_cache()
    done = [key for i, key in enumerate(sorted(whole)) if i % 3]
    rest = drawn(vllm, VARIANTS[:60], params, done)
    assert rest.keys() == whole.keys() - set(done)
    assert all(whole[key].text == sample.text for key, sample in rest.items())
    other = drawn(vllm, VARIANTS[:60], SamplingParams(n=6, max_tokens=32, seed=1))
    assert sum(other[key].text == whole[key].text for key in whole) < 0.9 * len(whole)


@pytest.mark.vllm
def test_an_abandoned_run_leaves_nothing_in_the_engine(vllm):
    portions = vllm.sample(VARIANTS, SamplingParams(n=4, max_tokens=32))
    next(portions)
    portions.close()
    assert not vllm.engine.has_unfinished_requests()
    assert len(drawn(vllm, VARIANTS[:5], GREEDY)) == 5


@pytest.mark.vllm
def test_draws_have_the_models_distribution(hf, vllm):
    """Chi-square of the texts of 1,500 draws from each engine for one prompt."""
    params = SamplingParams(n=1500, temperature=1.0, top_p=0.98, max_tokens=32)
    ours = Counter(s.text for s in drawn(hf, VARIANTS[11:12], params).values())
    theirs = Counter(s.text for s in drawn(vllm, VARIANTS[11:12], params).values())
    common = [text for text in ours if ours[text] + theirs[text] >= 10]
    table = np.array([[c[t] for t in common] + [c.total() - sum(c[t] for t in common)] for c in (ours, theirs)])
    table = table[:, table.sum(0) > 0]
    assert table.shape[1] > 3
    assert stats.chi2_contingency(table).pvalue > 0.001


@pytest.mark.vllm
def test_log_probabilities_are_those_of_hf(hf, vllm):
    found = list(drawn(vllm, VARIANTS[:20], SamplingParams(n=4, max_tokens=32)).values())
    expected = hf.log_probs(VARIANTS[:20], found)
    assert [s.logprob for s in found] == pytest.approx(list(expected), abs=2e-3)


@pytest.mark.vllm
def test_log_probabilities_are_the_models_whatever_the_temperature(hf, vllm):
    from alftbench.backends.hf.loading import prompt_ids
    from alftbench.backends.hf.scoring import completion_ids, token_log_probs

    variant = VARIANTS[3]
    prompt = prompt_ids(hf.tokenizer, variant.messages)
    for sample in drawn(vllm, [variant], SamplingParams(n=4, temperature=0.5, max_tokens=32)).values():
        ids = completion_ids(hf.tokenizer, sample.text, sample.finish_reason, hf.tokenizer.eos_token_id)
        scored = token_log_probs(hf.model, [prompt], [ids], hf.tokenizer.pad_token_id)
        assert sample.logprob == pytest.approx(float(scored.detach().sum()), abs=2e-3)


@pytest.mark.vllm
def test_stop_strings_end_a_completion_and_are_left_out(vllm):
    whole = drawn(vllm, VARIANTS[:20], GREEDY)
    cut = drawn(vllm, VARIANTS[:20], SamplingParams(n=1, temperature=0.0, max_tokens=32, stop=("Answer", "\n")))
    for key, sample in cut.items():
        assert sample.text == whole[key].text.split("\n")[0].split("Answer")[0]
        assert sample.finish_reason == "stop"
        assert sample.n_tokens < whole[key].n_tokens


@pytest.mark.vllm
def test_what_does_not_fit_is_refused_before_anything_is_drawn(vllm):
    with pytest.raises(UsageError, match=r"do not fit into the engine's 256; lower --max-tokens"):
        next(vllm.sample(VARIANTS[:3], SamplingParams(max_tokens=250)))
    assert not vllm.engine.has_unfinished_requests()


@pytest.mark.vllm
@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"tensor_paralel_size": "2"}, "no such setting"),
        ({"enforce_eager": "yes"}, "must be true or false"),
        ({"max_model_len": "100000"}, "vLLM cannot load .*max_model_len"),
    ],
)
def test_wrong_settings_are_one_clear_line(wide, args, message):
    from alftbench.backends.vllm import VllmBackend

    with pytest.raises(UsageError, match=message) as raised:
        VllmBackend(str(wide), BackendOptions(device="cpu", args={**SMALL, **args}))
    assert "\n" not in str(raised.value)


@pytest.mark.vllm
def test_killed_in_the_middle_it_ends_with_the_same_samples(wide, cli, tmp_path):
    args = ",".join(f"{name}={value}" for name, value in SMALL.items())
    command = [
        "eval", "--backend", "vllm", "--model", str(wide), "--backend-args", args, "--samples", "8",
        "--batch-size", "24", "--format", "json", "--output-dir",
    ]  # fmt: skip
    whole = cli(*command, "whole")
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen(
        [sys.executable, "-m", "alftbench.cli", *command, "killed"],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    lines = tmp_path / "killed" / "samples.jsonl"
    deadline = time.monotonic() + 300
    while not (lines.exists() and lines.stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert read_record(tmp_path / "killed").status == "running"
    again = cli(*command, "killed")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["metrics"] == json.loads(whole.stdout)["metrics"]
    assert verify(tmp_path / "killed").samples_sha256 == verify(tmp_path / "whole").samples_sha256
