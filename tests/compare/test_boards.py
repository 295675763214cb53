"""The committed boards and what a board.toml must say; shares of the temperature that are none."""

from __future__ import annotations

import re
import shutil

import pytest

from alftbench.errors import BadInput
from alftbench.publish.board import Board, publish, trial_folders
from tests.helpers import ROOT

TRAINERS = ["diversity-game:diversity=0.2", "majority-vote"]
SMALL = [
    "--seeds", "2", "--budget-tokens", "6000", "--limit", "4", "--samples", "4", "--output-dir", "out",
    "--tempered", "0.5",
]  # fmt: skip


PUBLISHED = sorted(path.parent.name for path in ROOT.glob("leaderboards/*/index.html"))


@pytest.mark.parametrize("board", PUBLISHED)
def test_published_boards_are_what_their_records_say(board, tmp_path):
    published = ROOT / "leaderboards" / board
    shutil.copytree(published, tmp_path / "leaderboards" / board)
    shutil.copytree(ROOT / "results" / board, tmp_path / "results" / board)
    publish(Board.read(tmp_path / "leaderboards" / board), trial_folders(tmp_path / "results" / board))
    for page in sorted(published.iterdir()):
        assert (tmp_path / "leaderboards" / board / page.name).read_bytes() == page.read_bytes(), page


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ('phrasings = ["svamp"]', "phrasings: names 'svamp', which is none of its suites"),
        ('phrasings = ["sums", 3]', "phrasings[1]: must be text, not blank, is 3"),
        ('metric = "x"', "metric: unknown key; did you mean 'metrics'?"),
    ],
)
def test_a_wrong_board_is_one_line(tmp_path, added, said):
    Board.ensure(tmp_path, ["sums"], [])
    with (tmp_path / "board.toml").open("a", encoding="utf-8") as file:
        file.write(f"{added}\n")
    with pytest.raises(BadInput, match=re.escape(said)):
        Board.read(tmp_path)


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ("half", "--tempered 'half': give numbers such as 0.7,0.45,0.2, or none"),
        ("1.5", "--tempered 1.5: must be at least 0.01 and below 1"),
        ("nan", "--tempered nan: must be"),
        ("0.5,0.50", "base@0.5 is named twice"),
    ],
)
def test_wrong_shares_are_one_line(cli, shares, said):
    done = cli("compare", "vanilla-grpo", "--tempered", shares, "--dry-run")
    assert done.returncode == 2
    assert said in done.stderr
