# SPDX-License-Identifier: Apache-2.0
"""Draws what ``refseg bench --json`` measured as an SVG picture of curves.

Medians as points on lines, the middle 80 % of the runs as a band behind them; both axes are
logarithmic, so that what grows in proportion is a diagonal.

Run: ``refseg bench --json > bench.json``, then
``python benchmarks/performance_picture.py bench.json --out docs/performance_curves.svg``
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

_WIDE, _HIGH, _LEFT, _TOP, _BELOW = 330, 210, 62, 44, 78
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c")


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: Above it.
        across: What its horizontal axis counts.
        group: Of the rows it shows.
        pattern: Finds the number on the horizontal axis, and the curve's name if it has one.
    """

    title: str
    across: str
    group: str
    pattern: str


PANELS = (
    Panel("By candidates", "candidates", "candidates", r"(\d+) candidates: (.*)"),
    Panel("By the size of the picture", "megapixels", "size", r"(\d+×\d+): (.*)"),
    Panel("By commands on one picture", "commands", "expressions", r"(\d+) (on one picture)"),
    Panel("By cameras", "cameras", "cameras", r"(\d+) cameras: (a picture of each)"),
)

Point = tuple[float, float, float, float]
"""Where on the horizontal axis; median, 10 % and 90 % in milliseconds."""


def curves_of(panel: Panel, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Point]]:
    """The curves of a panel by name."""
    curves: dict[str, list[Point]] = {}
    for row in rows:
        found = re.fullmatch(panel.pattern, row["name"]) if row["group"] == panel.group else None
        if found is None or row["median_ms"] is None:
            continue
        where = math.prod(int(part) for part in found[1].split("×"))
        place = where / 1e6 if "×" in found[1] else float(where)
        point = (place, row["median_ms"], row["p10_ms"], row["p90_ms"])
        curves.setdefault(found[2], []).append(point)
    return curves


def draw(report: Mapping[str, Any]) -> str:
    """An SVG picture of a report.

    Args:
        report: What ``refseg bench --json`` printed.

    Raises:
        ValueError: It holds nothing that could be drawn.
    """
    shown = [(panel, curves_of(panel, report["rows"])) for panel in PANELS]
    shown = [(panel, curves) for panel, curves in shown if curves]
    if not shown:
        raise ValueError("the report has no rows of " + ", ".join(p.group for p in PANELS))
    step = (_LEFT + _WIDE + 24, _TOP + _HIGH + _BELOW)
    drawn = [
        _panel(panel, curves, (number % 2 * step[0] + _LEFT, number // 2 * step[1] + _TOP))
        for number, (panel, curves) in enumerate(shown)
    ]
    width, height = 2 * step[0], (len(shown) + 1) // 2 * step[1] + 20
    where = (
        f"{report['preset']} on {report['device']}, {report['machine']}, threads: "
        f"{report['threads']}, load {report['load_before']:.1f} before; "
        "band: 10 % to 90 % of the runs"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n'
        + "".join(drawn)
        + f'<text x="{_LEFT}" y="{height - 10}" fill="#666">{escape(where)}</text>\n</svg>\n'
    )


def _ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, … from the last one below ``low`` to the first one above ``high``."""
    exponent = math.floor(math.log10(low))
    steps = [
        digit * 10.0**power
        for power in range(exponent, math.ceil(math.log10(high)) + 1)
        for digit in (1, 2, 5)
    ]
    first = max(place for place, value in enumerate(steps) if value <= low)
    last = min(place for place, value in enumerate(steps) if value >= high)
    return steps[first : max(last, first + 1) + 1]


def _named(milliseconds: float) -> str:
    return f"{milliseconds:g} ms" if milliseconds < 1000 else f"{milliseconds / 1000:g} s"


def _panel(panel: Panel, curves: Mapping[str, list[Point]], at: tuple[int, int]) -> str:
    left, top = at
    points = [point for curve in curves.values() for point in curve]
    across = sorted({point[0] for point in points})
    decades = math.log(across[-1] / across[0]) or 1.0
    up = _ticks(min(p[2] for p in points), max(p[3] for p in points))

    def x(value: float) -> float:
        return left + _WIDE * math.log(value / across[0]) / decades

    def y(value: float) -> float:
        return top + _HIGH * (1 - math.log(value / up[0]) / math.log(up[-1] / up[0]))

    parts = [f'<text x="{left}" y="{top - 16}" font-weight="bold">{escape(panel.title)}</text>\n']
    for value in up:
        parts.append(
            f'<line x1="{left}" x2="{left + _WIDE}" y1="{y(value):.1f}" y2="{y(value):.1f}" '
            f'stroke="#ddd"/>\n<text x="{left - 6}" y="{y(value) + 4:.1f}" '
            f'text-anchor="end">{_named(value)}</text>\n'
        )
    for value in across:
        parts.append(
            f'<line x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{top}" y2="{top + _HIGH}" '
            f'stroke="#eee"/>\n<text x="{x(value):.1f}" y="{top + _HIGH + 16}" '
            f'text-anchor="middle">{value:.3g}</text>\n'
        )
    parts.append(
        f'<text x="{left + _WIDE}" y="{top + _HIGH + 32}" text-anchor="end" '
        f'fill="#666">{escape(panel.across)}</text>\n'
    )
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        ordered = sorted(curve)
        line = " ".join(f"{x(p[0]):.1f},{y(p[1]):.1f}" for p in ordered)
        band = [f"{x(p[0]):.1f},{y(p[2]):.1f}" for p in ordered]
        band += [f"{x(p[0]):.1f},{y(p[3]):.1f}" for p in reversed(ordered)]
        parts.append(
            f'<polygon points="{" ".join(band)}" fill="{colour}" opacity="0.15"/>\n'
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.8"/>\n'
        )
        parts += [
            f'<circle cx="{x(p[0]):.1f}" cy="{y(p[1]):.1f}" r="2.6" fill="{colour}"/>\n'
            for p in ordered
        ]
        parts.append(
            f'<text x="{left}" y="{top + _HIGH + 32 + 16 * number}" fill="{colour}">'
            f"{escape(name)}</text>\n"
        )
    return "".join(parts)


def main(arguments: list[str] | None = None) -> None:
    """The command ``python benchmarks/performance_picture.py``."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("report", type=Path, help="what refseg bench --json printed")
    made.add_argument("--out", type=Path, default=Path("docs/performance_curves.svg"))
    options = made.parse_args(arguments)
    try:
        picture = draw(json.loads(options.report.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError) as error:
        made.exit(1, f"{made.prog}: error: {options.report}: {error}\n")
    options.out.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
