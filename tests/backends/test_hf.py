"""The hf backend: portions, stop strings, log-probabilities, prompts that do not fit, memory that runs out."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alftbench.backends.base import BackendOptions
from alftbench.backends.hf.backend import HfBackend
from alftbench.backends.hf.batching import Batch, batches, is_shortage
from alftbench.backends.stops import StopStrings
from alftbench.errors import AlftbenchError, UsageError
from alftbench.suites.arithmetic import SUMS
from alftbench.types import SamplingParams, Variant


@pytest.fixture(scope="module")
def backend(tiny):
    return HfBackend(tiny, BackendOptions(device="cpu", logprobs=True))


@pytest.fixture(scope="module")
def variants():
    return [v for orbit in SUMS.orbits()[:4] for v in orbit.variants]


def test_backend_draws_are_the_same_for_any_number_of_problems_and_samples(tiny):
    backend = HfBackend(tiny, BackendOptions(device="cpu"))
    variants = [v for orbit in SUMS.orbits()[:4] for v in orbit.variants]
    few, many = SamplingParams(n=2, max_tokens=32), SamplingParams(n=5, max_tokens=32)
    texts = {s.key: s.text for s in drawn(backend, variants, many)}
    for sample in drawn(backend, variants[:3], few):
        assert texts[sample.key] == sample.text


def drawn(backend, variants, params):
    return [sample for portion in backend.sample(variants, params) for sample in portion]


def test_portions_hold_every_draw_once_and_leave_out_whole_batches_that_are_done(tiny):
    backend = HfBackend(tiny, BackendOptions(device="cpu", batch_size=50))
    variants = [v for orbit in SUMS.orbits()[:3] for v in orbit.variants]
    params = SamplingParams(n=8, max_tokens=32)
    portions = [[s.key for s in portion] for portion in backend.sample(variants, params)]
    assert max(map(len, portions)) == 50 // 8 * 8
    assert sorted(key for portion in portions for key in portion) == sorted(
        (v.problem_id, v.name, d) for v in variants for d in range(8)
    )
    again = [[s.key for s in p] for p in backend.sample(variants, params, {*portions[0], *portions[2][1:]})]
    assert again == portions[1:]


def test_log_probs_of_drawn_tokens_equal_those_of_the_re_encoded_text(backend, variants):
    """The model's at temperature 1, whatever the samples were drawn at; its tokenizer splits a text one way."""
    for params in (
        SamplingParams(n=3, max_tokens=24),
        SamplingParams(n=3, max_tokens=24, temperature=0.8, top_p=0.9),
    ):
        samples = drawn(backend, variants, params)
        assert {s.finish_reason for s in samples} <= {"stop", "length"}
        assert [s.logprob for s in samples] == pytest.approx(backend.log_probs(variants, samples), abs=1e-3)


def test_log_probs_are_recorded_on_request_only(tiny, variants):
    plain = HfBackend(tiny, BackendOptions(device="cpu"))
    assert {s.logprob for s in drawn(plain, variants[:1], SamplingParams(n=2, max_tokens=8))} == {None}


def test_stop_strings_cut_exactly_what_the_same_draws_write_without_them(backend, variants):
    params = SamplingParams(n=6, max_tokens=40, temperature=1.5)
    free = {s.key: s for s in drawn(backend, variants, params)}
    stop = (" =", "7")
    cut = drawn(backend, variants, SamplingParams(n=6, max_tokens=40, temperature=1.5, stop=stop))
    assert any(stop_ in s.text for s in free.values() for stop_ in stop)
    for sample in cut:
        whole = free[sample.key]
        places = [whole.text.find(s) for s in stop if s in whole.text]
        assert sample.text == (whole.text[: min(places)] if places else whole.text)
        assert sample.finish_reason == ("stop" if places else whole.finish_reason)
        assert sample.n_tokens <= whole.n_tokens
        assert sample.logprob >= whole.logprob - 1e-3


class Bytes:
    """A tokenizer whose tokens are bytes, so characters may lie across tokens."""

    def decode(self, token_ids, skip_special_tokens):
        return bytes(token_ids).decode(errors="replace")


@given(st.text("ab é\n", max_size=60), st.lists(st.text("ab é\n", min_size=1, max_size=4), max_size=3))
def test_a_cut_is_the_same_however_late_it_is_made(text, stops):
    ids = list(text.encode())
    strings = StopStrings(Bytes(), stops)
    needed, kept, found = strings.cut(ids)
    assert found == any(stop in text for stop in stops)
    if not found:
        assert (needed, kept) == (len(ids), text)
        return
    ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
    assert needed == len(text[: min(ends)].encode())
    assert not any(stop in kept for stop in stops)
    assert text.startswith(kept)
    for later in range(needed, len(ids) + 1):
        assert strings.cut(ids[:later]) == (needed, kept, True)
        assert strings.reached(ids[:later]) or later - needed > 8


def test_a_prompt_that_does_not_fit_is_an_error_of_its_own(backend, variants, caplog):
    context = backend.model.config.max_position_embeddings
    long = Variant("long", "", ({"role": "user", "content": "1 + " * context},))
    samples = drawn(backend, [variants[0], long], SamplingParams(n=2, max_tokens=8))
    by_problem = {s.problem_id: s for s in samples}
    assert (by_problem["long"].finish_reason, by_problem["long"].text) == ("error", "")
    assert by_problem[variants[0].problem_id].finish_reason != "error"
    assert len(samples) == 4
    assert "prompt long" in caplog.text
    assert f"1 to {context - 1}" in caplog.text


@given(st.integers(1, 30), st.integers(1, 20), st.integers(1, 64))
def test_batches_hold_every_draw_once_and_no_more_than_asked(n_prompts, n, rows):
    made = batches([Variant(str(i), "", ()) for i in range(n_prompts)], n, rows)
    keys = [key for batch in made for key in batch.keys]
    assert len(keys) == len(set(keys)) == n_prompts * n
    assert max(len(batch.keys) for batch in made) <= rows


@given(st.integers(1, 9), st.integers(1, 9))
def test_halves_make_up_the_whole(n_prompts, n):
    def leaves(batch):
        return [batch] if len(batch.keys) == 1 else [leaf for half in batch.halves() for leaf in leaves(half)]

    batch = Batch(tuple(Variant(str(i), "", ()) for i in range(n_prompts)), range(n))
    assert sorted(key for leaf in leaves(batch) for key in leaf.keys) == sorted(batch.keys)


UNDER_A_LIMIT = """
import json, logging, resource, sys
import torch
from alftbench.backends.base import BackendOptions
from alftbench.backends.hf.backend import HfBackend
from alftbench.suites.arithmetic import SUMS
from alftbench.types import SamplingParams

logging.basicConfig(stream=sys.stderr, format="%(message)s")
torch.set_num_threads(1)
variants = [v for orbit in SUMS.orbits() for v in orbit.variants][:8]
params = SamplingParams(n=64, max_tokens=150)
backend = HfBackend(sys.argv[1], BackendOptions(device="cpu", batch_size=int(sys.argv[2])))
list(backend.sample(variants[:1], SamplingParams(n=1, max_tokens=4)))
if sys.argv[3] != "none":
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[3]), -1))
portions = []
done = set()
for portion in backend.sample(variants, params):
    portions.append(portion)
    done.update(s.key for s in portion)
    if len(portions) == 2:
        break
for portion in backend.sample(variants, params, done):
    portions.append(portion)
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
print(json.dumps([[(*s.key, s.text) for s in portion] for portion in portions]))
"""


def under_a_limit(tiny, batch_size, limit):
    command = [sys.executable, "-c", UNDER_A_LIMIT, tiny, str(batch_size), str(limit)]
    one_heap = {
        **os.environ,
        "MALLOC_ARENA_MAX": "1",
    }  # what a thread reserved would be had beyond the limit
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=one_heap)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_a_batch_that_memory_does_not_hold_is_halved_and_goes_on_after_an_interruption(tiny):
    """512 completions of 150 tokens need 118 MB of keys and values; the process may take 80 MB more."""
    limited, free = under_a_limit(tiny, 512, 80 << 20), under_a_limit(tiny, 256, "none")
    assert limited.returncode == free.returncode == 0, limited.stderr
    assert "memory does not hold 512 completions at a time; trying half" in limited.stderr
    portions = json.loads(limited.stdout)
    assert max(map(len, portions)) < 512
    found = [tuple(row) for portion in portions for row in portion]
    assert len(found) == len(set(found)) == 512
    assert sorted(found) == sorted(tuple(row) for portion in json.loads(free.stdout) for row in portion)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_batch_that_a_gpu_does_not_hold_is_halved(tiny, variants):
    backend = HfBackend(tiny, BackendOptions(device="cuda", dtype="float32", batch_size=len(variants) * 512))
    params = SamplingParams(n=512, max_tokens=200)
    torch.cuda.set_per_process_memory_fraction((256 << 20) / torch.cuda.get_device_properties(0).total_memory)
    portions = list(backend.sample(variants, params))
    assert len(portions) > 1
    assert len({s.key for portion in portions for s in portion}) == len(variants) * 512


def test_only_shortages_of_memory_count_as_such():
    assert is_shortage(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    assert is_shortage(MemoryError())
    assert is_shortage(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert not is_shortage(RuntimeError("CUDA error: device-side assert triggered"))


def test_any_other_failure_is_not_taken_for_a_shortage(tiny, variants, monkeypatch):
    backend = HfBackend(tiny, BackendOptions(device="cpu"))

    def fail(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(backend.model, "forward", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        drawn(backend, variants, SamplingParams(n=1, max_tokens=4))
    monkeypatch.setattr(backend, "_sample_batch", lambda *_: None)
    with pytest.raises(AlftbenchError, match="one completion of 4 tokens"):
        drawn(backend, variants, SamplingParams(n=1, max_tokens=4))


@pytest.mark.parametrize("args", [{"template": "jinja"}, {"templates": "chat"}])
def test_settings_it_does_not_know_are_refused(tiny, args):
    with pytest.raises(UsageError):
        HfBackend(tiny, BackendOptions(device="cpu", args=args))
