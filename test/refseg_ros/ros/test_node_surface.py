# SPDX-License-Identifier: Apache-2.0
"""What of the node other processes see: its names, its quality of service, its namespaces."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from checkout import ROOT

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.action", reason="the messages are not built")

import rclpy
from rclpy.action import get_action_server_names_and_types_by_node
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import ReliabilityPolicy
from ros_bench import GREY, Bench, LeftHalf, show
from ros_peer import NAMESPACE, Peer
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Bool, Header, String

from refseg_ros.ros import outputs, qos
from refseg_ros.ros.segmenter_node import NAME, SegmenterNode

pytestmark = pytest.mark.usefixtures("ros")

POLICY = ROOT / "config" / "sros2_policy.xml"
OPTIONAL = {"/clock", "/tf", "/tf_static", "/parameter_events"}
OPTIONAL |= {f"{NAMESPACE}/{name}" for name in ("detections", "detection_labels")}
# Published where vision_msgs is installed.
STANDARD = {f"{NAMESPACE}/{NAME}/{name}" for name in ("detections", "detections_3d", "label_info")}


@pytest.fixture
def make(models: LeftHalf) -> Iterator[Callable[..., Bench]]:
    """Makes benches and closes them, whatever happens."""
    made: list[Bench] = []

    def bench(**values: Any) -> Bench:
        made.append(Bench(lambda config, device: models, **values))
        return made[-1]

    yield bench
    for item in made:
        item.close()


def allowed(kind: str, way: str) -> set[str]:
    """The names that the policy allows, for a node in the tests' namespace."""
    names = set()
    for group in ElementTree.parse(POLICY).iter(f"{kind}s"):
        if group.get(way) == "ALLOW":
            names |= {item.text or "" for item in group.iter(kind)}
    return {
        name.replace("~", f"{NAMESPACE}/{NAME}")
        if name.startswith(("~", "/"))
        else f"{NAMESPACE}/{name}"
        for name in names
    }


def test_the_policy_allows_what_the_node_has_and_nothing_else(bench: Bench) -> None:
    node, ours = bench.peer.node, (NAME, NAMESPACE)

    def seen(pairs: list[tuple[str, list[str]]]) -> set[str]:
        return {name for name, _ in pairs if "/_action/" not in name}

    def graph() -> list[set[str]]:
        if NAME not in node.get_node_names():
            return []
        return [
            seen(node.get_publisher_names_and_types_by_node(*ours)) - STANDARD,
            seen(node.get_subscriber_names_and_types_by_node(*ours)) - OPTIONAL,
            seen(node.get_service_names_and_types_by_node(*ours))
            | {f"{NAMESPACE}/{NAME}/get_type_description"},
            {name for name, _ in get_action_server_names_and_types_by_node(node, *ours)},
        ]

    expected = [
        allowed("topic", "publish") - STANDARD,
        allowed("topic", "subscribe") - OPTIONAL,
        allowed("service", "reply"),
        allowed("action", "execute"),
    ]
    # The graph is told piece by piece, and for a while also what an earlier test took down.
    with contextlib.suppress(AssertionError):
        bench.peer.wait(lambda: graph() == expected, "the graph", 20)
    assert graph() == expected


def test_quality_of_service_can_be_overridden_of_every_topic(make: Callable[..., Bench]) -> None:
    ways = [("image", "subscription"), ("command", "subscription"), (f"{NAME}/mask", "publisher")]
    name = "qos_overrides.{}/{}.{}.reliability"
    values = {name.format(NAMESPACE, topic, way): "best_effort" for topic, way in ways}
    values["qos_overrides./diagnostics.publisher.depth"] = 3
    bench = make(image_reliability="reliable", **values)
    node = bench.peer.node
    # Those that share a profile with one that is overridden stay what they are.
    others = [("depth", "subscription"), (f"{NAME}/overlay", "publisher")]
    for topic, way in ways + others:
        ask = getattr(node, f"get_{way}s_info_by_topic")
        full = f"{NAMESPACE}/{topic}"
        (info,) = bench.peer.wait(
            lambda ask=ask, full=full: [item for item in ask(full) if item.node_name == NAME],
            f"the {way} of {topic}",
        )
        best_effort = info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
        assert best_effort == ((topic, way) in ways), topic


def test_a_camera_that_offers_less_is_told_of(make: Callable[..., Bench]) -> None:
    bench = make(image_reliability="reliable")
    weak = bench.peer.node.create_publisher(Image, "image", qos.sensor_input("best_effort"))
    found = bench.peer.wait(
        lambda: next((f for f in [bench.peer.figures()] if "offers less" in f["message"]), None),
        "the warning",
    )
    assert f"{NAMESPACE}/image" in found["message"]
    assert "RELIABILITY" in found["message"]
    assert "image_reliability" in found["message"]
    bench.peer.node.destroy_publisher(weak)


def test_two_cameras_by_namespace_do_not_hear_each_other(bench: Bench, models: LeftHalf) -> None:
    other = LeftHalf()
    node = SegmenterNode(
        lambda config, device: other,
        namespace=f"{NAMESPACE}/second",
        use_global_arguments=False,  # they name the namespace of the tests
    )
    bench.executor.add_node(node)
    peer = bench.peer
    peer.listen(Image, f"second/{NAME}/mask", "second")
    images = peer.node.create_publisher(Image, "second/image", qos.CAMERA)
    commands = peer.node.create_publisher(String, "second/command", qos.COMMAND)
    peer.wait(lambda: images.get_subscription_count() and commands.get_subscription_count(), "it")
    image = peer.image(GREY)
    images.publish(image)
    commands.publish(String(data="the box"))
    mask = peer.wait(lambda: peer.heard["second"], "the second mask")[-1]
    assert mask.header == image.header
    assert (models.observed, other.observed) == (0, 1)
    assert peer.heard["mask"] == peer.heard["result"] == []
    assert node.close()
    node.destroy_node()


def test_what_nobody_hears_is_not_made(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    draw, label = outputs.draw_overlay, outputs.label_image
    monkeypatch.setattr(
        outputs,
        "draw_overlay",
        lambda *args, **kwargs: (made.append("o"), draw(*args, **kwargs))[1],
    )
    monkeypatch.setattr(outputs, "label_image", lambda masks: (made.append("l"), label(masks))[1])
    peer = bench.peer
    show(peer, peer.image(GREY))
    peer.ask("the box")
    assert sorted(made) == ["l", "o"]
    for subscription in list(peer.node.subscriptions):
        if subscription.topic_name.endswith(("/overlay", "/label_image")):
            peer.node.destroy_subscription(subscription)
    peer.wait(lambda: not peer.node.count_subscribers(f"{NAME}/overlay"), "their end")
    peer.spin(0.3)
    peer.ask("the left half")
    assert len(made) == 2


def test_simulated_time_stops_nothing(bench: Bench) -> None:
    peer = bench.peer
    (result,) = bench.node.set_parameters([Parameter("use_sim_time", value=True)])
    assert result.successful
    clock = peer.node.create_publisher(Clock, "/clock", qos.RESULT)
    peer.wait(clock.get_subscription_count, "the node's clock")
    for second in (100, 0):
        message = Clock()
        message.clock.sec = second
        clock.publish(message)
        peer.spin(0.3)
        before = len(peer.status)
        peer.wait(lambda before=before: len(peer.status) > before, "diagnostics", 3)
    peer.node.destroy_publisher(clock)


def test_two_nodes_of_one_name_are_told(make: Callable[..., Bench]) -> None:
    peer = make().peer
    assert "nodes are called" not in peer.figures()["message"]
    twin = Node(NAME, namespace=NAMESPACE)
    try:
        wait_for_problem(peer, f"2 nodes are called {NAMESPACE}/{NAME}")
    finally:
        twin.destroy_node()
    peer.wait(lambda: "nodes are called" not in peer.figures()["message"], "the end of it")


@pytest.mark.parametrize(
    ("kind", "topic", "words"),
    [
        (Image, "image", "2 publishers"),
        (CompressedImage, "image", "not sensor_msgs/msg/Image"),
        (CompressedImage, "depth", "not sensor_msgs/msg/Image"),
        (Image, "camera_info", "not sensor_msgs/msg/CameraInfo"),
        (Bool, "command", "not std_msgs/msg/String"),
    ],
)
def test_publishers_that_cannot_go_well_are_told(
    bench: Bench, kind: Any, topic: str, words: str
) -> None:
    context = Context()  # one has one type for a topic
    context.init(domain_id=rclpy.get_default_context().get_domain_id())
    node = Node("meddler", namespace=NAMESPACE, context=context)
    try:
        node.create_publisher(kind, topic, qos.CAMERA)
        said = wait_for_problem(bench.peer, words)
        assert f"{NAMESPACE}/{topic}: " in said
        assert f"{NAMESPACE}/meddler" in said
    finally:
        node.destroy_node()
        context.shutdown()


def test_several_may_send_commands(bench: Bench) -> None:
    bench.peer.node.create_publisher(String, "command", qos.COMMAND)
    bench.peer.spin(1.0)
    assert "publishers" not in bench.peer.figures()["message"]


def test_a_calibration_that_was_sent_once_and_latched_is_received(
    make: Callable[..., Bench],
) -> None:
    camera = Node("camera", namespace=NAMESPACE)
    try:
        publisher = camera.create_publisher(CameraInfo, "camera_info", qos.LATCHED)
        publisher.publish(CameraInfo(height=20, width=30, k=[50.0, 0, 15, 0, 50, 10, 0, 0, 1.0]))
        bench = make()
        depth = bench.node._depth
        bench.peer.wait(
            lambda: depth.intrinsics((20, 30), Header())[0] is not None, "the calibration", 10
        )
        # What is not latched is heard as ever.
        other = camera.create_publisher(CameraInfo, "camera_info", qos.CAMERA)
        bench.peer.wait(other.get_subscription_count, "the subscription")
        other.publish(CameraInfo(height=40, width=60, k=[50.0, 0, 30, 0, 50, 20, 0, 0, 1.0]))
        bench.peer.wait(
            lambda: depth.intrinsics((40, 60), Header())[0] is not None, "the other", 10
        )
    finally:
        camera.destroy_node()


def wait_for_problem(peer: Peer, words: str) -> str:
    """The message of the diagnostics once it holds some words."""
    peer.wait(lambda: words in peer.figures()["message"], words, 10)
    return peer.figures()["message"]
