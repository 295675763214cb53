"""What tests of several rooms share: where things lie, waiting, packages of strangers, suites and tasks of one's
own, and a server on loopback that answers as an OpenAI-compatible one does, or as one that is broken.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from alftbench.backends.base import BackendOptions
from alftbench.backends.openai.backend import OpenAIBackend
from alftbench.suites.arithmetic import SUMS
from alftbench.suites.load import load_suite
from alftbench.suites.orbits import expand, parse_orbit
from alftbench.types import Orbit, Problem, SamplingParams, Variant

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"


def wait_until(condition, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


def register(folder: Path, package: str, entry_points: str) -> None:
    """A package as pip would have installed it, in a folder to be put on the path."""
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(entry_points, encoding="utf-8")


MINE = {
    "name": "mine",
    "version": 1,
    "description": "two sums in two phrasings",
    "licence": "CC0-1.0",
    "citation": "nobody",
    "homepage": "https://example.org/mine",
    "file": {
        "fields": {"id": "key", "variant": "how", "question": "ask", "reference": "right"},
        "drop": {"how": "broken"},
        "splits": {"test": {"name": "mine.jsonl", "rows": 4}, "train": None},
    },
    "variants": ["plain", "words"],
    "answer_kind": "number",
    "answer_rules": ["boxed", "marker"],
    "system": "You add.",
    "prompt": {"plain": "$question In \\boxed{}.", "words": "Hello! $question In \\boxed{}, for $$5."},
    "examples": [{"question": "1 + 1?", "answer": "\\boxed{2}"}],
    "sampling": {"n": 2, "temperature": 0.7, "max_tokens": 16},
}
ROWS = [
    {"key": "a", "how": "plain", "ask": "1 + 2?", "right": 3},
    {"key": "b", "how": "plain", "ask": "2 + 2?", "right": 4},
    {"key": "a", "how": "words", "ask": "One and two?", "right": 3},
    {"key": "b", "how": "words", "ask": "Two and two?", "right": 4},
]


def changed(path, value):
    """MINE with one entry changed (or removed, for None); path is dotted."""
    spec = json.loads(json.dumps(MINE))
    *outer, last = path.split(".")
    place = spec
    for name in outer:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return spec


def on_hub(tmp_path, **hub):
    source = {"id": "x/y", "revision": "main", "fields": {"id": {"format": "p{index}"}, "question": "ask",
              "reference": "right"}, "splits": {"test": {}}} | hub  # fmt: skip
    spec = {**changed("file", None), "hub": source, "prompt": "$question", "variants": []}
    path = tmp_path / "hub.yaml"
    path.write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    return load_suite(str(path))


TASK = {
    "dataset_path": "json",
    "output_type": "generate_until",
    "test_split": "test",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answer.split('#### ')[-1]}}",
    "generation_kwargs": {"until": ["\n\n", "Question:"], "max_gen_toks": 32, "do_sample": False},
    "filter_list": [
        {
            "name": "strict",
            "filter": [
                {"function": "regex", "regex_pattern": "Answer: (-?[0-9,]+)"},
                {"function": "take_first"},
            ],
        },
        {
            "name": "flexible",
            "filter": [
                {"function": "regex", "group_select": -1, "regex_pattern": "(-?[0-9]+)"},
                {"function": "take_first"},
            ],
        },
    ],
    "metric_list": [
        {
            "metric": "exact_match",
            "aggregation": "mean",
            "higher_is_better": True,
            "ignore_case": True,
            "regexes_to_ignore": [",", "\\$", "\\.$"],
        }
    ],
    "metadata": {"version": 1.0},
}


def write_task(path: Path, name: str, data: Path, **changes) -> Path:
    """A task file of lm-eval over a local JSONL file."""
    content = {**TASK, "task": name, "dataset_kwargs": {"data_files": {"test": str(data)}}, **changes}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def peer_row(number, target, responses, **changes):
    """A line of a samples file as lm-eval writes it."""
    filtered = [responses[0].split()[-1]]
    right = float(filtered[0] == target.split()[-1])
    return {
        "doc_id": number,
        "doc": {"question": f"q{number}", "answer": target},
        "target": target,
        "arguments": {
            "gen_args_0": {
                "arg_0": f"Q: q{number}\nA:",
                "arg_1": {"until": ["Q:"], "do_sample": True, "temperature": 0.7, "max_gen_toks": 64},
            }
        },
        "resps": [responses],
        "filtered_resps": filtered,
        "filter": "strict-match",
        "metrics": ["exact_match"],
        "exact_match": right,
        **changes,
    }


def write_peer(folder, rows, name="samples_gsm8k_cot_2026-01-02T03-04-05.678901.jsonl"):
    """A samples file of such lines."""
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


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


@contextmanager
def serving():
    """A server that answers until the block ends."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.over.set()
        running.shutdown()
        thread.join()


def openai_backend(server, logprobs=False, **args):
    quick = {"base_url": server.url, "backoff": "0.01", "timeout": "60", "concurrency": "4", "tries": "4"}
    return OpenAIBackend("any", BackendOptions(args={**quick, **args}, logprobs=logprobs))


def drawn(engine, params=PARAMS, done=(), variants=VARIANTS):
    return {s.key: s for portion in engine.sample(variants, params, done) for s in portion}


RULES = ("boxed", "marker")  # of problems that are asked in tests of transformations


def ask(text, reference="1", kind="number", **metadata):
    problem = Problem("p", text, (reference,), kind, metadata)
    return Orbit(problem, (Variant("p", "original", ({"role": "user", "content": text},)),))


def only(transform, text, reference="1", kind="number"):
    """What one transformation makes of a text, or None where it declines."""
    grown = expand(ask(text, reference, kind), parse_orbit(transform), RULES)
    return grown.variants[1].messages[-1]["content"] if len(grown.variants) > 1 else None
