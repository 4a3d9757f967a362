# SPDX-License-Identifier: Apache-2.0
"""The launch files: their arguments, and what they start wherever `launch_ros` exists."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import ROOT

LAUNCH = ROOT / "launch"
ARGUMENTS = {
    "preset",
    "method",
    "device",
    "mode",
    "track",
    "anytime",
    "reference_frame",
    "target_frame",
    "params_file",
    "image",
    "image_transport",
    "image_reliability",
    "command",
    "depth",
    "camera_info",
    "detections",
    "detection_labels",
    "photo",
    "webcam",
    "namespace",
    "cameras",
    "autostart",
    "respawn",
    "use_rviz",
    "rviz_frame",
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


def context_with(**given: str) -> Any:
    """A launch of these arguments, and the defaults of the others where they matter."""
    from launch import LaunchContext

    context = LaunchContext()
    context.launch_configurations.update(
        {
            **dict.fromkeys(ARGUMENTS, ""),
            **dict.fromkeys(("image", "command", "depth", "camera_info"), "a_topic"),
            "use_sim_time": "TRUE",
            "respawn": "True",
            "params_file": str(LAUNCH.parent / "config" / "refseg.yaml"),
            **given,
        }
    )
    return context


def parameters_of(node: Any, context: Any) -> dict[str, Any]:
    """Parameters that the launch file itself sets."""
    from launch_ros.utilities import evaluate_parameters

    parameters = evaluate_parameters(context, node._Node__parameters)
    set_here = [item for item in parameters if isinstance(item, dict)]
    return {key: value for item in set_here for key, value in item.items()}


def remapped(node: Any, context: Any) -> dict[str, str]:
    """The topics that a node is remapped to."""
    from launch.utilities import perform_substitutions

    pairs = node._Node__remappings
    return {
        perform_substitutions(context, [*name]): perform_substitutions(context, [*topic])
        for name, topic in pairs
    }


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


def test_the_check_of_an_installation_gives_every_argument() -> None:
    script = (ROOT / "scripts" / "check_on_ros.sh").read_text(encoding="utf-8")
    every = set().union(*ARGUMENTS_OF.values())
    assert [name for name in sorted(every) if f" {name}:=" not in script] == []
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert "scripts/check_on_ros.sh" in workflow


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
    assert source.index("IncludeLaunchDescription(Python") < source.index("function=camera")


# ---------------------------------------------------------------- with the launch system


@pytest.mark.parametrize("name", FILES)
def test_launch_files_describe_their_arguments(name: str) -> None:
    description = load(name).generate_launch_description()
    arguments = {argument.name: argument for argument in description.get_launch_arguments()}
    assert set(arguments) == ARGUMENTS_OF[name]
    assert all(argument.description for argument in arguments.values())
    for name in ("use_rviz", "respawn", "use_sim_time", "track", "anytime", "autostart"):
        assert {"true", "false", "True", "False"} <= set(arguments[name].choices), name


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"preset": "paper"}, {"preset": "paper"}),
        ({"track": "true", "autostart": "False"}, {"track": True, "autostart": False}),
        (
            {"image_transport": "compressed", "image_reliability": "reliable"},
            {"image_transport": "compressed", "image_reliability": "reliable"},
        ),
        ({"reference_frame": "base_link"}, {"reference_frame": "base_link"}),
    ],
)
def test_arguments_outrank_the_file_only_where_they_are_given(
    given: dict[str, str], expected: dict[str, str | bool]
) -> None:
    module = load("refseg.launch.py")
    context = context_with(**given)
    (node,) = module.segmenter(context)
    assert (node.node_package, node.node_executable) == ("refseg_ros", "segmenter_node")
    assert node._ExecuteLocal__respawn is True
    assert parameters_of(node, context) == {**expected, "use_sim_time": True}
    assert set(remapped(node, context)) == set(module.INPUTS)


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ({"detections": "/yolo/boxes"}, "boxes"),
        ({"detections": "/yolo/boxes", "detection_labels": "/yolo/labels"}, "masks"),
        ({"detection_labels": "/yolo/labels"}, "masks"),
    ],
)
def test_the_topics_of_a_detector_say_what_it_finds(given: dict[str, str], source: str) -> None:
    module = load("refseg.launch.py")
    context = context_with(**given)
    (node,) = module.segmenter(context)
    assert parameters_of(node, context) == {"detections": source, "use_sim_time": True}
    assert given.items() <= remapped(node, context).items()


def test_a_value_of_the_parameter_is_no_topic_of_a_detector() -> None:
    module = load("refseg.launch.py")
    with pytest.raises(RuntimeError, match="detections:=boxes: takes a topic, such as detections"):
        module.segmenter(context_with(detections="boxes"))


@pytest.mark.parametrize("given", [{"photo": "a.jpg"}, {"webcam": "0"}])
def test_a_photo_or_webcam_is_shown_on_the_image_topic(given: dict[str, str]) -> None:
    module = load("refseg.launch.py")
    context = context_with(image="/seen", namespace="robot", **given)
    (node,) = module.picture(context)
    assert (node.node_package, node.node_executable) == ("refseg_ros", "picture_node")
    assert parameters_of(node, context) == {**given, "use_sim_time": True}
    assert remapped(node, context) == {"image": "/seen"}
    (node,) = module.segmenter(context)
    assert parameters_of(node, context)["image_reliability"] == "reliable"
    # The demo shows it in place of the simulated table.
    assert load("demo.launch.py").camera(context) == []
    assert len(load("demo.launch.py").camera(context_with())) == 1


@pytest.mark.parametrize(
    "given",
    [
        {"photo": "a.jpg", "webcam": "0"},
        {"photo": "a.jpg", "cameras": "front,rear"},
        {"webcam": "0", "image_transport": "compressed"},
    ],
)
def test_a_photo_is_one_camera_of_raw_images(given: dict[str, str]) -> None:
    module = load("refseg.launch.py")
    assert module.picture(context_with()) == []
    with pytest.raises(RuntimeError, match="is one camera of raw images") as caught:
        module.picture(context_with(**given))
    assert all(f"{name}:={value}" in str(caught.value) for name, value in given.items())


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


def shown(text: str) -> dict[str, str]:
    """The displays of an RViz configuration and their topics; those of a group by its name."""
    found = {}
    for item in yaml.safe_load(text)["Visualization Manager"]["Displays"]:
        for display in item.get("Displays", [item]):
            if "Topic" in display:
                found[display["Name"]] = display["Topic"]["Value"]
    return found


def template() -> Any:
    return yaml.safe_load((ROOT / "config" / "refseg.rviz").read_text(encoding="utf-8"))


def test_rviz_shows_one_camera_in_its_frame_and_namespace() -> None:
    module = load("refseg.launch.py")
    text = module.displays(template(), ["/robot"], "/camera/color/image_raw", "base_link")
    names = shown(text)
    assert names["Camera"] == "/camera/color/image_raw"
    assert names["Overlay"] == "/robot/refseg/overlay"
    options = yaml.safe_load(text)["Visualization Manager"]["Global Options"]
    assert options["Fixed Frame"] == "base_link"
    plain = module.displays(template(), ["/"], "image", "camera_optical_frame")
    assert yaml.safe_load(plain) == template() | yaml.safe_load(plain)
    assert shown(plain) == shown(yaml.safe_dump(template()))


def test_rviz_shows_each_of_several_cameras() -> None:
    module = load("refseg.launch.py")
    names = shown(module.displays(template(), ["/front", "/rear"], "color/image", "map"))
    assert len(names) == 2 * len(shown(yaml.safe_dump(template())))
    assert names["Camera front"] == "/front/color/image"
    assert names["Mask rear"] == "/rear/refseg/mask"


@pytest.mark.parametrize("time", ["true", "False"])
def test_rviz_is_started_first_and_with_the_same_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, time: str
) -> None:
    module = load("refseg.launch.py")
    from launch import LaunchContext
    from launch.actions import OpaqueFunction
    from launch_ros.substitutions import FindPackageShare
    from launch_ros.utilities import evaluate_parameters

    monkeypatch.setattr(FindPackageShare, "perform", lambda *_: str(ROOT))
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    entities = module.generate_launch_description().entities
    functions = [item for item in entities if isinstance(item, OpaqueFunction)]
    assert [item.condition is not None for item in functions] == [True, False, False]
    context = LaunchContext()
    context.launch_configurations.update(
        namespace="", cameras="front,rear", image="image", rviz_frame="map", use_sim_time=time
    )
    (node,) = module.rviz(context)
    assert (node.node_package, node.node_executable) == ("rviz2", "rviz2")
    ((parameters,)) = evaluate_parameters(context, node._Node__parameters)
    assert parameters == {"use_sim_time": time == "true"}
    (written,) = tmp_path.iterdir()
    assert "Fixed Frame: map" in written.read_text(encoding="utf-8")
