# SPDX-License-Identifier: Apache-2.0
"""Another process on the graph of the fault harness: a camera, a listener or a crowd.

Run: ``python other.py ROLE NAMESPACE``
"""

from __future__ import annotations

import sys

import numpy as np
import rclpy
from rclpy.node import Node
from refseg_ros.msg import Segmentation
from sensor_msgs.msg import CompressedImage, Image

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import to_image


def camera(node: Node) -> None:
    """Send a scene ten times a second."""
    publisher = node.create_publisher(Image, "image", qos.CAMERA)
    pixels = np.asarray(bundled_scenes()[0].frame.rgb)

    def send() -> None:
        message = to_image(pixels, "rgb8", Image().header)
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)

    node.create_timer(0.1, send)


def listener(node: Node) -> None:
    """Subscribe to every image of the segmenter and to its results."""
    for name in ("mask", "label_image", "overlay"):
        node.create_subscription(Image, f"refseg/{name}", lambda _: None, qos.RESULT)
    node.create_subscription(Segmentation, "refseg/result", lambda _: None, qos.ANSWER)


def crowd(node: Node) -> None:
    """Be called as the segmenter, send images beside the camera, and other types elsewhere."""
    node.create_publisher(Image, "image", qos.CAMERA)
    for topic in ("depth", "camera_info", "command"):
        node.create_publisher(CompressedImage, topic, qos.CAMERA)


def main(role: str, namespace: str) -> None:
    rclpy.init()
    node = Node("refseg" if role == "crowd" else role, namespace=namespace)
    {"camera": camera, "listener": listener, "crowd": crowd}[role](node)
    rclpy.spin(node)


if __name__ == "__main__":
    main(*sys.argv[1:])
