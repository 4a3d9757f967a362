# SPDX-License-Identifier: Apache-2.0
"""Start the segmenter on a robot's camera, and RViz on its results if asked.

ros2 launch refseg_ros refseg.launch.py image:=/camera/color/image_raw use_rviz:=true
"""

from __future__ import annotations

from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile
from launch_ros.substitutions import FindPackageShare

INPUTS = ("image", "command", "depth", "camera_info")
OUTPUTS = ("mask", "overlay", "markers", "target", "target_cloud")
TEXTS = ("preset", "method", "device", "mode", "target_frame")
FLAGS = ("autostart", "track", "anytime")


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
            choices=["", "true", "false"],
            description="Whether what was found is followed from image to image. Empty: as "
            "params_file says.",
        ),
        DeclareLaunchArgument(
            "anytime",
            default_value="",
            choices=["", "true", "false"],
            description="Whether an answer comes before the captions are made, and another with "
            "them. Empty: as params_file says.",
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
            choices=["", "true", "false"],
            description="Whether the node configures and activates itself; false leaves that to "
            "a life cycle manager. Empty: as params_file says.",
        ),
        DeclareLaunchArgument(
            "use_rviz",
            default_value="false",
            choices=["true", "false"],
            description="Show camera, overlay, mask and markers in RViz.",
        ),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="false",
            choices=["true", "false"],
            description="Take the time from /clock (simulators and rosbag2 --clock).",
        ),
        DeclareLaunchArgument(
            "log_level",
            default_value="info",
            choices=["debug", "info", "warn", "error", "fatal"],
            description="Least severity that the segmenter logs.",
        ),
    ]


def process(context: LaunchContext) -> dict[str, Any]:
    """What runs the segmenter: one node, or one for each of several cameras on shared models."""
    namespace = LaunchConfiguration("namespace").perform(context)
    names = LaunchConfiguration("cameras").perform(context).replace(",", " ").split()
    if not names:
        return {"executable": "segmenter_node", "namespace": namespace}
    # Not by __ns, which would put all nodes of the process in one namespace.
    inside = [f"/{namespace}/{name}".replace("//", "/") for name in names]
    return {"executable": "model_server", "arguments": inside}


def segmenter(context: LaunchContext) -> list[Node]:
    """The segmenter; arguments that name parameters outrank params_file if given."""
    names = (*TEXTS, *FLAGS)
    given = {name: LaunchConfiguration(name).perform(context) for name in names}
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value}
    wanted |= {name: value == "true" for name, value in wanted.items() if name in FLAGS}
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
                wanted,
                {"use_sim_time": LaunchConfiguration("use_sim_time").perform(context) == "true"},
            ],
            remappings=[(name, LaunchConfiguration(name)) for name in INPUTS],
            **{**wanted_process, "arguments": [*wanted_process.get("arguments", []), *level]},
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Arguments, the segmenter and RViz."""
    rviz_file = PathJoinSubstitution([FindPackageShare("refseg_ros"), "config", "refseg.rviz"])
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        name="refseg_rviz",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", rviz_file],
        # The file names the topics of a run without a namespace.
        remappings=[
            ("/image", LaunchConfiguration("image")),
            *((f"/refseg/{name}", f"refseg/{name}") for name in OUTPUTS),
        ],
        condition=IfCondition(LaunchConfiguration("use_rviz")),
    )
    return LaunchDescription([*arguments(), OpaqueFunction(function=segmenter), rviz])
