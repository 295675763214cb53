"""The fault table's row "hostile server": one line within 2 s and 512 MB, never with the key."""

from __future__ import annotations

import base64
import gzip
import json
import time
import zlib
from urllib.parse import quote

import pytest

from tests.helpers import REPLIES, VARIANTS, answer, drawn, openai_backend, serving

KEY = "sk-very/secret+key=17"
TURNS = "\x1b]8;;http://evil\x07\x1b[2J\x1b]52;c;ZXZpbA==\x07\u202e\u2066\x00\x9b31m\u200b\U000e0041\r\b"


def chunks(handler, header, piece, times, pause=0.0):
    """A body in pieces, as long as somebody reads."""
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    for name, value in header.items():
        handler.send_header(name, value)
    handler.end_headers()
    for _ in range(times):
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        time.sleep(pause)
    handler.close_connection = True


def headers_without_end(handler, body):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"x-more: " + b"y" * 1000 + b"\r\n")
        time.sleep(0.001)


def slow_headers(handler, body):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(100):
        handler.wfile.write(b"x-more: y\r\n")
        time.sleep(0.1)


def bomb(wbits):
    """The beginning of an answer, packed by zlib, that grows to 300 MB."""
    packer = zlib.compressobj(1, wbits=wbits)
    start = packer.compress(b'{"choices": [{"text": "')
    return start + b"".join(packer.compress(b"x" * 1_000_000) for _ in range(300)) + packer.flush()


def says(value, status=200, headers=()):
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return lambda handler, body: handler.send(status, content, headers)


def echo(handler, body):
    """What some gateways do: the whole request comes back in the error."""
    sent = handler.headers["Authorization"]
    key = sent.removeprefix("Bearer ")
    forms = [sent, key, quote(key, safe=""), base64.b64encode(f"me:{key}".encode()).decode(), key.encode().hex()]
    said = " ".join([*forms, f"http://me:{key}@proxy/v1?api_key={key}", "x" * 200, key])
    handler.send(401, json.dumps({"error": {"message": said}}).encode())


def message(content, **more):
    return {"choices": [{"message": {"content": content}, "finish_reason": "stop", **more}]}


def reset(handler, body):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    handler.connection.shutdown(2)
    handler.close_connection = True


HOSTILE = {
    "a body without end": (lambda h, b: chunks(h, {}, b"x" * 65536, 10_000), "more than"),
    "a body of 50 MB": (says(b" " * 50_000_000), "more than"),
    "a gzip bomb": (says(bomb(31), headers={"Content-Encoding": "gzip"}), "more than"),
    "a deflate bomb": (says(bomb(15), headers={"Content-Encoding": "deflate"}), "more than"),
    "an encoding nobody asked for": (says(b"\x1b\x00\x00", headers={"Content-Encoding": "br"}), "not asked for"),
    "gzip that is none": (says({"choices": []}, headers={"Content-Encoding": "gzip"}), "that is none"),
    "a byte at a time": (lambda h, b: chunks(h, {}, b" ", 100, 0.1), "no answer within 1 s"),
    "headers without end": (headers_without_end, "gave up after 1 tries"),
    "a header at a time": (slow_headers, "no answer within 1 s"),
    "sent to a file": (says(b"", 302, {"Location": "file:///etc/passwd"}), "answers 302"),
    "sent elsewhere": (says(b"", 307, {"Location": "http://169.254.169.254/latest"}), "answers 307"),
    "a page": (says(b"<html>" + b"busy " * 10_000, headers={"Content-Type": "text/html"}), "not JSON"),
    "JSON without a bottom": (says(b"[" * 500_000), "not JSON"),
    "a number without end": (says(b'{"choices": ' + b"9" * 100_000 + b"}"), "not JSON"),
    "no text": (says({"choices": [{"index": 0}]}), "an answer that is none"),
    "choices that are none": (says({"choices": {"a": 1}}), "an answer that is none"),
    "no choice": (says({"choices": []}), "without a choice"),
    "a text that is a list": (says(message([{"type": "text", "text": "5"}])), "an answer that is none"),
    "numbers beyond numbers": (says(message("5", logprobs={"content": [{"logprob": 10**400}]})), "none (Overflow"),
    "a text of 1 MB": (says(message("x" * 1_010_000)), "more than the 1,000,000"),
    "an error called an answer": (says({"error": {"message": "out of cards"}}), "is an error: out of cards"),
    "an error of 10 MB": (says({"error": {"message": "sorry " * 2_000_000}}, 401), "more characters"),
    "an error that turns the screen": (says({"error": {"message": f"sorry{TURNS}\nerror: fine"}}, 401), r"\x1b]8"),
    "nothing": (lambda h, b: None, "gave up after 1 tries"),
    "cut off": (reset, "gave up after 1 tries"),
    "an hour": (says({}, 429, {"Retry-After": "9" * 400}), "it asks to wait"),
    "the key": (echo, "answers 401"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_with_one_line(refusal, tmp_path, kind):
    reply, why = HOSTILE[kind]
    REPLIES[kind] = reply
    with serving() as server:
        server.fault = lambda number, body: kind
        said = refusal(
            "eval", "--backend", "openai", "--model", "m", "--limit", "1", "--samples", "2", "--output-dir", "run",
            "--logprobs", "--backend-args", f"base_url={server.url},tries=1,timeout=1,api_key_env=A_KEY",
            code=1, env={"A_KEY": KEY},
        )  # fmt: skip
    assert why in said
    assert not any(form in said for form in (KEY, "secret", quote(KEY, safe=""), KEY.encode().hex(), "c2VjcmV0"))
    assert said.rstrip("\n").isprintable()
    assert not (tmp_path / "run").exists()


def test_a_key_that_comes_back_in_an_answer_is_not_recorded():
    def parrot(handler, body):
        answer(handler, body, text=f"Answer: 5 {handler.headers['Authorization']} {quote(KEY, safe='')}")

    REPLIES["parrot"] = parrot
    with serving() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("A_KEY", KEY)
        server.fault = lambda number, body: "parrot"
        texts = {
            s.text for s in drawn(openai_backend(server, api_key_env="A_KEY"), variants=VARIANTS[:1]).values()
        }
    assert texts == {"Answer: 5 Bearer *** ***"}


def test_null_content_is_an_answer_without_text_and_a_packed_one_is_read():
    REPLIES["null"] = says(message(None))
    content = gzip.compress(json.dumps(message("Answer: 5")).encode())
    REPLIES["packed"] = says(content, headers={"Content-Encoding": "gzip"})
    with serving() as server:
        server.fault = lambda number, body: "null" if number == 0 else "packed"
        texts = [s.text for s in drawn(openai_backend(server, concurrency="1"), variants=VARIANTS[:1]).values()]
        assert {headers["Accept-Encoding"] for headers in server.headers} == {"identity"}
    assert texts == ["", "Answer: 5", "Answer: 5"]
