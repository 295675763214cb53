"""The report: one row per variant with its spread over seeds, the bars, the sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alftbench.base.jsonio import append_jsonl, without_nan, write_json, write_text
from alftbench.base.markdown import markdown
from alftbench.base.tables import Cell, Number, Table, columns
from alftbench.settle.settings import SettleSettings
from alftbench.settle.sweep import SweepPoint

BARS = (
    ("tabular, mirror descent on answers", ("diversity/mirror", "correctness/mirror", "coherence/mirror"), 1e-9),
    ("tabular, natural gradient on traces", ("diversity/direct", "correctness/direct", "coherence/direct"), 1e-9),
    ("neural, exact gradients", ("diversity/exact", "correctness/exact", "coherence/exact"), 2e-3),
    ("neural, sampled, true p, diversity, G = 8", ("diversity/sampled/oracle/G8",), 6e-3),
    ("neural, sampled, true p, coherence, G = 8", ("coherence/sampled/oracle/G8",), 6e-3),
    ("neural, sampled, correctness, G = 8", ("correctness/sampled/none/G8",), 6e-3),
)
"""What is compared with p*, the variants, and the largest total variation allowed in any seed."""

RESULTS = (
    "mean ± standard deviation over seeds. TV: last iterate to p*. averaged: averaged parameters to p*. "
    "predicted: population fixed point to p* (bias). to prediction: averaged parameters to that fixed point "
    "(noise and network). J − J*, gap: reward. drift: nats"
)
CLOSED = "the share of the room between the plug-in's TV and the oracle's that a target player closes"


@dataclass(frozen=True)
class SeedSpread:
    """Mean and standard deviation over seeds; the deviation is NaN for one seed."""

    mean: float
    sd: float
    n: int

    def __str__(self) -> str:
        if self.n == 0:
            return "–"
        return f"{self.mean:.2g}" if self.n == 1 else f"{self.mean:.2g} ± {self.sd:.1g}"


def spread(values: list[float | None]) -> SeedSpread:
    """Of the values that exist."""
    known = [value for value in values if value is not None]
    mean = float(np.mean(known)) if known else float("nan")
    return SeedSpread(mean, float(np.std(known, ddof=1)) if len(known) > 1 else float("nan"), len(known))


@dataclass(frozen=True)
class VariantRow:
    """One variant over seeds.

    tv, excess, gap, drift: of the last iterate. averaged: total variation of the averaged parameters.
    bias: of the population fixed point to p*. noise: of the averaged parameters to that fixed point.
    """

    variant: str
    status: str
    seeds: int
    tv: SeedSpread
    averaged: SeedSpread
    bias: SeedSpread
    noise: SeedSpread
    excess: SeedSpread
    gap: SeedSpread
    drift: SeedSpread


@dataclass(frozen=True, eq=False)
class SettleReport:
    """All finished arms with the heterogeneity sweep.

    Args:
        settings: what was run.
        arms: one mapping per arm, as in arms.jsonl.
        sweep: the heterogeneity sweep.
    """

    settings: SettleSettings
    arms: tuple[dict[str, Any], ...]
    sweep: tuple[SweepPoint, ...]

    def rows(self) -> list[VariantRow]:
        """One row per variant, in the order they were run."""
        variants = dict.fromkeys(arm["variant"] for arm in self.arms)
        return [_row(variant, [arm for arm in self.arms if arm["variant"] == variant]) for variant in variants]

    def bars(self) -> list[tuple[str, float, float, bool]]:
        """(what, worst total variation over seeds and games, bar, met)."""
        checked = []
        for what, variants, bar in BARS:
            worst = max(arm["final"]["tv"] for arm in self.arms if arm["variant"] in variants)
            checked.append((what, worst, bar, worst <= bar))
        return checked

    def to_json(self) -> dict[str, Any]:
        """The report as plain data, without histories and seconds."""
        keys = ("what", "tv", "bar", "met")
        plain: dict[str, Any] = without_nan(
            {
                "settings": self.settings.to_json(),
                "bars": [dict(zip(keys, bar, strict=True)) for bar in self.bars()],
                "variants": [asdict(row) for row in self.rows()],
                "closed": {name: asdict(share) for name, share in self.closed()},
                "sweep": [asdict(point) for point in self.sweep],
            }
        )
        return plain

    def tables(self) -> list[Table]:
        """Bars, results, what target players gain, and the sweep."""
        return [self._bars_table(), self._results_table(), self._closed_table(), *self._sweep_tables()]

    def markdown(self) -> str:
        """The tables as Markdown."""
        return "\n".join(map(markdown, self.tables()))

    def _bars_table(self) -> Table:
        rows = [
            (what, Number(worst, ".2g"), Number(bar, "g"), "yes" if met else "no")
            for what, worst, bar, met in self.bars()
        ]
        headings = columns("bar", "worst TV to p*", "at most", "met")
        return Table("Bars", headings, tuple(rows), "over seeds and games")

    def _results_table(self) -> Table:
        rows: list[tuple[Cell, ...]] = []
        for r in self.rows():
            spreads = (r.tv, r.averaged, r.bias, r.noise, r.excess, r.gap, r.drift)
            shown = (f"{cell} (n = {cell.n})" if 0 < cell.n < r.seeds else str(cell) for cell in spreads)
            rows.append((r.variant, r.seeds, *shown, r.status))
        headings = ("TV", "averaged", "predicted", "to prediction", "J − J*", "gap", "drift", "ended")
        return Table("Results", columns("variant", "seeds", *headings), tuple(rows), RESULTS)

    def closed(self) -> list[tuple[str, SeedSpread]]:
        """Share of the plug-in's total variation in excess of the oracle's that each target player removes.

        (plug-in − target) / (plug-in − oracle), seed by seed, for unscaled sampled arms of the same game and
        group size; negative where the target player is worse than the plug-in.
        """
        tv = {
            (a["game"], a["group"], a["variant"].split("/")[2], a["seed"]): a["final"]["tv"]
            for a in self.arms
            if a["method"] == "sampled" and (a["scale"], a["anchor"]) == ("none", "reward")
        }
        shares: dict[str, list[float | None]] = {}
        for (game, group, target, seed), distance in tv.items():
            ends = [tv.get((game, group, end, seed)) for end in ("plug-in", "oracle")]
            if target not in ("plug-in", "oracle") and ends[0] is not None and ends[1] is not None:
                share = (ends[0] - distance) / (ends[0] - ends[1])
                shares.setdefault(f"{game}/{target}/G{group}", []).append(share)
        return [(name, spread(values)) for name, values in shares.items()]

    def _closed_table(self) -> Table:
        rows = [(name, str(share), share.n) for name, share in self.closed()]
        headings = columns("game/target player/group size", "share closed", "seeds")
        return Table("Room closed", headings, tuple(rows), CLOSED)

    def _sweep_tables(self) -> Iterator[Table]:
        yield self._sweep_table(
            "As references grow apart",
            "tabular, exact: probability of the right answer / disagreement (nats)",
            lambda p: f"{p.right:.3f} / {p.disagreement:.3f}",
        )
        yield self._sweep_table(
            "Away from what all share",
            "divergence KL(common‖p) of the policies from what all phrasings share (nats)",
            lambda p: f"{p.to_truth:.3f}",
        )

    def _sweep_table(self, title: str, caption: str, cell: Callable[[SweepPoint], str]) -> Table:
        rows = []
        for method in dict.fromkeys(point.method for point in self.sweep):
            points = sorted((p for p in self.sweep if p.method == method), key=lambda p: p.heterogeneity)
            rows.append((method, *(None if np.isnan(p.right) else cell(p) for p in points)))
        headings = (f"h={h:g}" for h in sorted({point.heterogeneity for point in self.sweep}))
        return Table(title, columns("method", *headings), tuple(rows), caption)

    def write(self, folder: Path) -> None:
        """table.md, report.json and sweep.jsonl in a folder."""
        write_text(folder / "table.md", self.markdown())
        write_json(folder / "report.json", self.to_json())
        (folder / "sweep.jsonl").unlink(missing_ok=True)
        append_jsonl(folder / "sweep.jsonl", [without_nan(asdict(point)) for point in self.sweep])


def _row(variant: str, arms: list[dict[str, Any]]) -> VariantRow:
    predicted = [arm.get("predicted") or {} for arm in arms]
    return VariantRow(
        variant=variant,
        status=", ".join(sorted({arm.get("status", "") for arm in arms})),
        seeds=len(arms),
        tv=spread([arm["final"]["tv"] for arm in arms]),
        averaged=spread([arm.get("averaged", {}).get("tv") for arm in arms]),
        bias=spread([p.get("tv") for p in predicted]),
        noise=spread([p.get("from_prediction") for p in predicted]),
        excess=spread([arm["final"]["excess"] for arm in arms]),
        gap=spread([arm["final"]["gap"] for arm in arms]),
        drift=spread([arm["final"]["drift"] for arm in arms]),
    )
