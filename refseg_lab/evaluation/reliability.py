# SPDX-License-Identifier: Apache-2.0
"""The reliability diagram of scores, as SVG for a page."""

from __future__ import annotations

from refseg_lab.evaluation.calibration import Bin, Calibration

STYLE = """
svg.reliability { width: 360px; max-width: 100%; height: auto; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; font-size: 11px; }
.reliability text { fill: var(--quiet); } .reliability .axis { stroke: var(--line); }
.reliability .even { stroke: var(--quiet); stroke-dasharray: 4 4; }
.reliability .share { fill: var(--good); fill-opacity: .55; stroke: var(--good); }
.reliability .mean { stroke: var(--ink); stroke-width: 2; }
.reliability .count { fill: var(--quiet); fill-opacity: .5; }
"""
"""CSS for a page that shows the diagram in the page's own colours."""
_SIDE, _LEFT, _TOP, _BELOW, _GAP = 260, 52, 14, 54, 34  # pixels


def reliability_diagram(calibration: Calibration) -> str:
    """Share of right answers by score, one bar a bin, over how many answers each bin has.

    The line across a bar is the mean score of its answers: where it is above the bar, the scores
    promise too much. Bars on the dashed line are probabilities.

    Args:
        calibration: With its bins.

    Returns:
        An ``<svg>`` element; empty bins have no bar.
    """
    most = max((item.n for item in calibration.bins), default=0)
    drawn = "".join(_bar(item, most) for item in calibration.bins if item.n)
    width, height = _LEFT + _SIDE + 18, _TOP + _SIDE + _GAP + _BELOW + 10
    floor = _TOP + _SIDE
    ticks = "".join(_tick(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    return (
        f'<svg class="reliability" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="reliability diagram, {calibration.n} answers">{ticks}'
        f'<line class="even" x1="{_LEFT}" y1="{floor}" x2="{_LEFT + _SIDE}" y2="{_TOP}"/>{drawn}'
        f'<text x="{_LEFT + _SIDE / 2}" y="{floor + 28}" text-anchor="middle">score</text>'
        f'<text transform="translate(14 {_TOP + _SIDE / 2}) rotate(-90)" text-anchor="middle">'
        "share right</text>"
        f'<text transform="translate(14 {floor + _GAP + _BELOW / 2}) rotate(-90)" '
        'text-anchor="middle">answers</text>'
        f'<text x="{_LEFT - 6}" y="{floor + _GAP + 9}" text-anchor="end">{most}</text></svg>'
    )


def _tick(share: float) -> str:
    x, y, floor = _LEFT + _SIDE * share, _TOP + _SIDE * (1 - share), _TOP + _SIDE
    return (
        f'<line class="axis" x1="{_LEFT}" y1="{y:.1f}" x2="{_LEFT + _SIDE}" y2="{y:.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:g}</text>'
        f'<text x="{x:.1f}" y="{floor + 14}" text-anchor="middle">{share:g}</text>'
    )


def _bar(item: Bin, most: int) -> str:
    x, width = _LEFT + _SIDE * item.low, _SIDE * (item.high - item.low)
    height, mean = _SIDE * item.right, _TOP + _SIDE * (1 - item.score)
    count = _BELOW * item.n / most
    bottom = _TOP + _SIDE + _GAP + _BELOW
    return (
        f'<rect class="share" x="{x:.1f}" y="{_TOP + _SIDE - height:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}"><title>score {item.score:.2f}, right {item.right:.2f}, '
        f"n = {item.n}</title></rect>"
        f'<line class="mean" x1="{x:.1f}" y1="{mean:.1f}" x2="{x + width:.1f}" y2="{mean:.1f}"/>'
        f'<rect class="count" x="{x:.1f}" y="{bottom - count:.1f}" width="{width:.1f}" '
        f'height="{count:.1f}"/>'
    )
