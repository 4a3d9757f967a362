# SPDX-License-Identifier: Apache-2.0
"""Draws the curves of a training as SVG, from the log next to its checkpoint."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from html import escape
from pathlib import Path

from refseg_lab.training.common import LOG, RUNS, command
from refseg_ros.errors import WeightsError

_WIDE, _HIGH, _MARGIN = 420, 200, 46
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2")
_BESIDES = ("step", "minutes", "rate")

Curve = list[tuple[float, float]]
"""Points of minutes and value."""


def read_curves(run: Path) -> dict[str, Curve]:
    """The loss and all figures over the minutes of a training.

    Args:
        run: Folder of its checkpoint.

    Raises:
        WeightsError: It has no log, or the log is damaged.
    """
    curves: dict[str, Curve] = defaultdict(list)
    try:
        for line in (run / LOG).read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            for name in record.keys() - set(_BESIDES):
                curves[name].append((float(record["minutes"]), float(record[name])))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise WeightsError(f"{run / LOG} holds no curves ({error!r}); train first") from error
    return dict(curves)


def draw(curves: dict[str, Curve]) -> str:
    """An SVG picture: a panel for the loss, one for shares, and one for any other figures.

    Args:
        curves: Name to points; a curve whose values all lie in [0, 1] is a share.
    """
    panels: dict[str, dict[str, Curve]] = defaultdict(dict)
    for name, curve in curves.items():
        share = all(0 <= value <= 1 for _, value in curve)
        kind = "loss" if name == "loss" else "shares" if share else "figures"
        panels[kind][name] = curve
    drawn = [
        _panel(title, panels[title], left=number * (_WIDE + 2 * _MARGIN))
        for number, title in enumerate(sorted(panels))
    ]
    width = len(drawn) * (_WIDE + 2 * _MARGIN)
    height = _HIGH + 2 * _MARGIN + 16 * max(map(len, panels.values()), default=0)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n' + "".join(drawn) + "</svg>\n"
    )


def _panel(title: str, curves: dict[str, Curve], left: int) -> str:
    points = [point for curve in curves.values() for point in curve]
    longest = max(minutes for minutes, _ in points) or 1.0
    highest = 1.0 if title == "shares" else max(value for _, value in points) or 1.0
    x0, y0 = left + _MARGIN, _MARGIN

    def place(minutes: float, value: float) -> str:
        across, up = minutes / longest, min(max(value / highest, 0.0), 1.0)
        return f"{x0 + across * _WIDE:.1f},{y0 + (1 - up) * _HIGH:.1f}"

    parts = [f'<text x="{x0}" y="{y0 - 14}" font-weight="bold">{title}</text>\n']
    for quarter in range(5):
        y = y0 + (1 - quarter / 4) * _HIGH
        label = f"{highest * quarter / 4:.3g}"
        parts.append(
            f'<line x1="{x0}" x2="{x0 + _WIDE}" y1="{y}" y2="{y}" stroke="#ddd"/>\n'
            f'<text x="{x0 - 6}" y="{y + 4}" text-anchor="end">{label}</text>\n'
            f'<text x="{x0 + quarter * _WIDE / 4}" y="{y0 + _HIGH + 16}" text-anchor="middle">'
            f"{longest * quarter / 4:.3g}{' min' if quarter == 4 else ''}</text>\n"
        )
    for number, (name, curve) in enumerate(sorted(curves.items())):
        colour = _COLOURS[number % len(_COLOURS)]
        line = " ".join(place(*point) for point in curve)
        y = y0 + _HIGH + 38 + 16 * number
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>\n'
            f'<text x="{x0}" y="{y}" fill="{colour}">{escape(name)}: {curve[-1][1]:.3g}</text>\n'
        )
    return "".join(parts)


def main(arguments: list[str] | None = None) -> None:
    """The command ``python -m refseg_lab.training.curves``."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("models", nargs="+", help="training folders in --runs: sam, clip, …")
    made.add_argument("--runs", type=Path, default=RUNS, help="folder that contains the trainings")
    made.add_argument("--out", type=Path, default=Path("docs"), help="folder for NAME_curves.svg")
    options = made.parse_args(arguments)

    def run() -> None:
        for name in options.models:
            picture = draw(read_curves(options.runs / name))
            (options.out / f"{name}_curves.svg").write_text(picture, encoding="utf-8")

    command(run)


if __name__ == "__main__":
    main()
