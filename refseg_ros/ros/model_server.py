# SPDX-License-Identifier: Apache-2.0
"""Several cameras on one set of models: a node ``refseg`` in each namespace, in one process.

``ros2 run refseg_ros model_server front rear`` loads the models once and answers
``/front/command`` about ``/front/image`` and ``/rear/command`` about ``/rear/image``. Each node is
what ``segmenter_node`` runs, with its own parameters, life cycle and diagnostics; they take turns
at the models.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence

from rclpy.utilities import remove_ros_args

from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import ConfigError
from refseg_ros.ros.process import run_all
from refseg_ros.ros.segmenter_node import NAME, SegmenterNode, load_segmenter
from refseg_ros.ros.sharing import SharedModels
from refseg_ros.segmenter import Segmenter


def make_nodes(
    namespaces: Sequence[str],
    load: Callable[[SegmenterConfig, str], Segmenter] = load_segmenter,
) -> Iterator[SegmenterNode]:
    """Make a segmenter node in each namespace, all on the same models.

    Args:
        namespaces: Relative to the root, such as ``front`` or ``/robot/front``.
        load: Makes the segmenter of a configuration and a device.

    Raises:
        ConfigError: A namespace is not a ROS name, or two nodes would have the same name.
    """
    models = SharedModels(load)
    names: set[str] = set()
    for namespace in namespaces:
        node = SegmenterNode(models, turn=models.turn, namespace=namespace)
        name = node.get_fully_qualified_name()
        yield node
        if name in names:
            raise ConfigError(
                f"namespaces: two nodes would be {name}; give different ones, with the robot's "
                "namespace in front (/robot/front) instead of remapping __ns"
            )
        names.add(name)


def _namespaces(args: Sequence[str]) -> list[str]:
    parser = argparse.ArgumentParser(prog="model_server", description=__doc__)
    parser.add_argument("namespaces", nargs="+", metavar="NAMESPACE", help="of a camera")
    given: list[str] = parser.parse_args(args).namespaces
    return given


def main(args: Sequence[str] | None = None) -> None:
    """Run the nodes until a signal; exits with 0, 1 without models, or 2 for wrong arguments."""
    args = sys.argv if args is None else [NAME, *args]
    # Not before ROS has read its own arguments, which may be wrong.
    run_all(NAME, lambda: make_nodes(_namespaces(remove_ros_args(args)[1:])), args)


if __name__ == "__main__":
    main()
