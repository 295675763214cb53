"""A server on loopback that answers as an OpenAI-compatible one does, or as one that is broken."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from alftbench.backends.base import BackendOptions
from alftbench.backends.openai.backend import OpenAIBackend
from alftbench.suites.arithmetic import SUMS
from alftbench.types import SamplingParams

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


def backend(server, logprobs=False, **args):
    quick = {"base_url": server.url, "backoff": "0.01", "timeout": "60", "concurrency": "4", "tries": "4"}
    return OpenAIBackend("any", BackendOptions(args={**quick, **args}, logprobs=logprobs))


def drawn(engine, params=PARAMS, done=(), variants=VARIANTS):
    return {s.key: s for portion in engine.sample(variants, params, done) for s in portion}
