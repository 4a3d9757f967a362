# SPDX-License-Identifier: Apache-2.0
"""Records what the bundled models answer, so that a rebuilt house can be held against the old one.

    python benchmarks/record_answers.py before.json.gz
    python benchmarks/record_answers.py after.json.gz
    python benchmarks/record_answers.py --compare before.json.gz after.json.gz

A record holds, for `tabletop`, `tabletop_paper` and every method on the bundled scenes, each
answer's status, score (12 digits), indices, mask, question and explanation as a dictionary;
turns of dialogue; and the messages of a scripted run of the real node, where ROS is installed.
Times, and nothing else, are left out.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

SLOW = {"ref_diff": 3, "ref_diff_released": 3, "ref_diff_free": 2}
"""Sentences a scene for the methods that look a word up anew for each."""
WAYS = (
    ("tabletop", ""),
    ("tabletop_paper", ""),
    *(
        ("tabletop", method)
        for method in (
            "clip_crop", "global_local", "tas", "robust",
            "ref_diff", "ref_diff_released", "ref_diff_free",
        )
    ),
)  # fmt: skip
FOLLOW_UPS = (
    "the left one", "the other one", "the red one", "what is next to it", "no", "yes", "number 2",
    "the big one", "not that one", "the one behind it", "the same one again",
)  # fmt: skip
STRANGE = (
    "",
    "   ",
    "the zebra",
    "it",
    "asdf qwer",
    "the leftmost thing",
    "the thing that is not red",
)


def figures(selection: Any) -> dict[str, Any]:
    """Everything of an answer but its times."""
    plain = selection.to_dict()
    del plain["seconds"]
    mask = np.ascontiguousarray(selection.mask)
    exact = {
        "mask": hashlib.sha256(mask.tobytes()).hexdigest()[:16],
        "score": f"{selection.score:.12g}",
        "margin": f"{selection.margin:.12g}",
        "shares": [f"{item.score:.12g}" for item in selection.candidates],
        "terms": [[f"{v:.9g}" for v in item.terms.values()] for item in selection.candidates],
        "indices": list(selection.indices),
    }
    return {"exact": exact, "plain": plain}


def answers(way: tuple[str, str]) -> list[tuple[str, Any]]:
    """All answers of a preset by a method."""
    import torch

    torch.set_num_threads(1)
    from refseg_lab.simulation.bundle import bundled_scenes
    from refseg_ros import Segmenter

    preset, method = way
    segmenter = Segmenter.from_preset(preset, method=method)
    found = []
    for number, scene in enumerate(bundled_scenes()):
        sentences = [item.expression for item in scene.referrals]
        sentences = sentences[: SLOW[method]] if method in SLOW else [*sentences, *STRANGE]
        observed = segmenter.observe(scene.frame.rgb)
        for text in sentences:
            name = f"{preset}/{method}/{number}/{text}"
            found.append((name, figures(observed.select(text))))
        if method in SLOW or number % 4:
            continue
        early = segmenter.observe(scene.frame.rgb, captions=False)
        deep = observed.measured(scene.frame.depth, scene.frame.intrinsics)
        for text in sentences:
            name = f"{preset}/{method}/{number}/{text}"
            found.append((f"{name}/early", figures(early.select(text))))
            found.append((f"{name}/depth", figures(deep.select(text))))
        found.append((f"{preset}/{method}/{number}/caption", observed.caption))
    return found


def dialogue(_: None = None) -> list[tuple[str, Any]]:
    """Conversations: a sentence that may be unsure, and follow-ups."""
    import torch

    torch.set_num_threads(1)
    from refseg_lab.simulation.bundle import bundled_scenes
    from refseg_ros import Conversation, Segmenter

    segmenter = Segmenter.from_preset("tabletop")
    found = []
    scenes = [segmenter.observe(scene.frame.rgb) for scene in bundled_scenes()[:12]]
    for number, observed in enumerate(scenes):
        names = list(dict.fromkeys(observed.captions))[:5]
        for name in names:
            for follow in FOLLOW_UPS:
                talk = Conversation()
                first = talk.ask(observed, name)
                second = talk.ask(observed, follow)
                key = f"dialogue/{number}/{name}/{follow}"
                found.append((key, [figures(first), figures(second)]))
                later = talk.follow(scenes[(number + 1) % len(scenes)])
                found.append((f"{key}/later", figures(later) if later else None))
            for option in first.options:
                talk = Conversation()
                talk.ask(observed, name)
                key = f"dialogue/{number}/{name}/{option}"
                found.append((key, figures(talk.ask(observed, option))))
    return found


def plain_message(message: Any) -> Any:
    """A message as plain values, without times of this run."""
    if hasattr(message, "get_fields_and_field_types"):
        return {
            name: plain_message(getattr(message, name))
            for name in message.get_fields_and_field_types()
            if name not in ("observe_ms", "select_ms", "stage_ms", "stamp")
        }
    if isinstance(message, (bytes, bytearray)) or hasattr(message, "tobytes"):
        return hashlib.sha256(bytes(message)).hexdigest()[:16]
    if isinstance(message, (list, tuple)):
        return [plain_message(item) for item in message]
    return message


def node_messages(_: None = None) -> list[tuple[str, Any]]:
    """What the real node publishes on scenes and commands."""
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    import rclpy
    from geometry_msgs.msg import PoseStamped
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node
    from rclpy.parameter import Parameter
    from refseg_ros.msg import Segmentation
    from refseg_ros.srv import Segment
    from sensor_msgs.msg import CameraInfo, Image, PointCloud2
    from std_msgs.msg import Header, String
    from visualization_msgs.msg import MarkerArray

    from refseg_lab.simulation.bundle import bundled_scenes
    from refseg_ros.ros import qos
    from refseg_ros.ros.conversions import to_image
    from refseg_ros.ros.segmenter_node import SegmenterNode

    rclpy.init(domain_id=77)
    executor = SingleThreadedExecutor()
    node = SegmenterNode(parameter_overrides=[Parameter("image_timeout", value=0.0)])
    peer = Node("recorder")
    executor.add_node(node)
    executor.add_node(peer)
    heard: dict[str, list[Any]] = {}
    kinds = {
        "result": Segmentation, "mask": Image, "label_image": Image, "overlay": Image,
        "markers": MarkerArray, "target": PoseStamped, "target_cloud": PointCloud2,
    }  # fmt: skip
    for name, kind in kinds.items():
        profile = qos.ANSWER if kind is Segmentation else qos.RESULT
        peer.create_subscription(
            kind, f"refseg/{name}", heard.setdefault(name, []).append, profile
        )
    images = peer.create_publisher(Image, "image", qos.CAMERA)
    depths = peer.create_publisher(Image, "depth", qos.CAMERA)
    infos = peer.create_publisher(CameraInfo, "camera_info", qos.CAMERA)
    commands = peer.create_publisher(String, "command", qos.COMMAND)
    service = peer.create_client(Segment, "refseg/segment", qos_profile=qos.SERVICE)

    def wait(condition: Any, seconds: float = 120.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end
            executor.spin_once(timeout_sec=0.05)

    def settle(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=0.05)

    wait(
        lambda: (
            images.get_subscription_count()
            and commands.get_subscription_count()
            and depths.get_subscription_count()
            and service.service_is_ready()
        )
    )
    settle(1.0)
    found = []
    for number, scene in enumerate(bundled_scenes()[:4]):
        header = Header(frame_id="camera")
        header.stamp.sec = number + 1
        frame = scene.frame
        info = CameraInfo(header=header, width=frame.rgb.shape[1], height=frame.rgb.shape[0])
        info.k = [float(value) for value in np.asarray(frame.intrinsics).ravel()]
        message = to_image(frame.rgb, "rgb8", header)
        infos.publish(info)
        depths.publish(to_image(frame.depth.astype(np.float32), "32FC1", header))
        settle(0.3)
        images.publish(message)
        settle(0.5)
        for text in [
            *(item.expression for item in scene.referrals[:5]),
            "the zebra",
            "the thing",
            "",
        ]:
            for messages in heard.values():
                messages.clear()
            commands.publish(String(data=text))
            wait(lambda: heard["result"])
            settle(0.5)
            key = f"node/{number}/{text}"
            found += [(f"{key}/{name}", plain_message(list(got))) for name, got in heard.items()]
        future = service.call_async(
            Segment.Request(image=message, expression=scene.referrals[0].expression)
        )
        wait(future.done)
        found.append((f"node/{number}/service", plain_message(future.result())))
    node.close()
    peer.destroy_node()
    node.destroy_node()
    executor.shutdown(timeout_sec=0)
    rclpy.try_shutdown()
    return found


def record(path: Path, ros: bool) -> None:
    """Everything, on two processes."""
    with ProcessPoolExecutor(2) as pool:
        jobs = [pool.submit(answers, way) for way in reversed(WAYS)]
        jobs.append(pool.submit(dialogue))
        parts = [job.result() for job in jobs]
    if ros:
        parts.append(node_messages())
    whole = {key: value for part in parts for key, value in part}
    with gzip.open(path, "wt", encoding="utf-8") as file:
        json.dump(whole, file, sort_keys=True, ensure_ascii=True)
    print(f"{len(whole)} answers and messages in {path}")


def differences(one: Any, two: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two records differ."""
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        for key in sorted({*one, *two}):
            yield from differences(one.get(key), two.get(key), f"{place}|{key}")
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for number, (first, second) in enumerate(zip(one, two, strict=True)):
            yield from differences(first, second, f"{place}|{number}")
    elif one != two and not (one != one and two != two):
        yield place, one, two


def compare(first: Path, second: Path, most: int) -> int:
    """Prints what differs; the exit code is 1 if anything does."""
    records = []
    for path in (first, second):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            records.append(json.load(file))
    found = list(differences(*records))
    for place, one, two in found[:most]:
        print(f"{place}\n  - {one!r}\n  + {two!r}")
    print(
        f"{len(records[0])} and {len(records[1])} answers and messages, {len(found)} differences"
    )
    return int(bool(found))


def main() -> int:
    """Record or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--no-ros", action="store_true", help="leave the node out")
    parser.add_argument("--most", type=int, default=40, help="differences to print")
    options = parser.parse_args()
    if options.compare:
        return compare(*options.files, options.most)
    record(options.files[0], not options.no_ros)
    return 0


if __name__ == "__main__":
    sys.exit(main())
