# SPDX-License-Identifier: Apache-2.0
"""Prints ``config/refseg.yaml``: ``python -m refseg_lab.ros.parameter_file > config/refseg.yaml``.

One file serves the robot's nodes and the lab's cameras; each node has its table beside it, from
which the page of parameters is written too.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Final

from refseg_lab.ros.camera_node import CAMERA_PARAMETERS
from refseg_lab.ros.picture_node import PICTURE_PARAMETERS
from refseg_ros.ros.parameters import Rule
from refseg_ros.ros.segmenter_parameters import SEGMENTER_PARAMETERS
from refseg_ros.ros.viewer_node import VIEWER_PARAMETERS

TABLES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "refseg": SEGMENTER_PARAMETERS,
    "tabletop_camera": CAMERA_PARAMETERS,
    "picture_camera": PICTURE_PARAMETERS,
    "refseg_viewer": VIEWER_PARAMETERS,
}
"""Node name to its parameters."""


def yaml_text(tables: Mapping[str, Iterable[Rule]]) -> str:
    """The text of ``config/refseg.yaml``: every parameter, its default and what it means.

    Args:
        tables: Node name to its parameters.
    """
    lines = [
        "# Parameters of the nodes with their defaults, as the table beside each node declares",
        "# them. Those marked (live) may be changed while the node runs.",
    ]
    for node, table in tables.items():
        lines += [f"/**/{node}:", "  ros__parameters:"]
        for rule in table:
            live = " (live)" if rule.dynamic else ""
            allowed = f" [{rule.allowed}]" if rule.allowed else ""
            text = f"{rule.description}{allowed}{live}"
            lines += [f"    # {line}" for line in textwrap.wrap(text, 90)]
            lines.append(f"    {rule.name}: {_default(rule)}")
    return "\n".join(lines) + "\n"


def markdown_text(table: Iterable[Rule]) -> str:
    """A table of parameters as the README shows it."""
    lines = ["| name | default | allowed | live | what |", "|---|---|---|---|---|"]
    for rule in table:
        allowed = rule.allowed.replace("|", "\\|") or "any"
        live = "yes" if rule.dynamic else "no"
        lines.append(
            f"| `{rule.name}` | {_default(rule)} | {allowed} | {live} | {rule.description} |"
        )
    return "\n".join(lines) + "\n"


def _default(rule: Rule) -> str:
    """The default as YAML writes it."""
    if isinstance(rule.default, str):
        return f'"{rule.default}"'
    return str(rule.default).lower() if isinstance(rule.default, bool) else str(rule.default)


if __name__ == "__main__":
    print(yaml_text(TABLES), end="")
