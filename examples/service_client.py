# SPDX-License-Identifier: Apache-2.0
"""Calls ~/segment of a running node: one image and one sentence to one answer.

ros2 launch refseg_ros refseg.launch.py
python examples/service_client.py [--ros-args -r __ns:=/NAMESPACE]
"""

from __future__ import annotations

import rclpy
from refseg_ros.srv import Segment
from std_msgs.msg import Header

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros.ros.conversions import to_image


def main() -> None:
    """Send a bundled scene; an image without pixels would mean the newest on the topic."""
    rclpy.init()
    node = rclpy.create_node("service_client")
    client = node.create_client(Segment, "refseg/segment")
    print("waiting for refseg/segment")
    client.wait_for_service()
    image = to_image(bundled_scenes()[5].frame.rgb, "rgb8", Header(frame_id="camera"))
    future = client.call_async(Segment.Request(image=image, expression="the green teapot"))
    rclpy.spin_until_future_complete(node, future)
    response = future.result()
    print(f"success {response.success}: {response.message}")
    print(f"score {response.result.score:.2f}, {response.result.area} pixels")
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
