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
        f"How to match candidates: {', '.join(METHODS)}; empty uses the preset's own method.",
    ),
    Rule("device", "auto", "Where the models run: auto, cpu, cuda or cuda:N."),
    Rule(
        "mode",
        "on_command",
        "When to look. on_command: when asked something. continuous: also whenever the view has "
        "changed, to answer the last command again. on_service: only for calls of the service "
        "and the action; a command by topic gets ERROR.",
        choices=("on_command", "continuous", "on_service"),
        dynamic=True,
    ),
    Rule(
        "track",
        False,
        "Whether to follow the target of an answer: publish its mask and result for every image "
        "the node can keep up with, until it is cleared or another command is answered. Takes "
        "most of a CPU core.",
        dynamic=True,
    ),
    Rule(
        "anytime",
        False,
        "Whether to answer a command on a new view twice: at once from the candidates' looks "
        "and positions (is_final false), and again as soon as their captions are ready.",
        dynamic=True,
    ),
    Rule("command", "", "First command; empty for none. Later ones come by topic."),
    Rule(
        "autostart",
        True,
        "Whether the node configures and activates itself. If false, it waits for a manager or "
        "`ros2 lifecycle set`, and says so in /diagnostics.",
    ),
    Rule(
        "image_transport",
        "raw",
        "Type of the image topic: sensor_msgs/Image (raw) or CompressedImage (compressed).",
        choices=("raw", "compressed"),
    ),
    Rule(
        "image_reliability",
        "best_effort",
        "Reliability of the image, depth and camera_info subscriptions. best_effort works with "
        "every camera but can lose large images; reliable needs a reliable publisher.",
        choices=tuple(RELIABILITIES),
    ),
    Rule(
        "image_timeout",
        10.0,
        "Maximum age in seconds of the image to answer about, and how long a command waits for "
        "one before it gets ERROR; 0 accepts an image of any age.",
        low=0.0,
        high=3600.0,
        dynamic=True,
    ),
    Rule(
        "max_megapixels",
        16.0,
        "Largest image, in million pixels; a larger one gets ERROR. Memory and time grow with "
        "size.",
        low=0.01,
        high=1000.0,
        dynamic=True,
    ),
    Rule(
        "detections",
        "off",
        "Where masks come from. off: the preset's networks. boxes: your own detector, by "
        "vision_msgs/Detection2DArray on the topic detections. masks: also a label image on "
        "detection_labels. An image waits for the detections that carry its stamp.",
        choices=SOURCES,
    ),
    Rule(
        "keyframe_change",
        6.0,
        "Smallest change of view to observe again, in grey levels (0 to 255): the mean of "
        "some cell of a 32x24 grid must differ by more from the observed frame.",
        low=0.0,
        high=255.0,
        dynamic=True,
    ),
    Rule(
        "keyframe_period",
        0.0,
        "In continuous mode, observe an unchanged view again after this many seconds; 0 for "
        "never.",
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
        "Whether the image is rectified. distorted: compute positions with K and D of "
        "camera_info. rectified: with its P, whatever D is. auto: rectified if the image "
        "topic's name says so (image_rect).",
        choices=("auto", "rectified", "distorted"),
    ),
    Rule(
        "reference_frame",
        "",
        "tf frame that left, right, front and back refer to, such as base_link (x forward, y "
        "left, z up from the table); needs camera_info and tf2_ros. Empty: the camera's.",
        dynamic=True,
    ),
    Rule(
        "target_frame",
        "",
        "tf frame for the poses on ~/target and in results, such as base_link; needs tf2_ros. "
        "Empty: the camera's optical frame.",
        dynamic=True,
    ),
    Rule(
        "service_timeout",
        60.0,
        "Seconds until a call of ~/segment without an answer ends with an error.",
        low=0.1,
        high=3600.0,
        dynamic=True,
    ),
)
"""Parameters of the node ``refseg``."""
