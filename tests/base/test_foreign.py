"""What is shown: nothing in it is obeyed or hidden, nothing that is secret is in it, and names that are none."""

from __future__ import annotations

import base64
import json
import sys
import unicodedata
from urllib.parse import quote

import pytest

from alftbench.base.foreign import HIDDEN, SCREEN, json_text, one_line, visible
from alftbench.base.names import unfit, unfit_file, unfit_path
from alftbench.base.secrets import keep_secret, redacted, without

OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
TURNS = (
    "\x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b31m\x85\r\b\x7f\0\u202a\u2066\u200b\u2028\ufeff\ud800\U000e0041\U000e0001"
)


def test_whatever_a_terminal_obeys_or_hides_is_escaped():
    chars = [chr(point) for point in range(sys.maxunicode + 1)]
    assert [c for c in chars if unicodedata.category(c) in OBEYED and not HIDDEN.match(c)] == []
    assert not any(unicodedata.category(c) in OBEYED for c in visible("".join(chars)))
    assert visible("café\u00a0½ 数学 Ω≈ 🙂 e\u0301 \\n") == "café\u00a0½ 数学 Ω≈ 🙂 e\u0301 \\n"
    assert visible("a\x1b[31m\u202eb\tc\nd") == r"a\x1b[31m\u202eb\tc\nd"
    assert visible("a\tb\nc\r", keep="\n\t") == "a\tb\nc\\r"


def test_joiners_stay_where_they_are_spelling():
    assert visible("ক্\u200dষ") == "ক্\u200dষ"
    assert visible("👩\u200d🔬") == "👩\u200d🔬"
    assert visible("ad\u200dmin\u200c\u200d") == r"ad\u200dmin\u200c\u200d"


def test_an_error_is_a_line_of_a_screen_that_says_how_much_it_leaves_out():
    assert one_line("  two\n\n lines\r\n of  it ") == "two; lines; of it"
    shown = one_line("begin " + "x" * 10_000_000 + " end: do this")
    assert shown.startswith("begin xxx")
    assert shown.endswith("x end: do this")
    assert f"[{10_000_000 + 19 - SCREEN:,} more characters]" in shown
    assert len(shown) < SCREEN + 100
    assert len(one_line("\x1b" * 10_000_000)) < SCREEN + 100


def test_json_that_is_shown_reads_the_same():
    value = {"a": TURNS.replace("\ud800", ""), "b\u202e": [1.5, None, "𝒳 é"]}
    shown = json_text(value, indent=2)
    assert json.loads(shown) == value
    assert not HIDDEN.search(shown.replace("\n", ""))
    assert json.loads(json_text("\ud800")) == "\ud800"
    assert json_text(float("nan")) == "null"


KEY = "sk-Ab/9+c=\"&x' y~17"


@pytest.mark.parametrize("before", ["", "a", "ab", "me:"])
def test_a_secret_is_found_in_every_usual_spelling(before):
    packed = base64.b64encode(f"{before}{KEY} and more".encode()).decode()
    spelled = [
        KEY,
        json.dumps(KEY)[1:-1],
        quote(KEY),
        quote(KEY, safe=""),
        quote(KEY, safe="").lower(),
        KEY.encode().hex(),
    ]
    for text in spelled:
        assert without(f"so {text} it is", KEY) == "so *** it is"
    hidden = without(packed, KEY)
    assert "***" in hidden
    assert KEY[4:8] not in base64.b64decode(hidden.partition("***")[0] + "===").decode(errors="replace")
    assert without("EMPTY answers", "EMPTY") == "EMPTY answers"


def test_messages_lose_what_looks_like_a_secret(monkeypatch):
    keep_secret("my-own-secret")
    monkeypatch.setenv("HF_TOKEN", "hf_abcdef123")
    said = redacted(
        "http://me:pw1@host/v1?api_key=pw2&x=1 Authorization: Bearer pw3pw3pw3 my-own-secret hf_abcdef123 "
        "https://host/?access_token=pw4;"
    )
    assert "pw" not in said
    assert said == (
        "http://***@host/v1?api_key=***&x=1 Authorization: Bearer *** *** *** https://host/?access_token=***;"
    )


NO_FILES = ["", " ", ".", "..", "a/b", "../a", "a\\b", "a\nb", "a\0b", "a\x1bb", "a\u202eb", "-a", "a.", " a",
            "NUL", "com1.txt", "é" * 200, "a\ud800"]  # fmt: skip


@pytest.mark.parametrize("name", NO_FILES)
def test_names_that_are_no_file_names(name):
    assert unfit_file(name)
    assert unfit_path(f"organisation/{name}") or name == "a/b"


@pytest.mark.parametrize(
    "name", ["tiny", "gsm8k", "a.b", "数学", "console", "a b", "x" * 255, "m:eta=0.5,b=1", ".hidden"]
)
def test_names_that_are(name):
    assert not unfit_file(name)
    assert not unfit(name)
    assert not unfit_path(f"organisation/{name}")
