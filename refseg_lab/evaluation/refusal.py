# SPDX-License-Identifier: Apache-2.0
"""Refusals while the threshold ``decision.min_match`` moves: false accepts against false rejects.

Every point is measured: the sentences are answered again under its threshold, which also decides
what counts as a landmark.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.table import Table

from refseg_lab.evaluation.ablation import plain
from refseg_lab.evaluation.bootstrap import Figure, Resampler
from refseg_lab.evaluation.grouping import has_target, is_right, refusals, sums
from refseg_lab.evaluation.records import SceneResult
from refseg_lab.evaluation.tables import percent, percent_interval
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import RefsegError

if TYPE_CHECKING:
    from rich.console import Console

OFFSETS: Final = (
    *(-math.inf, -4.0, -3.0, -2.0, -1.5, -1.0, -0.5),
    *(0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0),
)
"""Logits by which the threshold of the preset is moved."""
MOST_REJECTS: Final = 0.05
"""Share of false rejects up to which a threshold may be the best."""


@dataclass(frozen=True)
class Point:
    """One threshold.

    Attributes:
        min_match: In logits.
        figures: ``false_accepts``, ``false_rejects`` and ``pr50``.
    """

    min_match: float
    figures: dict[str, Figure]

    @property
    def accepts(self) -> float:
        """False accepts; 0 where none were possible."""
        return self.figures["false_accepts"].value or 0.0

    @property
    def rejects(self) -> float:
        """False rejects; 0 where none were possible."""
        return self.figures["false_rejects"].value or 0.0

    def as_json(self) -> dict[str, Any]:
        """Plain values; a threshold that refuses nothing is null."""
        figures = {name: figure.as_json() for name, figure in self.figures.items()}
        return {"min_match": plain(self.min_match), **figures}


@dataclass(frozen=True)
class Curve:
    """Refusals by threshold.

    Attributes:
        own: The threshold of the preset.
        points: By ascending threshold.
    """

    own: float
    points: tuple[Point, ...]

    @property
    def best(self) -> Point:
        """The fewest false accepts with at most 5 % false rejects; else the smallest sum of both.

        Of neighbours that are equally good the middle one.
        """
        good = [point for point in self.points if point.rejects <= MOST_REJECTS]

        def cost(point: Point) -> tuple[float, float]:
            total = point.accepts + point.rejects
            return (point.accepts, point.rejects) if good else (total, point.accepts)

        points = good or self.points
        least = min(map(cost, points))
        equal = [point for point in points if cost(point) == least]
        return equal[len(equal) // 2]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "own": self.own,
            "best": plain(self.best.min_match),
            "points": [point.as_json() for point in self.points],
        }


def curve_configs(config: SegmenterConfig) -> tuple[SegmenterConfig, ...]:
    """The preset under other thresholds, ascending.

    Args:
        config: With a finite ``decision.min_match``.

    Raises:
        RefsegError: It refuses nothing by its looks.
    """
    own = config.decision.min_match
    if math.isinf(own):
        raise RefsegError(
            f"--curve: the preset {config.name} has no threshold to move; set decision.min_match "
            "to a number of logits"
        )
    return tuple(
        dataclasses.replace(
            config, decision=dataclasses.replace(config.decision, min_match=own + offset)
        )
        for offset in OFFSETS
    )


def curve(
    config: SegmenterConfig,
    configs: Sequence[SegmenterConfig],
    results: Sequence[Sequence[SceneResult]],
    *,
    seed: int = 0,
) -> Curve:
    """Work out the points.

    Args:
        config: The preset itself.
        configs: Configurations from :func:`curve_configs`.
        results: For each of ``configs``, one result per sample.
        seed: Seed for the bootstrap.
    """
    draws = Resampler(len(results[0]), seed=seed)
    points = []
    for variant, mine in zip(configs, results, strict=True):
        right = draws.ratio(sums(mine, has_target, is_right), sums(mine, has_target))
        figures = {**refusals(mine, draws), "pr50": right}
        points.append(Point(variant.decision.min_match, figures))
    return Curve(config.decision.min_match, tuple(points))


def print_curve(console: Console, split: str, found: Curve) -> None:
    """Print the points, and which is best on this split.

    Args:
        console: Where to.
        split: Its name.
        found: Its curve.
    """
    table = Table(
        title=f"Refusals on {split} by decision.min_match",
        title_style="bold",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        header_style="bold",
    )
    for name in ("min_match", "false accepts %", "false rejects %", "Pr@50 %"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for point in found.points:
        own = point.min_match == found.own
        marks = [*(["preset"] if own else []), *(["best here"] if point is found.best else [])]
        table.add_row(
            f"{point.min_match:.2f}" if math.isfinite(point.min_match) else "none",
            percent_interval(point.figures["false_accepts"]),
            percent_interval(point.figures["false_rejects"]),
            percent(point.figures["pr50"]),
            ", ".join(marks),
            style="bold" if own else None,
        )
    console.print(table)
    console.print(
        f"best here: fewest false accepts with at most {100 * MOST_REJECTS:.0f} % false rejects"
        + ("" if found.best.rejects <= MOST_REJECTS else " (none has so few: least sum of both)")
    )
    if split != "val":
        console.print(
            f"[yellow]a threshold is chosen on val: to take the best of {split} and then report "
            f"{split} would be cheating[/yellow]"
        )
    console.print()
