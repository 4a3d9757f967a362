# SPDX-License-Identifier: Apache-2.0
"""Start the demo: a simulated tabletop camera, the segmenter and the viewer's web page.

ros2 launch refseg_ros demo.launch.py
ros2 launch refseg_ros demo.launch.py webcam:=0 preset:=edge
"""

from __future__ import annotations

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare

# Fast DDS 2 (Humble, Jazzy) reads the first name only, Fast DDS 3 the second only.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")

TOPICS = ("image", "command", "depth", "camera_info")


FIRST_SCENE = "1000000"  # not among those that the bundled models were trained on


def node(executable: str, name: str, **arguments: type) -> Node:
    """A node beside the segmenter, in its namespace and on its topics.

    Args:
        executable: What runs it.
        name: Of the node.
        arguments: Launch arguments that are its parameters, and their types.
    """
    return Node(
        package="refseg_ros",
        executable=executable,
        name=name,
        namespace=LaunchConfiguration("namespace"),
        output="screen",
        parameters=[
            ParameterFile(LaunchConfiguration("params_file"), allow_substs=True),
            {
                argument: ParameterValue(LaunchConfiguration(argument), value_type=kind)
                for argument, kind in arguments.items()
            },
        ],
        remappings=[(topic, LaunchConfiguration(topic)) for topic in TOPICS],
    )


def camera(context: LaunchContext) -> list[Node]:
    """The simulated camera, unless a photo or webcam is shown in its place."""
    given = [LaunchConfiguration(name).perform(context) for name in ("photo", "webcam")]
    return [] if any(given) else [node("camera_node", "tabletop_camera", scene=int, film=str)]


def generate_launch_description() -> LaunchDescription:
    """What refseg.launch.py starts and takes, with the camera and the viewer beside it."""
    profile = PathJoinSubstitution([FindPackageShare("refseg_ros"), "config", "fastdds.xml"])
    segmenter = Path(__file__).with_name("refseg.launch.py")
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "scene",
                default_value=FIRST_SCENE,
                description="Number of the simulated camera's first scene.",
            ),
            DeclareLaunchArgument(
                "film",
                default_value="none",
                choices=["none", "camera", "moving", "occlusion", "exit", "alike"],
                description="A film that the camera shows in place of a scene.",
            ),
            # A profile of the user's own stays in force.
            *(
                SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=profile))
                for name in PROFILE_VARIABLES
            ),
            # Before the nodes: it declares their arguments. A plain path is seen by --show-args.
            IncludeLaunchDescription(PythonLaunchDescriptionSource(str(segmenter))),
            OpaqueFunction(function=camera),
            node("viewer_node", "refseg_viewer"),
        ]
    )
