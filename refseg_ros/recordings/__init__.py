# SPDX-License-Identifier: Apache-2.0
"""Recordings of ROS 2 in and out, through the rosbags library and without ROS."""

from refseg_ros.recordings.segmenting import BagTask, segment_recording

__all__ = ["BagTask", "segment_recording"]
