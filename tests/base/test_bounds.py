"""Files from anyone: each that is beyond a bound is one line, within 2 s and 512 MB."""

from __future__ import annotations

import gzip
import json
import shutil
import zlib
from functools import cache

import pytest
import yaml

from alftbench.base.bounds import GROWTH, LINE, lines, open_text
from alftbench.base.jsonio import JsonObject, parse_json, read_json, read_jsonl
from alftbench.errors import BadInput
from alftbench.publish.board import Board
from alftbench.suites.tables.tabular import read_table
from tests.helpers import MINE, ROOT, peer_row, write_peer

TEN = "x" * 10_000_000
DEEP = "[" * 200_000
LONG = "9" * 100_000


ROW = {"key": "a", "how": "plain", "ask": "1 + 2?", "right": 3}
DATA = {
    "a field of 10 MB": (json.dumps({**ROW, "ask": TEN}), "line 1: longer than 8,000,000 characters"),
    "a field of 2 MB": (json.dumps({**ROW, "ask": TEN[:2_000_000]}), "has 2,000,000 characters"),
    "a key of 2 MB": (json.dumps({**ROW, TEN[:2_000_000]: 1, "ask": ""}), "missing or empty"),
    "an id of half a MB, twice": ((json.dumps({**ROW, "key": TEN[:500_000]}) + "\n") * 2, "more characters"),
    "brackets": (f'{{"key": {DEEP}', "nested too deeply"),
    "digits": (json.dumps(ROW)[:-1] + f', "n": {LONG}}}', "more digits than are read"),
    "digits of an answer": (json.dumps({**ROW, "right": "RIGHT"}).replace('"RIGHT"', LONG), "more digits"),
    "values": (json.dumps(ROW)[:-1] + ', "n": [' + "1," * 3_000_000 + "1]}", "more than 2,000,000 values"),
    "not UTF-8": (json.dumps(ROW).encode() + b"\xff", "cannot be read"),
    "NUL": ("\0" * 1000, "not JSON"),
    "a list": ("[1, 2]", "expected an object"),
}


@pytest.mark.parametrize("kind", DATA)
def test_a_hostile_data_file_is_one_line(refusal, tmp_path, kind):
    content, why = DATA[kind]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(MINE, sort_keys=False), encoding="utf-8")
    (tmp_path / "mine.jsonl").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert why in refusal("suites", "show", "mine.yaml", "--data", "mine.jsonl", "--data-unchecked", code=2)


GAMES = {"brackets": (DEEP, "nested too deeply"), "70 MB": (" " * 70_000_000, "larger than 64 MiB"),
         "values": ("[" + "0," * 3_000_000 + "0]", "more than 2,000,000 values"),
         "a name of 10 MB": (json.dumps({"beta": 1, "objective": {"name": TEN}, "prompts": []}), "must be one of"),
         "a key twice among many": ("{" + ",".join(f'"{n % 90_000}": 1' for n in range(100_000)) + "}", "twice"),
         }  # fmt: skip


@pytest.mark.parametrize("kind", GAMES)
def test_a_hostile_game_is_one_line(refusal, tmp_path, kind):
    content, why = GAMES[kind]
    (tmp_path / "game.json").write_text(content, encoding="utf-8")
    assert why in refusal("solve", "game.json", code=2)


BOARDS = {
    "brackets": ("a = " + DEEP, "not TOML"),
    "digits": (f"a = {LONG}", "not TOML"),
    "large": ("#" * 300_000, "larger than 0.25 MiB"),
    "dots": (".".join("a" * 50_000) + " = 1", "more than 1000 dots"),
    "a name of 200 KB": (f"{'k' * 200_000} = 1", "unknown key"),
}


@pytest.mark.parametrize("kind", BOARDS)
def test_a_hostile_board_is_one_line(refusal, tmp_path, kind):
    content, why = BOARDS[kind]
    (tmp_path / "board.toml").write_text(content, encoding="utf-8")
    assert why in refusal("leaderboard", ".", code=2)


BOMBS = {
    "a bomb in one line": b" " * 1_000_000,
    "a bomb of empty lines": b"\n" * 1_000_000,
    "a bomb of samples": b'{"problem_id": "a", "variant": "b", "draw": 0}\n' * 20_000,
}


@cache  # seconds of work, which only the process that runs these tests should spend
def bomb(kind: str) -> bytes:
    """Its piece so often that the memory of a refusal does not hold it."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(BOMBS[kind]) for _ in range(600)), packer.flush()])


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_in_a_run_is_one_line(refusal, tmp_path, kind):
    run = tmp_path / "results" / "tiny" / "base-seed0" / "sums"
    shutil.copytree(ROOT / "results" / "tiny" / "base-seed0" / "sums", run)
    shutil.copytree(ROOT / "leaderboards" / "tiny", tmp_path / "leaderboards" / "tiny")
    (run / "samples.jsonl.gz").write_bytes(bomb(kind))
    said = refusal("leaderboard", "leaderboards/tiny", code=2)
    assert f"grows to more than {GROWTH} times its size" in said


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_noticed_as_it_unfolds(tmp_path, kind):
    (tmp_path / "samples.jsonl.gz").write_bytes(bomb(kind))
    with pytest.raises(BadInput, match=r"grows to more than|longer than"):
        for _ in read_jsonl(tmp_path / "samples.jsonl.gz"):
            pass


def test_a_long_run_of_equal_answers_is_read(tmp_path):
    row = '{{"problem_id": "a", "variant": "plain", "draw": {}, "text": "Answer: 5", "finish_reason": "stop"}}\n'
    content = "".join(map(row.format, range(100_000))).encode()
    (tmp_path / "samples.jsonl.gz").write_bytes(gzip.compress(content, mtime=0))
    assert sum(1 for _ in read_jsonl(tmp_path / "samples.jsonl.gz")) == 100_000


@pytest.mark.parametrize(
    "ending", [b"", b"\x1f\x8b", b"no gzip at all", gzip.compress(b"{}" * 1000, mtime=0)[:-12]]
)
def test_what_is_no_gzip_is_one_line(tmp_path, ending):
    (tmp_path / "samples.jsonl.gz").write_bytes(ending)
    if ending:
        with pytest.raises(BadInput, match="cannot be read"):
            list(read_jsonl(tmp_path / "samples.jsonl.gz"))
    else:
        assert list(read_jsonl(tmp_path / "samples.jsonl.gz")) == []


IMPORTS = {
    "a response of 10 MB": ([{"resps": [[TEN * 7]]}], "longer than 64,000,000"),
    "a filter of 10 MB": ([{"filter": [TEN]}], "must be a text"),
    "a prompt of brackets": ([{"arguments": {"gen_args_0": {"arg_0": DEEP, "arg_1": 5}}}], "not a generate_until"),
}


@pytest.mark.parametrize("kind", IMPORTS)
def test_a_hostile_import_is_one_line(refusal, tmp_path, kind):
    changes, why = IMPORTS[kind]
    path = write_peer(tmp_path, [{**peer_row(0, "5", ["5"]), **change} for change in changes])
    assert why in refusal("import", path.name, code=2)


@pytest.mark.parametrize(("content", "why"), [(json.dumps({"gold": "1", "prediction": TEN}), "longer than"),
                                               (DEEP, "nested too deeply"), (LONG, "more digits")])  # fmt: skip
def test_a_hostile_pair_is_one_line(refusal, tmp_path, content, why):
    (tmp_path / "pairs.jsonl").write_text(content, encoding="utf-8")
    said = refusal("grade", "pairs.jsonl", code=2)
    assert why in said


@pytest.mark.parametrize(("name", "content"), [("a.csv", "a,b\n" + TEN + ",1\n"), ("a.tsv", TEN), ("a.json", DEEP),
                                               ("a.csv", '"' + "a\n" * 200_000)])  # fmt: skip
def test_a_hostile_table_is_one_line(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match=r"longer than|cannot be read as"):
        read_table(tmp_path / name, ("a",))


def test_a_parquet_bomb_is_one_line(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    column = arrow.array(["x" * 1_000_000]).dictionary_encode().take(arrow.array([0] * 400))
    parquet.write_table(arrow.table({"ask": column}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 1_000_000
    with pytest.raises(BadInput, match=r"more than 128,000,000 characters"):
        read_table(tmp_path / "a.parquet")


def test_lines_of_the_longest_kind_are_read(tmp_path):
    (tmp_path / "a.jsonl").write_text("x" * (LINE - 1) + "\ny\r\nz", encoding="utf-8")
    with open_text(tmp_path / "a.jsonl") as file:
        assert [len(line) for line in lines(file, "a")] == [LINE, 2, 1]


def test_a_key_that_was_given_twice_is_the_first_such():
    assert parse_json('{"a": 1, "b": 2, "b": 3, "a": 4}', object_pairs_hook=JsonObject).repeated == "b"
    assert parse_json('{"a": 1, "b": 2}', object_pairs_hook=JsonObject).repeated is None


def test_every_record_that_is_there_keeps_within_the_bounds():
    for path in [*ROOT.glob("results/**/*.json"), *ROOT.glob("results/**/*.jsonl.gz")]:
        assert read_json(path) if path.suffix == ".json" else sum(1 for _ in read_jsonl(path, by_model=True))
    for path in ROOT.glob("leaderboards/*"):
        assert Board.read(path).suites
