from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from alftbench.answers.pairs import AnswerPair, Grade, Summary, grade, read_rows
from alftbench.base.stats import wilson
from alftbench.errors import BadInput

ROWS = [
    {"id": "half", "gold": "1/2", "prediction": "0.5", "equivalent": True},
    {"gold": "$x+1$", "prediction": "$1+x$"},
    {"id": 9, "gold": 7, "prediction": 7.0, "equivalent": False},
    {"id": "tower", "gold": "7", "prediction": "9^{9^{9^9}}", "equivalent": False},
    {"id": "nothing", "gold": "7", "prediction": ""},
]


def as_lines(rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text(as_lines(ROWS), encoding="utf-8")
    return path


def test_grades_come_in_order_with_outcomes(cli, pairs):
    done = cli("grade", str(pairs), "--workers", "1", "--time-limit", "1", "--format", "json")
    assert done.returncode == 0, done.stderr
    grades = [json.loads(line) for line in done.stdout.splitlines()]
    assert [list(g) for g in grades] == [
        ["id", "equivalent", "outcome", "gold_key", "prediction_key", "guessed"]
    ] * 5
    assert [(g["id"], g["equivalent"], g["outcome"]) for g in grades] == [
        ("half", True, "answered"),
        (2, True, "answered"),
        (9, True, "answered"),
        ("tower", False, "timeout"),
        ("nothing", False, "unparsed"),
    ]
    summary = json.loads(done.stderr)
    assert summary["rows"] == 5
    assert (summary["equivalent"]["count"], summary["equivalent"]["n"]) == (3, 5)
    assert (summary["agreement"]["count"], summary["agreement"]["n"], summary["agreement"]["false_equal"]) == (
        2,
        3,
        1,
    )
    assert (summary["agreement"]["wrongly_equal"], summary["agreement"]["wrongly_unequal"]) == ([9], [])


def test_rows_that_disagree_with_their_label_are_named_the_first_of_them(warm, tmp_path):
    rows = [{"id": f"r{i}", "gold": "1", "prediction": "2", "equivalent": True} for i in range(7)]
    rows.append({"id": "same", "gold": "1", "prediction": "1", "equivalent": False})
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    said = warm("grade", "rows.jsonl").stderr
    assert "wrongly equal: 'same'\n" in said
    assert "wrongly unequal: 'r0', 'r1', 'r2', 'r3', 'r4' and 2 more\n" in said


def test_stdin_and_output_give_the_same_grades(cli, pairs, tmp_path):
    to_file = cli("grade", str(pairs), "--time-limit", "1", "--output", "grades.jsonl")
    piped = subprocess.run(
        [sys.executable, "-m", "alftbench.cli", "grade", "-", "--time-limit", "1"],
        input=as_lines(ROWS), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (to_file.returncode, to_file.stdout, piped.returncode) == (0, "", 0)
    assert (tmp_path / "grades.jsonl").read_text(encoding="utf-8") == piped.stdout
    assert not (tmp_path / "grades.jsonl.partial").exists()
    assert "equivalent: 3 of 5 rows, 60.0% (23.1–88.2%)" in piped.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        ("[1]", "line 2: expected an object"),
        ('{"prediction": "1"}', "line 2: gold is missing"),
        ('{"gold": "1"}', "line 2: prediction is missing"),
        ('{"gold": null, "prediction": "1"}', "line 2: gold is NoneType"),
        ('{"gold": "1", "prediction": ["1"]}', "line 2: prediction is list"),
        ('{"gold": "1", "prediction": true}', "line 2: prediction is bool"),
        ('{"gold": "1", "prediction": "1", "id": {}}', "line 2: id is dict"),
        ('{"gold": "1", "prediction": "1", "equivalent": "yes"}', "line 2: equivalent is 'yes'"),
        ("[" * 100_000, "line 2: not JSON"),
    ],
)
def test_a_bad_row_is_named(line, message):
    with pytest.raises(BadInput, match=message):
        list(read_rows(['{"gold": "1", "prediction": "1"}\n', line], "x.jsonl"))


def test_a_bad_file_is_one_line_before_anything_is_graded(warm, tmp_path):
    (tmp_path / "bad.jsonl").write_text(as_lines([ROWS[0], {"gold": "3"}]), encoding="utf-8")
    (tmp_path / "latin.jsonl").write_bytes(b'{"gold": "\xe9"}')
    for name, message in [
        ("bad.jsonl", "bad.jsonl, line 2: prediction is missing"),
        ("none.jsonl", "none.jsonl: no such file"),
        ("latin.jsonl", "latin.jsonl: cannot be read"),
        (".", "cannot be read"),
    ]:
        done = warm("grade", name, "--output", "out.jsonl")
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("out*"))


def test_an_unreadable_gold_answer_loses_no_other_row(warm, tmp_path):
    (tmp_path / "pairs.jsonl").write_text(as_lines([{"gold": "", "prediction": "1"}, ROWS[0]]), encoding="utf-8")
    done = warm("grade", "pairs.jsonl")
    assert done.returncode == 1
    assert [json.loads(line)["outcome"] for line in done.stdout.splitlines()] == ["gold_unparsed", "answered"]
    assert "1 of 2 gold answers could not be read (first: 1)" in done.stderr
    assert "equivalent: 1 of 1 rows" in done.stderr


def test_grades_are_streamed():
    """A consumer sees the first grade while the producer still holds the second row."""
    process = subprocess.Popen(
        [sys.executable, "-m", "alftbench.cli", "grade", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    process.stdin.write(as_lines(ROWS[:1]))
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["id"] == "half"
    process.communicate(timeout=60)


class Never:
    """A judge that must not be asked."""

    def ask_accepts(self, gold, prediction):
        raise AssertionError((gold, prediction))


def test_rows_without_answers_ask_nobody():
    assert [g.outcome for _, g in grade([AnswerPair(1, "", "1"), AnswerPair(2, "1", "")], Never())] == [
        "gold_unparsed",
        "unparsed",
    ]


def test_grading_with_more_workers_gives_the_same(judge):
    rows = [AnswerPair(n, f"$x+{n}$", f"${n % 3}+x$") for n in range(60)]
    grades = [g.equivalent for _, g in grade(rows, judge)]
    assert grades == [n == n % 3 for n in range(60)]


def test_wilson_is_scipys():
    from scipy.stats import binomtest

    for count, n in [(0, 5), (3, 5), (5, 5), (412, 998)]:
        assert wilson(count, n) == pytest.approx(binomtest(count, n).proportion_ci(method="wilson"))
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_summary_of_nothing_has_no_share():
    assert Summary("0" * 32).to_json()["equivalent"]["n"] == 0
    summary = Summary("0" * 32)
    summary.add(AnswerPair(1, "", "1", True), Grade(1, False, "gold_unparsed", None, "1"))
    assert summary.labelled == 0


def test_ctrl_c_ends_in_time(tmp_path):
    (tmp_path / "pairs.jsonl").write_text(
        as_lines([{"gold": "7", "prediction": f"9^{{9^{{9^{n}}}}}"} for n in range(40, 60)])
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "alftbench.cli", "grade", "pairs.jsonl", "--workers", "1"], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.stdout.readline()
    process.send_signal(2)
    started = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - started < 20


def test_output_spares_what_it_points_at(warm, pairs, tmp_path):
    content = pairs.read_text(encoding="utf-8")
    for output, message in ((pairs, "would overwrite the pairs"), (tmp_path, "is a folder")):
        done = warm("grade", str(pairs), "--output", str(output))
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
    assert pairs.read_text(encoding="utf-8") == content
    target, link, pipe = tmp_path / "target.jsonl", tmp_path / "link.jsonl", tmp_path / "pipe"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    os.mkfifo(pipe)
    warm("grade", str(pairs), "--time-limit", "1", "--output", str(link))
    assert link.is_symlink()
    assert len(target.read_text(encoding="utf-8").splitlines()) == len(ROWS)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    warm("grade", str(pairs), "--time-limit", "1", "--output", str(pipe))
    assert len(os.read(reader, 1 << 16).splitlines()) == len(ROWS)
    os.close(reader)
    assert pipe.is_fifo()


def test_a_byte_order_mark_is_no_part_of_the_first_row(warm, pairs):
    pairs.write_bytes(b"\xef\xbb\xbf" + pairs.read_bytes())
    assert warm("grade", str(pairs), "--time-limit", "1").returncode == 0


def test_guesses_are_counted(warm, tmp_path):
    rows = [
        {"gold": "7", "prediction": "So we get 3 and then 4, that makes 7 in all, I think"},
        {"gold": "7", "prediction": "7"},
    ]
    (tmp_path / "rows.jsonl").write_text(as_lines(rows), encoding="utf-8")
    done = warm("grade", str(tmp_path / "rows.jsonl"), "--format", "json")
    assert [json.loads(line)["guessed"] for line in done.stdout.splitlines()] == [True, False]
    assert json.loads(done.stderr)["guessed"]["count"] == 1
