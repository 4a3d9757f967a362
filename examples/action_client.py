# SPDX-License-Identifier: Apache-2.0
"""Sends a goal to ~/segment_expression of a running node, and prints each stage on the way.

ros2 launch refseg_ros refseg.launch.py
python examples/action_client.py [--ros-args -r __ns:=/NAMESPACE]
"""

from __future__ import annotations

import rclpy
from rclpy.action import ActionClient
from refseg_ros.action import SegmentExpression
from std_msgs.msg import Header

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros.ros.conversions import to_image


def main() -> None:
    """Send a goal and wait; goal.cancel_goal_async() would end it at any stage."""
    rclpy.init()
    node = rclpy.create_node("action_client")
    client = ActionClient(node, SegmentExpression, "refseg/segment_expression")
    client.wait_for_server()
    image = to_image(bundled_scenes()[5].frame.rgb, "rgb8", Header(frame_id="camera"))
    wanted = SegmentExpression.Goal(image=image, expression="the green teapot")
    sent = client.send_goal_async(wanted, lambda news: print(f"stage {news.feedback.stage}"))
    rclpy.spin_until_future_complete(node, sent)
    future = sent.result().get_result_async()
    rclpy.spin_until_future_complete(node, future)
    result = future.result().result
    print(f"success {result.success}: {result.message}")
    client.destroy()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
