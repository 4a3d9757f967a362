# SPDX-License-Identifier: Apache-2.0
"""The launch files: their arguments, and what they start wherever `launch_ros` exists."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT

LAUNCH = ROOT / "launch"
ARGUMENTS = {
    "preset",
    "method",
    "device",
    "mode",
    "track",
    "anytime",
    "target_frame",
    "params_file",
    "image",
    "command",
    "depth",
    "camera_info",
    "namespace",
    "cameras",
    "autostart",
    "use_rviz",
    "use_sim_time",
    "log_level",
}
ARGUMENTS_OF = {"refseg.launch.py": ARGUMENTS, "demo.launch.py": ARGUMENTS | {"scene", "film"}}
FILES = tuple(ARGUMENTS_OF)


def calls(path: Path, name: str) -> list[ast.Call]:
    """The calls of a function in a file, by its plain name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def load(name: str) -> Any:
    """The launch file as a module; skips where the launch system is not installed."""
    # `import launch` alone proves nothing: our folder of that name can answer it.
    pytest.importorskip(
        "launch_ros", reason="launch_ros is not installed (it is not on pip): files not loaded"
    )
    spec = importlib.util.spec_from_file_location(name.split(".")[0], LAUNCH / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ------------------------------------------------------------- without the launch system


def test_every_documented_argument_is_declared_with_a_description() -> None:
    declared = {}
    for call in calls(LAUNCH / "refseg.launch.py", "DeclareLaunchArgument"):
        name = ast.literal_eval(call.args[0])
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        declared[name] = ast.literal_eval(keywords["description"])
        assert "default_value" in keywords, name
    assert set(declared) == ARGUMENTS
    assert all(text.endswith(".") and len(text) > 20 for text in declared.values())


def test_every_argument_used_is_declared() -> None:
    for name in FILES:
        used = [call.args[0] for call in calls(LAUNCH / name, "LaunchConfiguration")]
        literal = {arg.value for arg in used if isinstance(arg, ast.Constant)}
        assert literal <= ARGUMENTS_OF[name], name


def test_the_demo_begins_with_a_scene_that_was_not_trained_on() -> None:
    splits = importlib.import_module("refseg_lab.simulation.splits")
    tree = ast.parse((LAUNCH / "demo.launch.py").read_text(encoding="utf-8"))
    values = {
        ast.unparse(node.targets[0]): node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
    }
    assert ast.literal_eval(values["FIRST_SCENE"]) == str(splits.SPLITS["slice"].first_seed)


def test_the_demo_knows_the_films() -> None:
    kinds = importlib.import_module("refseg_lab.simulation.sequences").KINDS
    calls_of = calls(LAUNCH / "demo.launch.py", "DeclareLaunchArgument")
    (film,) = [call for call in calls_of if ast.literal_eval(call.args[0]) == "film"]
    (choices,) = [word.value for word in film.keywords if word.arg == "choices"]
    assert ast.literal_eval(choices) == ["none", *kinds]


def test_the_demo_includes_the_segmenter_before_it_uses_its_arguments() -> None:
    source = (LAUNCH / "demo.launch.py").read_text(encoding="utf-8")
    assert source.index("IncludeLaunchDescription(Python") < source.index('node("camera_node"')


# ---------------------------------------------------------------- with the launch system


@pytest.mark.parametrize("name", FILES)
def test_launch_files_describe_their_arguments(name: str) -> None:
    description = load(name).generate_launch_description()
    arguments = {argument.name: argument for argument in description.get_launch_arguments()}
    assert set(arguments) == ARGUMENTS_OF[name]
    assert all(argument.description for argument in arguments.values())
    assert arguments["use_rviz"].choices == ["true", "false"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"preset": "paper"}, {"preset": "paper"}),
        ({"track": "true", "autostart": "false"}, {"track": True, "autostart": False}),
    ],
)
def test_arguments_outrank_the_file_only_where_they_are_given(
    given: dict[str, str], expected: dict[str, str | bool]
) -> None:
    module = load("refseg.launch.py")
    from launch import LaunchContext
    from launch_ros.utilities import evaluate_parameters

    context = LaunchContext()
    context.launch_configurations.update(
        **dict.fromkeys((*module.TEXTS, *module.FLAGS), ""),
        namespace="",
        cameras="",
        use_sim_time="true",
        params_file=str(LAUNCH.parent / "config" / "refseg.yaml"),
    )
    context.launch_configurations.update(given)
    (node,) = module.segmenter(context)
    assert (node.node_package, node.node_executable) == ("refseg_ros", "segmenter_node")
    parameters = evaluate_parameters(context, node._Node__parameters)
    set_here = [item for item in parameters if isinstance(item, dict)]
    assert {key: value for item in set_here for key, value in item.items()} == {
        **expected,
        "use_sim_time": True,
    }


def test_cameras_share_one_process_in_their_namespaces() -> None:
    module = load("refseg.launch.py")
    from launch import LaunchContext

    context = LaunchContext()
    context.launch_configurations.update(namespace="robot", cameras="front, rear")
    assert module.process(context) == {
        "executable": "model_server",
        "arguments": ["/robot/front", "/robot/rear"],
    }
    context.launch_configurations.update(namespace="", cameras="front")
    assert module.process(context)["arguments"] == ["/front"]
    context.launch_configurations.update(namespace="robot", cameras="")
    assert module.process(context) == {"executable": "segmenter_node", "namespace": "robot"}
