"""Text that tries to hang, crash, eat memory or execute, through the path that grades real responses.

Each input is given as a bare prediction, boxed inside a response, and as an answer of every kind. It may be
answered, unparsed or over a limit; it must not be equal to a benign gold answer, and nothing may happen outside.
"""

from __future__ import annotations

import time
from contextlib import suppress
from threading import Event, Thread

import pytest

from alftbench.answers.canonical import KINDS, canonical
from alftbench.answers.find.extract import RULES, extract, read_answer
from alftbench.answers.judge.judge import Judge
from alftbench.answers.pairs import AnswerPair, grade
from alftbench.types import Outcome

CANARY = "alftbench_canary"
MILLION = 10**6


def nested(before: str, core: str, after: str, depth: int) -> str:
    return before * depth + core + after * depth


def code(template: str) -> str:
    """Python that would create a file if something ran it."""
    return template.replace("CMD", f"touch {CANARY}").replace("FILE", CANARY)


HOSTILE = {
    "power tower": "9^{9^{9^{9^{9}}}}",
    "power tower in python": "9**9**9**9**9",
    "tower of tens": "10^{10^{10}}",
    "tower with a factorial": "(10^{10^{10}})!",
    "negative tower": "-2^{3^{4^{5^{6}}}}",
    "fraction of towers": r"\frac{9^{9^{9^9}}}{9^{9^{9^8}}}",
    "root of a tower": r"\sqrt[3]{7^{7^{7^7}}}",
    "huge factorial": "100000000!",
    "factorials of factorials": "((((9!)!)!)!)!",
    "double factorial chain": "9" + "!" * 200,
    "binomial": r"\binom{10^9}{5}",
    "binomial of towers": r"\binom{10^{10^{9}}}{10^{9}}",
    "huge exponent of a symbol": "x^{10^{10^{10}}} + x",
    "expanding a power": "(x+y+z+1)^{10000}",
    "expanding a power of sums": "(" + "+".join(f"x_{n}" for n in range(200)) + ")^{50}",
    "modulo of a tower": r"2^{10^{18}} \bmod 7",
    "scientific exponent": "1e999999999",
    "negative scientific exponent": "1e-999999999",
    "long decimal exponent": "1.5e" + "9" * 1000,
    "million digits": "1" * MILLION,
    "million decimals": "0." + "3" * MILLION,
    "million digits over million digits": "1" * MILLION + "/" + "3" * MILLION,
    "fraction of 4000 digits": rf"\frac{{{'7' * 4000}}}{{{'9' * 4000}}}",
    "million separators": "1" + ",000" * (MILLION // 4),
    "million dots": "1" + ".0" * (MILLION // 2),
    "million minus signs": "-" * MILLION + "1",
    "open braces": "{" * MILLION,
    "closing braces": "}" * MILLION,
    "balanced braces": nested("{", "5", "}", MILLION // 2),
    "parentheses": nested("(", "5", ")", 100_000),
    "some parentheses": nested("(", "5", ")", 140),
    "brackets": nested("[", "5", "]", 100_000),
    "boxes": nested("\\boxed{", "5", "}", 50_000),
    "boxes never closed": "\\boxed{" * 100_000,
    "box with an open brace": "\\boxed{{" * 50_000 + "}" * 50_000,
    "fractions": nested("\\frac{1}{", "5", "}", 20_000),
    "some fractions": nested("\\frac{1}{", "5", "}", 25),
    "continued fraction": nested("1+\\frac{1}{", "2", "}", 20),
    "roots": nested("\\sqrt{", "5", "}", 20_000),
    "some roots": nested("\\sqrt{2+", "5", "}", 25),
    "denesting": r"\sqrt{" + "+".join(rf"\sqrt{{{p}}}" for p in (2, 3, 5, 7, 11, 13, 17, 19, 23)) + "}",
    "left and right": nested("\\left(", "5", "\\right)", 20_000),
    "left without right": "\\left(" * 50_000,
    "lefts of texts": nested("\\text{", "5", "}", 50_000),
    "absolute values": nested("|", "-5", "|", 5000),
    "labels of labels": "A) " * 660 + "5",
    "limits of limits": "at least " * 200 + "5",
    "moduli": r"3 \pmod{5}" * 190,
    "holes in the line": ",".join(f"x≠{n}" for n in range(140)),
    "cycles never closed": "1.(" * 600 + "1)",
    "long ratio": ":".join(["10^{4000}", "3^{2000}", "7^{2000}"] * 15),
    "superscripts": "x" + "^{2" * 100 + "}" * 100,
    "subscripts": "x" + "_{1" * 20_000 + "}" * 20_000,
    "sum": "+".join(["1"] * 100_000),
    "short sum": "+".join(f"x^{{{n}}}" for n in range(60)),
    "product": r"\cdot ".join(["(x+1)"] * 5000),
    "matrix": r"\begin{pmatrix}" + r"\\".join(["&".join(["1"] * 300)] * 340) + r"\end{pmatrix}",
    "inverse of a matrix": r"\begin{pmatrix}"
    + r"\\".join("&".join(f"x_{{{i}{j}}}" for j in range(4)) for i in range(4))
    + r"\end{pmatrix}^{-1}",
    "environments": r"\begin{matrix}" * 2000,
    "set": r"\{" + ",".join(map(str, range(100_000))) + r"\}",
    "small set": r"\{" + ",".join(f"x^{{{n}}}+{n}" for n in range(25)) + r"\}",
    "unions": r"\cup ".join(f"({n},{n + 1})" for n in range(2000)),
    "equations": "=".join(["x"] * 10_000),
    "inequalities": " < ".join(f"x_{n}" for n in range(3000)),
    "infinite sum": r"\sum_{n=1}^{\infty} \frac{1}{n^{n^n}}",
    "infinite product": r"\prod_{n=1}^{\infty} (1+\frac{1}{n^{2^n}})",
    "long finite sum": r"\sum_{n=1}^{10^{12}} \frac{\sin(n)}{n!}",
    "long product": r"\prod_{k=1}^{10^{9}} k",
    "integral": r"\int_0^1 e^{e^{x^{x^x}}} \sin(\sin(\tan x)) dx",
    "iterated integrals": nested(r"\int_0^1 ", "x^x", " dx", 12),
    "limit": r"\lim_{n \to \infty} \frac{n!^{n!}}{n^{n^n}}",
    "derivatives": nested(r"\frac{d}{dx} ", r"\sin(x^x)", "", 20),
    "trigonometry": nested(r"\sin(", "x", ")", 60),
    "logarithms": nested(r"\log(", "10", ")", 60),
    "import": code("__import__('os').system('CMD')"),
    "import in a box": code(r"\boxed{__import__('os').system('CMD')}"),
    "import in text": code(r"\text{__import__('os').popen('CMD').read()}"),
    "exec": code("exec(\"open('FILE','w').write('x')\")"),
    "eval": code('eval(\'open("FILE", "w")\')'),
    "open": code("open('FILE','w')"),
    "lambda": code("(lambda: __import__('os').system('CMD'))()"),
    "format string": code("f\"{__import__('os').system('CMD')}\""),
    "template": code("{__import__('os').system('CMD')}"),
    "attributes": code("().__class__.__base__.__subclasses__()[140].__init__.__globals__['system']('CMD')"),
    "symbol of a call": code("x + os.system('CMD')"),
    "sympify": code("sympify(\"__import__('os').system('CMD')\")"),
    "decorator": code("@__import__('os').system\ndef f(): 'CMD'"),
    "walrus": code("[y := 1, y**2, __import__('subprocess').run(['touch','FILE'])]"),
    "shell": code("$(CMD) `CMD` ; CMD"),
    "latex write": code(r"\immediate\write18{CMD}"),
    "latex input": r"\input{/etc/passwd}",
    "latex macro loop": r"\def\x{\x\x}\x",
    "pickle": "cos\nsystem\n(S'touch alftbench_canary'\ntR.",
    "json": '{"__reduce__": ["os.system", "x"]}',
    "arabic digits": "١٢٣٤٥",
    "circled digits": "①②③",
    "superscript digits": "5²³⁴",
    "look-alikes": "Ⅶ ７ 𝟕 𝟩 ⑦",
    "full width": "７＋０＝７．０1",
    "right-to-left": "\u202e7\u202c8",
    "zero width": "7\u200b1\u200d\ufeff",
    "combining marks": "1" + "\u0301" * 100_000,
    "lone surrogates": "\ud8001\udfff",
    "control characters": "".join(map(chr, range(32))) + "1",
    "null bytes": "4\x002",
    "many null bytes": "\x00" * MILLION,
    "escape sequences": "\x1b[2J\x1b]0;title\x074",
    "lone backslash": "\\",
    "backslashes": "\\" * MILLION,
    "backslash at the end": "12\\",
    "dollars": "$" * MILLION,
    "percent signs": "3" + "%" * MILLION,
    "spaces": " " * MILLION + "4",
    "spaces between": "4" + " " * MILLION + "2",
    "new lines": "\n" * MILLION,
    "answers": "answer is " * 100_000,
    "answer and spaces": "answer is:" + " *" * 400_000,
    "hashes": "#" * MILLION,
    "hashes and spaces": "#### " + " \t" * 400_000,
    "refusals": "I cannot " * 100_000,
    "units": "4 " + "m^2 " * 100_000,
    "currency": "$€£" * 100_000 + "4",
    "almost a number": "1,111,11" * 50_000,
    "almost a fraction": "1/" * 400_000,
    "almost latex": "\\frac" * 200_000,
    "spaced latex": "\\frac" + " " * 400_000 + "{1}",
    "mixed numbers": "1 1/2 " * 100_000,
    "text commands": "\\text{ }" * 100_000,
    "commas": "," * MILLION,
    "equal signs": "=" * MILLION,
    "dots": "." * MILLION,
    "quotes": "'\"`" * 300_000,
    "one long word": "a" * MILLION,
    "every word": "yes no true false none nan inf -inf null oo zoo I E pi",
    "not a number": "nan",
    "infinity": r"\infty",
    "complex infinity": r"\frac{1}{0}",
    "zero to the zero": "0^0",
    "division by zero deep": r"\frac{1}{\frac{1}{0}-\frac{1}{0}}",
}
GOLDS = ["7", "x+8"]  # what a prediction above is never equal to
SECONDS, SLACK = 0.5, 20.0  # the limit of a comparison, and what a busy machine may add (a worker starts in 0.4 s)


@pytest.fixture(scope="module")
def strict():
    """Two workers with a short time limit and the default memory limit, watched: no worker ever exceeds it."""
    with Judge(workers=2, seconds=SECONDS) as judge:
        stop, peaks = Event(), [0]
        watcher = Thread(target=watch, args=(judge, stop, peaks))
        watcher.start()
        yield judge
        stop.set()
        watcher.join()
    print(f"peak resident memory of a worker: {peaks[0]} MiB")
    assert 40 < peaks[0] <= 512


def watch(judge: Judge, stop: Event, peaks: list[int]) -> None:
    """Keep the largest resident maximum of any worker."""
    while not stop.wait(0.02):
        for worker in list(judge._workers._workers):
            with suppress(OSError, StopIteration), open(f"/proc/{worker._process.pid}/status") as file:
                peaks[0] = max(peaks[0], next(int(x.split()[1]) >> 10 for x in file if x.startswith("VmHWM")))


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    """Wherever something could have run, its file would be here."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.iterdir())


def test_there_are_enough():
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_graded_within_limits_and_never_equal(name, strict):
    text = HOSTILE[name]
    rows = [
        AnswerPair(0, GOLDS[0], text),
        AnswerPair(1, GOLDS[1], f"So the answer is \\boxed{{{text}}}."),
    ]
    started = time.monotonic()
    grades = [found for _, found in grade(rows, strict)]
    assert time.monotonic() - started < len(rows) * SECONDS + SLACK
    assert not any(found.equivalent for found in grades), grades
    assert {found.outcome for found in grades} <= {"answered", "unparsed", "timeout", "abstained"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_reading_is_quick_whatever_the_text(kind):
    """In process, nothing can be killed: reading has to be linear for every text, kind and rule."""
    for name, text in HOSTILE.items():
        started = time.process_time()
        canonical(kind, text)
        read_answer(text, kind)
        for rule in RULES:
            extract(f"Answer: {text}", kind, [rule])
        assert time.process_time() - started < 2.0, name


def test_a_benign_answer_is_still_right_afterwards(strict):
    assert [
        found.equivalent
        for _, found in grade([AnswerPair(1, "1/2", "0.5"), AnswerPair(2, "$x+1$", "$1+x$")], strict)
    ] == [
        True,
        True,
    ]


def test_hostile_gold_answers_are_outcomes_too(strict):
    rows = [AnswerPair(n, HOSTILE[name], "7") for n, name in enumerate(["power tower", "open braces", "import"])]
    assert not any(found.equivalent for _, found in grade(rows, strict))


def test_an_answer_may_equal_itself(strict):
    [(_, found)] = grade([AnswerPair(0, "9^{9^{9^{9}}}", "9^{9^{9^{9}}}")], strict)
    assert (found.equivalent, found.outcome) == (True, str(Outcome.ANSWERED))
