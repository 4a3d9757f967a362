# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node ``refseg``."""

from __future__ import annotations

from refseg_ros.methods.catalogue import METHODS
from refseg_ros.ros.detections import SOURCES
from refseg_ros.ros.parameters import Rule
from refseg_ros.ros.qos import RELIABILITIES

SEGMENTER_PARAMETERS = (
    Rule(
        "preset",
        "tabletop",
        "Models and settings: tabletop (bundled), paper, or the path of a .yaml file.",
    ),
    Rule(
        "method",
        "",
        f"How candidates are matched: {', '.join(METHODS)}; empty is the preset's own way.",
    ),
    Rule("device", "auto", "Where the models run: auto, cpu, cuda or cuda:N."),
    Rule(
        "mode",
        "on_command",
        "When to look: on_command looks when something is asked; continuous also whenever the "
        "view has changed, and answers the last command again; on_service only for calls of the "
        "service and the action: a command by topic is answered with ERROR.",
        choices=("on_command", "continuous", "on_service"),
        dynamic=True,
    ),
    Rule(
        "track",
        False,
        "Whether the target of an answer is followed: mask and result of every image that can be "
        "kept up with, until it is cleared or another command is answered; takes most of a CPU "
        "core.",
        dynamic=True,
    ),
    Rule(
        "anytime",
        False,
        "Whether a command on a new view is answered twice: at once from how candidates look and "
        "lie (is_final false), and with their captions as soon as those are made.",
        dynamic=True,
    ),
    Rule("command", "", "A command to begin with; empty is none. Later ones come by topic."),
    Rule(
        "autostart",
        True,
        "Whether the node configures and activates itself. With false it waits for a manager or "
        "`ros2 lifecycle set`, and says so in /diagnostics.",
    ),
    Rule(
        "image_transport",
        "raw",
        "Type of the image topic: raw is sensor_msgs/Image, compressed is CompressedImage.",
        choices=("raw", "compressed"),
    ),
    Rule(
        "image_reliability",
        "best_effort",
        "Reliability of the image, depth and camera_info subscriptions. best_effort goes with "
        "every camera but can lose large images; reliable needs a reliable publisher.",
        choices=tuple(RELIABILITIES),
    ),
    Rule(
        "image_timeout",
        10.0,
        "Seconds after which the newest image is too old to answer about, and after which a "
        "command that waits for one is answered with ERROR; 0 takes an image of any age.",
        low=0.0,
        high=3600.0,
        dynamic=True,
    ),
    Rule(
        "max_megapixels",
        16.0,
        "Images with more million pixels are refused with ERROR; memory and time grow with them.",
        low=0.01,
        high=1000.0,
        dynamic=True,
    ),
    Rule(
        "detections",
        "off",
        "Where masks come from: off is the preset's networks; boxes is a detector of yours, by "
        "vision_msgs/Detection2DArray on the topic detections; masks takes besides them a label "
        "image on detection_labels. An image waits for what carries its stamp.",
        choices=SOURCES,
    ),
    Rule(
        "keyframe_change",
        6.0,
        "Change of view in grey levels (0 to 255): a frame is observed anew if the mean of any "
        "cell of a 32x24 grid differs by more from the observed frame.",
        low=0.0,
        high=255.0,
        dynamic=True,
    ),
    Rule(
        "keyframe_period",
        0.0,
        "In continuous mode, seconds after which an unchanged view is observed again; 0 is never.",
        low=0.0,
        high=86400.0,
        dynamic=True,
    ),
    Rule(
        "depth_slop",
        0.05,
        "Largest difference in seconds between the stamps of an image and its depth image.",
        low=0.0,
        high=10.0,
        dynamic=True,
    ),
    Rule(
        "image_geometry",
        "auto",
        "Whether the image is rectified. distorted: positions are found by K and D of "
        "camera_info; rectified: by its P, whatever D is. auto: rectified if the image topic's "
        "name says so (image_rect).",
        choices=("auto", "rectified", "distorted"),
    ),
    Rule(
        "reference_frame",
        "",
        "tf frame whose left, right, front and back commands mean, such as base_link (x forward, "
        "y left, z up from the table); needs camera_info and tf2_ros. Empty: the camera's.",
        dynamic=True,
    ),
    Rule(
        "target_frame",
        "",
        "tf frame of the poses on ~/target and in results, such as base_link; needs tf2_ros. "
        "Empty: the camera's optical frame.",
        dynamic=True,
    ),
    Rule(
        "service_timeout",
        60.0,
        "Seconds after which a call of ~/segment that has no answer yet ends with an error.",
        low=0.1,
        high=3600.0,
        dynamic=True,
    ),
)
"""Parameters of the node ``refseg``."""
