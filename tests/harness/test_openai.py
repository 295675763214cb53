"""The openai backend against a real HTTP server on loopback: deterministic, and wrong on demand."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from alftbench.answers.extract import extract
from alftbench.backends.base import BackendOptions
from alftbench.backends.client import seconds_asked
from alftbench.backends.openai import OpenAIBackend, can_be_count
from alftbench.errors import AlftbenchError, UsageError
from alftbench.evaluate import EvalRequest, evaluate, plan
from alftbench.runs import read_record, verify
from alftbench.suites.arithmetic import SUMS
from alftbench.types import Outcome, SamplingParams

VARIANTS = [variant for orbit in SUMS.orbits()[:2] for variant in orbit.variants]
PARAMS = SamplingParams(n=3, max_tokens=16)


class Server(ThreadingHTTPServer):
    """Answers with a text made of prompt, seed and index; `fault(number, body)` may name another reply."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.fault = lambda number, body: None
        self.bodies, self.times, self.headers = [], [], []
        self.running = self.most = 0
        self.pause = 0.0
        self.lock = threading.Lock()
        self.over = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request, client_address):
        """A client that went away is part of these tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *what):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            number = len(server.bodies)
            server.bodies.append(body)
            server.times.append(time.monotonic())
            server.headers.append(dict(self.headers))
            server.running += 1
            server.most = max(server.most, server.running)
        time.sleep(server.pause)
        fault = server.fault(number, body)
        with server.lock:
            server.running -= 1
        REPLIES.get(fault, answer_with(fault))(self, body)

    def send(self, status, content, headers=()):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def text_of(body, index):
    prompt = body["prompt"] if "prompt" in body else json.dumps(body["messages"])
    word = f"{prompt} {body.get('seed')} {index}".encode()
    return f"Answer: {int(hashlib.sha256(word).hexdigest(), 16) % 7}"


def choice(handler, body, index):
    text = text_of(body, index)
    shaped = {"message": {"content": text}} if handler.path.endswith("chat/completions") else {"text": text}
    return {"index": index, "finish_reason": "stop", **shaped}


def answer(handler, body, share=1.0, text=None, tokens=5):
    count = max(1, int(body["n"] * share))
    reply = {
        "choices": [choice(handler, body, i) for i in range(count)],
        "usage": {"completion_tokens": tokens * count if tokens == 5 else tokens},
    }
    if text is not None:
        reply["choices"][0]["message"]["content"] = text
    handler.send(200, json.dumps(reply).encode())


def half_a_body(handler, body):
    handler.send(200, b'{"choices": [{"mess', {"Content-Length": "1000"})
    handler.close_connection = True


def closed(handler, body):
    handler.close_connection = True


def never(handler, body):
    handler.server.over.wait(60)
    handler.close_connection = True


def answer_with(status):
    def reply(handler, body):
        headers = {"Retry-After": "0.01"} if status == 429 else {}
        handler.send(status, json.dumps({"error": {"message": f"because of {status}"}}).encode(), headers)

    return reply


REPLIES = {
    None: answer,
    "garbage": lambda handler, body: handler.send(200, b"<html>busy</html>"),
    "another JSON": lambda handler, body: handler.send(200, b'["no", {"choices": 3}]'),
    "no choice": lambda handler, body: handler.send(200, b'{"choices": []}'),
    "half a body": half_a_body,
    "closed": closed,
    "never": never,
    "nested": lambda handler, body: handler.send(200, b"[" * 100_000),
    "half a character": lambda handler, body: answer(handler, body, text="Answer: \ud800 5"),
    "fewer": lambda handler, body: answer(handler, body, share=0.5),
}


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.over.set()
        running.shutdown()
        thread.join()


def backend(server, logprobs=False, **args):
    quick = {"base_url": server.url, "backoff": "0.01", "timeout": "60", "concurrency": "4", "tries": "4"}
    return OpenAIBackend("any", BackendOptions(args={**quick, **args}, logprobs=logprobs))


def drawn(engine, params=PARAMS, done=(), variants=VARIANTS):
    return {s.key: s for portion in engine.sample(variants, params, done) for s in portion}


def test_every_draw_has_its_own_seed_and_arrives_once(server):
    found = [s for portion in backend(server).sample(VARIANTS, PARAMS) for s in portion]
    assert Counter(s.key for s in found) == Counter(
        (v.problem_id, v.name, draw) for v in VARIANTS for draw in range(3)
    )
    assert len({body["seed"] for body in server.bodies}) == len(VARIANTS) * 3
    assert {(s.finish_reason, s.n_tokens, s.n_tokens_estimated) for s in found} == {("stop", 5, False)}
    assert {s.text for s in found} <= {f"Answer: {i}" for i in range(7)}


def test_a_resumed_run_asks_only_for_what_is_missing_and_gets_the_same(server):
    whole = drawn(backend(server))
    server.bodies.clear()
    done = sorted(whole)[::2]
    rest = drawn(backend(server), done=done)
    assert len(server.bodies) == len(whole) - len(done)
    assert rest == {key: whole[key] for key in whole if key not in done}


def test_requests_run_side_by_side_but_no_more_than_allowed(server):
    server.pause = 0.1
    drawn(backend(server, concurrency="4"), variants=VARIANTS[:6])
    assert 2 <= server.most <= 4


def test_no_sample_is_lost_while_a_portion_is_handed_over(server, monkeypatch):
    monkeypatch.setattr("alftbench.backends.openai.PORTION_SECONDS", 0.001)
    params = replace(PARAMS, n=40)
    assert len(drawn(backend(server, concurrency="16"), params=params)) == 40 * len(VARIANTS)


@pytest.mark.parametrize(
    "fault", [429, 500, 503, "garbage", "nested", "another JSON", "no choice", "half a body", "closed", "never"]
)
def test_what_may_pass_is_tried_again(server, fault):
    server.fault = lambda number, body: fault if number in {0, 1, 2, 7} else None
    found = drawn(backend(server, timeout="2" if fault == "never" else "60"))
    server.fault = lambda number, body: None
    assert found == drawn(backend(server))


def test_retry_after_holds_every_request(server):
    server.fault = lambda number, body: ("moment" if number == 0 else 500) if number < 3 else None
    REPLIES["moment"] = lambda handler, body: handler.send(429, b"{}", {"Retry-After": "0.6"})
    found = drawn(backend(server, concurrency="3", backoff="0.3"))
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
        drawn(backend(server))
    assert time.monotonic() - started < 60


def test_a_minute_has_so_many_requests(server):
    drawn(backend(server, requests_per_minute="1200"), variants=VARIANTS[:4])
    gaps = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
    assert len(gaps) == 11
    assert server.times[-1] - server.times[0] >= 11 * 0.05 * 0.7


@pytest.mark.parametrize("status", [401, 403, 404, 302])
def test_a_server_that_cannot_be_used_stops_at_once(server, status):
    server.fault = lambda number, body: status
    with pytest.raises(AlftbenchError, match=f"answers {status} because of {status}"):
        drawn(backend(server))
    assert len(server.bodies) <= 4


@pytest.mark.parametrize("fault", [500, "never", "garbage", "closed"])
def test_giving_up_keeps_what_has_finished(server, fault):
    server.fault = lambda number, body: fault if number >= 6 else None
    kept = []

    def keep():
        for portion in backend(server, tries="2", timeout="2" if fault == "never" else "60").sample(
            VARIANTS, PARAMS
        ):
            kept.extend(portion)

    with pytest.raises(AlftbenchError, match=r"gave up after 2 tries; what was drawn is kept") as raised:
        keep()
    assert "\n" not in str(raised.value)
    server.fault = lambda number, body: None
    whole = drawn(backend(server))
    assert len(kept) == 6
    assert all(whole[s.key] == s for s in kept)


def test_nobody_at_the_address():
    with Server() as gone:
        pass
    with pytest.raises(AlftbenchError, match=r"ConnectError.*gave up after 2 tries"):
        drawn(backend(gone, tries="2"))


def test_a_refused_prompt_is_an_error_of_its_own(server):
    long = json.dumps([dict(m) for m in VARIANTS[3].messages])
    server.fault = lambda number, body: 400 if json.dumps(body["messages"]) == long else None
    found = drawn(backend(server))
    assert len(found) == len(VARIANTS) * 3
    refused = {key for key, sample in found.items() if sample.finish_reason == "error"}
    assert refused == {(VARIANTS[3].problem_id, VARIANTS[3].name, draw) for draw in range(3)}
    sample = found[min(refused)]
    assert (sample.text, sample.n_tokens) == ("", 0)
    assert extract(sample.text, "number", ["marker"], sample.finish_reason).outcome is Outcome.BACKEND_ERROR
    server.fault = lambda number, body: 400
    assert drawn(backend(server), done=set(found) - refused).keys() == refused


def test_a_server_that_refuses_everything_is_no_result(server):
    server.fault = lambda number, body: 400
    with pytest.raises(AlftbenchError, match="refuses one request after another: 400 because of 400"):
        drawn(backend(server))


@pytest.mark.parametrize("fault", [None, "fewer"])
def test_one_request_for_all_draws_of_a_prompt(server, fault):
    server.fault = lambda number, body: fault
    whole = drawn(backend(server, requests="prompt"))
    assert len(whole) == len(VARIANTS) * 3
    assert all(s.n_tokens_estimated == (fault is None) for s in whole.values() if s.draw < 2)
    assert max(body["n"] for body in server.bodies) == 3
    done = [key for key in whole if key[2] == 1]
    again = drawn(backend(server, requests="prompt"), done=done)
    assert {key: again[key] for key in whole} == whole


def test_plain_completions_stop_strings_and_greedy(server):
    params = replace(PARAMS, n=1, temperature=0.0, stop=("\n\n",))
    drawn(backend(server, endpoint="completions", token_limit="max_completion_tokens"), params)
    body = server.bodies[0]
    assert body["prompt"] in {variant.messages[0]["content"] for variant in VARIANTS}  # whichever came first
    assert body["stop"] == ["\n\n"]
    assert body["max_completion_tokens"] == 16
    assert not {"messages", "seed", "max_tokens"} & set(body)


def test_log_probabilities_and_finish_reasons(server):
    content = [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.25}]
    chat = {"message": {"content": None}, "finish_reason": "length", "logprobs": {"content": content}}
    REPLIES["chat"] = lambda handler, body: handler.send(200, json.dumps({"choices": [chat]}).encode())
    plain = {"text": "ab", "finish_reason": "content_filter", "logprobs": {"token_logprobs": [-0.5, -2.0, -1.0]}}
    REPLIES["plain"] = lambda handler, body: handler.send(200, json.dumps({"choices": [plain]}).encode())
    server.fault = lambda number, body: "plain" if "prompt" in body else "chat"
    sample = next(iter(drawn(backend(server, logprobs=True)).values()))
    assert (sample.text, sample.finish_reason, sample.logprob, sample.n_tokens) == ("", "length", -1.75, 2)
    sample = next(iter(drawn(backend(server, logprobs=True, endpoint="completions")).values()))
    assert (sample.finish_reason, sample.logprob, sample.n_tokens) == ("content_filter", -3.5, 3)
    assert not sample.n_tokens_estimated


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"concurency": "3"}, "no such setting"),
        ({"concurrency": "0"}, "must be a whole number, at least 1"),
        ({"timeout": "inf"}, "must be a number above 0"),
        ({"endpoint": "chats"}, "must be chat or completions"),
        ({"base_url": "localhost:8000"}, "must be an address like"),
        ({"base_url": "http://me:secret@localhost/v1"}, "must hold no key"),
        ({"base_url": "http://me:secret@localhost:99999/v1"}, "must hold no key"),
        ({"base_url": "http://127.0.0.1:99999/v1"}, "must be an address like"),
        ({"base_url": "http://127.0.0.1:0/v1"}, "must be an address like"),
        ({"base_url": "http://localhost:http/v1"}, "must be an address like"),
        ({"base_url": "http://[::1/v1"}, "must be an address like"),
        ({"base_url": "http://two words/v1"}, "must be an address like"),
        ({"base_url": "http://a..b/v1"}, "must be an address like"),
        ({"base_url": "http://host\n/v1"}, "must be an address like"),
        ({"api_key_env": "ALFTBENCH_TEST_UNSET"}, "not set"),
    ],
)
def test_wrong_settings_are_refused(args, message):
    with pytest.raises(UsageError, match=message) as raised:
        OpenAIBackend("any", BackendOptions(args=args))
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)
    with pytest.raises(UsageError, match="the server"):
        OpenAIBackend("any", BackendOptions(dtype="float32"))


def test_a_key_that_cannot_be_sent_is_refused(monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-secret\n")
    with pytest.raises(UsageError, match="A_KEY holds no key") as raised:
        OpenAIBackend("any", BackendOptions(args={"api_key_env": "A_KEY"}))
    assert "secret" not in str(raised.value)


def test_half_a_character_is_replaced_and_the_other_answers_are_kept(server):
    server.fault = lambda number, body: "half a character" if number == 3 else None
    found = drawn(backend(server, concurrency="1"))
    assert len(found) == len(VARIANTS) * 3
    assert [s.text for s in found.values() if "\N{REPLACEMENT CHARACTER}" in s.text] == [
        "Answer: \N{REPLACEMENT CHARACTER} 5"
    ]
    assert len(server.bodies) == len(found)


@pytest.mark.parametrize("said", [-5, True, 0, 10**30, 170, "many", 3.7, None, [1]])
def test_a_count_that_can_be_none_is_estimated(server, said):
    REPLIES["odd count"] = lambda handler, body: answer(handler, body, text="Answer: 5", tokens=said)
    server.fault = lambda number, body: "odd count"
    sample = next(iter(drawn(backend(server), variants=VARIANTS[:1]).values()))
    assert (sample.n_tokens, sample.n_tokens_estimated) == (3, True)


def test_counts_that_may_be_true_are_the_servers():
    assert can_be_count(160, "Answer: 5", 16)  # reasoning that is not shown
    assert can_be_count(0, "", 16)
    assert not can_be_count(170, "Answer: 5", 16)


@pytest.mark.parametrize("given", [[], [float("nan"), -1.0]])
def test_log_probabilities_that_are_none_are_not_recorded(server, given):
    content = [{"token": "a", "logprob": value} for value in given]
    chat = {"message": {"content": "text"}, "logprobs": {"content": content}}
    REPLIES["no logprobs"] = lambda handler, body: handler.send(200, json.dumps({"choices": [chat]}).encode())
    server.fault = lambda number, body: "no logprobs"
    sample = next(iter(drawn(backend(server, logprobs=True), variants=VARIANTS[:1]).values()))
    assert (sample.logprob, sample.n_tokens, sample.n_tokens_estimated) == (None, 1, True)


def test_what_draws_nothing_leaves_the_folder_to_another_configuration(server, tmp_path):
    with Server() as gone:
        pass
    requests = [
        EvalRequest(
            "a-model", "sums", limit=1, samples=1, backend="openai",
            options=BackendOptions(args={"base_url": url, "tries": "1", "backoff": "0.01"}),
        )
        for url in (gone.url, server.url)
    ]  # fmt: skip
    with pytest.raises(AlftbenchError, match="ConnectError"):
        evaluate(plan(requests[0]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert evaluate(plan(requests[1]), tmp_path).status == "complete"


def command(server, *more, folder="run"):
    args = f"base_url={server.url},backoff=0.01,timeout=5,concurrency=4,tries=2,api_key_env=A_KEY"
    return [
        "eval", "--backend", "openai", "--model", "gpt-none", "--backend-args", args, "--limit", "4",
        "--samples", "4", "--output-dir", folder, *more,
    ]  # fmt: skip


def test_the_command_line_keeps_what_came_goes_on_and_never_writes_the_key(server, cli, tmp_path):
    env = {"A_KEY": "sk-very-secret"}
    whole = cli(*command(server, folder="whole"), env=env)
    assert whole.returncode == 0, whole.stderr
    assert server.headers[0]["Authorization"] == "Bearer sk-very-secret"
    start = len(server.bodies)
    server.fault = lambda number, body: 500 if number > start + 40 else None
    broken = cli(*command(server), env=env)
    assert broken.returncode == 1
    assert broken.stderr.strip().splitlines()[-1].startswith(f"error: {server.url}/: 500 because of 500; gave up")
    assert "Traceback" not in broken.stderr
    assert len((tmp_path / "run" / "samples.jsonl").read_text().splitlines()) >= 40
    server.fault = lambda number, body: None
    slower = [argument.replace("concurrency=4", "concurrency=2") for argument in command(server)]
    again = cli(*slower, env=env)
    assert again.returncode == 0, again.stderr
    assert verify(tmp_path / "run").samples_sha256 == verify(tmp_path / "whole").samples_sha256
    assert read_record(tmp_path / "run").config["model_sha256"] is None
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        assert b"very-secret" not in path.read_bytes()


def test_killed_in_the_middle_it_ends_with_the_same_samples(server, cli, tmp_path):
    env = {"A_KEY": "k"}
    assert cli(*command(server, folder="whole"), env=env).returncode == 0
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
    assert cli(*command(server), env=env).returncode == 0
    assert len(server.bodies) - asked < 96
    assert verify(tmp_path / "run").samples_sha256 == verify(tmp_path / "whole").samples_sha256
