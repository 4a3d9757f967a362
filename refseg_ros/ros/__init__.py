# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 boundary: nodes, conversions and parameters; only here is rclpy imported."""
