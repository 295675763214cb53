"""Games played by a network whose every trace is known.

    random network ─ fit ─→ Language (every trace enumerated) ─→ Settled (game and p*)
    Arm ─ play ─→ Distance, and the population fixed point that explains it ─→ SettleReport

Source: arXiv 2604.27166, 2605.02435 and 2511.08440.
"""

from alftbench.settle.report import SettleReport
from alftbench.settle.run import run
from alftbench.settle.settings import Arm, SettleSettings, arms

__all__ = ["Arm", "SettleReport", "SettleSettings", "arms", "run"]
