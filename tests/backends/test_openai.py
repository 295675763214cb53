"""The openai backend against a real HTTP server on loopback: deterministic, and wrong on demand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from email.utils import formatdate

import pytest

from alftbench.answers.find.extract import extract
from alftbench.backends.openai.client import seconds_asked
from alftbench.errors import AlftbenchError
from alftbench.evaluation.run_folder import read_record
from alftbench.evaluation.verify import verify
from alftbench.types import Outcome
from tests.helpers import PARAMS, REPLIES, VARIANTS, Server, drawn, openai_backend, serving


@pytest.fixture
def server():
    with serving() as running:
        yield running


def test_every_draw_has_its_own_seed_and_arrives_once(server):
    found = [s for portion in openai_backend(server).sample(VARIANTS, PARAMS) for s in portion]
    assert Counter(s.key for s in found) == Counter(
        (v.problem_id, v.name, draw) for v in VARIANTS for draw in range(3)
    )
    assert len({body["seed"] for body in server.bodies}) == len(VARIANTS) * 3
    assert {(s.finish_reason, s.n_tokens, s.n_tokens_estimated) for s in found} == {("stop", 5, False)}
    assert {s.text for s in found} <= {f"Answer: {i}" for i in range(7)}


def test_a_resumed_run_asks_only_for_what_is_missing_and_gets_the_same(server):
    whole = drawn(openai_backend(server))
    server.bodies.clear()
    done = sorted(whole)[::2]
    rest = drawn(openai_backend(server), done=done)
    assert len(server.bodies) == len(whole) - len(done)
    assert rest == {key: whole[key] for key in whole if key not in done}


def test_requests_run_side_by_side_but_no_more_than_allowed(server):
    server.pause = 0.1
    drawn(openai_backend(server, concurrency="4"), variants=VARIANTS[:6])
    assert 2 <= server.most <= 4


def test_no_sample_is_lost_while_a_portion_is_handed_over(server, monkeypatch):
    monkeypatch.setattr("alftbench.backends.openai.backend.PORTION_SECONDS", 0.001)
    params = replace(PARAMS, n=40)
    assert len(drawn(openai_backend(server, concurrency="16"), params=params)) == 40 * len(VARIANTS)


@pytest.mark.parametrize(
    "fault", [429, 500, 503, "garbage", "nested", "another JSON", "no choice", "half a body", "closed", "never"]
)
def test_what_may_pass_is_tried_again(server, fault):
    server.fault = lambda number, body: fault if number in {0, 1, 2, 7} else None
    found = drawn(openai_backend(server, timeout="2" if fault == "never" else "60"))
    server.fault = lambda number, body: None
    assert found == drawn(openai_backend(server))


def test_retry_after_holds_every_request(server):
    server.fault = lambda number, body: ("moment" if number == 0 else 500) if number < 3 else None
    REPLIES["moment"] = lambda handler, body: handler.send(429, b"{}", {"Retry-After": "0.6"})
    found = drawn(openai_backend(server, concurrency="3", backoff="0.3"))
    assert len(found) == len(VARIANTS) * 3
    assert server.times[3] - server.times[0] >= 0.6


def test_seconds_asked_reads_both_forms_of_the_header():
    assert seconds_asked("2.5") == 2.5
    assert seconds_asked(formatdate(time.time() + 30, usegmt=True)) == pytest.approx(30, abs=2)
    assert seconds_asked("") == seconds_asked("soon") == seconds_asked(formatdate(0)) == seconds_asked("-3") == 0


def test_a_server_that_asks_for_an_hour_is_not_waited_for(server):
    server.fault = lambda number, body: "hour"
    REPLIES["hour"] = lambda handler, body: handler.send(429, b"{}", {"Retry-After": "3600"})
    started = time.monotonic()
    with pytest.raises(AlftbenchError, match="asks to wait 3600 s"):
        drawn(openai_backend(server))
    assert time.monotonic() - started < 60


def test_a_minute_has_so_many_requests(server):
    drawn(openai_backend(server, requests_per_minute="1200"), variants=VARIANTS[:4])
    gaps = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
    assert len(gaps) == 11
    assert server.times[-1] - server.times[0] >= 11 * 0.05 * 0.7


@pytest.mark.parametrize("status", [401, 403, 404, 302])
def test_a_server_that_cannot_be_used_stops_at_once(server, status):
    server.fault = lambda number, body: status
    with pytest.raises(AlftbenchError, match=f"answers {status} because of {status}"):
        drawn(openai_backend(server))
    assert len(server.bodies) <= 4


@pytest.mark.parametrize("fault", [500, "never", "garbage", "closed"])
def test_giving_up_keeps_what_has_finished(server, fault):
    server.fault = lambda number, body: fault if number >= 6 else None
    kept = []

    def keep():
        for portion in openai_backend(server, tries="2", timeout="2" if fault == "never" else "60").sample(
            VARIANTS, PARAMS
        ):
            kept.extend(portion)

    with pytest.raises(AlftbenchError, match=r"gave up after 2 tries") as raised:
        keep()
    assert "\n" not in str(raised.value)
    server.fault = lambda number, body: None
    whole = drawn(openai_backend(server))
    assert len(kept) == 6
    assert all(whole[s.key] == s for s in kept)


def test_nobody_at_the_address():
    with Server() as gone:
        pass
    with pytest.raises(AlftbenchError, match=r"ConnectError.*gave up after 2 tries"):
        drawn(openai_backend(gone, tries="2"))


def test_a_refused_prompt_is_an_error_of_its_own(server):
    long = json.dumps([dict(m) for m in VARIANTS[3].messages])
    server.fault = lambda number, body: 400 if json.dumps(body["messages"]) == long else None
    found = drawn(openai_backend(server))
    assert len(found) == len(VARIANTS) * 3
    refused = {key for key, sample in found.items() if sample.finish_reason == "error"}
    assert refused == {(VARIANTS[3].problem_id, VARIANTS[3].name, draw) for draw in range(3)}
    sample = found[min(refused)]
    assert (sample.text, sample.n_tokens) == ("", 0)
    assert extract(sample.text, "number", ["marker"], sample.finish_reason).outcome is Outcome.BACKEND_ERROR
    server.fault = lambda number, body: 400
    assert drawn(openai_backend(server), done=set(found) - refused).keys() == refused


def test_a_server_that_refuses_everything_is_no_result(server):
    server.fault = lambda number, body: 400
    with pytest.raises(AlftbenchError, match="refuses one request after another: 400 because of 400"):
        drawn(openai_backend(server))


def command(server, *more, folder="run"):
    args = f"base_url={server.url},backoff=0.01,timeout=5,concurrency=4,tries=2,api_key_env=A_KEY"
    return [
        "eval", "--backend", "openai", "--model", "gpt-none", "--backend-args", args, "--limit", "4",
        "--samples", "4", "--output-dir", folder, *more,
    ]  # fmt: skip


def test_the_command_line_keeps_what_came_goes_on_and_never_writes_the_key(server, warm, tmp_path):
    env = {"A_KEY": "sk-very-secret"}
    whole = warm(*command(server, folder="whole"), env=env)
    assert whole.returncode == 0, whole.stderr
    assert server.headers[0]["Authorization"] == "Bearer sk-very-secret"
    start = len(server.bodies)
    server.fault = lambda number, body: 500 if number > start + 40 else None
    broken = warm(*command(server), env=env)
    assert broken.returncode == 1
    assert broken.stderr.strip().splitlines()[-1].startswith(f"error: {server.url}/: 500 because of 500; gave up")
    assert "Traceback" not in broken.stderr
    assert len((tmp_path / "run" / "samples.jsonl").read_text().splitlines()) >= 40
    server.fault = lambda number, body: None
    slower = [argument.replace("concurrency=4", "concurrency=2") for argument in command(server)]
    again = warm(*slower, env=env)
    assert again.returncode == 0, again.stderr
    assert verify(tmp_path / "run").samples_sha256 == verify(tmp_path / "whole").samples_sha256
    assert read_record(tmp_path / "run").config["model_sha256"] is None
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        assert b"very-secret" not in path.read_bytes()


def test_killed_in_the_middle_it_ends_with_the_same_samples(server, warm, tmp_path):
    env = {"A_KEY": "k"}
    assert warm(*command(server, folder="whole"), env=env).returncode == 0
    server.pause = 0.1
    process = subprocess.Popen(
        [sys.executable, "-m", "alftbench.cli", *command(server)],
        cwd=tmp_path, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    lines = tmp_path / "run" / "samples.jsonl"
    deadline = time.monotonic() + 60
    while not (lines.exists() and lines.stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert read_record(tmp_path / "run").status == "running"
    server.pause = 0.0
    asked = len(server.bodies)
    assert warm(*command(server), env=env).returncode == 0
    assert len(server.bodies) - asked < 96
    assert verify(tmp_path / "run").samples_sha256 == verify(tmp_path / "whole").samples_sha256
