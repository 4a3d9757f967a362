# SPDX-License-Identifier: Apache-2.0
"""Start the segmenter on a robot's camera, and RViz on its results if asked.

ros2 launch refseg_ros refseg.launch.py image:=/camera/color/image_raw use_rviz:=true
ros2 launch refseg_ros refseg.launch.py webcam:=0 preset:=edge
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare

INPUTS = ("image", "command", "depth", "camera_info")
DETECTED = ("detections", "detection_labels")
PICTURES = ("photo", "webcam")
TEXTS = (
    "preset",
    "method",
    "device",
    "mode",
    "reference_frame",
    "target_frame",
    "image_transport",
    "image_reliability",
)
FLAGS = ("autostart", "track", "anytime")
BOOLEANS = ["true", "false", "True", "False", "TRUE", "FALSE"]
RESPAWN_SECONDS = 2.0


def arguments() -> list[DeclareLaunchArgument]:
    """Every argument, with what it means."""
    share = FindPackageShare("refseg_ros")
    return [
        DeclareLaunchArgument(
            "preset",
            default_value="",
            description="Models and settings: tabletop (bundled), paper, or a YAML file. "
            "Empty: as params_file says.",
        ),
        DeclareLaunchArgument(
            "method",
            default_value="",
            description="How candidates are matched (see `refseg methods`). Empty: as "
            "params_file says, or the preset's own way.",
        ),
        DeclareLaunchArgument(
            "device",
            default_value="",
            description="auto, cpu or cuda. Empty: as params_file says.",
        ),
        DeclareLaunchArgument(
            "mode",
            default_value="",
            choices=["", "on_command", "continuous", "on_service"],
            description="When to look. Empty: as params_file says.",
        ),
        DeclareLaunchArgument(
            "track",
            default_value="",
            choices=["", *BOOLEANS],
            description="Whether what was found is followed from image to image. Empty: as "
            "params_file says.",
        ),
        DeclareLaunchArgument(
            "anytime",
            default_value="",
            choices=["", *BOOLEANS],
            description="Whether an answer comes before the captions are made, and another with "
            "them. Empty: as params_file says.",
        ),
        DeclareLaunchArgument(
            "reference_frame",
            default_value="",
            description="tf frame whose left and right commands mean. Empty: as params_file says, "
            "or the camera's.",
        ),
        DeclareLaunchArgument(
            "target_frame",
            default_value="",
            description="tf frame of the target's pose. Empty: as params_file says, or the "
            "camera's.",
        ),
        DeclareLaunchArgument(
            "params_file",
            default_value=PathJoinSubstitution([share, "config", "refseg.yaml"]),
            description="YAML file of node parameters.",
        ),
        DeclareLaunchArgument(
            "image", default_value="image", description="Topic of the colour images to segment."
        ),
        DeclareLaunchArgument(
            "image_transport",
            default_value="",
            choices=["", "raw", "compressed"],
            description="Type of the image topic: raw is sensor_msgs/Image, compressed is "
            "CompressedImage. Empty: as params_file says.",
        ),
        DeclareLaunchArgument(
            "image_reliability",
            default_value="",
            choices=["", "best_effort", "reliable"],
            description="Reliability of the subscriptions to the camera; reliable needs a "
            "publisher that is. Empty: as params_file says.",
        ),
        DeclareLaunchArgument(
            "command",
            default_value="command",
            description="Topic of the sentences (std_msgs/String) that say what is meant.",
        ),
        DeclareLaunchArgument(
            "depth",
            default_value="depth",
            description="Topic of depth images registered to the colour images; optional.",
        ),
        DeclareLaunchArgument(
            "camera_info",
            default_value="camera_info",
            description="Topic of the colour camera's calibration; needed with depth only.",
        ),
        DeclareLaunchArgument(
            "detections",
            default_value="",
            description="Topic of what your own detector finds (vision_msgs/Detection2DArray): "
            "its boxes are the masks. Empty: as params_file says.",
        ),
        DeclareLaunchArgument(
            "detection_labels",
            default_value="",
            description="Topic of your detector's label images: the masks of its detections. "
            "Empty: as params_file says.",
        ),
        DeclareLaunchArgument(
            "photo",
            default_value="",
            description="Image file to show as a camera would, to try things without one.",
        ),
        DeclareLaunchArgument(
            "webcam",
            default_value="",
            description="Number of the webcam to show on the image topic, such as 0, or its "
            "device; for one that has no ROS driver.",
        ),
        DeclareLaunchArgument(
            "namespace", default_value="", description="Namespace of the nodes and their topics."
        ),
        DeclareLaunchArgument(
            "cameras",
            default_value="",
            description="Names of several cameras, such as front,rear: each gets a node in a "
            "namespace of that name, and all share one process and its models. Empty: one node.",
        ),
        DeclareLaunchArgument(
            "autostart",
            default_value="",
            choices=["", *BOOLEANS],
            description="Whether the node configures and activates itself; false leaves that to "
            "a life cycle manager. Empty: as params_file says.",
        ),
        DeclareLaunchArgument(
            "respawn",
            default_value="false",
            choices=BOOLEANS,
            description="Whether the segmenter is started again, after 2 s, when its process "
            "has ended.",
        ),
        DeclareLaunchArgument(
            "use_rviz",
            default_value="false",
            choices=BOOLEANS,
            description="Show camera, overlay, mask and markers in RViz.",
        ),
        DeclareLaunchArgument(
            "rviz_frame",
            default_value="camera_optical_frame",
            description="Fixed frame of RViz: the frame_id of the camera's images, or any frame "
            "of the robot that tf connects with it.",
        ),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="false",
            choices=BOOLEANS,
            description="Take the time from /clock (simulators and rosbag2 --clock).",
        ),
        DeclareLaunchArgument(
            "log_level",
            default_value="info",
            choices=["debug", "info", "warn", "error", "fatal"],
            description="Least severity that the segmenter logs.",
        ),
    ]


def flag(context: LaunchContext, name: str) -> bool:
    """The value of an argument that is one of :data:`BOOLEANS`."""
    return LaunchConfiguration(name).perform(context).lower() == "true"


def namespaces(context: LaunchContext) -> list[str]:
    """The namespaces of several cameras; none where there is one camera."""
    namespace = LaunchConfiguration("namespace").perform(context)
    names = LaunchConfiguration("cameras").perform(context).replace(",", " ").split()
    # Not by __ns, which would put all nodes of the process in one namespace.
    return [absolute(namespace, name) for name in names]


def absolute(*parts: str) -> str:
    """A full name of parts, each in the namespace of those before unless it begins with /."""
    name = ""
    for part in parts:
        name = (part if part.startswith("/") else f"{name}/{part}").rstrip("/")
    return name or "/"


def process(context: LaunchContext) -> dict[str, Any]:
    """What runs the segmenter: one node, or one for each of several cameras on shared models."""
    inside = namespaces(context)
    if not inside:
        namespace = LaunchConfiguration("namespace").perform(context)
        return {"executable": "segmenter_node", "namespace": namespace}
    return {"executable": "model_server", "arguments": inside}


def values(context: LaunchContext, names: Iterable[str]) -> dict[str, str]:
    """The arguments of these names that are given."""
    found = {name: LaunchConfiguration(name).perform(context) for name in names}
    return {name: value for name, value in found.items() if value}


def detector(context: LaunchContext) -> tuple[dict[str, str], dict[str, str]]:
    """Topics of a detector of one's own, and the parameter that makes the segmenter use it."""
    topics = values(context, DETECTED)
    for name, topic in topics.items():
        if topic in ("off", "boxes", "masks"):
            raise RuntimeError(
                f"{name}:={topic}: takes a topic, such as {name}:=/yolo/{name}; detections alone "
                "means boxes, with detection_labels masks"
            )
    source = "masks" if "detection_labels" in topics else "boxes"
    return topics, {"detections": source} if topics else {}


def picture(context: LaunchContext) -> list[Node]:
    """A photo or a webcam in place of a camera's driver, if asked."""
    shown = values(context, PICTURES)
    if not shown:
        return []
    others = values(context, ("cameras",)) | {
        name: value
        for name, value in values(context, ("image_transport",)).items()
        if value == "compressed"
    }
    if len(shown) > 1 or others:
        names = ", ".join(f"{name}:={value}" for name, value in (shown | others).items())
        raise RuntimeError(f"{names}: a photo or webcam is one camera of raw images")
    return [
        Node(
            package="refseg_ros",
            executable="picture_node",
            name="picture_camera",
            namespace=LaunchConfiguration("namespace"),
            output="screen",
            parameters=[
                ParameterFile(LaunchConfiguration("params_file"), allow_substs=True),
                # As text: a number would be one for the parameter.
                {name: ParameterValue(value, value_type=str) for name, value in shown.items()},
                {"use_sim_time": flag(context, "use_sim_time")},
            ],
            remappings=[("image", LaunchConfiguration("image"))],
        )
    ]


def segmenter(context: LaunchContext) -> list[Node]:
    """The segmenter; arguments that name parameters outrank params_file if given."""
    wanted: dict[str, Any] = dict(values(context, (*TEXTS, *FLAGS)))
    wanted |= {name: flag(context, name) for name in wanted if name in FLAGS}
    if values(context, PICTURES):  # large ones get lost otherwise
        wanted.setdefault("image_reliability", "reliable")
    topics, source = detector(context)
    wanted_process = process(context)
    level = ["--ros-args", "--log-level", LaunchConfiguration("log_level")]
    return [
        # A plain Node: what is managed configures itself, or is left to a manager.
        Node(
            package="refseg_ros",
            name="refseg",
            output="screen",
            parameters=[
                ParameterFile(LaunchConfiguration("params_file"), allow_substs=True),
                {**wanted, **source},
                {"use_sim_time": flag(context, "use_sim_time")},
            ],
            remappings=[
                *((name, LaunchConfiguration(name)) for name in INPUTS),
                *topics.items(),
            ],
            respawn=flag(context, "respawn"),
            respawn_delay=RESPAWN_SECONDS,
            **{**wanted_process, "arguments": [*wanted_process.get("arguments", []), *level]},
        )
    ]


def displays(template: dict[str, Any], cameras: list[str], image: str, frame: str) -> str:
    """An RViz configuration for cameras and a fixed frame, as YAML.

    Args:
        template: The configuration of the package, with the topics of one camera at the root.
        cameras: The namespace of each; one is shown as in the template, several in groups.
        image: Topic of the camera's images, in the namespace of each.
        frame: The fixed frame.
    """
    manager = template["Visualization Manager"]
    manager["Global Options"]["Fixed Frame"] = frame
    common = [item for item in manager["Displays"] if "Topic" not in item]
    shown: list[dict[str, Any]] = []
    for camera in cameras:
        own = [copy.deepcopy(item) for item in manager["Displays"] if "Topic" in item]
        for item in own:
            topic = item["Topic"]["Value"].removeprefix("/")
            item["Topic"]["Value"] = absolute(camera, image if topic == "image" else topic)
        if len(cameras) > 1:
            name = camera.removeprefix("/")
            for item in own:  # an image's panel is called as its display
                item["Name"] = f"{item['Name']} {name}"
            group = {"Class": "rviz_common/Group", "Name": name, "Enabled": True, "Value": True}
            own = [{**group, "Displays": own}]
        shown += own
    manager["Displays"] = [*common, *shown]
    return yaml.safe_dump(template, sort_keys=False)


def rviz(context: LaunchContext) -> list[Node]:
    """RViz with the displays of every camera."""
    share = Path(FindPackageShare("refseg_ros").perform(context))
    template = yaml.safe_load((share / "config" / "refseg.rviz").read_text(encoding="utf-8"))
    namespace = LaunchConfiguration("namespace").perform(context)
    image = LaunchConfiguration("image").perform(context)
    frame = LaunchConfiguration("rviz_frame").perform(context)
    text = displays(template, namespaces(context) or [absolute(namespace)], image, frame)
    with tempfile.NamedTemporaryFile(
        "w", prefix="refseg-", suffix=".rviz", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            name="refseg_rviz",
            namespace=namespace,
            arguments=["-d", file.name],
            parameters=[{"use_sim_time": flag(context, "use_sim_time")}],
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Arguments, RViz, a photo or webcam if asked, and the segmenter."""
    return LaunchDescription(
        [
            *arguments(),
            # First: where rviz2 is not installed the launch ends before anything else runs.
            OpaqueFunction(function=rviz, condition=IfCondition(LaunchConfiguration("use_rviz"))),
            OpaqueFunction(function=picture),
            OpaqueFunction(function=segmenter),
        ]
    )
