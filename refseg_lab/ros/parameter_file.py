# SPDX-License-Identifier: Apache-2.0
"""Prints ``config/refseg.yaml``: ``python -m refseg_lab.ros.parameter_file > config/refseg.yaml``.

One file serves the robot's nodes and the lab's cameras; each node has its table beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from refseg_lab.ros.camera_node import CAMERA_PARAMETERS
from refseg_lab.ros.picture_node import PICTURE_PARAMETERS
from refseg_ros.ros.parameters import Rule, yaml_text
from refseg_ros.ros.segmenter_parameters import SEGMENTER_PARAMETERS
from refseg_ros.ros.viewer_node import VIEWER_PARAMETERS

TABLES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "refseg": SEGMENTER_PARAMETERS,
    "tabletop_camera": CAMERA_PARAMETERS,
    "picture_camera": PICTURE_PARAMETERS,
    "refseg_viewer": VIEWER_PARAMETERS,
}
"""Node name to its parameters."""


if __name__ == "__main__":
    print(yaml_text(TABLES), end="")
