"""Draw docs/architecture.svg: `python harness/tools/draw_architecture.py [--check]`.

Floors and rooms come from the import contract in pyproject.toml, what a room is from the first line of its
docstring, and the way of one `compare` from WAY, whose every step names a function that must exist. So the picture
cannot say what the code does not: a test draws it again and compares.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "harness" / "alftbench"
PICTURE = ROOT / "docs" / "architecture.svg"
CONTRACT = "Imports go downward, room by room"

WAY = (
    ("cli", "compare.compare_command", "reads the options"),
    ("compare", "plan.trials", "checks every trial: method × seed"),
    ("launch", "local.run_jobs", "gives each trial a process"),
    ("training", "train.run_training", "trains it within the budget"),
    ("evaluation", "evaluate.evaluate", "asks the checkpoint every problem"),
    ("backends", "hf.backend.HfBackend", "draws the samples"),
    ("suites", "grade.grade", "reads their answers by the suite's rules"),
    ("answers", "partition.partition", "groups equal answers into classes"),
    ("metrics", "summary.per_problem", "turns classes into numbers"),
    ("equilibrium", "quality.measure_sampled", "measures the distance to the equilibrium"),
    ("games", "solvers.solve", "finds that equilibrium"),
    ("publish", "board.publish", "verifies the records and writes the pages"),
)
"""One `compare` from command to page: the room, the function in it, what it does."""

WIDTH, MARGIN, FLOOR, BOX, GAP, KEY = 1180, 16, 66, 52, 10, 380
STYLE = """
svg { font: 13px system-ui, sans-serif; background: #fff; color: #1a1a1a; }
.room { fill: #f4f6fa; stroke: #9aa7bd; }
.name { font-weight: 600; }
.says { font-size: 10.5px; fill: #555; }
.step { fill: #2f5fb3; }
.number { fill: #fff; font-size: 11px; font-weight: 600; text-anchor: middle; }
@media (prefers-color-scheme: dark) {
  svg { background: #14171c; } text { fill: #e8e8e8; } .room { fill: #1f2530; stroke: #56627a; }
  .says { fill: #a8adb8; } .number { fill: #fff; } .step { fill: #4d7fd6; }
}
"""


@dataclass(frozen=True)
class Box:
    """A room in the picture."""

    name: str
    x: float
    y: float
    width: float


def floors() -> list[list[str]]:
    """The rooms of each floor from the import contract, the top floor first."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = content["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["name"] == CONTRACT]
    return [[name.strip() for name in layer.split("|")] for layer in layers]


def purpose(room: str) -> str:
    """The first line of a room's docstring."""
    path = PACKAGE / f"{room}.py"
    path = path if path.exists() else PACKAGE / room / "__init__.py"
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    return (text or "").split("\n")[0].rstrip(".")


def check_way() -> None:
    """Every step of the way names something that its module defines.

    Raises:
        ValueError: one does not.
    """
    for room, place, _ in WAY:
        module, _, name = place.rpartition(".")
        path = PACKAGE.joinpath(room, *module.split(".")).with_suffix(".py")
        defined = ast.parse(path.read_text(encoding="utf-8")).body if path.exists() else []
        if name not in {node.name for node in defined if isinstance(node, (ast.FunctionDef, ast.ClassDef))}:
            raise ValueError(f"WAY: {room} has no {place}")


def boxes(rooms_by_floor: list[list[str]]) -> list[Box]:
    """Where each room stands: a row a floor, equally wide side by side."""
    placed = []
    for level, rooms in enumerate(rooms_by_floor):
        width = (WIDTH - KEY - MARGIN - GAP * (len(rooms) - 1)) / len(rooms)
        y = MARGIN + level * FLOOR
        placed += [Box(room, MARGIN + i * (width + GAP), y, width) for i, room in enumerate(rooms)]
    return placed


def lines_of(text: str, width: float) -> list[str]:
    """A text in at most two lines that fit a width, the rest left out at a word."""
    limit, lines = max(10, int(width / 5.7)), [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".strip()
        if len(joined) <= limit:
            lines[-1] = joined
        elif len(lines) < 2:
            lines.append(word)
        else:
            lines[-1] += " …"
            break
    return lines


def room_svg(box: Box) -> str:
    """A room: its name, what it is, and the numbers of the steps that pass it."""
    steps = [number for number, (room, _, _) in enumerate(WAY, 1) if room == box.name]
    x = box.x + 10
    parts = [
        f'<rect class="room" x="{box.x:.1f}" y="{box.y}" width="{box.width:.1f}" height="{BOX}" rx="6"/>',
        f'<text class="name" x="{x:.1f}" y="{box.y + 17}">{escape(box.name)}</text>',
    ]
    for i, line in enumerate(lines_of(purpose(box.name), box.width - 20)):
        parts.append(f'<text class="says" x="{x:.1f}" y="{box.y + 31 + 13 * i}">{escape(line)}</text>')
    for i, number in enumerate(steps):
        parts.append(circle(number, box.x + box.width - 14 - 22 * i, box.y + 13))
    return "\n".join(parts)


def circle(number: int, x: float, y: float) -> str:
    """The number of a step."""
    return (
        f'<circle class="step" cx="{x:.1f}" cy="{y}" r="9"/>'
        f'<text class="number" x="{x:.1f}" y="{y + 4}">{number}</text>'
    )


def key_svg(height: int) -> str:
    """The way of one `compare`, a line a step."""
    x, pitch = WIDTH - KEY + 24, (height - 3 * MARGIN) / len(WAY)
    parts = [f'<text class="name" x="{x}" y="{MARGIN + 14}">The way of one compare</text>']
    for number, (room, place, does) in enumerate(WAY, 1):
        y = round(MARGIN + 14 + pitch * (number - 0.35))
        parts += [
            circle(number, x + 9, y - 3),
            f'<text x="{x + 26}" y="{y - 2}">{escape(does)}</text>',
            f'<text class="says" x="{x + 26}" y="{y + 12}">{escape(f"{room}.{place}")}</text>',
        ]
    return "\n".join(parts)


def picture() -> str:
    """The whole drawing as SVG."""
    check_way()
    rooms_by_floor = floors()
    height = 2 * MARGIN + FLOOR * len(rooms_by_floor)
    title = "The rooms of alftbench by floor, and the way of one compare through them; imports go downward only"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style>",
        *map(room_svg, boxes(rooms_by_floor)),
        key_svg(height),
        "</svg>",
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PICTURE.read_text(encoding="utf-8") != picture() and f"{PICTURE.name} is not what the code says")
    PICTURE.write_text(picture(), encoding="utf-8")
