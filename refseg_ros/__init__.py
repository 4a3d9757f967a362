# SPDX-License-Identifier: Apache-2.0
"""Referring image segmentation for ROS 2: an image and a sentence in, an instance mask out.

The names below are loaded when they are first used, so that importing the package costs nothing:

    from refseg_ros import Segmenter

    segmenter = Segmenter.from_preset("tabletop")
    selection = segmenter.observe(image).select("the red mug left of the book")
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refseg_ros.dialogue import Conversation
    from refseg_ros.results import Candidate, Proposals, Selection, Status
    from refseg_ros.scene import Scene
    from refseg_ros.segmenter import Segmenter
    from refseg_ros.spatial.viewpoint import Viewpoint

# The generated refseg_ros.msg and refseg_ros.srv may be installed elsewhere than this folder
# (a colcon workspace or the environment, beside a source checkout): search all of them.
__path__ = pkgutil.extend_path(__path__, __name__)

__version__ = "0.1.0"

__all__ = [
    "Candidate",
    "Conversation",
    "Proposals",
    "Scene",
    "Segmenter",
    "Selection",
    "Status",
    "Viewpoint",
    "__version__",
]

_HOME = {
    "Candidate": "refseg_ros.results",
    "Conversation": "refseg_ros.dialogue",
    "Proposals": "refseg_ros.results",
    "Scene": "refseg_ros.scene",
    "Segmenter": "refseg_ros.segmenter",
    "Selection": "refseg_ros.results",
    "Status": "refseg_ros.results",
    "Viewpoint": "refseg_ros.spatial.viewpoint",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the lazily loaded names too."""
    return sorted({*globals(), *__all__})
