# SPDX-License-Identifier: Apache-2.0
"""What the bundled models are meant to reach on RefTabletop, and what they do reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from refseg_lab.evaluation.bootstrap import Figure
from refseg_lab.evaluation.summary import Summary
from refseg_lab.evaluation.timing import Cost

Pick = Callable[[Summary], Figure | None]


@dataclass(frozen=True)
class Target:
    """A figure and its target.

    Attributes:
        name: What is measured.
        split: Where; empty for what belongs to no split.
        unit: ``%`` (of a share), ``ms``, ``s``, ``MB``, or empty.
        threshold: In the figure's own unit: shares in [0, 1], seconds, bytes. None: reported
            beside the others, nothing is asked.
        at_least: Whether the figure must be at least the threshold; else at most.
        figure: What was measured; None if it was not.
    """

    name: str
    split: str
    unit: str
    threshold: float | None
    at_least: bool
    figure: Figure | None

    @property
    def reached(self) -> bool | None:
        """Whether the estimate itself meets the threshold; None without one or the other."""
        if self.threshold is None or self.figure is None or self.figure.value is None:
            return None
        if self.at_least:
            return self.figure.value >= self.threshold
        return self.figure.value <= self.threshold

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "split": self.split,
            "unit": self.unit,
            "threshold": self.threshold,
            "at_least": self.at_least,
            "figure": self.figure.as_json() if self.figure else None,
            "reached": self.reached,
        }


def _of_total(name: str) -> Pick:
    return lambda summary: summary.total.figures[name] if summary.total else None


def _of_absent(summary: Summary) -> Figure | None:
    row = summary.row("absent")
    return row.figures["refused_right"] if row else None


def _of_refusal(name: str) -> Pick:
    return lambda summary: summary.refusal[name]


def _of_proposals(name: str) -> Pick:
    return lambda summary: summary.proposals[name]


def _of_component(name: str) -> Pick:
    return lambda summary: summary.components.get(name)


_MAIN: tuple[tuple[str, str, float, bool, Pick], ...] = (
    ("objects with a proposal of IoU ≥ 0.75", "%", 0.95, True, _of_proposals("well_covered")),
    ("mean best IoU per object", "", 0.88, True, _of_proposals("mean_best")),
    ("proposals per object", "", 2.5, False, _of_proposals("per_object")),
    ("right crop for “a COLOUR CATEGORY”", "%", 0.97, True, _of_component("crop_retrieval")),
    ("caption names colour and category", "%", 0.92, True, _of_component("caption_accuracy")),
    ("whole method, Pr@50", "%", 0.85, True, _of_total("pr50")),
    ("whole method, mIoU", "", 0.78, True, _of_total("miou")),
    ("false accepts, of absent objects", "%", 0.10, False, _of_refusal("false_accepts")),
    ("false rejects, of present objects", "%", 0.05, False, _of_refusal("false_rejects")),
)


def targets(summaries: Mapping[str, Summary], cost: Cost | None) -> list[Target]:
    """The table of targets, for whatever was measured.

    Args:
        summaries: By split. Targets of ``test`` are compared with ``slice`` when only that was
            measured; the split is named in every row.
        cost: Cost of an answer; None if it was not timed.
    """
    split = next((name for name in ("test", "slice") if name in summaries), "test")
    main = summaries.get(split)
    rows = [
        Target(name, split, unit, threshold, at_least, pick(main) if main else None)
        for name, unit, threshold, at_least, pick in _MAIN
    ]
    rows.append(
        Target(
            "absent objects refused", split, "%", None, True, _of_absent(main) if main else None
        )
    )
    for name, threshold in (("test_compose", 0.80), ("test_shift", None)):
        shifted = summaries.get(name)
        figure = _of_total("pr50")(shifted) if shifted else None
        rows.append(Target("whole method, Pr@50", name, "%", threshold, True, figure))
    return rows + _costs(cost)


def _costs(cost: Cost | None) -> list[Target]:
    answer = loading = size = extra = None
    name = "observe + first select"
    if cost is not None:
        height, width = cost.size
        if cost.seconds:
            name = f"{name}, {width}×{height}, {cost.threads} threads"
        answer, loading = cost.answer, Figure(cost.load_seconds)
        size, extra = Figure(float(cost.bundled_bytes)), Figure(float(cost.diffusion_bytes))
    return [
        Target(name, "", "ms", 0.6, False, answer),
        Target("networks loaded", "", "s", 2.0, False, loading),
        Target("bundled files", "", "MB", 25e6, False, size),
        Target("those of ref_diff besides", "", "MB", 15e6, False, extra),
    ]
