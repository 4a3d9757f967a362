# SPDX-License-Identifier: Apache-2.0
"""A calibrated preset as a file, and what calibrating found as a table."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import yaml
from rich import box
from rich.table import Table

from refseg_lab.calibration.fitting import Calibrated
from refseg_lab.evaluation.bootstrap import Figure
from refseg_lab.evaluation.refusal import MOST_REJECTS
from refseg_ros.config import SegmenterConfig


def as_preset(config: SegmenterConfig) -> str:
    """A configuration as YAML: the name, and the fields that differ from the defaults.

    :meth:`SegmenterConfig.from_yaml` reads it back as the same configuration.
    """
    values = {"name": config.name, **_changed(config, SegmenterConfig())}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=95)


def _changed(config: Any, default: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in dataclasses.fields(config):
        value, usual = getattr(config, item.name), getattr(default, item.name)
        if dataclasses.is_dataclass(value):
            if part := _changed(value, usual):
                found[item.name] = part
        elif value != usual:
            found[item.name] = list(value) if isinstance(value, tuple) else value
    return found


def preset_text(found: Calibrated, folder: Path, output: Path) -> str:
    """The calibrated preset as a file that says what it was fitted to.

    Args:
        found: What was fitted.
        folder: Of the labelled sentences.
        output: The file; the preset is named after it.
    """
    preset = found.config.name
    sample = (
        f"{found.present} + {found.absent} sentences about {found.pictures} pictures of "
        f"{folder.resolve().name}"
    )
    config = dataclasses.replace(
        found.config, name=output.stem, description=f"{preset}, calibrated on {sample}"
    )
    shares = ", ".join(f"{name} {_percent(figure)}" for name, figure in found.figures.items())
    comment = (
        f"The preset {preset}, fitted by `refseg calibrate` to {sample}",
        f"(things that are there + absent ones), with the networks {config.networks}.",
        "Asked about pictures left out of the fit, in % with 95 % intervals over pictures:",
        shares + ".",
    )
    return "".join(f"# {line}\n" for line in comment) + as_preset(config)


def as_tables(found: Calibrated, most_accepts: float) -> tuple[Table, Table]:
    """What was fitted, and how it does on pictures that it was not fitted to.

    Args:
        found: What was fitted.
        most_accepts: The share of false accepts that was asked for.
    """
    score, decision, limit = found.config.score, found.config.decision, found.min_match
    values = Table("fitted", "value", box=box.SIMPLE_HEAD, pad_edge=False)
    values.add_row(
        "decision.min_match",
        f"{decision.min_match:g} logits (95 % interval {limit.low:.2f} to {limit.high:.2f})",
    )
    values.add_row("decision.min_margin", f"{decision.min_margin:g}")
    line = f"logit score = {decision.score_slope:g} · logit share {decision.score_offset:+g}"
    values.add_row("decision.score_slope, _offset", line)
    values.add_row("score.temperature", f"{score.temperature:g}")
    goals = {"false accepts": most_accepts, "false rejects": MOST_REJECTS}
    shares = Table(
        "on pictures left out", "% (95 % interval)", "goal", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for name, figure in found.figures.items():
        goal = f"at most {100 * goals[name]:g}" if name in goals else ""
        shares.add_row(name, _percent(figure), goal)
    return values, shares


def _percent(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "–"
    low, high = math.floor(100 * figure.low), math.ceil(100 * figure.high)
    return f"{100 * figure.value:.0f} ({low}–{high})"
